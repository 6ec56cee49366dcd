"""Identities and rings."""

from certificates import Chain
from formats import CIRCLE, Signed, is_in, sha256
from wire import Fields, message, require

STATES = {1: "joining", 2: "active", 3: "leaving"}
ROLES = {1: "peer", 2: "aggregator", 3: "indexer", 4: "client", 5: "registrar"}


def identity_body(overlay, key, seq, state, role, addresses, chain):
    fields = {1: 1, 2: overlay.network, 3: overlay.namespace, 4: key, 5: seq, 6: state, 7: role}
    return message({**fields, 8: addresses[0], 9: addresses[1], 10: addresses[2], 11: chain.body})


class Identity:
    """A member's identity, verified below `root`."""

    def __init__(self, data, overlay, root):
        self.signed = Signed.read("identity", data)
        fields = Fields(self.signed.body, "identity")
        require(fields.number(1) == 1, f"identity has version {fields.number(1)}")
        overlay.check(fields)
        self.key, self.seq = fields.name(4), fields.number(5)
        require(fields.number(6) in STATES and fields.number(7) in ROLES, "identity has no state or role")
        self.state, self.role = fields.number(6), ROLES[fields.number(7)]
        self.grpc, self.quic, self.http = (fields.text(number) for number in (8, 9, 10))
        require(all(len(a.encode()) <= 300 for a in (self.grpc, self.quic, self.http)), "an address is too long")
        require(fields.has(11), "identity has no chain")
        self.signed.verify(self.key)
        holder = Chain.read(fields.bytes(11)).verify(root)
        require((holder.key, holder.role) == (self.key, self.role), "identity and chain are of others")


def ring_id(replicas, members):
    """The id of a ring of (key, state)."""
    return sha256(bytes([replicas]), *(key + bytes([state]) for key, state in sorted(members)))


def middle(start, end):
    """The middle of the walk from one point to another, rounded down."""
    start, end = int.from_bytes(start, "big"), int.from_bytes(end, "big")
    return ((start + (end - start) % CIRCLE // 2) % CIRCLE).to_bytes(32, "big")


class Ring:
    """The cells of members, and their replicas."""

    def __init__(self, keys, replicas):
        self.members = sorted((sha256(key), key) for key in keys)
        self.replicas = replicas

    @property
    def quorum(self):
        return self.replicas // 2 + 1

    def cells(self):
        """Each cell with the keys of its replicas: the owner, then its neighbours, the closest first."""
        count = len(self.members)
        for index, (point, _) in enumerate(self.members):
            before, after = self.members[index - 1][0], self.members[(index + 1) % count][0]
            steps = [(nth + 1) // 2 * (1 if nth % 2 else -1) for nth in range(min(self.replicas, count))]
            keys = [self.members[(index + step) % count][1] for step in steps]
            yield (middle(before, point), middle(point, after)), keys

    def replicas_of(self, canonical):
        return next(keys for arc, keys in self.cells() if is_in(canonical, arc))

    def check_receipt(self, cells, quorum):
        """Checks that the cells of a verified receipt are cells here, and that a quorum of their replicas is named."""
        known = dict(self.cells())
        for arc, peers in cells:
            require(arc in known, "a receipt names a cell that is not in this ring")
            require(set(peers) <= set(known[arc]), "a receipt names a peer that is not a replica of its cell")
            require(min(len(set(peers)), quorum) >= self.quorum, "a receipt names less than a quorum")
