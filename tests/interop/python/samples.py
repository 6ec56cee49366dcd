"""The inputs of the vectors, as the first lines of the files in proto/testdata describe them."""

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certificates import ED25519_KEY, P256_KEY, Chain, Issuer, Root, label, transport_name
from formats import ZERO, Overlay, Signed, bits, item_body, sha256, transaction_body
from journals import checkpoint_body, header_body, heartbeat_body, through_body
from members import identity_body, ring_id
from receipts import confirmation_body, proof_body, receipt_body
from wire import message

TIME_MS = 1_780_000_000_000
WHOLE = (ZERO, ZERO)
MIDDLE = b"\x80" + bytes(31)
HALF, OTHER_HALF = (ZERO, MIDDLE), (MIDDLE, ZERO)
YEARS = {"root": ("250101000000Z", "20550101000000Z"), "level0": ("250101000000Z", "350101000000Z")}
LEVEL1, LEVEL2 = ("260101000000Z", "280101000000Z"), ("260101000000Z", "270101000000Z")
TRANSPORT = ("260601000000Z", "260701000000Z")


def name(byte):
    return bytes([byte]) * 32


def ed25519(key):
    return ED25519_KEY + key


class Tower:
    """The tower of certificates.txt, and further peers and clients with one-byte seeds."""

    def __init__(self):
        self.root = Issuer(1, "Sample root")
        root_key = ed25519(self.root.key)
        self.root.der = self.root.certify("root", "root", "Sample root", root_key, [1], YEARS["root"])
        self.level0 = self.below(self.root, "level0", "principal", "Sample principal", 2, YEARS["level0"])
        self.peer = self.level1("peer", "Sample peer", 3)
        self.aggregator = self.level1("aggregator", "Sample aggregator", 4)
        self.registrar = self.level1("registrar", "Sample registrar", 5)
        self.client = self.level2("client", "Sample client", 6)
        self.indexer = self.level2("indexer", "Sample indexer", 7)
        self.transport = self.transport_leaf()
        self.trusted = Root(self.root.der)

    @staticmethod
    def below(issuer, level, role, title, seed, validity):
        made = Issuer(seed, title)
        made.der = issuer.certify(level, role, title, ed25519(made.key), [1, seed], validity)
        return made

    def level1(self, role, title, seed):
        return self.below(self.level0, "level1", role, title, seed, LEVEL1)

    def level2(self, role, title, seed):
        return self.below(self.registrar, "level2", role, title, seed, LEVEL2)

    def transport_leaf(self):
        """Its key is the generator of the curve, whose private key is 1."""
        public = ec.derive_private_key(1, ec.SECP256R1()).public_key()
        point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        names = label(self.peer.key), transport_name(self.peer.key, "peer")
        return self.peer.certify("transport", "peer", names[0], P256_KEY + point[1:], [1, 8], TRANSPORT, names[1])

    def chain(self, *certificates):
        return Chain([*certificates, self.level0.der])


TOWER = Tower()
PEERS = [TOWER.peer, TOWER.level1("peer", "Second peer", 9), TOWER.level1("peer", "Third peer", 10)]
PUBLISHER = TOWER.client
PUBLISHER_CHAIN = TOWER.chain(PUBLISHER.der, TOWER.registrar.der)
OVERLAY = Overlay(TOWER.trusted.network, "works")
RING = [(PEERS[0].key, 3), (PEERS[1].key, 1), (PEERS[2].key, 2)]
RING_ID = ring_id(3, RING)


def transaction(nonce, entries):
    """Entries are (byte of the canonical, is inserted, bytes of the updates)."""
    entries = [(name(c), insert, sorted(map(name, updates))) for c, insert, updates in sorted(entries)]
    return signed_transaction(nonce, entries)


def signed_transaction(nonce, entries):
    chain, nonce = PUBLISHER_CHAIN.id, bytes([nonce]) * 16
    body = transaction_body(OVERLAY, PUBLISHER.key, chain, TIME_MS, nonce, entries)
    return Signed.sign("transaction", body, PUBLISHER.private)


def bulk():
    record = lambda number: sha256(number.to_bytes(4, "big"))
    updates = lambda n: sorted(record(n * 1_000 + update) for update in range(1, 11))
    return signed_transaction(3, sorted((record(n), False, updates(n)) for n in range(1, 101)))


MINIMAL = transaction(1, [(0xC1, True, [])])
UPDATES = transaction(2, [(0xC2, False, [0x33]), (0xC1, True, [0x11, 0x22])])
BULK = bulk()


def adds(signed, flags):
    """An item of a journal whose owner holds one arc."""
    return item_body("transaction", (signed.id, bits(flags), b"\1"))


def block(peer, height, previous, items, fork=None, checkpoint=None, unknown=b"", hold=0):
    body = header_body(OVERLAY, peer.key, TIME_MS, height, previous, TIME_MS + height, items, fork, checkpoint, hold)
    return Signed.sign("block", body + unknown, peer.private), items


