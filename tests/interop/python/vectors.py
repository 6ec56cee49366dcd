"""Makes every vector of proto/testdata again from its inputs, and compares each byte.

    python vectors.py [--print FILE]

`--print` writes the vectors of one file instead, such as `journals` or `proposed`. The exit code is 0 if all are equal.
"""

import argparse
import sys
from pathlib import Path

from multiformats import CID

import records
from certificates import Certificate, Chain
from checks import CHECKS
from formats import is_included, item_body, leaf, object_id, tree_head, tree_path
from members import ring_id
from messages import frame_vectors, link_vectors, proposed_messages, service_vectors
from receipts import header_head, proof_body, refuted_checkpoint_body, refuted_item_body, two_heads_body
from samples import (
    ASKED,
    BACK,
    BEAT_CHECKPOINT,
    BULK,
    CHECKPOINT_0,
    CHECKPOINT_1,
    CHECKPOINTED,
    GENESIS,
    HEARTBEAT,
    IDENTITY,
    ITEMS,
    MINIMAL,
    MOVED,
    ORDINARY,
    OUTSIDE,
    OVERLAY,
    PEERS,
    PUBLISHER,
    PUBLISHER_CHAIN,
    RECEIPT,
    RING_ID,
    SECOND,
    THROUGH,
    TIME_MS,
    TOWER,
    UPDATES,
    cursor,
    hashes,
)
from wire import Refused, message, require

HERE = Path(__file__).resolve().parent
TESTDATA = HERE.parents[2] / "proto" / "testdata"
PROPOSED = HERE.parent / "vectors.txt"


def read(path):
    """Names and values of a file, in its order."""
    lines = path.read_text().splitlines() if path.exists() else []
    return dict(line.split(" ", 1) for line in lines if line and not line.startswith("#"))


def signed(title, object):
    return {title: object.encode().hex(), f"{title}.id": object.id.hex()}


# records.txt


def record_vectors():
    entity = records.encode({"type": "entity", "meta": {"id": "tate:artist:2269"}})
    artefact = records.encode({"type": "artefact", "meta": {"id": "tate:artwork:27"}})
    link = lambda record: records.cid(records.digest(record))
    by = {"publisher": bytes(range(32)), "ref": link(artefact)}
    update = {"type": "update", **by}
    least = records.encode({**update, "timestamp": 1, "meta": {}})
    title = {"title": "Pencil Mask"}
    at_ms = 1_413_849_600_000
    named = records.encode({**update, "timestamp": at_ms, "name": "Pencil Mask", "meta": title})
    full = {
        **update,
        "timestamp": at_ms + 1,
        "name": "Bleistiftmaske",
        "meta": full_meta(),
        "previous": sorted([link(least), link(named)], key=records.digest_of),
        "links": [{"rel": "createdBy", "to": link(entity)}, {"rel": "sameAs", "to": link(artefact)}],
        "salt": b"salt",
    }
    retraction = {"type": "retraction", **by, "target": link(named), "timestamp": at_ms + 2}
    made = {
        "entity": entity,
        "artefact": artefact,
        "update-least": least,
        "update-named": named,
        "update-full": records.encode(full),
        "retraction": records.encode(retraction),
    }
    return {title: f"{link(record)} {record.hex()}" for title, record in made.items()}


def full_meta():
    image = "bafkreieswl5fqaujlayx4qel3bhm7jypl3rvweqzshn4emwetulggu3qrm"
    return {
        "id": 27, "title": "Pencil Mask", "foreignTitle": "Bleistiftmaske", "groupTitle": None, "height": "",
        "width": 0.0, "depth": 25.875, "small": -1.0e-300, "least": -(2**63), "most": 2**64 - 1, "negative": -1,
        "twentyfour": 24, "onView": False, "image": CID.decode(image), "thumbnail": bytes([0, 1, 255]),
        "contributors": [{"id": 2269, "role": "artist"}, [], {}], "été": "\u2028🖌", "aa": True, "b": 1,
        "": "empty key",
    }  # fmt: skip


# trees.txt

LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]


def tree_vectors():
    made = {}
    for count in (0, 1, 2, 3, 7, 8):
        leaves = [bytes.fromhex(text) for text in LEAVES[:count]]
        root = tree_head(leaves)
        made[f"{count}.root"] = root.hex()
        for index, data in enumerate(leaves):
            path = tree_path(leaves, index)
            require(is_included(root, leaf(data), index, count, path), "a path does not prove its leaf")
            made[f"{count}.path.{index}"] = b"".join(path).hex() or "none"
    return made


# certificates.txt


def certificate_vectors():
    tower = TOWER
    ders = {
        "root": tower.root.der, "level0": tower.level0.der, "peer": tower.peer.der, "aggregator": tower.aggregator.der,
        "registrar": tower.registrar.der, "client": tower.client.der, "indexer": tower.indexer.der,
        "transport": tower.transport,
    }  # fmt: skip
    made = {"network": OVERLAY.network.hex(), **{f"{title}.der": der.hex() for title, der in ders.items()}}
    for title in ("peer", "aggregator", "registrar", "transport", "client", "indexer"):
        above = {"transport": [ders["peer"]], "client": [ders["registrar"]], "indexer": [ders["registrar"]]}
        chain = tower.chain(ders[title], *above.get(title, []))
        holder = chain.verify(tower.trusted)
        fields = {"chain": chain.id.hex(), "key": holder.key.hex(), "issuer": holder.issuer.hex()}
        fields |= {"role": holder.role, "name": holder.name, "valid_ms": f"{holder.from_ms} {holder.to_ms}"}
        made |= {f"{title}.{field}": value for field, value in fields.items()}
    leaf_name = "5vesrrri2hbmn2xjam4jawmvmeuvsjz2lrr7snrwyfdbjlehg7iq.peer.kittengrad"
    made["transport.dns"] = Certificate(tower.transport, "level2").dns_name
    require(made["transport.dns"] == leaf_name, "the DNS name of the transport leaf is another one")
    return made


