"""Three-valued logic: undecidable stays undecidable (clinical.md G-2, R-8, NAD-3)."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refrain.clinical.threevalued import Span, compare, every, exceeds, falls_below, some
from refrain.clinical.values import Comparator


@pytest.mark.parametrize(
    ("number", "comparator", "operator", "limit", "holds"),
    [
        ("4", None, "<", "4", False), ("4", None, "<=", "4", True), ("3.99", None, "<", "4", True),
        ("4", "<", "<", "4", True), ("4", "<=", "<", "4", None), ("5", "<", "<", "4", None),
        ("4", ">", "<", "4", False), ("4", ">=", "<=", "4", None), ("4", ">", "<=", "4", False),
        ("160", None, ">", "160", False), ("160", ">", ">", "160", True), ("160", ">=", ">", "160", None),
        ("160", ">=", ">=", "160", True), ("100", ">", ">", "160", None), ("160", "<", ">", "160", False),
        ("0", "<=", ">=", "0", True), ("3", "<", ">=", "0", True), ("0", "<", "<", "1", True),
    ],
)  # fmt: skip
def test_a_value_against_a_limit(
    number: str, comparator: Comparator | None, operator: Literal["<", "<=", ">", ">="], limit: str, holds: bool | None
) -> None:
    assert compare(Decimal(number), comparator, operator, Decimal(limit)) is holds


def test_a_rise_over_a_censored_nadir_must_hold_for_every_point() -> None:
    nadir = Span.of(Decimal("0.5"), "<")
    assert exceeds(Span.of(Decimal("0.75")), nadir.times(Decimal("1.5"))) is True  # the nadir is below 0.5
    assert exceeds(Span.of(Decimal("0.74")), nadir.times(Decimal("1.5"))) is None
    assert exceeds(Span.of(Decimal("0.4"), "<"), nadir) is None
    assert falls_below(Span.of(Decimal(1)), Span.of(Decimal(2), ">")) is True


def test_and_or() -> None:
    assert every([]) is True
    assert every([True, None]) is None
    assert every([None, False]) is False
    assert some([]) is False
    assert some([False, None]) is None
    assert some([None, True]) is True


NUMBER = st.integers(0, 6).map(Decimal)
COMPARATOR = st.sampled_from([None, "<", "<=", ">", ">="])


@settings(max_examples=100)
@given(NUMBER, COMPARATOR, NUMBER, COMPARATOR, st.booleans())
def test_decided_comparisons_hold_at_every_point(
    one: Decimal, first: Comparator | None, other: Decimal, second: Comparator | None, or_equal: bool
) -> None:
    def points(number: Decimal, comparator: Comparator | None) -> list[Decimal]:
        return [p for p in (Decimal(n) / 2 for n in range(-8, 40)) if _in(p, Span.of(number, comparator))]

    result = exceeds(Span.of(one, first), Span.of(other, second), or_equal=or_equal)
    seen = {p >= q if or_equal else p > q for p in points(one, first) for q in points(other, second)}
    if result is not None:
        assert seen == {result}


def _in(point: Decimal, span: Span) -> bool:
    low = span.low is None or point > span.low or (point == span.low and not span.low_open)
    return low and (span.high is None or point < span.high or (point == span.high and not span.high_open))
