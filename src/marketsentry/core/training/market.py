"""The market that a candidate is judged on: spot, or perpetuals with the funding that was charged on them."""

from collections.abc import Mapping
from dataclasses import replace

from marketsentry.core.backtest.funding import unknown_funding, with_funding
from marketsentry.core.dataset import Dataset
from marketsentry.core.features.context import KnownSeries
from marketsentry.core.market.bars import BarPanel
from marketsentry.core.market.symbols import Market, market_of_symbol
from marketsentry.exceptions import DataQualityError, InputError


def on_its_market(dataset: Dataset) -> Dataset:
    """Make a dataset of perpetuals one that can be replayed as such; one of spot stays as it is.

    Parameters
    ----------
    dataset
        Bars, and among its inputs the rates of funding by symbol.

    Returns
    -------
    Dataset
        Its panel as `panel_on_its_market` gives it.

    Raises
    ------
    InputError
        If spot and perpetuals are mixed: one account cannot trade both.
    DataQualityError
        If too few rates of a perpetual are known.
    """
    return replace(dataset, panel=panel_on_its_market(dataset.panel, dataset.inputs.funding))


def panel_on_its_market(panel: BarPanel, rates: Mapping[str, KnownSeries]) -> BarPanel:
    """Put the rates of funding beside the bars if they are of perpetuals.

    Parameters
    ----------
    panel
        Bars of either market.
    rates
        Rates of funding by symbol, with the times of their charges; those of spot symbols are not used.

    Returns
    -------
    BarPanel

    Raises
    ------
    InputError
        If spot and perpetuals are mixed.
    DataQualityError
        If too few rates of a perpetual are known.
    """
    perpetuals = [symbol for symbol in panel.symbols if market_of_symbol(symbol) is Market.PERP]
    if not perpetuals:
        return panel
    spot = [symbol for symbol in panel.symbols if symbol not in perpetuals]
    if spot:
        raise InputError(
            "the symbols must be all spot or all perpetuals, were "
            f"spot {', '.join(spot)} and perpetuals {', '.join(perpetuals)}"
        )
    held = with_funding(panel, rates)
    unknown = unknown_funding(held)
    if unknown:
        raise DataQualityError("; ".join(unknown.values()))
    return held
