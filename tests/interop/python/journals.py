"""Headers, checkpoints, blocks and heartbeats: writers, and a reader of a journal."""

from itertools import pairwise

from formats import (
    ZERO,
    Signed,
    arc_body,
    check_arcs,
    check_bits,
    check_transaction_item,
    is_covered,
    read_arc,
    read_item,
    tree_head,
)
from wire import Fields, is_ascending, message, require

# Heads, checkpoints, lists `through`.


def head_body(head):
    incarnation, height, hash = head
    return message({1: incarnation, 2: height, 3: hash})


def read_head(fields):
    """A head, or `None` if it is absent."""
    return None if fields is None else (fields.number(1), fields.number(2), fields.name(3))


def through_body(peer, incarnation, height, hash, arcs=()):
    return message({1: peer, 2: incarnation, 3: height, 4: hash, 5: [arc_body(arc) for arc in arcs]})


def read_through(data):
    require(len(data) <= 32_768, f"an entry of {len(data)} bytes")
    fields = Fields(data, "through")
    arcs = check_arcs([read_arc(arc) for arc in fields.list(5)], is_merged=True)
    entry = fields.name(1), fields.number(2), fields.number(3), fields.name(4), arcs
    require(through_body(*entry) == data, "an entry is not in its one encoding")
    return entry


def checkpoint_body(height, ring, holds, hashes, through, summary=None):
    """`holds` are (arc, is settled), `hashes` those of the blocks up to `height`, `through` the bytes of entries."""
    holds = [message({1: arc_body(arc), 2: int(settled)}) for arc, settled in holds]
    roots = {6: tree_head(hashes), 7: tree_head(through)}
    return message({1: height, 2: ring, 3: summary, 4: holds, 5: len(hashes), **roots})


class Checkpoint:
    """A checkpoint, with the list that travelled beside it. `height_max` is the greatest height that it may have."""

    def __init__(self, fields, through, signer, height_max):
        self.height, self.ring = fields.number(1), fields.name(2)
        self.blocks, self.blocks_root, self.through_root = fields.number(5), fields.name(6), fields.name(7)
        require(self.height <= height_max, f"checkpoint of height {self.height}; at most {height_max}")
        require(self.blocks > self.height, f"checkpoint of height {self.height} counts {self.blocks} blocks")
        require(not fields.has(3), "a checkpoint has a summary of the set")
        holds = [Fields(data, "holding") for data in fields.list(4)]
        self.holds = [(read_arc(holding.bytes(1)), holding.number(2) == 1) for holding in holds]
        check_arcs([arc for arc, _ in self.holds], is_merged=False)
        around = self.holds + self.holds[:1] if len(self.holds) > 1 else []
        for ((_, end), state), ((following, _), other) in pairwise(around):
            require(end != following or state != other, "adjacent arcs of one state are not merged")
        require(tree_head(through) == self.through_root, "the list through does not match its root")
        require(len(through) <= 10_000 and sum(map(len, through)) <= 1_048_576, "a list through is too long")
        self.through = [read_through(data) for data in through]
        peers = [entry[0] for entry in self.through]
        require(is_ascending(peers), "a list through is not strictly ascending")
        require(signer not in peers, "a list through names its signer")

    @classmethod
    def of(cls, fields, number, through, signer, height_max):
        found = fields.message(number)
        require(found is not None or not through, "a list through came without a checkpoint")
        return None if found is None else cls(found, through, signer, height_max)


# Headers, blocks, heartbeats.


def header_body(overlay, peer, incarnation, height, previous, time_ms, items, fork=None, checkpoint=None, hold=0):
    place = {1: 2, 2: overlay.network, 3: overlay.namespace, 4: peer, 5: incarnation, 6: height, 7: previous}
    content = {8: time_ms, 9: tree_head(items), 10: len(items)}
    return message({**place, **content, 11: fork and head_body(fork), 12: checkpoint, 13: hold})


class Header:
    """A header. The list of its checkpoint is not known here; `Block` checks it."""

    def __init__(self, signed, overlay):
        self.signed, self.hash = signed, signed.id
        self.fields = fields = Fields(signed.body, "header")
        require(fields.number(1) == 2, f"header has version {fields.number(1)}")
        overlay.check(fields)
        self.peer, self.incarnation, self.height = fields.name(4), fields.number(5), fields.number(6)
        self.previous, self.time_ms = fields.name(7), fields.number(8)
        self.items_root, self.item_count = fields.name(9), fields.number(10)
        self.fork, self.hold = read_head(fields.message(11)), fields.number(13)
        require(self.hold <= self.height, "header refers to a hold in a later block")
        require(1 <= self.item_count <= 10_000, f"header has {self.item_count} items")
        may_fork = self.height == 0 and self.fork and self.fork[0] < self.incarnation
        require(may_fork or not self.fork, "header forks from where no journal can")
        require(self.height or not fields.has(12), "a first header has a checkpoint")

    @classmethod
    def read(cls, data, overlay):
        return cls(Signed.read("block", data), overlay)

    def verify(self):
        self.signed.verify(self.peer)

    @property
    def head(self):
        return self.incarnation, self.height, self.hash


