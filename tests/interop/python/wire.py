"""Protobuf as docs/formats.md describes it: a writer with one encoding, and a strict reader. No generated code."""

from itertools import pairwise

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class Refused(Exception):
    """Bytes that break a rule of docs/formats.md."""


def require(condition, why):
    """Refuses unless `condition` holds."""
    if not condition:
        raise Refused(why)


def varint(number):
    """The shortest varint."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def prefixed(number, content):
    """A field of bytes, text or a message, also if it is empty."""
    return varint(number << 3 | BYTES) + varint(len(content)) + content


def message(fields):
    """A message of `{number: value}`.

    Integers, bytes and texts are left out if they are the default. A list is a repeated field. `None` is absent. For a
    present empty message, give `Present(b"")`.
    """
    out = b""
    for number, value in sorted(fields.items()):
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str):
                one = one.encode()
            if isinstance(one, int):
                out += varint(number << 3) + varint(int(one)) if one else b""
            elif one is not None and (one or isinstance(value, list) or isinstance(one, Present)):
                out += prefixed(number, one)
    return out


class Present(bytes):
    """A message that is written even if it is empty."""


class Fields:
    """The fields of a message, as they came."""

    def __init__(self, data, what="message"):
        self.what = what
        self.data = data
        self.found = {}
        at = 0
        while at < len(data):
            key, at = self._varint(at)
            number, kind = key >> 3, key & 7
            if kind == VARINT:
                value, at = self._varint(at)
            else:
                if kind == BYTES:
                    length, at = self._varint(at)
                else:
                    length = {FIXED64: 8, FIXED32: 4}.get(kind, -1)
                require(0 <= length <= len(data) - at, f"{what}: field {number} ends early, or is a group")
                value, at = data[at : at + length], at + length
            require(number > 0, f"{what}: field 0")
            self.found.setdefault(number, []).append((kind, value))

    def _varint(self, at):
        value = 0
        for shift in range(0, 70, 7):
            require(at < len(self.data), f"{self.what} ends early")
            byte, at = self.data[at], at + 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & (1 << 64) - 1, at
        raise Refused(f"{self.what}: a varint of more than ten bytes")

    def _last(self, number, kind, default):
        values = self.found.get(number, [])
        require(all(found == kind for found, _ in values), f"{self.what}: field {number} has another wire type")
        return values[-1][1] if values else default

    def number(self, number):
        return self._last(number, VARINT, 0)

    def bytes(self, number):
        return self._last(number, BYTES, b"")

    def text(self, number):
        try:
            return self.bytes(number).decode()
        except UnicodeDecodeError:
            raise Refused(f"{self.what}: field {number} is not UTF-8") from None

    def has(self, number):
        return number in self.found

    def message(self, number):
        """A message, or `None` if it is absent."""
        return Fields(self.bytes(number), f"{self.what}.{number}") if self.has(number) else None

    def list(self, number):
        self._last(number, BYTES, b"")
        return [value for _, value in self.found.get(number, [])]

    def name(self, number):
        """A name of 32 bytes."""
        value = self.bytes(number)
        require(len(value) == 32, f"{self.what}: field {number} has {len(value)} bytes, not 32")
        return value


def is_ascending(values):
    """Whether values ascend strictly."""
    return all(before < after for before, after in pairwise(values))


def names(data):
    """Splits names of 32 bytes, one after another."""
    require(len(data) % 32 == 0, f"a list of names has {len(data)} bytes")
    return [data[at : at + 32] for at in range(0, len(data), 32)]
