"""A prediction for a person: the answer, its worth, and what it is made of."""

from rich.console import Console
from rich.table import Table

from marketsentry.ports.predictions import StoredPrediction


def print_prediction(stored: StoredPrediction, *, explained: bool) -> None:
    """Print a prediction on stdout."""
    console = Console(highlight=False)
    outputs = stored.outputs
    who = outputs.get("model", stored.explanation.model_version)
    rows = [("answer", f"{stored.source} {who}")]
    if stored.score is None:
        rows = [("answer", "none: it abstains")]
    else:
        rows += [
            ("expected return", f"{outputs['expected_return']:+.6f} over {stored.horizon}"),
            ("volatility", f"{outputs['vol_forecast']:.4f}"),
            ("confidence", f"{outputs['signal_confidence']:.4f}"),
        ]
    if stored.reason is not None:
        rows.append(("reason", f"{stored.reason}: {outputs['reason_detail']}"))
    rows += [
        ("price", f"{outputs['current_price']:.8g}, {outputs['price_source']} at {outputs['price_at']}"),
        ("may trade", "yes" if stored.tradeable else "no"),
        ("stored", f"prediction {stored.id}, lineage {stored.lineage_id}"),
    ]
    console.print(f"{stored.target} as of {outputs['as_of']}", markup=False, soft_wrap=True)
    for name, value in rows:
        console.print(f"  {name:<16}{value}", markup=False, soft_wrap=True)
    if explained:
        _print_explanation(stored, console)


def _print_explanation(stored: StoredPrediction, console: Console) -> None:
    told = stored.explanation
    if told.attribution is None:
        console.print("no attributions: the model tells none", markup=False, soft_wrap=True)
    else:
        table = Table(box=None, pad_edge=False)
        for column, justify in (("part of the score", "left"), ("value", "right"), ("adds", "right")):
            table.add_column(column, justify=justify)  # type: ignore[arg-type]  # rich spells these as literals
        for part in told.top_feature_contributors:
            shown = "missing" if part.value is None else f"{part.value:.6g}"
            table.add_row(part.feature, shown, f"{part.contribution:+.6f}")
        n_others = told.attribution.n_features - len(told.top_feature_contributors)
        table.add_row(f"{n_others} others", "", f"{told.attribution.rest:+.6f}")
        table.add_row("base", "", f"{told.attribution.base_value:+.6f}")
        console.print(table)
    for event in told.top_event_contributors:
        console.print(
            f"  event {event.event_id} ({event.event_type}, weight {event.weight:.3f}) {event.title}",
            markup=False,
            soft_wrap=True,
        )
    for link in told.evidence_links:
        console.print(f"  {link}", markup=False, soft_wrap=True)
