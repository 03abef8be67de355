"""One observation read whole: the case report's results, its two slips, and the feed's cases."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refrain.clinical.analytes import CATALOGUE, by_loinc
from refrain.clinical.quality import QUALITY
from refrain.clinical.reading import Reading, read_result
from refrain.clinical.value_words import nominal

CASE = json.loads(
    (Path(__file__).parents[1] / "story" / "case-report.json").read_text(encoding="utf-8"), parse_float=Decimal
)
OBSERVATIONS = [
    pytest.param(observation, id=observation["id"])
    for point in CASE["timepoints"]
    for observation in point.get("observations", [])
]


def read(
    code: str | None, value: str, unit: str = "", interval: str = "", value_type: str = "NM", **more: Any
) -> Reading:
    return read_result(CATALOGUE[code] if code else None, value_type, [value], unit, [interval], **more)


def number(value: Any) -> Decimal | None:
    return None if value is None else Decimal(value)


@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_every_result_of_the_case_report(observation: dict[str, Any]) -> None:
    received, expected = observation["received"], observation["expect"]
    if observation["loinc"]:
        assert by_loinc(observation["loinc"]) is CATALOGUE[observation["code"]]
    reading = read(observation["code"], received["value"], received["unit"] or "", received["range"] or "", "")
    assert reading.value.text == received["value"]
    assert reading.range.text == (received["range"] or "")
    if expected["kind"] == "nominal":
        assert nominal(reading.value.ordinal) == expected["value"]
        assert (reading.canonical, reading.repaired, reading.quality) == (None, None, ())
        return
    if reading.repaired and reading.repaired.number is not None:
        shown: Any = reading.repaired
    else:
        assert reading.canonical is not None
        assert reading.canonical.unit == expected["unit"]
        assert reading.canonical.number == number(expected["value"])
        shown = reading.range
    if observation["id"] == "t2-csfw":
        assert (reading.range.kind, reading.range.reason, reading.range.high) == ("unparsed", "unit", None)
        assert reading.quality == ("range_unparsed",)
        return
    assert (shown.low, shown.high) == (number(expected["low"]), number(expected["high"]))
    assert (shown.low_inclusive, shown.high_inclusive) == (expected["low_inclusive"], expected["high_inclusive"])
    if "repair" not in expected:
        assert (reading.repaired, reading.quality) == (None, ())
        return
    repair = expected["repair"]
    assert reading.repaired is not None
    assert (reading.repaired.number, reading.repaired.unit) == (number(expected["value"]), expected["unit"])
    assert (
        reading.repaired.repair_rule_id, reading.repaired.repair_class, reading.repaired.confidence,
        reading.repaired.review,
    ) == (repair["repair_rule_id"], repair["class"], repair["confidence"], repair["review"])  # fmt: skip


def test_raw_parsed_and_repaired_stay_apart() -> None:
    reading = read("IGG", "11.29", "mg/L", "8.6–17.4mg/L")
    assert (reading.value.number, reading.value.unit) == (Decimal("11.29"), "mg/L")
    assert reading.canonical is not None
    assert (str(reading.canonical.number), reading.canonical.unit) == ("0.01129", "g/L")
    assert (reading.range.low, reading.range.high, reading.range.unit) == (Decimal("8.6"), Decimal("17.4"), "mg/L")
    assert reading.repaired is not None
    assert str(reading.repaired.number) == "11.29"
    assert reading.quality == ()


def test_the_unit_slip() -> None:
    reading = read("IGG", "0.01129", "g/L", "0.0086-0.0174")
    assert reading.repaired is not None
    assert (reading.repaired.repair_rule_id, reading.repaired.number) == ("DQ-01", Decimal("11.29"))
    assert reading.quality == ()


def test_the_range_slip_leaves_no_limit_anywhere() -> None:
    reading = read("CSF_WBC", "7", "×10^6/L", "0-810000000")
    assert (reading.range.kind, reading.range.reason) == ("unparsed", "absurd")
    assert (reading.range.low, reading.range.high) == (None, None)
    assert reading.quality == ("range_rejected",)
    assert reading.canonical is not None
    assert reading.canonical.number == 7


@pytest.mark.parametrize(
    ("code", "interval", "rejected"),
    [
        ("VEGF", "0-160", False), ("VEGF", "0-500000", False), ("VEGF", "0-500001", True), ("VEGF", "0.1-160", False),
        ("VEGF", "0.09-160", True), ("VEGF", "-5-160", False), ("CSF_WBC", "0-0", False),
        ("HGB", "M: 130-170 F: 1-150", True),
    ],
)  # fmt: skip
def test_absurd_limits(code: str, interval: str, rejected: bool) -> None:
    entry = CATALOGUE[code]
    assert ("range_rejected" in read(code, "50", entry.unit, interval).quality) is rejected


def test_an_inferred_unit_leaves_the_received_value_without_one() -> None:
    reading = read("CSF_PROT", "2.09", "", "0.15–0.45g/L")
    assert (reading.value.unit, reading.canonical) == (None, None)
    assert reading.quality == ("unit_inferred",)


@pytest.mark.parametrize(
    ("code", "value", "unit", "interval", "canonical", "quality"),
    [
        ("PLT", "212", "K/uL", "150-400", "212", ()), ("PLT", "212", "x10^9/L", "150-400", "212", ()),
        ("SFLC_K", "3.29", "mg/dL", "0.33-1.94", "32.9", ()), ("VEGF", "42", "zU/mL", "0-160", None, ("unit_unknown",)),
        ("VEGF", "42", "", "0-160", None, ("unit_missing",)),
        ("VEGF", "42", "mmol/L", "0-160", None, ("unit_not_listed",)),
        ("VEGF", "42 ng/L", "pg/mL", "0-160", None, ("unit_conflict", "unit_unknown")),
        ("VEGF", "60000", "pg/mL", "0-160", "60000", ("implausible_value",)),
        ("VEGF", "50000", "pg/mL", "0-160", "50000", ()),
        ("VEGF", ">60000", "pg/mL", "0-160", "60000", ("implausible_value",)),
        ("VEGF", "<60000", "pg/mL", "0-160", "60000", ()),
        ("HGB", "11.8", "g/L", "130-170", "11.8", ("implausible_value",)),
        ("MPROT_S", "1,234", "g/L", "", None, ("ambiguous_comma",)), ("SFLC_K", "<0.6", "mg/L", "6.7-22.4", "0.6", ()),
        ("SFLC_R", "not calculated", "", "", None, ()), ("SFLC_R", "0.30", "", "0.31-1.56", "0.30", ()),
        ("PET_LESION", "4.91", "", "", "4.91", ()), ("IGG", "11290", "mg/L", "", None, ("unit_not_listed",)),
        ("VEGF", "42", "pg/mL", "0-160 ng/L", "42", ("range_unparsed",)),
        ("VEGF", "42", "pg/mL", "See below", "42", ("range_unparsed",)),
        ("BM_FLOW", "NEG", "", "", None, ()), ("BM_FLOW", "101", "%", "", "101", ("implausible_value",)),
        (None, "4.0", "mmol/L", "3.5-5.1", None, ()), (None, "4.0", "zU", "3.5-5.1", None, ("unit_unknown",)),
        (None, "7.4", "", "7.35-7.45", None, ()),
    ],
)  # fmt: skip
def test_units_and_plausibility(
    code: str | None, value: str, unit: str, interval: str, canonical: str | None, quality: tuple[str, ...]
) -> None:
    reading = read(code, value, unit, interval)
    assert (None if reading.canonical is None else str(reading.canonical.number)) == canonical
    assert reading.quality == quality
    assert reading.repaired is None


def test_a_missing_unit_of_a_ratio_or_a_nominal_analyte_is_meant() -> None:
    assert read("SFLC_R", "0.30").value.unit == "{ratio}"
    assert read("PET_LESION", "4.91", '""').value.unit == "{SUV}"
    assert read("CSF_PANDY", "POS").value.unit == "nominal"
    assert read("SFLC_R", "0.30", "mg/L").quality == ("unit_not_listed",)


def test_an_immunofixation_with_all_its_repetitions() -> None:
    reading = read_result(
        CATALOGUE["IFE_S"], "CWE", ["POS", "", "L"], "", [""],
        further_repetitions=[["IGG", "", "L"], ["LAMBDA", "", "L"]],
    )  # fmt: skip
    assert reading.band is not None
    assert (reading.band.result, reading.band.heavy, reading.band.light) == ("POS", "IgG", "lambda")
    assert (reading.value.ordinal, reading.value.text) == ("positive", "POS^^L~IGG^^L~LAMBDA^^L")
    assert read("IFE_S", "IgG lambda", value_type="ST").value.ordinal == "positive"
    assert read("IFE_S", "QNS", value_type="ST").value.missing == "insufficient"
    unread = read("IFE_S", "faint something", value_type="ST")
    assert (unread.value.kind, unread.quality) == ("text", ("immunofixation_text",))


@settings(max_examples=100)
@given(
    st.sampled_from([None, *CATALOGUE.values()]),
    st.sampled_from(["NM", "SN", "ST", "CWE", "ED", ""]),
    st.lists(st.text(max_size=6) | st.sampled_from(["<", "5", "11.29", "POS", "1E20", "-"]), max_size=5),
    st.sampled_from(["", '""', "mg/L", "g/L", "zU", "pg/ml", "%", "K/uL", "10*6/L"]),
    st.lists(
        st.text(max_size=6) | st.sampled_from(["8.6-17.4mg/L", "0-1", "M: 1-2 F: 3-4", "up to 8x10^6/L"]), max_size=3
    ),
)
def test_nothing_raises_and_raw_text_is_kept(
    analyte: Any, kind: str, value: list[str], unit: str, interval: list[str]
) -> None:
    reading = read_result(analyte, kind, value, unit, interval)
    assert set(reading.quality) <= set(QUALITY)
    assert list(reading.quality) == sorted(set(reading.quality))
    assert reading.range.text == "^".join(interval)
    assert reading.value.unit_raw == unit or reading.value.kind == "text" or kind in ("ED", "CWE")
    if reading.canonical is not None:
        assert analyte is not None
        assert reading.canonical.unit == analyte.unit
    if reading.range.kind != "interval":
        assert (reading.range.low, reading.range.high) == (None, None)
