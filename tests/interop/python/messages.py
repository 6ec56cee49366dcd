"""The messages of links.txt, frames.txt and services.txt, and those of vectors.txt."""

from journals import head_body
from receipts import proof_body
from samples import (
    BEAT_CHECKPOINT,
    BULK,
    CHECKPOINTED,
    GENESIS,
    HEAD,
    HEARTBEAT,
    IDENTITY,
    MINIMAL,
    NONCE,
    ORDINARY,
    OVERLAY,
    PEERS,
    PUBLISHER_CHAIN,
    RECEIPT,
    THROUGH,
    TIME_MS,
    TOWER,
    UPDATES,
    cursor,
    name,
)
from wire import Present, message, varint


def chain_of(peer):
    return TOWER.chain(peer.der)


def push():
    return message({1: UPDATES.encode(), 2: [b"first record", b"second record"], 3: PUBLISHER_CHAIN.body})


def link_block(block, through=()):
    return message({1: block[0].encode(), 2: block[1], 4: list(through)})


def link_vectors():
    head = head_body(HEAD)
    seen = message({1: ORDINARY[0].encode()})
    hello = {1: OVERLAY.network, 2: "works", 3: name(0x4E), 4: head, 5: seen, 6: 1, 7: IDENTITY.encode(), 8: 1}
    later = message({1: MINIMAL.encode()})
    refusal = message({1: 4, 2: "the certificates are not here"})
    made = {
        "hello": {1: message({**hello, 9: TIME_MS})},
        "push": {2: push()},
        "push-result.confirmed": {3: message({1: UPDATES.id, 3: [proof_body(ORDINARY, 0)]})},
        "push-result.refused": {3: message({1: UPDATES.id, 4: refusal})},
        "follow": {4: message({1: TIME_MS, 2: 2})},
        "frames": {5: message({1: [link_block(GENESIS), link_block(ORDINARY)], 2: head})},
        "fetch": {6: message({1: MINIMAL.id + BULK.id})},
        "bodies": {7: message({1: [push(), later], 2: BULK.id})},
        "alive": {8: message({1: HEARTBEAT.encode()})},
    }
    return {title: message(fields).hex() for title, fields in made.items()}


def frame_block(block, bodies=(), through=()):
    return message({1: block[0].encode(), 2: block[1], 3: list(bodies), 4: 5, 5: list(through)})


def frame_vectors():
    problem = message({1: 1, 2: cursor(None)})
    made = {
        "block": {1: frame_block(ORDINARY)},
        "bodies": {1: frame_block(ORDINARY, [push(), b""])},
        "heartbeat": {2: message({1: HEARTBEAT.encode()})},
        "problem": {3: problem},
    }
    return {f"frame.{title}": message(fields).hex() for title, fields in made.items()}


def ring_response():
    status = message({1: PEERS[1].key, 2: "settled", 3: head_body(HEAD)})
    ring = {1: "works", 2: OVERLAY.network, 3: 3, 4: [IDENTITY.encode()], 5: [status], 6: [IDENTITY.encode()], 7: 1}
    return message(ring)


def head_response(heartbeat, through=()):
    known = {2: Present(message_numbers([TIME_MS - 1_000, TIME_MS])), 3: 12, 4: chain_of(PEERS[0]).body}
    return message({1: heartbeat.encode(), **known, 5: list(through)})


def message_numbers(numbers):
    """A packed list of numbers."""
    return b"".join(map(varint, numbers))


def status(code, text, reason, hint, retry=None, responsible=()):
    """A google.rpc.Status with our details."""
    any = lambda kind, body: message({1: f"type.googleapis.com/{kind}", 2: body})
    details = [any("google.rpc.ErrorInfo", message({1: reason[1], 2: "kittengrad"}))]
    if retry:
        details.append(any("google.rpc.RetryInfo", message({1: message({1: retry[0], 2: retry[1]})})))
    detail = message({1: reason[0], 2: hint, 3: list(responsible)})
    details.append(any("kittengrad.v1.ErrorDetail", detail))
    return message({1: code, 2: text, 3: details})


def service_vectors():
    works, c1 = {1: "works"}, name(0xC1)
    submit = {2: UPDATES.encode(), 3: [b"first record", b"second record"], 4: PUBLISHER_CHAIN.body, 5: 3, 6: 1}
    synced = [PEERS[0].key, PEERS[1].key]
    submitted = {1: UPDATES.id, 2: b"\3", 3: head_body(HEAD), 4: synced, 5: 1, 6: RECEIPT, 7: c1}
    full = {1: c1, 2: 1, 3: name(0x33) + name(0x44), 4: b"record", 5: [b"\x33", b"\x44"], 6: 1}
    nothing = {1: name(0xC2), 4: b"record"}
    sets = [message(full), message(nothing)]
    found = {1: PEERS[0].key, 2: head_body(HEAD), 3: sets, 4: [PUBLISHER_CHAIN.body]}
    replicas = message({1: c1, 2: [IDENTITY.encode()]})
    subscribe = {5: 2, 6: 1}
    blocks = {2: TIME_MS, 3: 42, 4: 10, 5: 1}
    busy = "send less at once, or the same again a little later"
    made = {
        "submit.request": message(works | submit),
        "submit.response": message(submitted),
        "lookup.request": message(works | {2: c1 + name(0xC2), 3: 1, 4: name(0x33)}),
        "lookup.response": message(found),
        "get-record.request": message(works | {2: name(0x33) + name(0x44)}),
        "get-record.response": message({1: [b"record", b""]}),
        "get-ring.request": message(works),
        "get-ring.response": ring_response(),
        "route.request": message(works | {2: c1}),
        "route.response": message({1: replicas}),
        "subscribe.cursor": message(works | {2: cursor(41)} | subscribe),
        "subscribe.genesis": message(works | {3: 1} | subscribe),
        "subscribe.now": message(works | {4: 1} | subscribe),
        "get-blocks.request": message(works | blocks),
        "get-blocks.response": message({1: [frame_block(ORDINARY)]}),
        "get-head.request": message(works),
        "get-head.response": head_response(HEARTBEAT),
        "error.not-responsible": status(
            9, "another peer has it", (1, "NOT_RESPONSIBLE"), "ask one of the peers named", None, [replicas]
        ),
        "error.overloaded": status(8, "no room", (8, "OVERLOADED"), busy, (1, 500_000_000)),
    }
    return {title: data.hex() for title, data in made.items()}


def proposed_messages():
    """Messages of the current schema that no other file has yet."""
    works, subscribe = {1: "works"}, {5: 2, 6: 1}
    made = {
        "signed-head.header": message({1: ORDINARY[0].encode()}),
        "signed-head.heartbeat": message({2: HEARTBEAT.encode()}),
        "frame.heartbeat.checkpoint": message({2: message({1: BEAT_CHECKPOINT.encode(), 2: THROUGH})}),
        "frame.block.checkpoint": message({1: frame_block(CHECKPOINTED, (), THROUGH)}),
        "frames.checkpoint": message({5: message({1: [link_block(CHECKPOINTED, THROUGH)], 2: head_body(HEAD)})}),
        "subscribe.head": message(works | {4: 1} | subscribe | {7: message({1: ORDINARY[0].encode()})}),
        "get-head.nonce": message(works | {2: NONCE}),
        "get-head.checkpoint": head_response(BEAT_CHECKPOINT, THROUGH),
    }
    return {title: data.hex() for title, data in made.items()}
