"""A client without code of Kittengrad: reads, verifies, writes and finds, against a running network.

    python client.py DIR

DIR is the folder that `kittengrad demo --dir` writes. One line for each step; the exit code is 0 if all of them held.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import grpc

import records
from certificates import Chain
from connection import PACKAGE, Failed, Member, open_folder
from formats import Signed, Transaction, transaction_body
from journals import Block, Heartbeat, Reader
from members import Identity, Ring, ring_id
from receipts import verify_receipt
from wire import Refused, require

SEARCH_SECONDS = 60
# Errors after which another replica may answer.
ELSEWHERE = {"FILLING", "STARTING", "OVERLOADED", "DISK_FULL", "INTERNAL", "NOT_FRESH", None}


class Session:
    """The steps, and what earlier ones found."""

    def __init__(self, folder):
        self.network = open_folder(folder)
        self.connections = {}
        self.overlay, self.root = self.network.overlay, self.network.root

    def member(self, identity):
        if identity.key not in self.connections:
            self.connections[identity.key] = Member(identity, self.network.credentials)
        return self.connections[identity.key]

    def close(self):
        for member in self.connections.values():
            member.close()

    @property
    def namespace(self):
        return self.overlay.namespace

    # Steps, in order. Each returns what it found in a sentence.

    def services(self):
        peer = self.member(self.network.of_role("peer")[0])
        found = peer.services()
        wanted = {f"{PACKAGE}.{service}" for service in ("Store", "Routing", "Journal")}
        require(wanted <= set(found), f"services are missing: {wanted - set(found)}")
        answer = peer.call("grpc.health.v1.Health.Check", service=f"{PACKAGE}.Store")
        require(answer.status == 1, f"the health of a peer is {answer.status}")
        return f"{len(found)} services by reflection: {', '.join(found)}; healthy"

    def ring(self):
        """Members and aggregators of the ring, each verified below the root."""
        answer = self.member(self.network.of_role("peer")[0]).call("Routing.GetRing", namespace=self.namespace)
        read = lambda signed: Identity(signed.SerializeToString(), self.overlay, self.root)
        members = [read(signed) for signed in answer.members]
        aggregators = [read(signed) for signed in answer.aggregators]
        require(answer.network == self.overlay.network, "the ring is of another network")
        require(all(member.role == "peer" for member in members), "a member of the ring is not a peer")
        self.peers = {member.key: member for member in members}
        self.aggregator = aggregators[0]
        self.ring_found = Ring(self.peers, answer.replicas)
        points = [key for _, key in self.ring_found.members]
        require([member.key for member in members] == points, "members are not in the order of the circle")
        id = ring_id(answer.replicas, [(member.key, member.state) for member in members])
        return f"{len(members)} peers, R = {answer.replicas}, ring {id.hex()[:8]}, {len(aggregators)} aggregator"

    def journal(self):
        """Reads the aggregator's journal with all bodies, and verifies everything."""
        self.view = self.read_journal(self.aggregator)
        view = self.view
        told = f"{count(view.blocks, 'block')}, {len(view.elements)} elements, {view.records} records"
        return f"{told}, {len(view.chains)} publishers, {view.checkpoints} checkpoints; all verified"

    def read_journal(self, identity):
        view = View(identity.key, self.overlay, self.root)
        request = {"namespace": self.namespace, "genesis": True, "bodies": 2, "no_follow": True}
        for frame in self.member(identity).call("Journal.Subscribe", **request):
            view.take(frame)
        require(view.blocks > 0, "the journal has no blocks")
        return view

    def resume(self):
        """Continues after a cursor in the middle, and ends at the same block."""
        last, half = self.view.last, self.view.last.height // 2
        cursor = {"journal": self.aggregator.key, "incarnation": last.incarnation, "height": half}
        frames = self.member(self.aggregator).call(
            "Journal.Subscribe", namespace=self.namespace, cursor=cursor, no_follow=True
        )
        blocks = [Block(*parts(frame.block), self.overlay) for frame in frames if frame.HasField("block")]
        heights = [block.header.height for block in blocks if block.header.incarnation == last.incarnation]
        require(heights[: last.height - half] == list(range(half + 1, last.height + 1)), "blocks are missing")
        return f"{count(len(blocks), 'block')} after block {half}"

    def lookup(self):
        """The set of a canonical from one of its replicas has what the journal has."""
        canonical = next(canonical for canonical, update in self.view.elements if update is not None)
        updates = {update for of, update in self.view.elements if of == canonical and update is not None}
        found, set = self.look_up(canonical)
        require(set.exists and updates <= split(set.updates), "a replica lacks updates that the journal has")
        for id, record in zip([canonical, *sorted(split(set.updates))], [set.record, *set.records], strict=True):
            require(records.digest(record) == id, "a record has another digest than its name")
            records.check(record)
        return f"{records.cid(canonical)} has {count(len(set.records), 'update')} at peer {found.hex()[:8]}"

    def look_up(self, canonical):
        answer = self.at_replica(
            canonical, "Store.Lookup", namespace=self.namespace, canonicals=canonical, records=True
        )
        return answer.peer, answer.sets[0]

    def at_replica(self, canonical, method, **fields):
        """Calls the replicas one after another, until one answers."""
        any_peer = self.member(next(iter(self.peers.values())))
        answer = any_peer.call("Routing.Route", namespace=self.namespace, canonicals=canonical)
        named = [Identity(peer.SerializeToString(), self.overlay, self.root) for peer in answer.replicas[0].peers]
        expected = self.ring_found.replicas_of(canonical)
        require([peer.key for peer in named] == expected, "Route names other replicas than the ring has")
        for peer in named:
            try:
                return self.member(peer).call(method, **fields)
            except Failed as failed:
                last = failed
                if failed.reason not in ELSEWHERE:
                    raise
        raise last

    def errors(self):
        """Errors are a google.rpc.Status with our code."""
        canonical = next(iter(self.view.elements))[0]
        holders = self.ring_found.replicas_of(canonical)
        told = [self.refusal(self.peers[holders[0]], "FAILED_PRECONDITION", "WRONG_NAMESPACE", "elsewhere", canonical)]
        others = [peer for key, peer in self.peers.items() if key not in holders]
        for peer in others[:1]:
            told.append(self.refusal(peer, "FAILED_PRECONDITION", "NOT_RESPONSIBLE", self.namespace, canonical))
        told.append(self.refusal(self.peers[holders[0]], "INVALID_ARGUMENT", "INVALID", self.namespace, b"short"))
        return ", ".join(told)

    def refusal(self, peer, status, reason, namespace, canonicals):
        try:
            self.member(peer).call("Store.Lookup", namespace=namespace, canonicals=canonicals)
        except Failed as failed:
            require((failed.code, failed.reason) == (status, reason), f"{failed}, but {status} {reason} was expected")
            return reason
        raise Refused(f"a lookup that {reason} refuses was answered")

    def submit(self):
        """Inserts a canonical with an update, and verifies the receipt without the network."""
        self.word = f"interop{os.urandom(6).hex()}"
        publisher, now_ms = self.network.publisher, time.time_ns() // 1_000_000
        canonical = records.encode({"type": "artefact", "meta": {"id": f"interop:{self.word}"}})
        self.canonical = records.digest(canonical)
        statement = {"type": "update", "ref": records.cid(self.canonical), "publisher": publisher.key}
        meta = {"title": f"Composition {self.word}", "height": 1.5, "year": 1923, "tags": ["a", "b"]}
        update = records.encode({**statement, "timestamp": now_ms, "name": f"Composition {self.word}", "meta": meta})
        entries = [(self.canonical, True, [records.digest(update)])]
        envelope = publisher.key, publisher.chain.id, now_ms, os.urandom(16)
        signed = Signed.sign("transaction", transaction_body(self.overlay, *envelope, entries), publisher.private)
        answer = self.at_replica(
            self.canonical,
            "Store.Submit",
            namespace=self.namespace,
            transaction={"body": signed.body, "signature": signed.signature},
            records=[canonical, update],
            chain={"version": 1, "certificates": publisher.chain.certificates},
            ack=2,
            receipt=True,
        )
        require(answer.acknowledged and answer.id == signed.id, "the transaction is not acknowledged")
        require(answer.added == b"\1" and answer.created == self.canonical, "the answer is about other elements")
        self.transaction, self.answer, self.update = signed, answer, records.digest(update)
        return f"transaction {signed.id.hex()[:8]} is on {count(len(answer.synced), 'disk')}"

    def receipt(self):
        data = self.answer.receipt.SerializeToString()
        transaction, proved, cells, quorum = verify_receipt(data, self.overlay, self.root)
        require(transaction.id == self.transaction.id, "the receipt is for another transaction")
        self.ring_found.check_receipt(cells, quorum)
        peers = ", ".join(sorted(peer.hex()[:8] for peer in proved[self.canonical, self.update]))
        return f"{len(data)} bytes prove the update at {peers}: a quorum of {quorum}, in a cell of this ring"

    def block(self):
        """The coordinator's block has the transaction."""
        place = self.answer.block
        coordinator = self.peers[self.answer.synced[0]]
        answer = self.member(coordinator).call(
            "Journal.GetBlocks",
            namespace=self.namespace,
            incarnation=place.incarnation,
            from_height=place.height,
            limit=1,
            bodies=2,
        )
        block = Block(*parts(answer.blocks[0]), self.overlay)
        require(block.header.hash == place.hash, "the journal has another block at that place")
        ids = [content[0] for kind, content in block.items if kind == "transaction"]
        require(self.transaction.id in ids, "the block does not list the transaction")
        return (
            f"block {place.height} of peer {coordinator.key.hex()[:8]} lists it among {count(len(block.items), 'item')}"
        )

    def head(self):
        """The head of the coordinator, signed after the question if the network knows nonces."""
        coordinator = self.member(self.peers[self.answer.synced[0]])
        knows_nonces = "nonce" in coordinator.type("GetHeadRequest").DESCRIPTOR.fields_by_name
        nonce = os.urandom(16) if knows_nonces else b""
        answer = coordinator.call("Journal.GetHead", namespace=self.namespace, **({"nonce": nonce} if nonce else {}))
        heartbeat = Heartbeat(answer.heartbeat.SerializeToString(), list(getattr(answer, "through", [])), self.overlay)
        holder = Chain.read(answer.chain.SerializeToString()).verify(self.root)
        require((holder.key, holder.role) == (heartbeat.peer, "peer"), "the chain is not that of the journal's owner")
        require(heartbeat.peer == coordinator.identity.key, "the heartbeat is of another journal")
        holder.check_at(heartbeat.time_ms)
        require(heartbeat.nonce == nonce, "the heartbeat does not repeat the nonce")
        place = self.answer.block
        require(heartbeat.head[:2] >= (place.incarnation, place.height), "the head is before the block of the write")
        told = "repeats the nonce" if nonce else "this network knows no nonces"
        checkpoint = heartbeat.checkpoint
        told += f"; checkpoint of height {checkpoint.height}" if checkpoint else "; no checkpoint"
        return f"block {heartbeat.head[1]}, {answer.elements} elements; {told}"

    def written(self):
        peer, set = self.look_up(self.canonical)
        require(split(set.updates) == {self.update}, "the set has other updates than the one submitted")
        return f"{records.cid(self.canonical)} has the update at peer {peer.hex()[:8]}"

    def follow(self):
        """The aggregator's journal goes on after its last block read: with the update, and then a heartbeat."""
        view, before = self.view, self.view.blocks
        cursor = {"journal": self.aggregator.key, "incarnation": view.last.incarnation, "height": view.last.height}
        frames = self.member(self.aggregator).call(
            "Journal.Subscribe", namespace=self.namespace, cursor=cursor, bodies=2
        )
        for frame in frames:
            view.take(frame)
            if frame.HasField("heartbeat") and (self.canonical, self.update) in view.elements:
                break
        frames.close()
        heartbeat = beat(frame.heartbeat, self.overlay)
        require(heartbeat.peer == self.aggregator.key, "the heartbeat is of another journal")
        require(heartbeat.head == view.last.head, "the head is not the last block")
        if heartbeat.checkpoint:
            view.reader.check_checkpoint(heartbeat.checkpoint, view.last.incarnation)
        more = count(view.blocks - before, "more block")
        return f"{more} with the update, then a heartbeat of block {heartbeat.head[1]}"

    def search(self):
        """The indexer finds the update."""
        address = self.network.of_role("indexer")[0].http
        query = urllib.parse.urlencode({"q": self.word})
        deadline, found = time.monotonic() + SEARCH_SECONDS, "no answer"
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"http://{address}/api/search?{query}", timeout=5) as answer:
                    found = json.load(answer)
                if found["total"] == 1:
                    break
            except urllib.error.URLError as error:
                found = str(error)
            time.sleep(0.2)
        else:
            raise Refused(f"the indexer does not find {self.word} within {SEARCH_SECONDS} s: {found}")
        hit = found["hits"][0]
        require(hit["canonical"] == str(records.cid(self.canonical)), "the hit is another canonical")
        require(hit["publisher_keys"] == [self.network.publisher.key.hex()], "the hit is by another publisher")
        return f"the indexer finds {hit['name']!r} by {', '.join(hit['publishers'])}"


