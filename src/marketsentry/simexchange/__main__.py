"""Run a simulated venue as a process: `python -m marketsentry.simexchange --venue coinbase --seed 7`.

One line of JSON on standard output says where it listens and with which key; it runs until SIGTERM, SIGINT or, with
`--until-stdin-closes`, until whoever started it is gone.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Sequence

from marketsentry.simexchange.admin import PREFIX, read_rule
from marketsentry.simexchange.exchange import SimExchange, VenueKind


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
    parser.add_argument("--until-stdin-closes", action="store_true", help="end together with the parent")
    return parser


async def _run(options: argparse.Namespace) -> None:
    exchange = SimExchange(options.venue, seed=options.seed, tick_s=options.tick_s or None, port=options.port)
    for rule in options.fault:
        exchange.faults.add(read_rule(json.loads(rule)))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with exchange:
        sys.stdout.write(json.dumps(_greeting(exchange)) + "\n")
        sys.stdout.flush()
        if options.until_stdin_closes:
            await _watch_stdin(loop, stop)
        await stop.wait()


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
