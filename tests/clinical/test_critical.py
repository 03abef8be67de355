"""The five published critical lists, each limit on and just past it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from refrain.clinical.analytes import CATALOGUE
from refrain.clinical.critical import FREE_T4, PROFILES, CriticalLimit, is_critical, profile

EVERY_LIMIT = [
    pytest.param(limit, id=f"{name} {limit.analyte} {limit.printed}")
    for name, table in PROFILES.items()
    for limits in table.values()
    for limit in limits
]


def test_the_lists_as_printed() -> None:
    printed = {
        name: {analyte: [limit.printed for limit in limits] for analyte, limits in table.items()}
        for name, table in PROFILES.items()
    }
    assert printed == {
        "none": {},
        "starling": {
            "CREAT": [">= 6.0 mg/dL"], "PLT": ["<= 20 10*9/L", ">= 1000 10*9/L"], "ANC": ["<= 1.0 10*9/L"],
            "HGB": ["<= 7.0 g/dL"], "GLU": ["<= 50 mg/dL", ">= 500 mg/dL"], "CA": ["<= 7.0 mg/dL", ">= 13 mg/dL"],
        },
        "sunrise": {
            "CREAT": ["> 7.5 mg/dL"], "PLT": ["< 50 10*9/L", "> 800 10*9/L"], "ANC": ["< 0.5 10*9/L"],
            "HGB": ["< 7.0 g/dL", "> 20 g/dL"], "GLU": ["< 40 mg/dL", "> 500 mg/dL"],
            "CA": ["< 6.5 mg/dL", "> 12.9 mg/dL"],
        },
        "houston_methodist": {
            "HGB": ["<= 7.0 g/dL"], "GLU": ["<= 50 mg/dL", "> 400 mg/dL"], "CA": ["<= 6.5 mg/dL", ">= 13.0 mg/dL"],
            "CSF_WBC": ["> 50 /uL"], "FT4": [">= 5.1 ng/dL"],
        },
        "citilab": {"ANC": ["<= 0.5 10*9/L"], "CSF_WBC": ["> 30 /uL"]},
        "u_iowa": {"CORT": ["< 2.0 ug/dL"]},
    }  # fmt: skip


@pytest.mark.parametrize("limit", EVERY_LIMIT)
def test_on_the_limit_and_just_past_it(limit: CriticalLimit) -> None:
    marks = {"sex": "M", "outpatient": True, "bloody_tap": False}
    step = Decimal("0.01") if limit.side == "high" else Decimal("-0.01")
    assert is_critical(limit, limit.limit, **marks) is limit.inclusive  # type: ignore[arg-type]
    assert is_critical(limit, limit.limit + step, **marks) is True  # type: ignore[arg-type]
    assert is_critical(limit, limit.limit - step, **marks) is False  # type: ignore[arg-type]
    assert limit.analyte == FREE_T4 or limit.unit == CATALOGUE[limit.analyte].unit


def test_conversion_to_canonical_units_is_exact() -> None:
    assert profile("starling")["CREAT"][0].limit == Decimal("530.40")
    assert profile("sunrise")["CREAT"][0].limit == Decimal("663.00")
    assert profile("sunrise")["HGB"][1].limit == Decimal(200)
    assert profile("citilab")["CSF_WBC"][0].limit == Decimal(30)


def test_marks_that_nobody_stated_leave_it_open() -> None:
    high_hemoglobin = profile("sunrise")["HGB"][1]
    assert is_critical(high_hemoglobin, Decimal(210), sex="M") is True
    assert is_critical(high_hemoglobin, Decimal(210), sex="F") is False
    assert is_critical(high_hemoglobin, Decimal(210)) is None
    assert is_critical(high_hemoglobin, Decimal(190)) is False
    neutrophils = profile("citilab")["ANC"][0]
    assert is_critical(neutrophils, Decimal("0.5"), outpatient=True) is True
    assert is_critical(neutrophils, Decimal("0.5"), outpatient=False) is False
    assert is_critical(neutrophils, Decimal("0.5")) is None
    cells = profile("houston_methodist")["CSF_WBC"][0]
    assert is_critical(cells, Decimal(51), bloody_tap=True) is False
    assert is_critical(cells, Decimal(51)) is None


def test_a_censored_value_may_be_critical() -> None:
    low_platelets = profile("starling")["PLT"][0]
    assert is_critical(low_platelets, Decimal(30), "<") is None
    assert is_critical(low_platelets, Decimal(20), "<") is True
    assert is_critical(low_platelets, Decimal(20), ">") is False


def test_significant_is_not_critical_and_unknown_lists_fail() -> None:
    assert [
        limit.analyte
        for table in PROFILES.values()
        for limits in table.values()
        for limit in limits
        if limit.significant
    ] == ["CORT"]
    with pytest.raises(KeyError):
        profile("nowhere")


def test_no_list_has_a_limit_for_what_the_case_report_measured() -> None:
    measured = {"VEGF", "IGG", "SFLC_K", "SFLC_L", "SFLC_R", "IFE_S", "PRL", "B12", "CSF_PROT", "TSH", "TESTO", "HBA1C"}
    assert not measured & {analyte for table in PROFILES.values() for analyte in table}
