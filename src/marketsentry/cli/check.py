"""`ms check`: the conformance kit for your own features, models, policies and venues, the known truth for the evidence,
and whether a live venue can be reached.
"""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from marketsentry.cli.check_live import live
from marketsentry.cli.output import JSON_HELP, print_json, say

if TYPE_CHECKING:
    from marketsentry.core.conformance import ConformanceReport

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)
app.command(name="live")(live)


@app.callback()
def check() -> None:
    """Check your own features, model, policy or venue, the evidence itself, or a live venue; needs no database.

    Example:  ms check features my_features.py
    """


@app.command()
def features(
    reference: Annotated[
        str, typer.Argument(metavar="PATH", help="A Python file, an entry point, or `builtin`.")
    ],
    seed: Annotated[int, typer.Option(help="Makes the market that the check runs on.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Check features on an invented market: batch equals step, no look-ahead, warm-up, bounds.

    Exit code 0 when it conforms, 2 when it does not, 3 when there is no such file or entry point.

    Example:  ms check features examples/features_example.py --json
    """
    from marketsentry.cli.feature_check_output import check_document, print_check
    from marketsentry.cli.progress import steps_on_stderr
    from marketsentry.services.feature_check import check_on_trial_market
    from marketsentry.services.plugins import load_feature_set

    started = time.perf_counter()
    feature_set = load_feature_set(reference)
    with steps_on_stderr() as on_progress:
        found = check_on_trial_market(feature_set, seed=seed, on_progress=on_progress)
    if as_json:
        print_json(check_document(found, features=reference, seconds=time.perf_counter() - started))
    else:
        print_check(found)
    raise typer.Exit(0 if found.passed else 2)


@app.command()
def model(
    reference: Annotated[
        str, typer.Argument(metavar="PATH", help="A Python file, an entry point, or `lightgbm_panel`.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Check a model on a small seeded problem: shapes, determinism, missing values, save and load.

    Exit code 0 when it conforms, 2 when it does not, 3 when there is no such file or entry point.

    Example:  ms check model examples/model_example.py --json
    """
    from marketsentry.models.conformance import check_model
    from marketsentry.services.plugins import load_model

    started = time.perf_counter()
    report = check_model(load_model(reference))
    if as_json:
        print_json(
            {
                "model": reference,
                "subject": report.subject,
                "passed": report.passed,
                "checks": report.checks,
                "seconds": round(time.perf_counter() - started, 3),
            }
        )
    else:
        _print(report)
    raise typer.Exit(0 if report.passed else 2)


@app.command()
def evidence(
    runs: Annotated[int, typer.Option(min=1, help="Searches through models that know nothing.")] = 100,
    models: Annotated[int, typer.Option(min=2, help="Models in each search; all count as trials.")] = 500,
    power_runs: Annotated[int, typer.Option(min=1, help="Searches for each planted strength.")] = 30,
    coverage_runs: Annotated[int, typer.Option(min=2, help="Markets for each planted IC.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Runs at once; changes no figure.")] = 2,
    quick: Annotated[
        bool, typer.Option("--quick", help="A few small runs, judged only by what luck cannot explain.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Check the evidence itself on markets whose truth is known: noise, coverage, power.

    How often does the best of many worthless models pass, how often does an interval hold the
    planted IC, how often is a planted signal found? --quick takes a minute, all of it ten or more.

    Exit code 0 when at most 1 % of the noise passes and 90 % intervals hold the truth in 85 to
    95 % of the runs, else 2.

    Example:  ms check evidence --quick --json
    """
    from marketsentry.cli.known_truth_output import known_truth_document, print_known_truth
    from marketsentry.cli.progress import steps_on_stderr
    from marketsentry.core.known_truth.check import QUICK, Sizes, check_known_truth, failures

    started = time.perf_counter()
    sizes = QUICK if quick else Sizes(runs, power_runs, coverage_runs, models)
    with steps_on_stderr() as on_progress:
        found = check_known_truth(sizes, seed=seed, n_threads=threads, on_progress=on_progress)
    failed = failures(found, is_quick=quick)
    if as_json:
        print_json(known_truth_document(found, failed, is_quick=quick, seconds=time.perf_counter() - started))
    else:
        print_known_truth(found, failed)
    raise typer.Exit(2 if failed else 0)


@app.command()
def policy(
    reference: Annotated[
        str, typer.Argument(metavar="PATH", help="A Python file, an entry point, or `builtin`.")
    ],
    seed: Annotated[int, typer.Option(min=0, help="Makes the market that the check runs on.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Check a policy: pure, finite, within limits, no look-ahead, one bar equals the loop, sweep equals replay.

    It is asked about a thousand states and replayed on an invented market, at its defaults and at both ends of every
    parameter. Exit code 0 when it conforms, 2 when it does not, 3 when there is no such file or entry point.

    Example:  ms check policy examples/policy_example.py --json
    """
    from dataclasses import asdict

    from marketsentry.cli.progress import steps_on_stderr
    from marketsentry.services.plugins import load_policy
    from marketsentry.services.policy_check import check_policy_on_trial_market

    started = time.perf_counter()
    loaded = load_policy(reference)
    with steps_on_stderr() as on_progress:
        report = check_policy_on_trial_market(loaded.policy, seed=seed, on_progress=on_progress)
    if as_json:
        print_json(
            {
                "policy": reference,
                "subject": report.subject,
                "passed": report.passed,
                "checks": report.checks,
                "params": [asdict(one) for one in loaded.policy.params],
                "code_sha256": loaded.code_sha256,
                "compile_seconds": round(loaded.compile_s, 3),
                "seconds": round(time.perf_counter() - started, 3),
            }
        )
    else:
        say(f"compiled in {loaded.compile_s:.2f} s")
        for one in loaded.policy.params:
            say(f"      {one.name} = {one.default:g} ({one.low:g}..{one.high:g}): {one.definition}")
        _print(report)
    raise typer.Exit(0 if report.passed else 2)


@app.command()
def venue(
    reference: Annotated[
        str,
        typer.Argument(
            metavar="PATH[:FACTORY]", help="A Python file or an entry point; `make_venue` by default."
        ),
    ],
    symbol: Annotated[str, typer.Option(help="Product to trade, by the adapter's name for it.")] = "BTC",
    qty: Annotated[str | None, typer.Option(help="How much; twice the smallest order by default.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Send the orders without asking.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Check an adapter of a venue with small orders: ids, limits, precision, time in force, fees, times, no floats.

    It buys and sells a little on the account that the factory opens, and asks before it does.
    Exit code 0 when it conforms, 2 when it does not, 3 when there is no such file or entry point.

    Example:  ms check venue my_venue.py --symbol BTC --yes
    """
    from marketsentry.cli.venue_check_run import run_venue_check

    started = time.perf_counter()
    report = run_venue_check(reference, symbol=symbol, qty=qty, is_agreed=yes)
    if as_json:
        print_json(
            {
                "venue": reference,
                "subject": report.subject,
                "passed": report.passed,
                "checks": report.checks,
                "seconds": round(time.perf_counter() - started, 3),
            }
        )
    else:
        _print(report)
    raise typer.Exit(0 if report.passed else 2)


def _print(report: "ConformanceReport") -> None:
    for one in report.checks:
        say(f"{'ok  ' if one.passed else 'FAIL'}  {one.name}: {one.detail}")
    say("passed" if report.passed else "FAILED")
