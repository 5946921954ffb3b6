"""ECDSA on the curve P-256, as far as a simulated venue needs it: make a key, verify a signature.

Points are Jacobian (x / z^2, y / z^3); multiples of a point are added up from a table of it. Nothing here runs in
constant time: it must never guard a real secret.
"""

import base64
import functools
import hashlib

PublicKey = tuple[int, int]
_Point = tuple[int, int, int]

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
GX = 0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296
GY = 0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5

_ZERO: _Point = (1, 1, 0)
_BITS = 4
# SEC 1 `ECPrivateKey`: version, 32 bytes of secret, the curve's name, the public point.
_DER_HEAD = bytes.fromhex("30770201010420")
_DER_CURVE = bytes.fromhex("a00a06082a8648ce3d030107a14403420004")


def public_key(secret: int) -> PublicKey:
    """Public point of a private number in [1, N)."""
    return _affine(_multiply(secret, (GX, GY)))


def private_pem(secret: int) -> str:
    """Write a private number as an `EC PRIVATE KEY` in PEM."""
    x, y = public_key(secret)
    der = _DER_HEAD + secret.to_bytes(32, "big") + _DER_CURVE + x.to_bytes(32, "big") + y.to_bytes(32, "big")
    text = base64.b64encode(der).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join(("-----BEGIN EC PRIVATE KEY-----", *lines, "-----END EC PRIVATE KEY-----", ""))


def public_of_pem(pem: str) -> PublicKey:
    """Public point of a key that `private_pem` wrote; raises ValueError for anything else."""
    der = base64.b64decode("".join(line for line in pem.splitlines() if not line.startswith("-----")))
    start = len(_DER_HEAD)
    if not der.startswith(_DER_HEAD) or der[start + 32 : start + 32 + len(_DER_CURVE)] != _DER_CURVE:
        raise ValueError("no SEC 1 private key of the curve P-256")
    return public_key(int.from_bytes(der[start : start + 32], "big"))


def is_on_curve(point: PublicKey) -> bool:
    """Tell whether a point solves y^2 = x^3 - 3 x + b."""
    x, y = point
    return 0 <= x < P and 0 <= y < P and (y * y - x * x * x + 3 * x - B) % P == 0


def is_signed(message: bytes, signature: bytes, public: PublicKey) -> bool:
    """Verify a signature of SHA-256 of a message; `signature` is r and s, 32 bytes each, big endian."""
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not (0 < r < N and 0 < s < N and is_on_curve(public)):
        return False
    digest = int.from_bytes(hashlib.sha256(message).digest(), "big")
    inverse = pow(s, -1, N)
    point = _add(_multiply(digest * inverse % N, (GX, GY)), _multiply(r * inverse % N, public))
    return point[2] != 0 and _affine(point)[0] % N == r


def _multiply(number: int, point: PublicKey) -> _Point:
    total = _ZERO
    for index, row in enumerate(_table(point)):
        total = _add(total, row[number >> _BITS * index & 2**_BITS - 1])
    return total


@functools.lru_cache(maxsize=64)
def _table(point: PublicKey) -> tuple[tuple[_Point, ...], ...]:
    """Multiples of a point: entry j of row i is j * 2^(4 i) times it."""
    base = (*point, 1)
    rows = []
    for _ in range(256 // _BITS):
        row = [_ZERO]
        for _ in range(2**_BITS - 1):
            row.append(_add(row[-1], base))
        rows.append(tuple(row))
        base = _add(row[-1], base)
    return tuple(rows)


def _double(point: _Point) -> _Point:
    x, y, z = point
    if z == 0:
        return _ZERO
    zz, yy = z * z % P, y * y % P
    slope = 3 * (x - zz) * (x + zz) % P
    middle = 4 * x * yy % P
    x_out = (slope * slope - 2 * middle) % P
    return x_out, (slope * (middle - x_out) - 8 * yy * yy) % P, 2 * y * z % P


def _add(left: _Point, right: _Point) -> _Point:
    if left[2] == 0:
        return right
    if right[2] == 0:
        return left
    x1, y1, z1 = left
    x2, y2, z2 = right
    zz1, zz2 = z1 * z1 % P, z2 * z2 % P
    u1, u2 = x1 * zz2 % P, x2 * zz1 % P
    s1, s2 = y1 * z2 * zz2 % P, y2 * z1 * zz1 % P
    if u1 == u2:
        return _double(left) if s1 == s2 else _ZERO
    h, r = u2 - u1, s2 - s1
    hh = h * h % P
    hhh, v = h * hh % P, u1 * hh % P
    x_out = (r * r - hhh - 2 * v) % P
    return x_out, (r * (v - x_out) - s1 * hhh) % P, z1 * z2 * h % P


def _affine(point: _Point) -> PublicKey:
    inverse = pow(point[2], -1, P)
    return point[0] * inverse * inverse % P, point[1] * inverse**3 % P
