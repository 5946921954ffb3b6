"""A second, slow statement of the whole replay: plain Python, one target after the other, no shortcut.

It says what the rules are, not how the kernels compute them: dictionaries by name, every bar decided anew.
"""

import math
from dataclasses import dataclass, field

from marketsentry.kernels.policy import View

OPEN, HIGH, LOW, CLOSE, VOLUME = 0, 1, 2, 3, 4


@dataclass
class Position:
    qty: float = 0.0
    target_qty: float = 0.0
    mark: float = math.nan
    age: int = 0
    returns: list = field(default_factory=list)
    cash_flow: float = 0.0
    funding: float = 0.0
    gaps: int = 0
    liquidations: int = 0
    average: float = 0.0
    held_bars: int = 0
    held_side: int = 0


def naive_replay(predictions, values, params, *, confidence=None, profiles=None, bucket_caps=None,
                 funding=None, policy=None):  # fmt: skip
    """Return equity per bar, weights per bar and target, and fills as (bar, target, signed qty, costs).

    `policy` is a plain function of a `View`; it decides in the place of the built-in rule.
    """
    n_bars, n_targets = predictions.shape
    positions = [Position() for _ in range(n_targets)]
    cash = peak = equity_now = params.capital_quote
    equity, weights, fills = [], [], []
    decided = []  # target quantities after the decision at each bar
    for t in range(n_bars):
        if t >= params.latency_bars:
            for n, p in enumerate(positions):
                cash += _fill(t, n, p, decided[t - params.latency_bars][n], values[t, n], params, fills)
        if params.market == "perp" and _is_out_of_margin(cash, positions, values[t], params):
            cash += _liquidate(t, cash, positions, values[t], params, fills)
            decided = [[0.0] * n_targets for _ in decided]
        for n, p in enumerate(positions):
            rate = None if funding is None else funding[t, n]
            cash -= _holding_cost(p, rate, values[t, n, CLOSE], params)
            _mark(p, values[t, n, CLOSE])
        equity_now = cash + sum(p.qty * p.mark for p in positions if p.qty != 0)
        peak = max(peak, equity_now)
        equity.append(equity_now)
        weights.append([_weight(p.qty, p.mark, equity_now) for p in positions])
        conf = [1.0] * n_targets if confidence is None else list(confidence[t])
        known = [True] * n_targets if funding is None else [math.isfinite(rate) for rate in funding[t]]
        _decide(positions, list(predictions[t]), conf, values[t, :, CLOSE], known, equity_now, peak, params,
                profiles, bucket_caps, policy)  # fmt: skip
        decided.append([p.target_qty for p in positions])
    return equity, weights, fills, positions


def _weight(qty, mark, equity):
    if qty == 0:
        return 0.0
    return qty * mark / equity if equity > 0 else math.nan


def _paths(positions, bar):
    """Per held position, its quantity and the price after each share of the way from the open to the worst."""
    for n, p in enumerate(positions):
        if p.qty != 0:
            is_lost = not bar[n, OPEN] > 0
            start = p.mark if is_lost else bar[n, OPEN]
            worst = min(start, bar[n, LOW]) if p.qty > 0 else max(start, bar[n, HIGH])
            yield n, p, start, start if is_lost else worst


def _margin_left(share, cash, positions, bar, params):
    equity = need = 0.0
    for _, p, start, worst in _paths(positions, bar):
        price = (1 - share) * start + share * worst
        equity += p.qty * price
        need += abs(p.qty) * price * params.maintenance_margin_frac
    return cash + equity - need


def _is_out_of_margin(cash, positions, bar, params):
    return any(p.qty != 0 for p in positions) and _margin_left(1.0, cash, positions, bar, params) < 0


def _liquidate(t, cash, positions, bar, params, fills):
    """Find where margin ran out by halving the way, close all there; returns the flow of cash."""
    low, high = 0.0, 1.0
    if _margin_left(0.0, cash, positions, bar, params) <= 0:
        high = 0.0
    for _ in range(200):
        middle = (low + high) / 2
        if _margin_left(middle, cash, positions, bar, params) > 0:
            low = middle
        else:
            high = middle
    closed = [(n, p, (1 - high) * start + high * worst) for n, p, start, worst in _paths(positions, bar)]
    left = cash + sum(p.qty * price for _, p, price in closed)
    notional = sum(abs(p.qty) * price for _, p, price in closed)
    fee_frac = min(params.liquidation_fee_bps / 10_000, max(0.0, left) / notional)
    flow = 0.0
    for n, p, price in closed:
        fee = fee_frac * abs(p.qty) * price
        fills.append((t, n, -p.qty, fee, 0.0, 0.0))
        p.cash_flow += p.qty * price - fee
        flow += p.qty * price - fee
        p.qty = 0.0
    for p in positions:
        p.target_qty = 0.0
        p.liquidations += 1
    return flow


