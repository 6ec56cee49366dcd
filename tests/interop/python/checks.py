"""What the readers say about the samples, about damaged ones, and about bytes with one wrong rule."""

import records
from formats import ZERO, Signed, Transaction, item_body, read_item
from journals import Block, Heartbeat, Reader, checkpoint_body, header_body, through_body
from members import Identity
from receipts import verify_receipt
from samples import (
    BEAT_CHECKPOINT,
    BULK,
    CHECKPOINTED,
    GENESIS,
    HALF,
    IDENTITY,
    ITEMS,
    NONCE,
    ORDINARY,
    ORDINARY_ITEMS,
    OTHER_HALF,
    OVERLAY,
    PEERS,
    PUBLISHER_CHAIN,
    RECEIPT,
    RING_ID,
    THROUGH,
    TIME_MS,
    TOWER,
    UPDATES,
    WHOLE,
)
from wire import Refused, require
from zip215 import is_signed, is_signed_by_the_rule


def check_meaning():
    """The readers accept the samples, and find in them what went in."""
    require(Transaction(UPDATES, OVERLAY).entries[0][1], "the insert was not read")
    Identity(IDENTITY.encode(), OVERLAY, TOWER.trusted)
    for item in ITEMS.values():
        require(read_item(item_body(*item)) == item, f"an item of kind {item[0]} was read as another")
    reader = Reader(PEERS[0].key)
    for (header, items), through in ((GENESIS, []), (CHECKPOINTED, THROUGH)):
        reader.take(Block(header.encode(), items, through, OVERLAY))
    # Block 1 of the sample ends in a fork that this reader did not read, so that only counts are known.
    require(reader.checkpoints == 1 and reader.hashes[TIME_MS] is None, "the checkpoint was not checked")
    for number, named in enumerate((UPDATES, BULK)):
        _, content = read_item(ORDINARY_ITEMS[number])
        reader.add(content, Transaction(named, OVERLAY))
    require(len(reader.elements) == 4, "the items add another number of elements")
    found = Heartbeat(BEAT_CHECKPOINT.encode(), THROUGH, OVERLAY)
    require((found.nonce, found.checkpoint.blocks) == (NONCE, 44), "the heartbeat was read as another")
    verify_receipt(RECEIPT, OVERLAY, TOWER.trusted)
    Transaction(UPDATES, OVERLAY).check_holder(PUBLISHER_CHAIN.verify(TOWER.trusted))
    return "read and verified: transaction, identity, items, blocks, heartbeat with checkpoint, receipt, chain"


def read_journal(checkpoint_of=None, through=()):
    """Reads two incarnations, the second with a fork. `checkpoint_of` makes the checkpoint of its third block."""
    peer, reader, before = PEERS[0], Reader(PEERS[0].key), ZERO
    hold, gap = item_body("hold", [WHOLE]), item_body("gap", (1, 1))
    heads = {}
    for incarnation, heights in ((1, 2), (2, 3)):
        for height in range(heights):
            fork = heads[1, 0] if (incarnation, height) == (2, 0) else None
            items = [gap] if height else [hold]
            checkpoint = checkpoint_of(heads) if checkpoint_of and (incarnation, height) == (2, 2) else None
            previous = before if height else ZERO
            body = header_body(OVERLAY, peer.key, incarnation, height, previous, TIME_MS, items, fork, checkpoint)
            header = Signed.sign("block", body, peer.private)
            reader.take(Block(header.encode(), items, list(through) if checkpoint else [], OVERLAY))
            before, heads[incarnation, height] = header.id, (incarnation, height, header.id)
    return reader


def check_checkpoints():
    """The reader compares a checkpoint with the blocks that it read, along the fork: blocks (1, 0), (2, 0), (2, 1)."""
    right = [(1, 0), (2, 0), (2, 1)]
    held = [(WHOLE, True)]

    def make(places=right, height=1, holds=held, entries=THROUGH):
        return lambda heads: checkpoint_body(height, RING_ID, holds, [heads[place][2] for place in places], entries)

    require(read_journal(make(), THROUGH).checkpoints == 1, "the checkpoint was not checked")
    halves = [(HALF, True), (OTHER_HALF, True)]
    unordered, own = THROUGH[::-1], [through_body(PEERS[0].key, 1, 0, ZERO)]
    wrong = {
        "a lost block under the root": (make([(1, 0), (1, 1), (2, 0), (2, 1)]), THROUGH),
        "one block too few": (make(right[:2]), THROUGH),
        "another order": (make([(2, 0), (1, 0), (2, 1)]), THROUGH),
        "its own height": (make(height=2), THROUGH),
        "arcs that are not merged": (make(holds=halves), THROUGH),
        "arcs that overlap": (make(holds=[(HALF, True), (HALF, False)]), THROUGH),
        "no list": (make(), []),
        "half of its list": (make(), THROUGH[:1]),
        "a list out of order": (make(entries=unordered), unordered),
        "a list with its signer": (make(entries=own), own),
        "no blocks": (make([]), THROUGH),
    }
    for title, (checkpoint, through) in wrong.items():
        try:
            read_journal(checkpoint, through)
        except Refused:
            continue
        raise Refused(f"a checkpoint with {title} is accepted")
    return f"checkpoints along a fork verified, {len(wrong)} wrong ones refused"


