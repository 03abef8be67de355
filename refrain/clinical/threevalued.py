"""Three-valued comparison: a censored value is every point it may be (clinical.md G-2, R-8).

A statement is True when it holds for every point, False when it holds for none, else None: undecidable.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Literal

from refrain.clinical.values import Comparator

Truth = bool | None
"""None: the data allow both answers."""
EXACT = Context(prec=120)
"""Products and sums of received numbers are compared unrounded (clinical.md G-1)."""
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Span:
    """The points a value may be. An end that is None is infinity; an open end is not among the points."""

    low: Decimal | None
    high: Decimal | None
    low_open: bool = False
    high_open: bool = False

    @classmethod
    def of(cls, number: Decimal, comparator: Comparator | None = None) -> Span:
        """``<x`` is [0, x), ``<=x`` [0, x], ``>x`` (x, ∞), ``>=x`` [x, ∞); below zero there is no floor."""
        if comparator in ("<", "<="):
            floor = ZERO if number > ZERO or (number == ZERO and comparator == "<=") else None
            return cls(floor, number, False, comparator == "<")
        if comparator in (">", ">="):
            return cls(number, None, comparator == ">", False)
        return cls(number, number)

    def times(self, factor: Decimal) -> Span:
        """Every point times a factor that is not negative."""
        low = None if self.low is None else EXACT.multiply(self.low, factor)
        high = None if self.high is None else EXACT.multiply(self.high, factor)
        return Span(low, high, self.low_open, self.high_open)

    def plus(self, step: Decimal) -> Span:
        """Every point, that much higher."""
        low = None if self.low is None else EXACT.add(self.low, step)
        high = None if self.high is None else EXACT.add(self.high, step)
        return Span(low, high, self.low_open, self.high_open)

    def below(self, limit: Decimal, *, or_equal: bool = False) -> bool:
        """Whether every point is below the limit (or equal to it)."""
        if self.high is None:
            return False
        return self.high < limit or (self.high == limit and (or_equal or self.high_open))

    def above(self, limit: Decimal, *, or_equal: bool = False) -> bool:
        """Whether every point is above the limit (or equal to it)."""
        if self.low is None:
            return False
        return self.low > limit or (self.low == limit and (or_equal or self.low_open))


def exceeds(left: Span, right: Span, *, or_equal: bool = False) -> Truth:
    """Whether left > right (or >=) for every pair of points; None when it depends on the points."""
    if _all_above(left, right, or_equal=or_equal):
        return True
    return False if _all_above(right, left, or_equal=not or_equal) else None


def falls_below(left: Span, right: Span, *, or_equal: bool = False) -> Truth:
    """Whether left < right (or <=) for every pair of points; None when it depends on the points."""
    return exceeds(right, left, or_equal=or_equal)


def _all_above(left: Span, right: Span, *, or_equal: bool) -> bool:
    if left.low is None or right.high is None:
        return False
    if left.low == right.high:
        return or_equal or left.low_open or right.high_open
    return left.low > right.high


def lower_of(one: Span, other: Span) -> Span:
    """Where the smaller of two values lies."""
    lowest = min(one, other, key=lambda span: (_low(span), span.low_open))
    first = min(one, other, key=lambda span: (_high(span), not span.high_open))
    return Span(lowest.low, first.high, lowest.low_open, first.high_open)


def total(parts: Iterable[Span]) -> Span:
    """Where the sum of the values lies; of none it is 0."""
    low, high, low_open, high_open = ZERO, ZERO, False, False
    for part in parts:
        low, high = EXACT.add(low, _low(part)), EXACT.add(high, _high(part))
        low_open, high_open = low_open or part.low_open, high_open or part.high_open
    return Span(low if low.is_finite() else None, high if high.is_finite() else None, low_open, high_open)


def _low(span: Span) -> Decimal:
    return Decimal("-Infinity") if span.low is None else span.low


def _high(span: Span) -> Decimal:
    return Decimal("Infinity") if span.high is None else span.high


def compare(
    number: Decimal, comparator: Comparator | None, operator: Literal["<", "<=", ">", ">="], limit: Decimal
) -> Truth:
    """A value against a fixed limit in the same unit, strict or inclusive as the operator says."""
    points, fixed = Span.of(number, comparator), Span(limit, limit)
    if operator in (">", ">="):
        return exceeds(points, fixed, or_equal=operator == ">=")
    return falls_below(points, fixed, or_equal=operator == "<=")


def negation(truth: Truth) -> Truth:
    return None if truth is None else not truth


def every(statements: Iterable[Truth]) -> Truth:
    """AND: any False is False, otherwise an undecidable operand makes the result undecidable (G-2)."""
    known = list(statements)
    if False in known:
        return False
    return None if None in known else True


def some(statements: Iterable[Truth]) -> Truth:
    """OR: any True is True, otherwise an undecidable operand makes the result undecidable (G-2)."""
    known = list(statements)
    if True in known:
        return True
    return None if None in known else False
