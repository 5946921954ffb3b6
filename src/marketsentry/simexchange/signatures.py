"""How the venues know a client: ES256 tokens of Coinbase, HMAC of Bitget. Verified for real, without a library."""

import base64
import binascii
import hashlib
import hmac
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marketsentry.simexchange.p256 import PublicKey, is_signed, private_pem, public_key

TOKEN_LIFE_S = 120
CLOCK_SLACK_S = 5.0
BITGET_WINDOW_S = 30.0


@dataclass(slots=True, eq=False)
class Unauthorised(Exception):  # noqa: N818 - an answer of the protocol, not a failure of this program
    """The client is not who it says, or its proof is too old. `code` is the venue's, where it has one."""

    detail: str
    is_stale: bool = False
    code: str = ""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A P-256 key: the private half in PEM as Coinbase hands it out, the public half to verify with."""

    pem: str
    public: PublicKey


def make_key_pair(seed: int) -> KeyPair:
    """Make the key that a seed always gives. Good for a simulated venue and nothing else."""
    secret = random.Random(seed).getrandbits(255) | 1
    return KeyPair(private_pem(secret), public_key(secret))


def token_key(token: str) -> str:
    """Read which key a token claims to be signed with; nothing is verified yet."""
    return str(_json_part(token.split(".")[0]).get("kid", ""))


def verify_token(
    token: str, key: str, public: PublicKey, *, now_s: float, uris: tuple[str, ...] = ()
) -> None:
    """Verify an ES256 token of Coinbase Advanced Trade.

    Parameters
    ----------
    token : str
        `header.claims.signature`, each part in base64url.
    key : str
        Name of the key that must have signed it.
    public : PublicKey
        Public half of that key.
    now_s : float
        Time of the venue, seconds since the epoch.
    uris : tuple of str
        What the token may be bound to, `METHOD host/path`; empty on the WebSocket, where a token is bound to nothing.

    Raises
    ------
    Unauthorised
        The token is malformed, signed by another key, meant for another request, or not valid now.
    """
    parts = token.split(".")
    if len(parts) != 3:
        raise Unauthorised("token has no three parts")
    header, claims = _json_part(parts[0]), _json_part(parts[1])
    if header.get("alg") != "ES256" or header.get("kid") != key or claims.get("sub") != key:
        raise Unauthorised("token is not of this key")
    if claims.get("iss") not in ("coinbase-cloud", "cdp"):
        raise Unauthorised(f"issuer {claims.get('iss')} is not known")
    if uris and claims.get("uri") not in uris:
        raise Unauthorised(f"token is for {claims.get('uri')}, not for {uris[0]}")
    _check_life(claims, now_s)
    signature = _decode(parts[2])
    if len(signature) != 64 or not is_signed(f"{parts[0]}.{parts[1]}".encode(), signature, public):
        raise Unauthorised("signature does not match")


def bitget_signature(secret: str, timestamp: str, method: str, target: str, body: str) -> str:
    """Sign as Bitget does: base64 of HMAC-SHA256 over timestamp, method, path with its raw query, and body."""
    message = f"{timestamp}{method.upper()}{target}{body}".encode()
    return base64.b64encode(hmac.new(secret.encode(), message, hashlib.sha256).digest()).decode()


def check_bitget_time(timestamp_s: float, now_s: float) -> None:
    """Refuse a request that is more than 30 s away from the venue's time."""
    if not abs(now_s - timestamp_s) <= BITGET_WINDOW_S:
        raise Unauthorised(
            f"timestamp is {now_s - timestamp_s:.1f} s off, at most {BITGET_WINDOW_S}", is_stale=True
        )


def is_same(left: str, right: str) -> bool:
    """Compare two secrets in a time that does not tell where they differ."""
    return hmac.compare_digest(left.encode(), right.encode())


def _check_life(claims: Mapping[str, Any], now_s: float) -> None:
    try:
        not_before, expires = float(claims["nbf"]), float(claims["exp"])
    except (KeyError, TypeError, ValueError):
        raise Unauthorised("token has no nbf or exp") from None
    if not expires - not_before <= TOKEN_LIFE_S:
        raise Unauthorised(f"token lives {expires - not_before:g} s, at most {TOKEN_LIFE_S}")
    if not not_before - CLOCK_SLACK_S <= now_s <= expires + CLOCK_SLACK_S:
        raise Unauthorised(
            f"token is valid from {not_before:g} to {expires:g}, it is {now_s:.0f}", is_stale=True
        )


def _json_part(part: str) -> Mapping[str, Any]:
    try:
        value = json.loads(_decode(part))
    except ValueError:
        raise Unauthorised("token is no JSON") from None
    if not isinstance(value, dict):
        raise Unauthorised("token is no JSON object")
    return value


def _decode(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error:
        raise Unauthorised("token is no base64") from None
