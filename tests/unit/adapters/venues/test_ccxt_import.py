"""ccxt through our door is the ccxt of an ordinary import, without the venues that nobody asked for."""

import json
import subprocess
import sys
from typing import Any

import pytest

TELL = """
import hashlib, json, sys
{first}
import ccxt, ccxt.async_support, ccxt.pro
from ccxt.async_support.binanceusdm import binanceusdm
from ccxt.async_support.kraken import kraken
told = {{}}
for package in (ccxt.async_support, ccxt.pro):
    for name in ("bitget", "coinbase", "binance", "kraken"):
        kind = getattr(package, name)
        described = json.dumps(kind().describe(), sort_keys=True, default=str)
        members = {{key: type(value).__name__ for key, value in vars(kind).items()}}
        told[f"{{package.__name__}}.{{name}}"] = [
            [str(one) for one in kind.__mro__], members, hashlib.sha256(described.encode()).hexdigest()
        ]
    told[package.__name__] = {{
        name: getattr(value, "__qualname__", str(value)) for name, value in vars(package).items()
        if name[0] != "_" and name not in package.exchanges and type(value) is not type(sys)
    }}
told["exchanges"] = [ccxt.exchanges, ccxt.async_support.exchanges, ccxt.pro.exchanges]
told["errors"] = [issubclass(ccxt.pro.RequestTimeout, ccxt.async_support.NetworkError), str(ccxt.NetworkError)]
told["missing"] = [hasattr(ccxt.pro, "no_such_venue"), hasattr(ccxt.async_support, "no_such_venue")]
told["versions"] = [ccxt.__version__, ccxt.async_support.__version__, ccxt.pro.__version__]
print(json.dumps([len([name for name in sys.modules if name.startswith("ccxt.")]), told]))
"""
OURS = "from marketsentry.adapters.venues.ccxt_import import import_ccxt; import_ccxt('ccxt.pro')"


def tell(first: str) -> Any:
    code = TELL.format(first=first)
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.slow
def test_it_is_the_same_as_an_ordinary_import_and_smaller() -> None:
    (n_ordinary, ordinary), (n_ours, ours) = tell(""), tell(OURS)
    assert ours == ordinary
    assert n_ordinary > 300
    assert n_ours < 60