def check_damage():
    """Every byte of a signed object counts. A receipt is not signed as a whole: damage may leave its meaning."""
    meaning = lambda data: verify_receipt(data, OVERLAY, TOWER.trusted)[1]
    whole = meaning(RECEIPT)
    samples = {
        "receipt": (RECEIPT, lambda data: require(meaning(data) != whole, "it still proves the same")),
        "identity": (IDENTITY.encode(), lambda data: Identity(data, OVERLAY, TOWER.trusted)),
        "transaction": (UPDATES.encode(), lambda data: Transaction.read(data, OVERLAY).verify()),
        "heartbeat": (BEAT_CHECKPOINT.encode(), lambda data: Heartbeat(data, THROUGH, OVERLAY)),
        "block": (ORDINARY[0].encode(), lambda data: Block(data, ORDINARY[1], [], OVERLAY)),
    }
    refused = 0
    for title, (data, read) in samples.items():
        for at in range(0, len(data), max(1, len(data) // 60)):
            try:
                read(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
            except Refused:
                refused += 1
                continue
            raise Refused(f"{title} with another byte {at} is accepted")
    return f"{refused} damaged objects refused"


ACCEPTED = (
    "17 1818 1901f4 1bffffffffffffffff 3bffffffffffffffff f4 f5 f6 fb3ff0000000000000 fb0000000000000000 60 6141 4101 "
    "80 a0 a2616101616201 a261620162616101 d82a58250001551220DIGEST d82a5823001220DIGEST d82a450001550000"
)
REFUSED = (
    "1817 190018 1a000001f4 1b00000000000001f4 3817 1c f7 e0 f820 fa3f800000 f93c00 fb8000000000000000 "
    "fb7ff0000000000000 fbfff0000000000000 fb7ff8000000000000 fb3ff00000 780141 61ff 63eda080 7f614100ff "
    "7bffffffffffffffff 5f4101ff 9f01ff 9bffffffffffffffff bf616101ff bbffffffffffffffff a2616201616101 "
    "a2616101616102 a262616101616201 a10101 a1416101 c11a514b67b0 c249010000000000000000 d82a4101 d82a6101 ff "
    "d82a5824001220DIGEST00 d82a58260001551220DIGEST00 d82a582401551220DIGEST d82a58250000701220DIGEST "
    "d82a58260001d5001220DIGEST d9002a58250001711220DIGEST d82a4100"
)


def with_value(value):
    """An update whose `meta` has one value, in hex."""
    link = records.cid(bytes(32))
    update = {"type": "update", "ref": link, "publisher": bytes(32), "timestamp": 1, "meta": {}}
    return records.encode(update).replace(b"dmeta\xa0", b"dmeta\xa1aa" + bytes.fromhex(value))


def check_records():
    """Strict DAG-CBOR: one encoding of each value, and no other."""
    values = lambda text: text.replace("DIGEST", "11" * 32).split()
    deep = lambda lists: "81" * lists + "00"
    long_digest = f"d82a58460001550041{'11' * 65}"
    cases = [(value, True) for value in [*values(ACCEPTED), deep(63)]]
    cases += [(value, False) for value in [*values(REFUSED), deep(64), deep(30_000), long_digest]]
    for value, expected in cases:
        try:
            records.check(with_value(value))
            found = True
        except Refused:
            found = False
        require(found == expected, f"a record with the value {value[:40]} is {'accepted' if found else 'refused'}")
    return f"{len(cases)} values judged as strict DAG-CBOR"


SMALL_ORDER = [
    "01" + "00" * 31, "ec" + "ff" * 30 + "7f", "00" * 31 + "80", "00" * 32,
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "01" + "00" * 30 + "80", "ec" + "ff" * 31, "ee" + "ff" * 30 + "7f", "ee" + "ff" * 31, "ed" + "ff" * 30 + "7f",
    "ed" + "ff" * 31,
]  # fmt: skip


def check_signatures():
    """ZIP 215 accepts all keys and R of small order with S = 0; an S beyond the group order it refuses."""
    for key in SMALL_ORDER:
        for r in SMALL_ORDER:
            signature = bytes.fromhex(r) + bytes(32)
            require(is_signed(bytes.fromhex(key), signature, b"Zcash"), f"{key} and {r} are refused")
    body = b"kittengrad/v1/block\0" + ORDINARY[0].body
    require(is_signed_by_the_rule(PEERS[0].key, ORDINARY[0].signature, body), "the rule refuses a signature")
    s = int.from_bytes(ORDINARY[0].signature[32:], "little") + 2**252 + 27742317777372353535851937790883648493
    second = ORDINARY[0].signature[:32] + s.to_bytes(32, "little")
    require(not is_signed(PEERS[0].key, second, body), "a second form of a signature is accepted")
    return f"{len(SMALL_ORDER) ** 2} signatures of small order judged by ZIP 215"


CHECKS = (check_meaning, check_checkpoints, check_damage, check_records, check_signatures)
