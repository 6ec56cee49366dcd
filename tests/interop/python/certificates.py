"""Certificates: the profile of docs/formats.md over a strict DER reader, and a writer of such certificates."""

import base64
import calendar
import hashlib
import time
from itertools import pairwise

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wire import Fields, Refused, message, require
from zip215 import is_signed

BYTES_MAX = 4_096
ED25519 = bytes.fromhex("300506032b6570")
ED25519_KEY = bytes.fromhex("302a300506032b6570032100")
P256_KEY = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
COMMON_NAME = bytes.fromhex("0603550403")
ROLE = "urn:kittengrad:role:"

# Levels: basic constraints, key usage, extended key usage, roles.
CA = ["30060101ff020102", "30060101ff020101", "30060101ff020100"]
SHAPES = {
    "root": (CA[0], "03020106", None, {"root"}),
    "level0": (CA[1], "03020106", None, {"principal"}),
    "level1": (CA[2], "03020186", None, {"peer", "aggregator", "registrar"}),
    "level2": ("3000", "03020780", "300a06082b06010505070302", {"client", "indexer"}),
    "transport": ("3000", "03020780", "301406082b0601050507030106082b06010505070302", {"peer", "aggregator"}),
}
AUTHORITY_KEY, SUBJECT_KEY, NAMES = (bytes([0x55, 0x1D, number]) for number in (35, 14, 17))
CONSTRAINTS, USAGE, EXTENDED_USAGE = (bytes([0x55, 0x1D, number]) for number in (19, 15, 37))


