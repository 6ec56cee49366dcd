"""Ed25519 verification under ZIP 215 in plain integers: slow, and exactly the rule of docs/formats.md."""

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)
IDENTITY = (0, 1, 1, 0)


def add(a, b):
    """The sum of two points in extended coordinates (RFC 8032, section 5.1.4)."""
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    c, d = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = f - e, d - c, d + c, f + e
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(scalar, point):
    result = IDENTITY
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def is_identity(point):
    return point[0] % P == 0 and (point[1] - point[2]) % P == 0


def decompress(data):
    """The point of any encoding, also one that is not canonical; `None` if there is none."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, (number & (1 << 255) - 1) % P
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * SQRT_M1 % P
    if x * x % P != square:
        return None
    # Also for x = 0 a sign of 1 is accepted.
    if x & 1 != sign:
        x = -x % P
    return x, y, 1, x * y % P


BASE = decompress(bytes([0x58]) + bytes([0x66]) * 31)


def is_signed_by_the_rule(key, signature, message):
    """8·S·B = 8·R + 8·k·A, with S below the group order."""
    if len(signature) != 64:
        return False
    a, r = decompress(key), decompress(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= ORDER:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % ORDER
    minus = lambda point: (-point[0] % P, point[1], point[2], -point[3] % P)
    return is_identity(times(8, add(times(s, BASE), minus(add(r, times(k, a))))))


def is_signed(key, signature, message):
    """The library first: whatever it accepts, the rule accepts too. The rule decides on the rest."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
        return True
    except (InvalidSignature, ValueError):
        return is_signed_by_the_rule(key, signature, message)