# objects.txt


def object_vectors():
    made = {f"id.{kind}": object_id(kind, b"body").hex() for kind in KINDS}
    made |= {"network": OVERLAY.network.hex(), "publisher": PUBLISHER.key.hex()}
    made |= {f"peer.{number}": peer.key.hex() for number, peer in enumerate(PEERS, 1)}
    made |= {"publisher.chain": PUBLISHER_CHAIN.id.hex()}
    made |= signed("transaction.minimal", MINIMAL) | signed("transaction.updates", UPDATES)
    made |= {"transaction.bulk.bytes": str(len(BULK.body) + 64), "transaction.bulk.id": BULK.id.hex()}
    chain = Chain([b"leaf", b"level-0"])
    made |= {"chain": chain.body.hex(), "chain.id": chain.id.hex()}
    made |= signed("identity", IDENTITY)
    return made | {"ring.id": RING_ID.hex(), "ring.empty.id": ring_id(3, []).hex()}


KINDS = ("transaction", "block", "identity", "heartbeat", "chain")


# journals.txt, and vectors.txt beside this folder


def journal_vectors():
    made = {f"item.{title}": item_body(*item).hex() for title, item in ITEMS.items()}
    made |= signed("header.genesis", GENESIS[0]) | signed("header.ordinary", ORDINARY[0])
    made |= signed("header.checkpoint", CHECKPOINTED[0]) | signed("heartbeat", HEARTBEAT)
    made |= {"item-proof": proof_body(ORDINARY, 2).hex(), "receipt": RECEIPT.hex()}
    place = f"{PEERS[0].key.hex()}/{TIME_MS}"
    for title, height, text in (("genesis", None, "genesis"), ("block", 41, "41"), ("within", 41, "41+7")):
        made |= {f"cursor.{title}": cursor(height).hex(), f"position.{title}": f"{place}/{text}"}
    return made


def proposed_vectors():
    made = {f"through.{number}": entry.hex() for number, entry in enumerate(THROUGH, 1)}
    made |= {"through.root": tree_head(THROUGH).hex(), "through.root.empty": tree_head([]).hex()}
    made |= {"blocks.root.0": tree_head(hashes(0)).hex(), "blocks.root.1": tree_head(hashes(1)).hex()}
    made |= {"checkpoint.0": CHECKPOINT_0.hex(), "checkpoint.1": CHECKPOINT_1.hex()}
    made |= signed("heartbeat.nonce", ASKED) | signed("heartbeat.checkpoint", BEAT_CHECKPOINT)
    return made | proposed_messages()


# evidence.txt


def evidence_vectors():
    made = signed("header.hold", MOVED[0]) | signed("header.after-hold", OUTSIDE[0])
    item = refuted_item_body(proof_body(OUTSIDE, 0, UPDATES), proof_body(MOVED, 0))
    checkpoint = refuted_checkpoint_body(header_head(BACK), message({2: BEAT_CHECKPOINT.encode()}))
    kinds = {"heads": two_heads_body(header_head(ORDINARY), header_head(SECOND)), "item": item, "checkpoint": checkpoint}
    return made | {f"evidence.{kind}": body.hex() for kind, body in kinds.items()}


FILES = {
    "records": record_vectors,
    "trees": tree_vectors,
    "certificates": certificate_vectors,
    "objects": object_vectors,
    "journals": journal_vectors,
    "evidence": evidence_vectors,
    "frames": frame_vectors,
    "links": link_vectors,
    "services": service_vectors,
    "proposed": proposed_vectors,
}


def compare(title, path):
    """The names whose values differ, that are missing in the file, or that are new there."""
    made, found = FILES[title](), read(path)
    return sorted(key for key in made.keys() | found.keys() if made.get(key) != found.get(key)), len(made)


def check_page():
    """The vectors in docs/formats.md are those of the files: a line `FILE NAME`, then indented values."""
    page = (HERE.parents[2] / "docs" / "formats.md").read_text()
    block = page.split("```text\n")[-1].split("```")[0]
    found, title = {}, None
    for line in block.splitlines():
        if line.startswith("  "):
            found[title] += line.strip()
        else:
            title = line
            found[title] = ""
    for title, value in found.items():
        file, name = title.split()
        path = PROPOSED if file == PROPOSED.name else TESTDATA / file
        require(read(path).get(name, "").replace(" ", "") == value, f"docs/formats.md has another value for {title}")
    return f"{len(found)} vectors of docs/formats.md are those of the files"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--print", choices=FILES, metavar="FILE", help=f"one of {', '.join(FILES)}")
    args = parser.parse_args()
    if args.print:
        for title, value in FILES[args.print]().items():
            print(title, value)
        return 0
    failures = 0
    for title in FILES:
        path = PROPOSED if title == "proposed" else TESTDATA / f"{title}.txt"
        try:
            differing, count = compare(title, path)
        except Refused as error:
            differing, count = [str(error)], 0
        failures += len(differing)
        told = "equal" if not differing else f"differ in {', '.join(differing)}"
        print(f"vectors: {path.name}: {count} made, {told}")
    for check in [*CHECKS, check_page]:
        try:
            print(f"vectors: {check()}")
        except Refused as error:
            failures += 1
            print(f"vectors: {check.__name__}: {error}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
