"""How values are written in variables, and what they may be."""

import math
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1", "[::1]"})
HORIZONS = ("1h", "1d", "7d")
_TRUE = frozenset({"1", "true", "yes", "y"})
LIVE_VENUES = ("coinbase", "bitget")
_FALSE = frozenset({"0", "false", "no", "n", ""})


def _names(value: object) -> object:
    if not isinstance(value, str):
        return value
    names = tuple(part.strip().upper() for part in value.split(","))
    if not all(names):
        raise ValueError("must be names separated by commas, like BTC,ETH,SOL")
    if len(set(names)) < len(names):
        raise ValueError("must name each symbol once")
    return names


def _flag(value: object) -> object:
    if not isinstance(value, str):
        return value
    word = value.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError("must be one of 1, true, yes, y, 0, false, no, n")
    return word in _TRUE


def _symbol_values(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in value.split(","))):
        symbol, equals, number = part.partition("=")
        symbol = symbol.strip().upper()
        if not equals or not symbol or symbol in pairs:
            raise ValueError("must be SYMBOL=number pairs, each symbol once, like BTC=0.05,ETH=0.06")
        pairs[symbol] = _finite(number)
    return tuple(pairs.items())


def _hour_values(value: object) -> object:
    if not isinstance(value, str):
        return value
    ranges: list[tuple[int, int, float]] = []
    for part in filter(None, (part.strip() for part in value.split(","))):
        hours, _, number = part.partition(":")
        first, dash, last = hours.partition("-")
        if not (dash and first.strip().isdecimal() and last.strip().isdecimal()):
            raise ValueError("must be first-last:number ranges of UTC hours, like 0-7:1.4,8-16:1.0")
        start, end = int(first), int(last)
        if max(start, end) > 23:
            raise ValueError("must be ranges of UTC hours within 0-23")
        ranges.append((start, end, _positive(number)))
    return tuple(ranges)


def _models_by_horizon(value: object) -> object:
    if not isinstance(value, str):
        return value
    chosen: dict[str, tuple[str, str]] = {}
    for part in filter(None, (part.strip() for part in value.split(","))):
        horizon, equals, model = part.partition("=")
        name, colon, version = model.strip().partition(":")
        horizon = horizon.strip()
        if not (equals and colon and name and version) or horizon in chosen or horizon not in HORIZONS:
            raise ValueError(
                f"must be HORIZON=NAME:VERSION pairs, each of {', '.join(HORIZONS)} once, like 1h=panel:v1"
            )
        chosen[horizon] = name, version
    return tuple((horizon, *model) for horizon, model in chosen.items())


def _finite(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not math.isfinite(number):
        raise ValueError(f"must hold finite numbers, and {text.strip()!r} is none")
    return number


def _positive(text: str) -> float:
    number = _finite(text)
    if not number > 0:
        raise ValueError(f"must hold positive numbers, and {text.strip()!r} is none")
    return number


def secret_url(*schemes: str) -> Callable[[SecretStr], SecretStr]:
    """Make a check of a secret address: its scheme is one of these."""

    def check(value: SecretStr) -> SecretStr:
        if urlsplit(value.get_secret_value()).scheme not in schemes:
            raise ValueError(f"must be a URL that starts with {' or '.join(f'{s}://' for s in schemes)}")
        return value

    return check


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a URL that starts with https:// or http://")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must start with https://, unless its host is this machine")
    return value


def host_and_port(value: object) -> object:
    """Read `127.0.0.1:8000`."""
    if not isinstance(value, str):
        return value
    host, colon, port = value.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise ValueError("must be host:port, like 127.0.0.1:8000")
    return host, int(port)


def block_minutes(minutes: int) -> int:
    """Bound how long a switch holds, in minutes."""
    return min(max(minutes, 1), 1440)  # the contract clamps this one instead of refusing it


def only_off(value: object) -> object:
    """Refuse every mode but the one that exists."""
    if value != "off":
        raise ValueError("must be 'off': this version has no token authentication and binds loopback only")
    return value


def _venues(value: object) -> object:
    if not isinstance(value, str):
        return value
    names = tuple(part.strip().lower() for part in value.split(","))
    if len(set(names)) < len(names) or not set(names) <= set(LIVE_VENUES):
        raise ValueError(f"must be some of {', '.join(LIVE_VENUES)}, separated by commas")
    return names


def _key(value: object) -> object:
    return value.replace("\\n", "\n") if isinstance(value, str) else value


def upper(value: object) -> object:
    """Write a text in capitals."""
    return value.upper() if isinstance(value, str) else value


def lower(value: object) -> object:
    """Write a text in small letters."""
    return value.lower() if isinstance(value, str) else value


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path.expanduser()))


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
Flag = Annotated[bool, BeforeValidator(_flag)]
SymbolValues = Annotated[tuple[tuple[str, float], ...], BeforeValidator(_symbol_values)]
HourValues = Annotated[tuple[tuple[int, int, float], ...], BeforeValidator(_hour_values)]
ServedModels = Annotated[tuple[tuple[str, str, str], ...], BeforeValidator(_models_by_horizon)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Money = Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Venues = Annotated[tuple[str, ...], BeforeValidator(_venues)]
Key = Annotated[SecretStr, BeforeValidator(_key)]
Address = Annotated[str, AfterValidator(_web_address)]
Label = Annotated[str, Field(min_length=1, max_length=64)]
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


def is_loopback(host: str) -> bool:
    """Tell whether `host` names this machine only, so that nothing outside it can connect."""
    return host.lower() in LOOPBACK_HOSTS