def _holding_cost(p, rate, close, params):
    """Funding of a perpetual, the borrowing of a short spot position."""
    if p.qty == 0:
        return 0.0
    notional = p.qty * (close if close > 0 else p.mark)
    if params.market == "spot":
        per_bar = params.borrow_bps_per_day / 10_000 * 365 / params.periods_per_year
        cost = -notional * per_bar if p.qty < 0 else 0.0
    elif rate == math.inf:
        cost = abs(notional) * params.missing_funding_bps / 10_000
        p.gaps += 1
    else:
        cost = 0.0 if math.isnan(rate) else notional * rate
    p.funding += cost
    p.cash_flow -= cost
    return cost


def _fill(t, n, p, goal, bar, params, fills):
    wanted = goal - p.qty
    price, volume = bar[OPEN], bar[VOLUME]
    if wanted == 0 or not price > 0 or not volume > 0:
        return 0.0
    size = min(abs(wanted), params.participation_frac * volume)
    if size == 0:
        return 0.0
    side = 1 if wanted > 0 else -1
    notional = size * price
    impact_bps = 0.0
    if params.impact_coefficient > 0:
        impact_bps = (
            params.impact_coefficient * (_sigma(p, params) or 0.0) * math.sqrt(size / volume) * 10_000
        )
    fee, slippage, impact = (
        notional * bps / 10_000 for bps in (params.fee_bps, params.half_spread_bps, impact_bps)
    )
    before = p.qty
    p.qty = goal if size == abs(wanted) else p.qty + side * size
    paid = price * (1 + side * (params.half_spread_bps + impact_bps) / 10_000)
    if before * side >= 0:
        p.average = (abs(before) * p.average + size * paid) / (abs(before) + size)
    elif p.qty * side > 0:
        p.average = paid
    fills.append((t, n, side * size, fee, slippage, impact))
    flow = -side * notional - fee - slippage - impact
    p.cash_flow += flow
    return flow


def _mark(p, close):
    if not close > 0:
        return
    if p.mark > 0:
        p.returns.append(close / p.mark - 1)
    p.mark = close


def _sigma(p, params):
    """Root of the variance: plain mean of squares at first, then an exponential one; None before warm-up."""
    if len(p.returns) < params.volatility_warmup_bars:
        return None
    alpha = 1 - 0.5 ** (1 / params.volatility_halflife_bars)
    variance = 0.0
    for k, r in enumerate(p.returns, start=1):
        a = alpha if k * alpha >= 1 else 1 / k
        variance += a * (r * r - variance)
    return math.sqrt(variance) or None


def _needs_sigma(params):
    return (
        params.position_volatility_frac is not None
        or params.full_conviction_sigmas > 0
        or params.impact_coefficient > 0
    )


def _decide(
    positions, predictions, confidence, closes, funded, equity, peak, params, profiles, bucket_caps, policy
):
    if not equity > 0:
        for p in positions:
            p.target_qty = 0.0
        return
    current = [_weight(p.target_qty, p.mark, equity) for p in positions]
    taper = _taper(1 - equity / peak, params)
    wanted = []
    for p, prediction, conf, now in zip(positions, predictions, confidence, current, strict=True):
        if policy is not None:
            _count_held(p)
        unusable = math.isnan(prediction) or not conf >= params.min_confidence
        wish = None
        if not unusable and policy is not None:
            wish = _ask(policy, p, prediction, conf, now, 1 - equity / peak, params)
        elif not unusable:
            wish = _wish(p, prediction, conf, params)
        if wish is None:
            p.age += 1
            wanted.append(now if p.age <= params.prediction_ttl_bars else 0.0)
        else:
            p.age = 0
            wanted.append(taper * wish)
    wanted = _scaled(wanted, params.risk_budget)
    if profiles is not None:
        wanted = _grouped(wanted, [x.bucket for x in profiles],
                          {k: v * params.risk_budget for k, v in bucket_caps.cap_of.items()})  # fmt: skip
    cap = params.max_single_weight
    wanted = [max(-cap, min(cap, w)) for w in wanted]
    wanted = _scaled(wanted, min(params.max_gross_exposure, params.max_leverage))
    if profiles is not None:
        sectors = [None if x.sector is None else x.sector.lower() for x in profiles]
        styles = [None if x.style is None else x.style.lower() for x in profiles]
        wanted = _grouped(wanted, sectors, dict.fromkeys(sectors, params.max_sector_exposure))
        wanted = _grouped(wanted, styles, dict.fromkeys(styles, params.max_style_exposure))
    for n, p in enumerate(positions):
        blind = _needs_sigma(params) and not _sigma(p, params)
        if not closes[n] > 0 or p.age > 0 or blind or not funded[n]:
            wanted[n] = _shrunk(wanted[n], current[n])
        if wanted[n] != 0 and abs(wanted[n] - current[n]) <= params.rebalance_band_frac:
            wanted[n] = current[n]
    wanted = _within_turnover(wanted, current, params.max_turnover)
    for p, w, now in zip(positions, wanted, current, strict=True):
        if w != 0 and abs(w - now) * equity < params.min_notional_quote:
            continue
        if w != now:
            p.target_qty = w * equity / p.mark if w != 0 else 0.0


