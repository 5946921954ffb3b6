"""A slow rebalance that is obviously right: dictionaries and sums, one rule after the other."""

BUCKET_CAPS = {"trend": 0.5, "event": 0.4, "mean_reversion": 0.35}
SINGLE, GROSS, SECTOR, STYLE, TURNOVER = 0.2, 1.0, 0.45, 0.55, 0.35


def naive_rebalance(signals, current, budget):
    """Weights by target, all liquid majors: sector crypto, style crypto_beta.

    signals: (target, sign, score, confidence, bucket); current: weights by target. Returns the book, the codes.
    """
    strength, bucket = {}, {}
    for target, sign, score, confidence, kind in signals:
        strength[target] = strength.get(target, 0.0) + sign * abs(score) * max(0.1, confidence)
        bucket[target] = kind
    total = sum(abs(one) for one in strength.values())
    if total == 0.0:
        return None
    book = {target: one / total * budget for target, one in strength.items()}
    codes = []
    for kind in dict.fromkeys(bucket[target] for target in book):
        members = [target for target in book if bucket[target] == kind]
        _scale(book, members, BUCKET_CAPS[kind] * budget, f"bucket_exposure_exceeded:{kind}", codes)
    for target in book:
        if abs(book[target]) > SINGLE:
            book[target] = SINGLE if book[target] > 0 else -SINGLE
            codes.append(f"single_weight_exceeded:{target}")
    _scale(book, list(book), GROSS, "gross_exposure_exceeded", codes)
    _scale(book, list(book), SECTOR, "sector_exposure_exceeded:crypto", codes)
    _scale(book, list(book), STYLE, "style_exposure_exceeded:crypto_beta", codes)
    union = dict.fromkeys((*book, *current))
    turnover = sum(abs(book.get(one, 0.0) - current.get(one, 0.0)) for one in union)
    if turnover > TURNOVER:
        codes.append("turnover_exceeded")
        kept = {one: _toward_zero(book.get(one, 0.0), current.get(one, 0.0)) for one in union}
        reducing = sum(abs(kept[one] - current.get(one, 0.0)) for one in union)
        opening = sum(abs(book.get(one, 0.0) - kept[one]) for one in union)
        share = 0.0 if opening == 0 else min(1.0, max(0.0, TURNOVER - reducing) / opening)
        book = {one: kept[one] + share * (book[one] - kept[one]) for one in book}
    return book, codes


def _scale(book, members, cap, code, codes):
    total = sum(abs(book[one]) for one in members)
    if total > cap:
        for one in members:
            book[one] *= cap / total
        codes.append(code)


def _toward_zero(wanted, held):
    if wanted * held <= 0.0:
        return 0.0
    return wanted if abs(wanted) < abs(held) else held