class Der:
    """Reads DER elements, one after another."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def element(self, tag):
        """The whole element with this tag, and its content."""
        start = self.at
        require(self.peek() == tag, "a certificate has another element than its profile")
        self.at += 1
        length = self._byte()
        if length >= 0x80:
            width = length & 0x7F
            require(1 <= width <= 2, "a length is indefinite or too long")
            digits = bytes(self._byte() for _ in range(width))
            length = int.from_bytes(digits, "big")
            require(length >= (0x80 if width == 1 else 0x100), "a length is not in its shortest form")
        content = self.data[self.at : self.at + length]
        require(len(content) == length, "a certificate ends early")
        self.at += length
        return self.data[start : self.at], content

    def content(self, tag):
        return self.element(tag)[1]

    def nested(self, tag):
        return Der(self.content(tag))

    def peek(self):
        return self.data[self.at] if self.at < len(self.data) else None

    def literal(self, data):
        """Takes `data` if it comes next."""
        if self.data[self.at : self.at + len(data)] != data:
            return False
        self.at += len(data)
        return True

    def end(self):
        require(self.at == len(self.data), "a certificate has more than its profile")

    def _byte(self):
        require(self.at < len(self.data), "a certificate ends early")
        self.at += 1
        return self.data[self.at - 1]


class Certificate:
    """One certificate of a level, checked against its shape."""

    def __init__(self, der, level):
        require(len(der) <= BYTES_MAX, f"a certificate of {len(der)} bytes")
        file = Der(der)
        outer = file.nested(0x30)
        file.end()
        self.signed, content = outer.element(0x30)
        require(outer.literal(ED25519), "a certificate is not signed with Ed25519")
        bits = outer.content(3)
        outer.end()
        require(len(bits) == 65 and bits[0] == 0, "a signature has not 64 bytes")
        self.signature = bits[1:]
        fields = Der(content)
        require(fields.literal(bytes.fromhex("a003020102")), "a certificate is not of version 3")
        serial = fields.content(2)
        is_number = 1 <= len(serial) <= 20 and serial[0] < 0x80 and serial != b"\0"
        require(is_number and not (serial[0] == 0 and serial[1] < 0x80), "a serial number is not 1 to 20 bytes above 0")
        require(fields.literal(ED25519), "the inner algorithm is not Ed25519")
        self.issuer, _ = common_name(fields)
        times = fields.nested(0x30)
        self.from_ms, self.to_ms = time_ms(times), time_ms(times)
        times.end()
        require(self.from_ms <= self.to_ms, "a validity ends before it begins")
        self.subject, self.name = common_name(fields)
        self.key = public_key(fields)
        self._extensions(fields, level)
        fields.end()

    def _extensions(self, fields, level):
        outer = fields.nested(0xA3)
        found, rest = {}, outer.nested(0x30)
        outer.end()
        while rest.peek() is not None:
            extension = rest.nested(0x30)
            name, critical = extension.content(6), extension.literal(bytes.fromhex("0101ff"))
            value = extension.content(4)
            extension.end()
            require(name not in found, "an extension occurs twice")
            known = {AUTHORITY_KEY, SUBJECT_KEY, NAMES, CONSTRAINTS, USAGE, EXTENDED_USAGE}
            wanted = name in (CONSTRAINTS, USAGE) if name in known else False
            require(critical == wanted, "an extension is critical or not against the profile")
            found[name] = value
        names = Der(found.get(NAMES, b""))
        list = names.nested(0x30)
        names.end()
        self.dns_name = list.content(0x82).decode("ascii", "replace") if list.peek() == 0x82 else None
        uri = list.content(0x86).decode("ascii", "replace")
        list.end()
        require(uri.startswith(ROLE), f"{uri!r} is not a role")
        self.role = uri[len(ROLE) :]
        if level == "level2" and self.dns_name is not None:
            level = "transport"
        constraints, usage, extended, roles = SHAPES[level]
        require((self.dns_name is not None) == (level == "transport"), "only a transport leaf has a DNS name")
        require((self.key is None) == (level == "transport"), "only a transport leaf has a P-256 key")
        shape = found.get(CONSTRAINTS, b"").hex(), found.get(USAGE, b"").hex()
        require(shape == (constraints, usage), f"its extensions are not those of {level}")
        extended = bytes.fromhex(extended) if extended else None
        require(found.get(EXTENDED_USAGE) == extended, f"its extended key usage is not that of {level}")
        require(self.role in roles, f"{self.role} is not a role of {level}")
        authority, subject = Der(found.get(AUTHORITY_KEY, b"")), Der(found.get(SUBJECT_KEY, b""))
        inner = authority.nested(0x30)
        authority.end()
        self.authority_key, self.subject_key = inner.content(0x80), subject.content(4)
        inner.end()
        subject.end()
        require(len(self.authority_key) == len(self.subject_key) == 20, "a key identifier has not 20 bytes")

    def check_issuer(self, above):
        is_linked = (self.issuer, self.authority_key) == (above.subject, above.subject_key)
        require(is_linked, f"{self.name}: the certificate above is not its issuer's")
        require(above is self or self.subject != above.subject, f"{self.name} has the name of its issuer")
        require(is_signed(above.key, self.signature, self.signed), f"{self.name}: its signature is forged")


def common_name(fields):
    whole, content = fields.element(0x30)
    set = Der(content)
    attribute = set.nested(0x31)
    set.end()
    pair = attribute.nested(0x30)
    attribute.end()
    require(pair.literal(COMMON_NAME), "a name is not one common name")
    text = pair.content(0x0C)
    pair.end()
    try:
        name = text.decode()
    except UnicodeDecodeError:
        raise Refused("a common name is not UTF-8") from None
    is_name = 1 <= len(text) <= 64 and not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in name)
    require(is_name, "a common name is not 1 to 64 bytes without control characters")
    return whole, name


def time_ms(fields):
    long = fields.peek() == 0x18
    text = fields.content(0x18 if long else 0x17).decode("ascii", "replace")
    if not long:
        text = ("20" if text[:2] < "50" else "19") + text
    is_form = len(text) == 15 and text[:14].isdigit() and text[14] == "Z"
    require(is_form and (not long or text >= "2050"), f"{text} is not a strict time")
    try:
        seconds = calendar.timegm(time.strptime(text, "%Y%m%d%H%M%SZ"))
    except ValueError:
        raise Refused(f"{text} is not a time") from None
    require(text >= "1970" and int(text[12:14]) < 60, f"{text} is not a time")
    return seconds * 1_000


def public_key(fields):
    """The Ed25519 key; `None` for a P-256 point."""
    whole, _ = fields.element(0x30)
    if whole.startswith(ED25519_KEY) and len(whole) == len(ED25519_KEY) + 32:
        return whole[-32:]
    require(whole.startswith(P256_KEY) and len(whole) == len(P256_KEY) + 64, "a key is neither Ed25519 nor P-256")
    return None


def label(key):
    """A key in base32: the first label of the DNS name of a transport leaf."""
    return base64.b32encode(key).decode().rstrip("=").lower()


def transport_name(key, role):
    return f"{label(key)}.{role}.kittengrad"


class Root:
    """The root certificate that a reader trusts."""

    def __init__(self, der):
        self.certificate = Certificate(der, "root")
        self.certificate.check_issuer(self.certificate)
        self.network = hashlib.sha256(der).digest()


class Chain:
    """A chain: its certificates and id. `verify` returns its holder."""

    def __init__(self, certificates):
        require(2 <= len(certificates) <= 3, f"a chain has {len(certificates)} certificates; 2 or 3 are allowed")
        require(all(len(der) <= BYTES_MAX for der in certificates), "a certificate is too large")
        self.certificates = certificates
        self.body = message({1: 1, 2: certificates})
        self.id = hashlib.sha256(b"kittengrad/v1/chain\0" + self.body).digest()

    @classmethod
    def read(cls, body):
        fields = Fields(body, "chain")
        require(fields.number(1) == 1, f"a chain has version {fields.number(1)}")
        return cls(fields.list(2))

    def verify(self, root):
        *leaf, level1, level0 = self.certificates
        path = [root.certificate, Certificate(level0, "level0"), Certificate(level1, "level1")]
        path += [Certificate(der, "level2") for der in leaf]
        for above, below in pairwise(path):
            below.check_issuer(above)
        keys = [certificate.key for certificate in path if certificate.key]
        require(len(set(keys)) == len(keys), "a key occurs twice in a chain")
        return Holder(path, self)


class Holder:
    """The key of a verified chain, with role, name and validity."""

    def __init__(self, path, chain):
        level1, last = path[2], path[-1]
        named = last
        if last.dns_name is not None:
            is_own = last.role == level1.role and last.dns_name == transport_name(level1.key, level1.role)
            require(is_own, "a transport leaf is not that of its issuer")
            named = level1
        elif last is not level1:
            issuers = {"client": ("peer", "registrar"), "indexer": ("registrar",)}[last.role]
            require(level1.role in issuers, f"a {level1.role} does not certify a {last.role}")
        self.key, self.role, self.name, self.chain = named.key, named.role, named.name, chain
        self.issuer = path[path.index(named) - 1].key
        self.from_ms = max(certificate.from_ms for certificate in path)
        self.to_ms = min(certificate.to_ms for certificate in path)

    def check_at(self, at_ms):
        require(self.from_ms <= at_ms <= self.to_ms, f"the certificates of {self.name} are not in force at {at_ms}")


def der(tag, *parts):
    """Writes a DER element."""
    content = b"".join(parts)
    size = len(content)
    width = 0 if size < 0x80 else 1 if size < 0x100 else 2
    length = bytes([0x80 | width]) + size.to_bytes(width, "big") if width else bytes([size])
    return bytes([tag]) + length + content


class Issuer:
    """A key with its own certificate, which certifies others."""

    def __init__(self, seed, name):
        self.private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.key = self.private.public_key().public_bytes_raw()
        self.name, self.der = name, b""

    def certify(self, level, role, name, key_info, serial, validity, dns_name=None):
        """A certificate as the sample tower makes it."""
        constraints, usage, extended, _ = (bytes.fromhex(p) if isinstance(p, str) else p for p in SHAPES[level])
        named = lambda text: der(0x30, der(0x31, der(0x30, COMMON_NAME, der(0x0C, text.encode()))))
        at = lambda text: der(0x17 if len(text) == 13 else 0x18, text.encode())
        extension = lambda id, value, critical=b"": der(0x30, der(6, id), critical, der(4, value))
        critical = bytes.fromhex("0101ff")
        names = der(0x82, dns_name.encode()) if dns_name else b""
        extensions = [
            extension(AUTHORITY_KEY, der(0x30, der(0x80, key_id(ED25519_KEY + self.key)))),
            extension(NAMES, der(0x30, names, der(0x86, (ROLE + role).encode()))),
            extension(USAGE, usage, critical),
            extension(EXTENDED_USAGE, extended) if extended else b"",
            extension(SUBJECT_KEY, der(4, key_id(key_info))),
            extension(CONSTRAINTS, constraints, critical),
        ]
        signed = der(
            0x30,
            bytes.fromhex("a003020102"),
            der(2, bytes(serial)),
            ED25519,
            named(self.name),
            der(0x30, *map(at, validity)),
            named(name),
            key_info,
            der(0xA3, der(0x30, *extensions)),
        )
        return der(0x30, signed, ED25519, der(3, b"\0", self.private.sign(signed)))


def key_id(key_info):
    """The key identifier that the sample tower uses; others of 20 bytes are as good."""
    return hashlib.sha256(key_info).digest()[:20]
