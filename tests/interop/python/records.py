"""Records: strict DAG-CBOR, and the fields of each type."""

import hashlib
import math

import dag_cbor
from multiformats import CID, multihash

from wire import is_ascending, require

BYTES_MAX = 65_536
DEPTH_MAX = 64
LISTS_MAX = 1_000
LINK = bytes.fromhex("d82a58250001711220")
FIELDS = {
    "entity": ({"type", "meta"}, set()),
    "artefact": ({"type", "meta"}, set()),
    "update": ({"type", "meta", "ref", "publisher", "timestamp"}, {"name", "salt", "links", "previous"}),
    "retraction": ({"type", "ref", "target", "publisher", "timestamp"}, set()),
}


def digest(record):
    return hashlib.sha256(record).digest()


def cid(digest):
    """The CID of a record's digest."""
    return CID("base32", 1, "dag-cbor", multihash.wrap(digest, "sha2-256"))


def digest_of(cid):
    """The digest in a CID of a record."""
    is_record = (cid.version, cid.codec.name, cid.hashfun.name) == (1, "dag-cbor", "sha2-256")
    require(is_record and len(cid.raw_digest) == 32, f"{cid} is not a CID of a record")
    return bytes(cid.raw_digest)


def encode(fields):
    """Writes a record and checks it. The library sorts the keys; negative zero becomes zero."""
    record = dag_cbor.encode(positive(fields))
    check(record)
    return record


def positive(value):
    if isinstance(value, dict):
        return {key: positive(one) for key, one in value.items()}
    if isinstance(value, list):
        return [positive(one) for one in value]
    return value + 0.0 if isinstance(value, float) else value


def check(record):
    """Reads a record, or refuses it.

    The library refuses most bytes that are not strict. It takes a negative zero and digests of more than 64 bytes in
    CIDs, so these are looked for here.
    """
    require(len(record) <= BYTES_MAX, f"a record of {len(record)} bytes; at most {BYTES_MAX}")
    try:
        fields = dag_cbor.decode(record)
        again = dag_cbor.encode(fields)
    except Exception as error:  # The library has errors of its own, and lets through those of Python.
        fields, again = None, error
    require(again == record, f"a record is not strict DAG-CBOR: {again!r:.80}")
    require(isinstance(fields, dict), "a record is not a map")
    check_value(fields, DEPTH_MAX + 1)
    check_fields(fields)
    return fields


def check_value(value, levels):
    if isinstance(value, (dict, list)):
        require(levels > 0, "a record nests too deep")
        for one in value.values() if isinstance(value, dict) else value:
            check_value(one, levels - 1)
    elif isinstance(value, float):
        require(math.isfinite(value) and str(value) != "-0.0", "a float is not finite, or negative zero")
    elif isinstance(value, CID):
        require(len(value.raw_digest) <= 64, "a CID has a digest of more than 64 bytes")


def check_fields(fields):
    required, optional = FIELDS.get(fields.get("type"), (None, None))
    require(required is not None, f"type {fields.get('type')!r} is not one of a record")
    missing, unknown = required - fields.keys(), fields.keys() - required - optional
    require(not missing and not unknown, f"fields are missing or unknown: {missing or unknown}")
    kinds = {
        "meta": dict, "ref": CID, "target": CID, "publisher": bytes, "timestamp": int, "name": str, "salt": bytes,
        "links": list, "previous": list,
    }  # fmt: skip
    for name, value in fields.items():
        require(name == "type" or type(value) is kinds[name], f"{name} is of another kind")
    for name in ("ref", "target"):
        digest_of(fields[name]) if name in fields else None
    require(len(fields.get("publisher", bytes(32))) == 32, "publisher is not 32 bytes")
    require(fields.get("timestamp", 0) >= 0, "timestamp is negative")
    require(len(fields.get("name", "").encode()) <= 4_096, "name is too long")
    require(len(fields.get("salt", b"")) <= 64, "salt is too long")
    check_list("previous", fields, lambda link: digest_of(link))
    check_list("links", fields, link_order)


def link_order(link):
    is_link = isinstance(link, dict) and link.keys() == {"rel", "to"}
    require(is_link and type(link["rel"]) is str and type(link["to"]) is CID, "a link is not {rel, to}")
    rel = link["rel"].encode()
    require(1 <= len(rel) <= 64, "rel is empty or too long")
    return rel, digest_of(link["to"])


def check_list(name, fields, order):
    if name not in fields:
        return
    require(1 <= len(fields[name]) <= LISTS_MAX, f"{name} has {len(fields[name])} entries")
    require(all(type(one) in (CID, dict) for one in fields[name]), f"{name} has entries of another kind")
    keys = [order(one) for one in fields[name]]
    require(is_ascending(keys), f"{name} is not strictly ascending")
