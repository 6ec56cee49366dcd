"""Signed bodies, arcs, Merkle trees, transactions and items: writers, and strict readers."""

import hashlib
from itertools import pairwise

from wire import Fields, Present, is_ascending, message, names, require
from zip215 import is_signed

ZERO = bytes(32)
ARCS_MAX = 400
CIRCLE = 1 << 256
BODY_MAX = {"transaction": 131_072, "block": 32_768, "heartbeat": 32_768, "identity": 16_384}


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def signed_message(kind, body):
    return b"kittengrad/v1/" + kind.encode() + b"\0" + body


def object_id(kind, body):
    return sha256(signed_message(kind, body))


class Signed:
    """A body with its signature, kept as it came."""

    def __init__(self, kind, body, signature):
        self.kind, self.body, self.signature = kind, body, signature
        self.id = object_id(kind, body)

    @classmethod
    def sign(cls, kind, body, private):
        return cls(kind, body, private.sign(signed_message(kind, body)))

    @classmethod
    def read(cls, kind, data):
        """Reads the bytes of a `Signed`."""
        require(data is not None, f"a signed {kind} is missing")
        fields = data if isinstance(data, Fields) else Fields(data, kind)
        body, signature = fields.bytes(1), fields.bytes(2)
        require(len(signature) == 64, f"{kind}: a signature of {len(signature)} bytes")
        require(len(body) <= BODY_MAX[kind], f"{kind}: a body of {len(body)} bytes; at most {BODY_MAX[kind]}")
        return cls(kind, body, signature)

    def verify(self, key):
        is_right = is_signed(key, self.signature, signed_message(self.kind, self.body))
        require(is_right, f"the signature of {self.kind} {self.id.hex()} is not by {key.hex()}")

    def encode(self):
        return message({1: self.body, 2: self.signature})


class Overlay:
    """The network and namespace that every signed body names."""

    def __init__(self, network, namespace):
        self.network, self.namespace = network, namespace

    def check(self, fields, network=2, namespace=3):
        found = fields.bytes(network), fields.text(namespace)
        require(found == (self.network, self.namespace), f"{fields.what} is of another network or namespace")


# Arcs.


def arc_body(arc):
    return message({1: arc[0], 2: arc[1]})


def read_arc(data):
    fields = Fields(data, "arc")
    return fields.name(1), fields.name(2)


def is_in(point, arc):
    """Whether a point lies in `(from, to]`; from = to is the whole circle."""
    start, end = arc
    if start == end:
        return True
    return start < point <= end if start < end else point > start or point <= end


def is_covered(arc, held):
    """Whether every point of an arc lies in one of the held arcs."""
    at, end = (int.from_bytes(point, "big") for point in arc)
    left = (end - at) % CIRCLE or CIRCLE
    for _ in range(len(held) + 1):
        steps = []
        for start, stop in held:
            start, stop = int.from_bytes(start, "big"), int.from_bytes(stop, "big")
            length, inside = (stop - start) % CIRCLE or CIRCLE, (at - start) % CIRCLE
            steps.append(length - inside if inside < length else 0)
        step = max(steps, default=0)
        if step == 0 or step >= left:
            return step > 0
        at, left = (at + step) % CIRCLE, left - step
    return False


def check_arcs(arcs, is_merged):
    """Ascending by `from`, without overlaps; only the last one may run on past zero."""
    require(len(arcs) <= ARCS_MAX, f"{len(arcs)} arcs; at most {ARCS_MAX}")
    for (start, end), (following, _) in pairwise(arcs):
        require(start < end <= following, "arcs do not ascend, or overlap")
        require(not is_merged or end != following, "adjacent arcs are not merged")
    if len(arcs) > 1:
        (first, _), (start, end) = arcs[0], arcs[-1]
        require(start < end or end <= first, "the last arc overlaps the first")
        require(not is_merged or end != first, "adjacent arcs are not merged")
    return arcs


# Merkle trees: RFC 9162.


def leaf(data):
    return sha256(b"\0", data)


def node(left, right):
    return sha256(b"\1", left, right)


def split(count):
    return 1 << (count - 1).bit_length() - 1


def tree_head(leaves):
    """The head over leaf data (section 2.1.1)."""
    if not leaves:
        return sha256()
    if len(leaves) == 1:
        return leaf(leaves[0])
    at = split(len(leaves))
    return node(tree_head(leaves[:at]), tree_head(leaves[at:]))


def tree_path(leaves, index):
    """The inclusion path, from the leaf's sibling up (section 2.1.3.1)."""
    if len(leaves) == 1:
        return []
    at = split(len(leaves))
    if index < at:
        return tree_path(leaves[:at], index) + [tree_head(leaves[at:])]
    return tree_path(leaves[at:], index - at) + [tree_head(leaves[:at])]


def is_included(root, hash, index, count, path):
    """Section 2.1.3.2, word by word."""
    if index >= count:
        return False
    first, second = index, count - 1
    for hash_beside in path:
        if second == 0:
            return False
        if first & 1 or first == second:
            hash = node(hash_beside, hash)
            while not first & 1 and first:
                first, second = first >> 1, second >> 1
        else:
            hash = node(hash, hash_beside)
        first, second = first >> 1, second >> 1
    return second == 0 and hash == root


# Transactions.


