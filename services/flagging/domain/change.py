"""How a result stands to an earlier one of its series: up or down, better or worse, or too far to believe.

Values are spans of what is possible, so that a censored value (``<5`` is [0, 5)) changes only when every
point of it does (clinical.md R-8). Everything is a product of exact numbers, never a quotient.
"""

from __future__ import annotations

from decimal import Decimal

from refrain.clinical.catalogue.entry import Better
from refrain.clinical.ranges import Interval
from refrain.clinical.threevalued import Span, exceeds, falls_below

HUNDRED = Decimal(100)


def rises(value: Span, before: Span, percent: Decimal) -> bool:
    """Whether ``value`` lies ``percent`` percent or more above ``before`` (inclusive), whatever the points."""
    reached = exceeds(value.times(HUNDRED), before.times(HUNDRED + percent), or_equal=True)
    return reached is True and exceeds(value, before) is True


def falls(value: Span, before: Span, percent: Decimal) -> bool:
    """Whether ``value`` lies ``percent`` percent or more below ``before`` (inclusive), whatever the points."""
    reached = falls_below(value.times(HUNDRED), before.times(HUNDRED - percent), or_equal=True)
    return reached is True and falls_below(value, before) is True


def change_code(value: Span, before: Span, change_pct: Decimal) -> str:
    """U or D for a change of ``change_pct`` percent or more (INT-2), else empty."""
    if rises(value, before, change_pct):
        return "U"
    return "D" if falls(value, before, change_pct) else ""


def trend_code(value: Span, before: Span, better: Better | None, trend_pct: Decimal, interval: Interval | None) -> str:
    """B or W for a change of ``trend_pct`` percent or more in the direction that is better (INT-3), else empty.

    ``interval`` is that of ``value``, needed for ``toward``. Whether one of the two lies outside its interval
    is the caller's to know.
    """
    up, down = rises(value, before, trend_pct), falls(value, before, trend_pct)
    if not (up or down):
        return ""
    match better:
        case "lower":
            return "W" if up else "B"
        case "higher":
            return "B" if up else "W"
        case "toward" if interval is not None:
            return _toward(value, before, interval)
    return ""


def _toward(value: Span, before: Span, interval: Interval) -> str:
    """Nearer to the interval is better. From one side to the other is neither: the distances do not compare."""
    number, earlier = exact(value), exact(before)
    if number is None or earlier is None:
        return ""
    now, then = _beyond(number, interval), _beyond(earlier, interval)
    if now == then or now * then < 0:
        return ""
    return "B" if abs(now) < abs(then) else "W"


def _beyond(number: Decimal, interval: Interval) -> Decimal:
    """Signed distance outside the interval: negative below, positive above, 0 inside."""
    if interval.low is not None and number < interval.low:
        return number - interval.low
    if interval.high is not None and number > interval.high:
        return number - interval.high
    return Decimal(0)


def exact(value: Span) -> Decimal | None:
    """The number of a span that is one point; None for a censored one."""
    return value.low if value.low == value.high else None


def percent_of_change(value: Span, before: Span) -> Decimal | None:
    """Change in percent of the earlier value; None where one is censored or the earlier one is 0."""
    number, earlier = exact(value), exact(before)
    if number is None or not earlier:
        return None
    return round((number - earlier) * HUNDRED / earlier, 4)


def too_far(value: Span, before: Span, above: Decimal, below: Decimal) -> bool:
    """DQ_DELTA: ratio > ``above`` or < ``below`` (strict), true for every point. No ratio to an earlier 0."""
    if exact(before) == 0:
        return False
    return exceeds(value, before.times(above)) is True or falls_below(value, before.times(below)) is True
