"""Reference ranges: how their text is read (feeds.md section 11) and how a value stands to them (clinical.md 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Literal

from refrain.clinical.interval import REASONS, Interval, Range, RangeKind
from refrain.clinical.numbers import PLAIN_STYLE, NumberStyle
from refrain.clinical.range_grammar import Grammar
from refrain.clinical.threevalued import Span
from refrain.clinical.values import Comparator

__all__ = ["REASONS", "Interval", "Range", "RangeKind", "Standing", "read_range", "stand"]

Standing = Literal["below", "inside", "above", "indeterminate"]


def read_range(
    components: Sequence[str],
    *,
    style: NumberStyle = PLAIN_STYLE,
    separators: Sequence[str] = (),
    words: Mapping[str, str] | None = None,
    unit_aliases: Mapping[str, str] | None = None,
) -> Range:
    """Read OBX-7, given as its unescaped components. Never raises; what is not understood is ``unparsed``.

    ``separators`` (such as ``_``), ``words`` (text to ``<``, ``<=``, ``>`` or ``>=``) and ``unit_aliases`` are the
    sender's own.
    """
    return Grammar(style, tuple(separators), words or {}, unit_aliases or {}).read(components)


def stand(number: Decimal, comparator: Comparator | None, interval: Interval) -> Standing:
    """Where a value stands to an interval in the same unit (R-5, R-8): no tolerance, no rounding.

    A censored value is all the points it may be: wholly inside, wholly below, wholly above, else
    indeterminate, which is never shown as normal. An interval without ends, or one that can hold no value,
    decides nothing.
    """
    points = Span.of(number, comparator)
    low, high = interval.low, interval.high
    if (low is None and high is None) or _empty(interval):
        return "indeterminate"
    below = low is not None and points.below(low, or_equal=interval.low_inclusive is False)
    above = high is not None and points.above(high, or_equal=interval.high_inclusive is False)
    if below or above:
        return "below" if below else "above"
    clear_of_low = low is None or points.above(low, or_equal=interval.low_inclusive is not False)
    clear_of_high = high is None or points.below(high, or_equal=interval.high_inclusive is not False)
    return "inside" if clear_of_low and clear_of_high else "indeterminate"


def _empty(interval: Interval) -> bool:
    if interval.low is None or interval.high is None:
        return False
    closed = interval.low_inclusive is not False and interval.high_inclusive is not False
    return interval.low > interval.high or (interval.low == interval.high and not closed)