class Block:
    """A block: form, count, root, signature and checkpoint. `Reader` checks its place."""

    def __init__(self, header, items, through, overlay):
        self.header, self.items_bytes = Header.read(header, overlay), items
        require(len(items) == self.header.item_count, f"{len(items)} items; header has {self.header.item_count}")
        size = len(self.header.signed.body) + 64 + sum(map(len, [*items, *through]))
        require(size <= 8_388_608, f"a block of {size} bytes")
        require(tree_head(items) == self.header.items_root, "the items do not match their root")
        self.header.verify()
        self.items = [read_item(data) for data in items]
        of = self.header
        self.checkpoint = Checkpoint.of(of.fields, 12, through, of.peer, of.height - 1)


class Reader:
    """Reads one journal from a first block on: place, links, times, arcs, checkpoints."""

    def __init__(self, journal):
        self.journal, self.last, self.held, self.held_since = journal, None, None, None
        # The hashes under `blocks_root` of each incarnation, and how many of them are of earlier ones. `None` if the
        # blocks before its fork are not known.
        self.hashes, self.before = {}, {}
        self.elements = set()
        self.checkpoint_height, self.checkpoints = 0, 0

    def take(self, block):
        header, last = block.header, self.last
        require(header.peer == self.journal, "the block is of another journal")
        if last is None or header.incarnation != last.incarnation:
            self._begin(header)
        else:
            require(header.height == last.height + 1, f"block {header.height} came after {last.height}")
            require(header.previous == last.hash, f"block {header.height} links elsewhere")
            require(header.time_ms >= last.time_ms, f"the time of block {header.height} goes back")
        self._check_arcs(block)
        if block.checkpoint:
            self.check_checkpoint(block.checkpoint, header.incarnation)
        if self.hashes[header.incarnation] is not None:
            self.hashes[header.incarnation].append(header.hash)
        self.last = header

    def _begin(self, header):
        require(self.last is None or header.incarnation > self.last.incarnation, "an earlier incarnation came")
        require(header.height == 0 and header.previous == ZERO, "an incarnation does not begin at height 0")
        hashes = [] if header.fork is None else self._up_to(header.fork)
        self.hashes[header.incarnation] = hashes
        self.before[header.incarnation] = None if hashes is None else len(hashes)
        self.checkpoint_height, self.elements = 0, set()

    def _up_to(self, fork):
        """The hashes up to a fork."""
        incarnation, height, hash = fork
        if incarnation not in self.hashes:
            require(self.last is None, "the fork was not read")
            return None
        hashes, before = self.hashes[incarnation], self.before[incarnation]
        if hashes is None:
            return None
        require(len(hashes) > before + height, "the fork was not read")
        require(hashes[before + height] == hash, "the fork names another block than was read")
        return hashes[: before + height + 1]

    def _check_arcs(self, block):
        for number, (kind, content) in enumerate(block.items):
            if kind == "hold":
                require(number == 0, "a hold is not the first item of its block")
                self.held, self.held_since = content, block.header.height
            require(number > 0 or kind == "hold" or block.header.height > 0, "a first block has no hold")
            if kind == "transaction":
                check_bits(content[2], len(self.held), "cells")
            if kind == "settled":
                require(all(is_covered(arc, self.held) for arc in content), "it settles what it does not hold")
        require(block.header.hold == self.held_since, "the header does not refer to the last hold")

    def check_checkpoint(self, checkpoint, incarnation):
        """Checks the part of a checkpoint that the blocks read so far show."""
        require(checkpoint.height >= self.checkpoint_height, "the height of a checkpoint decreased")
        self.checkpoint_height = checkpoint.height
        self.checkpoints += 1
        hashes, before = self.hashes[incarnation], self.before[incarnation]
        if hashes is not None:
            count = before + checkpoint.height + 1
            require(checkpoint.blocks == count, f"a checkpoint has {checkpoint.blocks} blocks, not {count}")
            require(tree_head(hashes[:count]) == checkpoint.blocks_root, "blocks_root is not that of the blocks")

    def add(self, content, transaction):
        """Checks an item against its transaction, and counts its elements once."""
        added = check_transaction_item(content, transaction, self.held)
        for element in added:
            require(element not in self.elements, "an element came twice in an incarnation")
            self.elements.add(element)
        return added


def heartbeat_body(overlay, peer, head, time_ms, nonce=b"", checkpoint=None):
    fields = {1: 1, 2: overlay.network, 3: overlay.namespace, 4: peer, 5: head_body(head), 6: time_ms}
    return message({**fields, 7: nonce, 8: checkpoint})


class Heartbeat:
    """A heartbeat with the list of its checkpoint, verified."""

    def __init__(self, data, through, overlay):
        self.signed = Signed.read("heartbeat", data)
        fields = Fields(self.signed.body, "heartbeat")
        require(fields.number(1) == 1, f"heartbeat has version {fields.number(1)}")
        overlay.check(fields)
        self.peer, self.head, self.time_ms = fields.name(4), read_head(fields.message(5)), fields.number(6)
        self.nonce = fields.bytes(7)
        require(self.head is not None, "a heartbeat has no head")
        require(len(self.nonce) in (0, 16), f"a nonce of {len(self.nonce)} bytes")
        self.signed.verify(self.peer)
        self.checkpoint = Checkpoint.of(fields, 8, through, self.peer, self.head[1])