def _side(qty):
    return 1 if qty > 0 else -1 if qty < 0 else 0


def _count_held(p):
    side = _side(p.target_qty)
    p.held_bars = 0 if side == 0 else p.held_bars + 1 if side == p.held_side else 1
    p.held_side = side


def _ask(policy, p, prediction, conf, now, drawdown, params):
    """Clipped and sized answer of a policy; None if it is no finite number."""
    sigma = _sigma(p, params) or 0.0
    side = _side(p.qty)
    answer = policy(
        View(
            prediction=prediction,
            confidence=conf,
            volatility=sigma,
            horizon_volatility=sigma * math.sqrt(params.horizon_bars),
            weight=now,
            held_bars=p.held_bars,
            gain_frac=side * (p.mark / p.average - 1) if side else 0.0,
            drawdown_frac=drawdown,
            round_trip_cost_bps=2 * (params.fee_bps + params.half_spread_bps),
        )
    )
    if not math.isfinite(answer):
        return None
    answer = max(-1.0 if params.allow_short else 0.0, min(1.0, answer))
    if params.position_volatility_frac is None:
        return answer
    per_bar = params.position_volatility_frac / math.sqrt(params.periods_per_year)
    return answer * per_bar / sigma if sigma else 0.0


def _taper(drawdown, params):
    if drawdown <= params.taper_start_frac:
        return 1.0
    way = (drawdown - params.taper_start_frac) / (params.taper_stop_frac - params.taper_start_frac)
    return 1 - (1 - params.taper_floor_frac) * min(1.0, way)


def _wish(p, prediction, conf, params):
    cost = 2 * (params.fee_bps + params.half_spread_bps)
    enter = (params.entry_edge_bps + params.cost_multiple * cost) / 10_000
    leave = params.exit_edge_bps / 10_000
    long = prediction > enter or (p.target_qty > 0 and prediction > leave and not prediction < -enter)
    short = prediction < -enter or (p.target_qty < 0 and prediction < -leave and not prediction > enter)
    if not long and not (short and (params.allow_short or -enter <= prediction)):
        return 0.0
    sigma = _sigma(p, params)
    strength = 1.0
    if params.full_conviction_sigmas > 0:
        over = sigma * math.sqrt(params.horizon_bars) if sigma else None
        strength = min(1.0, abs(prediction) / (params.full_conviction_sigmas * over)) if over else 0.0
    strength *= min(1.0, max(0.1, conf))
    if params.position_volatility_frac is not None:
        per_bar = params.position_volatility_frac / math.sqrt(params.periods_per_year)
        strength = strength * per_bar / sigma if sigma else 0.0
    return strength if long else -strength


def _scaled(weights, cap):
    gross = sum(abs(w) for w in weights)
    return [w * (cap / gross) for w in weights] if gross > cap else weights


def _grouped(weights, groups, caps):
    out = list(weights)
    for group in {g for g in groups if g is not None}:
        inside = sum(abs(w) for w, g in zip(weights, groups, strict=True) if g == group)
        if inside > caps[group]:
            out = [w * (caps[group] / inside) if g == group else w for w, g in zip(out, groups, strict=True)]
    return out


def _shrunk(wanted, now):
    if wanted * now <= 0:
        return 0.0
    return math.copysign(min(abs(wanted), abs(now)), now)


def _within_turnover(wanted, current, cap):
    if sum(abs(w - c) for w, c in zip(wanted, current, strict=True)) <= cap:
        return wanted
    kept = [_shrunk(w, c) for w, c in zip(wanted, current, strict=True)]
    closing = sum(abs(k - c) for k, c in zip(kept, current, strict=True))
    opening = sum(abs(w - k) for w, k in zip(wanted, kept, strict=True))
    share = min(1.0, max(0.0, cap - closing) / opening) if opening else 0.0
    return [k + share * (w - k) for k, w in zip(kept, wanted, strict=True)]
