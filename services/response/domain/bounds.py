"""Three-valued comparison of numbers that are known only as an interval (clinical.md G-2, R-8, NAD-3)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Context, Decimal

from refrain.clinical.poems import Bounds

Truth = bool | None
"""None: the data allow both answers."""

EXACT = Context(prec=400)
"""Products and sums of received numbers are compared unrounded (clinical.md G-1)."""
INFINITY = Decimal("Infinity")


def _high(bounds: Bounds) -> Decimal:
    return INFINITY if bounds.high is None else bounds.high


def at_most(left: Bounds, right: Bounds) -> Truth:
    """``left <= right`` for every point of both, for none (False), or for some only (None)."""
    if _high(left) <= right.low:
        return True
    if left.low > _high(right) or (left.low == _high(right) and (left.low_open or right.high_open)):
        return False
    return None


def less(left: Bounds, right: Bounds) -> Truth:
    """``left < right``, three-valued."""
    return negation(at_most(right, left))


def times(bounds: Bounds, factor: Decimal) -> Bounds:
    """Scaled by a positive factor."""
    high = None if bounds.high is None else EXACT.multiply(bounds.high, factor)
    return Bounds(EXACT.multiply(bounds.low, factor), high, bounds.low_open, bounds.high_open)


def negation(truth: Truth) -> Truth:
    return None if truth is None else not truth


def all_of(truths: Iterable[Truth]) -> Truth:
    """Any false makes it false; otherwise an undecidable part makes it undecidable."""
    known = tuple(truths)
    if False in known:
        return False
    return None if None in known else True


def any_of(truths: Iterable[Truth]) -> Truth:
    """Any true makes it true; otherwise an undecidable part makes it undecidable."""
    return negation(all_of(negation(truth) for truth in truths))


def lower_of(one: Bounds, other: Bounds) -> Bounds:
    """Where the smaller of two values lies."""
    lowest = min(one, other, key=lambda bounds: (bounds.low, bounds.low_open))
    first = min(one, other, key=lambda bounds: (_high(bounds), not bounds.high_open))
    return Bounds(lowest.low, first.high, lowest.low_open, first.high_open)


def total(parts: Iterable[Bounds]) -> Bounds:
    """Where the sum of one or more values lies."""
    low, high, low_open, high_open = Decimal(0), Decimal(0), False, False
    for part in parts:
        low, high = EXACT.add(low, part.low), EXACT.add(high, _high(part))
        low_open, high_open = low_open or part.low_open, high_open or part.high_open
    return Bounds(low, None if high == INFINITY else high, low_open, high_open)