class Transaction:
    """A transaction. `entries` are (canonical, is inserted, updates); `elements` (canonical, update or `None`)."""

    def __init__(self, signed, overlay):
        self.signed, self.id = signed, signed.id
        fields = Fields(signed.body, "transaction")
        require(fields.number(1) == 1, f"transaction has version {fields.number(1)}")
        overlay.check(fields)
        require(fields.number(6) == 1, f"transaction names policy {fields.number(6)}")
        self.publisher, self.chain = fields.name(4), fields.name(5)
        self.created_ms, self.nonce = fields.number(7), fields.bytes(8)
        require(not fields.has(9), "transaction has a stamp")
        require(len(self.nonce) == 16, f"a nonce of {len(self.nonce)} bytes")
        self.entries = [self._entry(data) for data in fields.list(10)]
        require(1 <= len(self.entries) <= 1_000, f"{len(self.entries)} entries")
        canonicals = [canonical for canonical, _, _ in self.entries]
        require(is_ascending(canonicals), "entries are not strictly ascending")
        require(sum(len(updates) for _, _, updates in self.entries) <= 1_000, "too many updates")
        again = transaction_body(overlay, self.publisher, self.chain, self.created_ms, self.nonce, self.entries)
        require(len(again) == len(signed.body), "transaction says more than version 1 can, or something twice")
        self.elements = [(canonical, update) for canonical, _, updates in self.entries for update in updates or [None]]

    @staticmethod
    def _entry(data):
        fields = Fields(data, "entry")
        canonical, insert, updates = fields.name(1), fields.number(2), names(fields.bytes(3))
        require(insert in (0, 1), f"insert is {insert}")
        require(is_ascending(updates), "updates are not strictly ascending")
        require(insert or updates, "an entry says nothing")
        return canonical, insert == 1, updates

    @classmethod
    def read(cls, data, overlay):
        return cls(Signed.read("transaction", data), overlay)

    def verify(self):
        self.signed.verify(self.publisher)

    def check_holder(self, holder):
        """Checks that the holder of a verified chain may publish it."""
        require(holder.chain.id == self.chain, "the transaction names another chain")
        require((holder.key, holder.role) == (self.publisher, "client"), "the chain is not of the publisher")
        holder.check_at(self.created_ms)

    def added(self, bitmap):
        """The elements whose bits are set. The bitmap must fit."""
        check_bits(bitmap, len(self.elements), "bitmap")
        return [element for number, element in enumerate(self.elements) if is_set(bitmap, number)]


def transaction_body(overlay, publisher, chain, created_ms, nonce, entries):
    entries = [message({1: canonical, 2: int(insert), 3: b"".join(updates)}) for canonical, insert, updates in entries]
    envelope = {1: 1, 2: overlay.network, 3: overlay.namespace, 4: publisher, 5: chain, 6: 1, 7: created_ms}
    return message({**envelope, 8: nonce, 10: entries})


# Bits.


def bits(flags):
    out = bytearray((len(flags) + 7) // 8)
    for number, flag in enumerate(flags):
        out[number // 8] |= flag << number % 8
    return bytes(out)


def is_set(data, number):
    return data[number // 8] >> number % 8 & 1 == 1


def check_bits(data, count, what):
    require(len(data) == (count + 7) // 8, f"{what} has {len(data)} bytes for {count}")
    number = int.from_bytes(data, "little")
    require(number and number >> count == 0, f"{what} has no bit, or bits beyond {count}")


# Items.

KINDS = {1: "transaction", 2: "hold", 3: "settled", 4: "drop", 5: "gap"}


def item_body(kind, content):
    number = next(number for number, name in KINDS.items() if name == kind)
    if kind == "transaction":
        content = message({1: content[0], 2: content[1], 3: content[2]})
    elif kind == "gap":
        content = message({1: content[0], 2: content[1]})
    else:
        content = message({1: [arc_body(arc) for arc in content]})
    return message({number: Present(content)})


def read_item(data):
    """The kind and content of an item: exactly the bytes that `item_body` makes."""
    require(len(data) <= 32_768, f"an item of {len(data)} bytes")
    fields = Fields(data, "item")
    require(len(fields.found) == 1 and next(iter(fields.found)) in KINDS, "an item is not of exactly one known kind")
    number = next(iter(fields.found))
    kind, inner = KINDS[number], fields.message(number)
    if kind == "transaction":
        content = inner.name(1), inner.bytes(2), inner.bytes(3)
        require(any(content[1]) and any(content[2]), "an item says nothing")
    elif kind == "gap":
        content = inner.number(1), inner.number(2)
    else:
        content = check_arcs([read_arc(arc) for arc in inner.list(1)], is_merged=kind != "hold")
        require(content or kind == "hold", "an item says nothing")
    require(item_body(kind, content) == data, "an item is not in its one encoding")
    return kind, content


def check_transaction_item(content, transaction, held):
    """Checks an item against its transaction and the arcs that the owner holds, and returns the elements it adds."""
    id, bitmap, cells = content
    require(transaction.id == id, "the item names another transaction")
    added = transaction.added(bitmap)
    check_bits(cells, len(held), "cells")
    touched = [False] * len(held)
    for canonical, _ in added:
        arcs = [number for number, arc in enumerate(held) if is_in(canonical, arc)]
        require(arcs, f"it adds an element of {canonical.hex()}, which its owner does not hold")
        touched[arcs[0]] = True
    require(cells == bits(touched), "cells are not those of the added elements")
    return added
