"""The repairs that the case report needs, and what must not be repaired."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refrain.clinical.analytes import CATALOGUE
from refrain.clinical.interval import Interval
from refrain.clinical.ranges import read_range
from refrain.clinical.repairs import Repair, propose, range_from_series
from refrain.clinical.values import read_value

UP_TO_8 = Interval(None, Decimal(8), None, True)


def proposed(code: str, value: str, unit: str, interval: str) -> tuple[Repair | None, tuple[str, ...]]:
    read, _ = read_value("NM", [value], unit_raw=unit)
    return propose(CATALOGUE[code], read, read_range([interval]))


@pytest.mark.parametrize(
    ("value", "unit", "interval"),
    [("11.29", "mg/L", "8.6–17.4mg/L"), ("11.29", "mg/L", "8.6-17.4"), ("0.01129", "g/L", "0.0086-0.0174")],
)
def test_igg_in_milligrams_is_grams(value: str, unit: str, interval: str) -> None:
    repair, quality = proposed("IGG", value, unit, interval)
    assert repair == Repair(
        Decimal("11.29"), "g/L", Decimal("8.6"), Decimal("17.4"), True, True, "DQ-01", "magnitude", "high", "pending"
    )
    assert str(repair.number) == "11.29"
    assert quality == ()


@pytest.mark.parametrize(
    ("value", "unit", "interval"),
    [
        pytest.param("11.29", "mg/L", "", id="no interval: one piece of evidence"),
        pytest.param("11.29", "mg/L", "up to 17.4", id="one limit only"),
        pytest.param("0.01129", "g/L", "8.6-17.4", id="the limits are plausible as they are"),
        pytest.param("11.29", "g/L", "8.6-17.4", id="nothing is wrong"),
        pytest.param("0.1", "g/L", "0.0086-0.0174", id="the value is just plausible"),
        pytest.param("0.00001129", "g/L", "0.0086-0.0174", id="still too small a thousand times larger"),
        pytest.param("<11.29", "mg/L", "8.6-17.4", id="censored"),
        pytest.param("11.29", "zU/L", "8.6-17.4", id="unknown unit"),
        pytest.param("11.29", "mg/L", "8.6-17.4 g/L", id="two units"),
        pytest.param("11.29", "mg/L", "M: 8.6-17.4 F: 8.6-17.4", id="split by sex"),
    ],
)
def test_what_is_no_thousandfold_slip(value: str, unit: str, interval: str) -> None:
    assert proposed("IGG", value, unit, interval) == (None, ())


def test_a_missing_unit_is_taken_from_the_interval() -> None:
    repair, quality = proposed("CSF_PROT", "2.09", "", "0.15–0.45g/L")
    assert repair == Repair(
        Decimal("2.09"), "g/L", Decimal("0.15"), Decimal("0.45"), True, True, "DQ-06", "magnitude", "high", "pending"
    )
    assert quality == ("unit_inferred",)


def test_an_inferred_unit_is_converted() -> None:
    repair, _ = proposed("CSF_PROT", "209", "", "15-45 mg/dL")
    assert repair is not None
    assert (repair.number, repair.unit, repair.low, repair.high) == (
        Decimal("2.09"),
        "g/L",
        Decimal("0.15"),
        Decimal("0.45"),
    )


@pytest.mark.parametrize(
    ("code", "value", "unit", "interval"),
    [
        pytest.param("CSF_PROT", "209", "", "0.15-0.45 g/L", id="implausible in that unit"),
        pytest.param("CSF_PROT", "2.09", "", "0.15-0.45", id="the interval has none either"),
        pytest.param("CSF_PROT", "2.09", "", "0.15-0.45 mmol/L", id="not a unit of the entry"),
        pytest.param("CSF_PROT", "2.09", "zU/L", "0.15-0.45 g/L", id="a unit came"),
        pytest.param("IGG", "11.29", "", "8.6-17.4 mg/L", id="a unit for repairs only"),
        pytest.param("SFLC_R", "0.30", "", "0.31-1.56", id="a ratio needs none"),
        pytest.param("CSF_PROT", "2.09", "", "0.15-9999 g/L", id="an absurd limit"),
    ],
)
def test_what_is_not_inferred(code: str, value: str, unit: str, interval: str) -> None:
    assert proposed(code, value, unit, interval) == (None, ())


def test_an_unmapped_code_is_not_repaired() -> None:
    value, _ = read_value("NM", ["2.09"])
    assert propose(None, value, read_range(["0.15-0.45 g/L"])) == (None, ())


@pytest.mark.parametrize(
    ("text", "low"),
    [
        ("up to 810^6/L", None), ("up to 810⁶/L", None), ("0-810000000", Decimal(0)), ("<=810000000", None),
        ("0-282429536481000000", Decimal(0)),
    ],
)  # fmt: skip
def test_a_limit_that_lost_its_multiplication_sign(text: str, low: Decimal | None) -> None:
    repair = range_from_series(CATALOGUE["CSF_WBC"], text, [UP_TO_8], Decimal(7))
    low_inclusive = None if low is None else True
    assert repair == Repair(
        Decimal(7), "10*6/L", low, Decimal(8), low_inclusive, True, "DQ-07", "range", "high", "not_required"
    )


@pytest.mark.parametrize(
    ("code", "text", "earlier"),
    [
        pytest.param("CSF_WBC", "up to 810^6/L", [], id="nothing earlier"),
        pytest.param("CSF_WBC", "up to 810^6/L", [Interval(None, Decimal(5), None, True)], id="other digits"),
        pytest.param("CSF_WBC", "up to 1810^6/L", [UP_TO_8], id="a digit before"),
        pytest.param("CSF_WBC", "up to 810^9/L", [UP_TO_8], id="another power"),
        pytest.param("CSF_WBC", "up to 810^6/L or so", [UP_TO_8], id="not a range even then"),
        pytest.param("CSF_WBC", "see 810^6/L", [UP_TO_8], id="prose"),
        pytest.param("CSF_WBC", "up to 8×10^6/L", [UP_TO_8], id="not damaged"),
        pytest.param("CSF_WBC", "8100000000", [UP_TO_8], id="a zero too many"),
        pytest.param("CSF_PROT", "up to 810^6/L", [UP_TO_8], id="a unit without a power of ten"),
        pytest.param("CSF_WBC", "up to 810^6/L", [Interval(Decimal(0), None, True, None)], id="an earlier limit of 0"),
    ],
)  # fmt: skip
def test_what_the_series_does_not_explain(code: str, text: str, earlier: Sequence[Interval]) -> None:
    assert range_from_series(CATALOGUE[code], text, earlier) is None


def test_the_series_of_platelets() -> None:
    repair = range_from_series(
        CATALOGUE["PLT"], "15010^9/L - 45010^9/L", [Interval(Decimal(150), Decimal(450), True, True)]
    )
    assert repair is None  # two damaged limits: one alone does not make a range, and nothing is guessed
    repair = range_from_series(
        CATALOGUE["PLT"], "<= 45010^9/L", [Interval(Decimal("150"), Decimal("450.0"), True, True)]
    )
    assert repair is not None
    assert repair.high == 450


@settings(max_examples=50)
@given(st.text(alphabet="0123456789^ -upto/L810", max_size=20))
def test_a_damaged_limit_is_the_earlier_one_or_nothing(text: str) -> None:
    repair = range_from_series(CATALOGUE["CSF_WBC"], text, [UP_TO_8])
    assert repair is None or Decimal(8) in (repair.low, repair.high)