def count(number, noun):
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def split(names):
    return {names[at : at + 32] for at in range(0, len(names), 32)}


def beat(heartbeat, overlay):
    """The heartbeat of a frame. Before checkpoints, a frame had a bare `Signed`."""
    if "through" not in heartbeat.DESCRIPTOR.fields_by_name:
        return Heartbeat(heartbeat.SerializeToString(), [], overlay)
    return Heartbeat(heartbeat.heartbeat.SerializeToString(), list(heartbeat.through), overlay)


def parts(block):
    """The arguments of `Block`."""
    return block.header.SerializeToString(), list(block.items), list(getattr(block, "through", []))


class View:
    """A journal as it is read: every block, transaction, certificate and record verified."""

    def __init__(self, journal, overlay, root):
        self.reader, self.overlay, self.root = Reader(journal), overlay, root
        self.chains, self.elements, self.blocks, self.records = {}, {}, 0, 0

    @property
    def last(self):
        return self.reader.last

    @property
    def checkpoints(self):
        return self.reader.checkpoints

    def take(self, frame):
        require(not frame.HasField("problem"), f"the subscription ends: {frame.problem}")
        if not frame.HasField("block"):
            return
        block = Block(*parts(frame.block), self.overlay)
        self.reader.take(block)
        self.blocks += 1
        listed = [content for kind, content in block.items if kind == "transaction"]
        require(len(listed) == len(frame.block.bodies), "bodies are missing")
        for content, body in zip(listed, frame.block.bodies, strict=True):
            self.take_body(content, body)

    def take_body(self, content, body):
        if body.HasField("chain"):
            chain = Chain.read(body.chain.SerializeToString())
            self.chains[chain.id] = chain.verify(self.root)
        transaction = Transaction.read(body.transaction.SerializeToString(), self.overlay)
        transaction.verify()
        require(transaction.chain in self.chains, "the chain of a publisher was not sent")
        transaction.check_holder(self.chains[transaction.chain])
        added = self.reader.add(content, transaction)
        self.elements |= dict.fromkeys(added)
        named = {update: canonical for canonical, update in added if update is not None}
        inserted = {canonical for canonical, insert, _ in transaction.entries if insert}
        for record in body.records:
            self.take_record(record, named, inserted, transaction.publisher)

    def take_record(self, record, named, inserted, publisher):
        id, fields = records.digest(record), records.check(record)
        self.records += 1
        if fields["type"] in ("entity", "artefact"):
            require(id in inserted, "a canonical came that the transaction does not insert")
            return
        require(id in named, "a record came that the item does not add")
        require(records.digest_of(fields["ref"]) == named[id], "a statement is about another canonical")
        require(fields["publisher"] == publisher, "a statement is by another publisher")


STEPS = (
    "services ring journal resume lookup errors submit receipt block head written follow search".split()
)  # The names of methods above, in order.


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    step = "open"
    try:
        session = Session(sys.argv[1])
        for step in STEPS:
            print(f"client: {step}: {getattr(session, step)()}", flush=True)
        session.close()
    except (Refused, Failed) as error:
        print(f"client: {step} failed: {error}", file=sys.stderr)
        return 1
    except grpc.RpcError as error:
        print(f"client: {step} failed: reflection: {error.code().name}: {error.details()}", file=sys.stderr)
        return 1
    print("client: all steps held")
    return 0


if __name__ == "__main__":
    sys.exit(main())
