"""The range grammar: every row of feeds.md section 11, and the three-valued standing of section 10."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from refrain.clinical.numbers import NumberStyle
from refrain.clinical.ranges import REASONS, Interval, Range, read_range, stand
from refrain.clinical.values import Comparator


def limits(received: Range) -> str:
    """As a mathematician writes it."""
    low = "(-∞" if received.low is None else f"{'[' if received.low_inclusive else '('}{received.low}"
    high = "∞)" if received.high is None else f"{received.high}{']' if received.high_inclusive else ')'}"
    return f"{low}, {high}"


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        ("12-34", "[12, 34]"), ("12 - 34", "[12, 34]"), ("[ 12 - 34 ]", "[12, 34]"), ("4.5 to 6.0", "[4.5, 6.0]"),
        ("4.5 TO 6.0", "[4.5, 6.0]"), ("2–8", "[2, 8]"), ("2\u20108", "[2, 8]"), ("2\u22128", "[2, 8]"),
        ("1..5", "[1, 5]"),
        ("0\u00a0–\u00a0160", "[0, 160]"), ("(12-34)", "[12, 34]"), ("5-5", "[5, 5]"),
        ("<7", "(-∞, 7)"), ("[ < 7.5]", "(-∞, 7.5)"), ("less than 5", "(-∞, 5)"), ("below 5", "(-∞, 5)"),
        ("- <9", "(-∞, 9)"), ("-<=9", "(-∞, 9]"), ("– < 9", "(-∞, 9)"), ("<-5", "(-∞, -5)"),
        ("<=7", "(-∞, 7]"), ("≤7", "(-∞, 7]"), ("=<7", "(-∞, 7]"), ("</=7", "(-∞, 7]"), ("< OR = 7", "(-∞, 7]"),
        ("up to 8", "(-∞, 8]"), ("Up to 8", "(-∞, 8]"), ("at most 8", "(-∞, 8]"),
        (">2", "(2, ∞)"), ("[ > 2.5 ]", "(2.5, ∞)"), ("more than 2", "(2, ∞)"), ("above 2", "(2, ∞)"),
        (">=2.5", "[2.5, ∞)"), ("≥ 2.5", "[2.5, ∞)"), ("=>2.5", "[2.5, ∞)"), (">/=2.5", "[2.5, ∞)"),
        ("> OR = 60", "[60, ∞)"), ("at least 40", "[40, ∞)"), ("from 40", "[40, ∞)"),
        ("0.40 - <0.90", "[0.40, 0.90)"), (">0.4 - <0.9", "(0.4, 0.9)"), (">=0.4 - <=0.9", "[0.4, 0.9]"),
        ("0.4 - ≤0.9", "[0.4, 0.9]"),
        ("-3-+3", "[-3, 3]"), ("-3.0 - 3.0", "[-3.0, 3.0]"), ("-9--4", "[-9, -4]"), ("−9 – −4", "[-9, -4]"),
        (".5-1.2", "[0.5, 1.2]"),
    ],
)  # fmt: skip
def test_intervals(received: str, expected: str) -> None:
    read = read_range([received])
    assert (read.kind, limits(read), read.unit, read.reason) == ("interval", expected, None, None)
    assert read.text == received


@pytest.mark.parametrize(
    ("received", "expected", "unit"),
    [
        ("<12 ug/dL", "(-∞, 12)", "ug/dL"), ("3.5–5.1mmol/L", "[3.5, 5.1]", "mmol/L"),
        ("(3.5-5.1)mmol/L", "[3.5, 5.1]", "mmol/L"), ("up to 8×10⁶/L", "(-∞, 8]", "10*6/L"),
        ("up to 8×10^6/L", "(-∞, 8]", "10*6/L"), ("8.6–17.4mg/L", "[8.6, 17.4]", "mg/L"),
        ("0–160 pg/ml", "[0, 160]", "pg/mL"), ("(8.6–17.4)g/L", "[8.6, 17.4]", "g/L"),
        ("[0.4-4.0]m[IU]/L", "[0.4, 4.0]", "m[IU]/L"), ("(0.4-4.0) m[IU]/L", "[0.4, 4.0]", "m[IU]/L"),
        ("(<4.0 m[IU]/L)", "(-∞, 4.0)", "m[IU]/L"), ("[0.4-4.0 m[IU]/L]", "[0.4, 4.0]", "m[IU]/L"),
        ("[3.5-5.1 mmol/L]", "[3.5, 5.1]", "mmol/L"), ("(3.5-5.1 mmol/L) mmol/L", "[3.5, 5.1]", "mmol/L"),
    ],
)  # fmt: skip
def test_intervals_with_a_unit_of_their_own(received: str, expected: str, unit: str) -> None:
    read = read_range([received])
    assert (read.kind, limits(read), read.unit) == ("interval", expected, unit)


@pytest.mark.parametrize(
    ("components", "expected"),
    [(["<", "7"], "(-∞, 7)"), ([">", "14"], "(14, ∞)"), (["", "3", "-", "8"], "[3, 8]"), (["<", "7", ""], "(-∞, 7)")],
)
def test_structured_numerics(components: Sequence[str], expected: str) -> None:
    assert limits(read_range(components)) == expected


@pytest.mark.parametrize("received", ["", '""', "-", "--", "–", "*", "n/a", "N/A", "none", "[]", "()", "[ ]", " "])
def test_absent(received: str) -> None:
    assert read_range([received]) == Range("absent", received)


def test_nothing_at_all_is_absent() -> None:
    assert read_range([]) == Range("absent", "")
    assert read_range(["", ""]).kind == "absent"


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        ("NEGATIVE", "negative"),
        ("Not detected", "negative"),
        ("0-2+", "0-2+"),
        ("neg - trace", "negative-trace"),
        ("(negative)", "negative"),
    ],
)
def test_qualitative(received: str, expected: str) -> None:
    read = read_range([received])
    assert (read.kind, read.expected, read.low, read.high) == ("qualitative", expected, None, None)


@pytest.mark.parametrize(
    ("received", "reason"),
    [
        (">3-8", "operator_on_low_only"), ("<3-8", "operator_on_low_only"), ("1-3-9.5", "too_many_numbers"),
        ("160", "bare_number"), ("160 pg/mL", "bare_number"), ("9-3", "inverted"), ("5-<5", "empty"),
        (">5 - <=5", "empty"), ("[3-5)", "brackets"), ("3-5)", "brackets"), ("(3-5", "brackets"),
        ("[3-5] (6-7)", "brackets"), ("[[3-5]]", "brackets"), ("[3-5 m[IU]/L", "brackets"), ("20_80", "prose"),
        ("<1 = low, >=1 = high", "interpretive"), ("3 - >8", "interpretive"), ("<12: acceptable", "prose"),
        ("<20 deficient", "unit"), ("<12 zorks", "unit"), ("up to 810^6/L", "unit"), ("See below", "prose"),
        ("Straw", "prose"), ("within normal limits = 3", "prose"), ("1,2-3,4", "comma"), ("<1,5", "comma"),
        ("3-", "unit"), ("<", "prose"), ("(3-5 mg/L) g/L", "unit"), ("M: 14-18 F: Straw", "prose"),
        ("M: 14-18 M: 12-16", "prose"), ("M: 14-18 g/L F: 12-16 g/dL", "unit"), ("٣-٥", "prose"),
    ],
)  # fmt: skip
def test_rejected(received: str, reason: str) -> None:
    read = read_range([received])
    assert (read.kind, read.reason, read.text) == ("unparsed", reason, received)
    assert read.interval() is None
    assert (read.low, read.high) == (None, None)
    assert reason in REASONS


@pytest.mark.parametrize(
    ("components", "reason"),
    [
        (["", "12"], "bare_number"),
        (["", "3", ":", "9"], "sn_shape"),
        (["", "", "25"], "sn_shape"),
        (["up to 8x10", "6/L"], "sn_shape"),
        (["=", "5"], "sn_shape"),
    ],
)
def test_rejected_structured_numerics(components: Sequence[str], reason: str) -> None:
    assert (read_range(components).kind, read_range(components).reason) == ("unparsed", reason)


@pytest.mark.parametrize(
    "received",
    ["M: 14-18 F: 12-16", "Male 14-18; Female 12-16", "F: 12-16 / M: 14-18", "(M 14-18, F 12-16)", "m=14-18\nf=12-16"],
)
def test_split_by_sex(received: str) -> None:
    read = read_range([received])
    assert read.kind == "interval"
    assert (read.low, read.high) == (None, None)
    assert read.interval("M") == Interval(Decimal(14), Decimal(18), True, True)
    assert read.interval("female") == Interval(Decimal(12), Decimal(16), True, True)
    assert read.interval() is None
    assert read.interval("U") is None


def test_a_split_may_end_with_one_unit_for_both() -> None:
    read = read_range(["M: 14-18 F: 12-16 g/dL"])
    assert (read.kind, read.unit) == ("interval", "g/dL")


def test_what_a_profile_may_add() -> None:
    assert limits(read_range(["20_80"], separators=["_"])) == "[20, 80]"
    assert limits(read_range(["bis 8"], words={"bis": "<="})) == "(-∞, 8]"
    assert limits(read_range(["1,2-3,4"], style=NumberStyle(","))) == "[1.2, 3.4]"
    assert limits(read_range(["1,000-3,000"], style=NumberStyle(".", ","))) == "[1000, 3000]"
    assert read_range(["3-5 zorks"], unit_aliases={"zorks": "mg/L"}).unit == "mg/L"


PIECES = st.lists(
    st.sampled_from(
        ["1", "2.5", "10", "-", "–", "−", "+", "<", ">", "<=", "≥", " to ", "..", "(", ")", "[", "]", "M:", "F ", " ",
         ",", ".", "mg/L", "x10^6/L", "up to ", "neg", "⁶", "×", "^", "=", "\u00a0", "at least "]
    ), max_size=9,
).map("".join) | st.text(max_size=10)  # fmt: skip


@settings(max_examples=100)
@given(st.lists(PIECES, min_size=1, max_size=4))
@example(["M:1-2 F:1-2 " * 3000])
@example(["(" * 5000])
@example(["1-" * 90])
def test_nothing_raises_and_the_text_is_kept(components: list[str]) -> None:
    read = read_range(components)
    assert read.text == "^".join(components)
    assert (read.reason is not None) == (read.kind == "unparsed")
    assert read.reason is None or read.reason in REASONS
    if read.kind != "interval":
        assert (read.low, read.high, read.by_sex) == (None, None, None)
    elif read.by_sex is None:
        assert read.low is not None or read.high is not None
        assert (read.low_inclusive is None) == (read.low is None)
        assert (read.high_inclusive is None) == (read.high is None)


@pytest.mark.parametrize(
    ("comparator", "number", "interval", "standing"),
    [
        ("<", "5", "<3", "indeterminate"), ("<", "5", "<6", "inside"), ("<", "5", "0-6", "inside"),
        ("<", "5", "<5", "inside"), ("<=", "5", "<5", "indeterminate"), ("<", "5", "2-6", "indeterminate"),
        ("<", "5", "5-10", "below"), (">=", "5", "3-5", "indeterminate"), (">", "5", "3-5", "above"),
        (None, "3.0", "<3.0", "above"), (None, "3.0", "<=3.0", "inside"), (None, "8.6", "8.6-17.4", "inside"),
        (None, "8.59", "8.6-17.4", "below"), (None, "17.4", "8.6-17.4", "inside"), (None, "17.41", "8.6-17.4", "above"),
        (None, "2", ">2", "below"), (None, "2", ">=2", "inside"), ("<=", "2", ">2", "below"),
        ("<=", "5", "5-10", "indeterminate"),
        (">", "60", ">=60", "inside"), (">=", "60", ">60", "indeterminate"), (">", "90", "0-80", "above"),
        ("<", "0.6", "6.7-22.4", "below"), ("<", "3", "<3", "inside"), (">", "5", "0-10", "indeterminate"),
    ],
)  # fmt: skip
def test_where_a_value_stands(comparator: Comparator | None, number: str, interval: str, standing: str) -> None:
    read = read_range([interval]).interval()
    assert read is not None
    assert stand(Decimal(number), comparator, read) == standing


def test_an_interval_without_ends_decides_nothing() -> None:
    assert stand(Decimal(5), None, Interval()) == "indeterminate"


NUMBERS = st.integers(0, 12).map(Decimal)


@settings(max_examples=100)
@given(NUMBERS, st.sampled_from(["<", "<=", ">", ">="]), NUMBERS, NUMBERS, st.booleans(), st.booleans())
def test_a_decided_censored_value_is_decided_alike_at_every_point(
    bound: Decimal, comparator: Comparator, one: Decimal, other: Decimal, low_in: bool, high_in: bool
) -> None:
    interval = Interval(min(one, other), max(one, other), low_in, high_in)
    standing = stand(bound, comparator, interval)
    inside = {
        "<": lambda p: p < bound, "<=": lambda p: p <= bound, ">": lambda p: p > bound, ">=": lambda p: p >= bound
    }[comparator]  # fmt: skip
    points = [p for p in (Decimal(n) / 2 for n in range(0, 60)) if inside(p)]
    seen = {stand(point, None, interval) for point in points}
    if standing != "indeterminate" and points:
        assert seen == {standing}
