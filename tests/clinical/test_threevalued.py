"""Three-valued logic: undecidable stays undecidable (clinical.md G-2, R-8, NAD-3)."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refrain.clinical.threevalued import Span, compare, every, exceeds, falls_below, lower_of, negation, some, total
from refrain.clinical.values import Comparator


def span(text: str) -> Span:
    digits = text.lstrip("<>=")
    sign: Comparator | None = text.removesuffix(digits) or None  # type: ignore[assignment]  # one of the four
    return Span.of(Decimal(digits), sign)


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


@pytest.mark.parametrize(
    ("one", "other", "lowest"),
    [
        (span("5"), span("3"), span("3")),
        (span("<5"), span("3"), Span(Decimal(0), Decimal(3), False, False)),
        (span("<5"), span(">3"), span("<5")),
        (span(">5"), span(">3"), span(">3")),
        (span(">=5"), span(">5"), span(">=5")),
    ],
)
def test_where_the_smaller_of_two_values_lies(one: Span, other: Span, lowest: Span) -> None:
    assert lower_of(one, other) == lowest
    assert lower_of(other, one) == lowest


def test_a_sum_is_open_where_a_part_is() -> None:
    assert total([span("1.1"), span("<2")]) == Span(Decimal("1.1"), Decimal("3.1"), False, True)
    assert total([span("1"), span(">2")]) == Span(Decimal(3), None, True, False)
    assert total([span("<0"), span("1")]) == Span(None, Decimal(1), False, True)
    assert total([]) == span("0")


def test_a_step_moves_every_point() -> None:
    assert span("<2").plus(Decimal(5)) == Span(Decimal(5), Decimal(7), False, True)
    assert span(">2").plus(Decimal(5)) == Span(Decimal(7), None, True, False)
    assert [negation(truth) for truth in (True, False, None)] == [False, True, None]
