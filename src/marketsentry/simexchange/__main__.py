"""Run a simulated venue as a process: `python -m marketsentry.simexchange --venue coinbase --seed 7`.

One line of JSON on standard output says where it listens and with which key; it runs until SIGTERM, SIGINT or, with
`--until-stdin-closes`, until whoever started it is gone.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from marketsentry.simexchange.admin import PREFIX, read_rule
from marketsentry.simexchange.candles import Listing
from marketsentry.simexchange.exchange import USUAL_PRICES, SimExchange, VenueKind, usual_markets
from marketsentry.simexchange.past import past_of


def main(argv: Sequence[str] | None = None) -> None:
    """Run the venue that the command line describes."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(_arguments().parse_args(argv)))


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m marketsentry.simexchange", description=__doc__)
    parser.add_argument("--venue", type=VenueKind, choices=list(VenueKind), default=VenueKind.COINBASE)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1, 0 for a free one")
    parser.add_argument("--seed", type=int, default=0, help="of ids, books, crowds, prices and faults")
    parser.add_argument(
        "--tick-s", type=float, default=1.0, help="how often the market moves; 0: only by /_sim/step"
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="JSON",
        help='a rule, e.g. {"fault":"latency","value":0.2}',
    )
    parser.add_argument(
        "--past-hours",
        type=int,
        default=0,
        metavar="N",
        help="serve candles of so many hours before the start",
    )
    parser.add_argument(
        "--balance",
        action="append",
        default=[],
        metavar="COIN=AMOUNT",
        help="what the client owns at the start, e.g. USD=100000; repeat it for more coins",
    )
    parser.add_argument(
        "--env", type=Path, metavar="FILE", help="write address and key as lines that a shell can read"
    )
    parser.add_argument("--until-stdin-closes", action="store_true", help="end together with the parent")
    return parser


async def _run(options: argparse.Namespace) -> None:
    started_s = time.time()
    exchange = SimExchange(
        options.venue,
        seed=options.seed,
        tick_s=options.tick_s or None,
        port=options.port,
        balances=dict(map(_balance, options.balance)) or None,
        past=_past(options, started_s) if options.past_hours else (),
    )
    for rule in options.fault:
        exchange.faults.add(read_rule(json.loads(rule)))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with exchange:
        if options.env is not None:
            _write_env(options.env, exchange, started_s - 3_600 * options.past_hours)
        sys.stdout.write(json.dumps(_greeting(exchange)) + "\n")
        sys.stdout.flush()
        if options.until_stdin_closes:
            await _watch_stdin(loop, stop)
        await stop.wait()


def _balance(told: str) -> tuple[str, Decimal]:
    coin, _, amount = told.partition("=")
    return coin, Decimal(amount)


def _past(options: argparse.Namespace, now_s: float) -> list[Listing]:
    return [
        past_of(
            one.product,
            USUAL_PRICES[one.product.base],
            hours=options.past_hours,
            now_s=now_s,
            seed=options.seed + index,
        )
        for index, one in enumerate(usual_markets(options.venue, seed=options.seed))
    ]


def _write_env(path: Path, exchange: SimExchange, since_s: float) -> None:
    """Write what the client of a real venue finds in its environment, and where the past begins."""
    key = exchange.key
    address = {VenueKind.COINBASE: "COINBASE_ADVANCED_TRADE_API", VenueKind.BITGET: "BITGET_API"}
    name = exchange.kind.value.upper()
    told = {
        address[exchange.kind]: exchange.url,
        f"{name}_API_KEY": key.key,
        f"{name}_API_SECRET": key.secret.replace("\n", "\\n"),
        "SIM_SINCE": f"{datetime.fromtimestamp(int(since_s), UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
    if key.passphrase:
        told[f"{name}_API_PASSPHRASE"] = key.passphrase
    draft = path.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text("".join(f"export {one}={shlex.quote(value)}\n" for one, value in told.items()))
    draft.replace(path)


def _greeting(exchange: SimExchange) -> dict[str, object]:
    """What a parent has to know, in one object."""
    return {
        "venue": exchange.kind.value,
        "url": exchange.url,
        "ws_url": exchange.ws_url,
        "admin_url": exchange.url + PREFIX,
        "key": exchange.describe_key(exchange.key),
        "ccxt": exchange.ccxt_config(),
        "products": sorted(exchange.venue.products),
    }


async def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    def on_input() -> None:
        if not os.read(sys.stdin.fileno(), 4_096):
            loop.remove_reader(sys.stdin.fileno())
            stop.set()

    loop.add_reader(sys.stdin.fileno(), on_input)


if __name__ == "__main__":
    main()