FORK = (TIME_MS - 1_000, 41, name(0xF0))
GENESIS = block(PEERS[0], 0, ZERO, [item_body("hold", [WHOLE]), item_body("gap", (TIME_MS - 1_000, 42))], FORK)
ORDINARY_ITEMS = [
    adds(UPDATES, [True] * 3),
    adds(BULK, [True] + [False] * 999),
    item_body("settled", [HALF]),
]
ORDINARY = block(PEERS[0], 1, GENESIS[0].id, ORDINARY_ITEMS)
HEAD = (TIME_MS, 1, ORDINARY[0].id)


def heartbeat(nonce=b"", checkpoint=None):
    body = heartbeat_body(OVERLAY, PEERS[0].key, HEAD, TIME_MS + 5, nonce, checkpoint)
    return Signed.sign("heartbeat", body, PEERS[0].private)


HEARTBEAT = heartbeat()


def identity():
    addresses = "peer.example.org:7401", "peer.example.org:7402", ""
    body = identity_body(OVERLAY, PEERS[0].key, 7, 2, 1, addresses, TOWER.chain(PEERS[0].der))
    return Signed.sign("identity", body, PEERS[0].private)


IDENTITY = identity()

ITEMS = {
    "transaction": ("transaction", (name(0xA1), b"\5\2", b"\5")),
    "hold": ("hold", [(name(1), name(5)), (name(5), name(9)), (name(0xF0), name(1))]),
    "hold.whole": ("hold", [WHOLE]),
    "hold.nothing": ("hold", []),
    "settled": ("settled", [WHOLE]),
    "drop": ("drop", [HALF]),
    "gap": ("gap", (TIME_MS, 42)),
}


def hashes(height):
    """The hashes up to a height of the journal: 41 invented ones, the fork, and the blocks from the genesis on."""
    return [name(number) for number in range(41)] + [FORK[2], GENESIS[0].id, ORDINARY[0].id][: height + 2]


# Of peer 3 and of peer 2, ascending by key; the second entry speaks for one arc only.
THROUGH = [
    through_body(PEERS[2].key, TIME_MS, 0, name(0x0A)),
    through_body(PEERS[1].key, TIME_MS, 17, name(0x17), [HALF]),
]
CHECKPOINT_0 = checkpoint_body(0, RING_ID, [(WHOLE, False)], hashes(0), [])
CHECKPOINT_1 = checkpoint_body(1, RING_ID, [(HALF, True), (OTHER_HALF, False)], hashes(1), THROUGH)
CHECKPOINT_WITH_THROUGH = checkpoint_body(0, RING_ID, [(WHOLE, False)], hashes(0), THROUGH)
# The last field, 1023, is one that no version knows.
CHECKPOINTED = block(
    PEERS[0], 1, GENESIS[0].id, ORDINARY_ITEMS, None, CHECKPOINT_WITH_THROUGH, bytes.fromhex("fa3f03") + b"new"
)
NONCE = bytes([0x0E]) * 16
ASKED = heartbeat(NONCE)
BEAT_CHECKPOINT = heartbeat(NONCE, CHECKPOINT_1)
# Block 2 moves the hold to half of the circle, and block 3 lists elements of the other half.
MOVED = block(PEERS[0], 2, ORDINARY[0].id, [item_body("hold", [HALF])], hold=2)
OUTSIDE = block(PEERS[0], 3, MOVED[0].id, [adds(UPDATES, [True] * 3)], hold=2)
# Another block 1, and another block 3 with a checkpoint of height 0.
SECOND = block(PEERS[0], 1, GENESIS[0].id, [item_body("settled", [HALF])])
BACK = block(PEERS[0], 3, MOVED[0].id, [item_body("settled", [HALF])], None, CHECKPOINT_0, hold=2)


def make_receipt():
    earlier = transaction(4, [(0xC2, False, [0x33, 0x44])])
    both = block(PEERS[1], 1, name(7), [adds(earlier, [True, True]), adds(UPDATES, [True, True, False])])
    first = confirmation_body(PEERS[0].key, TOWER.chain(PEERS[0].der), [proof_body(ORDINARY, 0)])
    proofs = [proof_body(both, 0, earlier), proof_body(both, 1)]
    second = confirmation_body(PEERS[1].key, TOWER.chain(PEERS[1].der), proofs)
    cells = [(WHOLE, [PEERS[0].key, PEERS[1].key])]
    return receipt_body(UPDATES, 2, cells, [first, second])


def cursor(height):
    """A cursor; a height of 0 is written, because the field is optional."""
    body = message({1: PEERS[0].key, 2: TIME_MS})
    return body if height is None else body + b"\x18" + bytes([height])


RECEIPT = make_receipt()
