"""Every entry of the catalogue: codes with a right check digit, exact conversions, windows, sources."""

from __future__ import annotations

from decimal import Decimal

import pytest

from refrain.clinical.analytes import CATALOGUE, Analyte, by_loinc
from refrain.clinical.loinc import DEPRECATED, NEVER_MAPPED, check_digit_ok
from refrain.clinical.specimens import SPECIMENS
from refrain.clinical.units import NOMINAL, to_canonical, ucum

ENTRIES = [pytest.param(entry, id=entry.code) for entry in CATALOGUE.values()]

CODES_OF_THE_REFERENCE = [
    "IGG", "IGA", "IGM", "IFE_S", "IFE_U", "MPROT_S", "MPROT_U24", "SFLC_K", "SFLC_L", "SFLC_R",
    "UFLC_K", "UFLC_L", "UFLC_R", "VEGF", "PRL", "B12", "CSF_PROT", "CSF_WBC", "CSF_PANDY", "BM_FLOW",
    "BM_PC", "PET_LESION", "CREAT", "EGFR", "PLT", "ANC", "HGB", "TSH", "TESTO", "CORT",
    "HBA1C", "GLU", "CA",
]  # fmt: skip


def test_the_catalogue_is_that_of_the_reference() -> None:
    assert sorted(CATALOGUE) == sorted(CODES_OF_THE_REFERENCE)


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_entry_says_who_it_is_and_how_sure_that_is(entry: Analyte) -> None:
    assert entry.code == entry.code.upper()
    assert entry.name
    assert entry.source
    assert entry.verification in ("VT", "SEC", "UNV")
    assert entry.specimens
    assert set(entry.specimens) <= SPECIMENS - {"UNKNOWN"}


@pytest.mark.parametrize("entry", ENTRIES)
def test_codes_have_a_right_check_digit_and_one_owner(entry: Analyte) -> None:
    for code in entry.loinc:
        assert check_digit_ok(code)
        assert by_loinc(code) is entry
        assert code not in NEVER_MAPPED


@pytest.mark.parametrize("entry", ENTRIES)
def test_units_are_known_and_conversions_exact_decimals(entry: Analyte) -> None:
    assert entry.nominal == (entry.unit == NOMINAL)
    if not entry.nominal:
        assert ucum(entry.unit) == entry.unit
    for unit, how in (*entry.also_reported_in.items(), *entry.repair_only_units.items()):
        assert ucum(unit) == unit
        assert unit != entry.unit
        assert isinstance(how.numerator, Decimal)
        assert how.numerator > 0
        assert how.denominator > 0
        assert how.verification in ("VT", "UNV")


@pytest.mark.parametrize("entry", ENTRIES)
def test_windows_hold_every_published_interval(entry: Analyte) -> None:
    if entry.nominal or entry.code == "PET_LESION":
        assert entry.plausible is None
        return
    assert entry.plausible is not None
    low, high = entry.plausible.low, entry.plausible.high
    assert low is not None
    assert high is not None
    assert low < high
    for interval in (*entry.textbook, *([entry.case_lab] if entry.case_lab else [])):
        for end in (interval.low, interval.high):
            if end:  # a low end of 0 says "from nothing on"
                quantity = to_canonical(end, interval.unit, entry)
                assert quantity is not None
                assert low <= quantity.number <= high


@pytest.mark.parametrize(
    ("code", "unit", "received", "canonical"),
    [
        ("IGG", "mg/dL", "1129", "11.29"),
        ("IGG", "g/dL", "1.129", "11.29"),
        ("IGA", "mg/dL", "68", "0.68"),
        ("IGM", "mg/dL", "263", "2.63"),
        ("MPROT_S", "g/dL", "0.5", "5"),
        ("MPROT_S", "mg/dL", "500", "5"),
        ("MPROT_U24", "g/(24.h)", "0.2", "200"),
        ("SFLC_K", "mg/dL", "3.29", "32.9"),
        ("SFLC_L", "mg/dL", "11.000", "110.00"),
        ("VEGF", "ng/L", "42.35", "42.35"),
        ("PRL", "ug/L", "22.18", "22.18"),
        ("PRL", "m[IU]/L", "424", "20"),
        ("B12", "ng/L", "105", "105"),
        ("B12", "pmol/L", "73.78", "100"),
        ("CSF_PROT", "mg/dL", "209", "2.09"),
        ("CSF_WBC", "/uL", "5", "5"),
        ("CREAT", "mg/dL", "1.0", "88.40"),
        ("PLT", "10*3/uL", "212", "212"),
        ("ANC", "10*3/uL", "1.5", "1.5"),
        ("ANC", "/uL", "1500", "1.500"),
        ("HGB", "g/dL", "11.8", "118"),
        ("TSH", "u[IU]/mL", "4.0", "4.0"),
        ("TESTO", "nmol/L", "0.347", "10"),
        ("CORT", "nmol/L", "275.9", "10"),
        ("HBA1C", "mmol/mol", "0", "2.15"),
        ("HBA1C", "mmol/mol", "54.645", "7.15"),
        ("GLU", "mmol/L", "5.551", "100"),
        ("CA", "mmol/L", "2.495", "10"),
    ],
)
def test_factors_of_the_reference(code: str, unit: str, received: str, canonical: str) -> None:
    quantity = to_canonical(Decimal(received), unit, CATALOGUE[code])
    assert quantity is not None
    assert quantity.number == Decimal(canonical)
    assert quantity.unit == CATALOGUE[code].unit


def test_every_listed_conversion_has_a_row_above() -> None:
    rows = {
        (mark.args[1][i][0], mark.args[1][i][1])
        for mark in test_factors_of_the_reference.pytestmark  # type: ignore[attr-defined]
        for i in range(len(mark.args[1]))
    }
    assert rows == {(entry.code, unit) for entry in CATALOGUE.values() for unit in entry.also_reported_in}


def test_windows_and_directions_of_the_reference() -> None:
    windows = {
        "IGG": "0.1-150", "IGA": "0.01-150", "IGM": "0.01-150", "MPROT_S": "0-150", "MPROT_U24": "0-50000",
        "SFLC_K": "0.1-100000", "SFLC_L": "0.1-100000", "SFLC_R": "0.0001-10000", "UFLC_K": "0-100000",
        "UFLC_L": "0-100000", "UFLC_R": "0.001-10000", "VEGF": "1-50000", "PRL": "0.1-5000", "B12": "30-10000",
        "CSF_PROT": "0.05-30", "CSF_WBC": "0-100000", "CREAT": "10-3000", "EGFR": "1-200", "PLT": "0-5000",
        "ANC": "0-300", "HGB": "15-260", "TSH": "0.001-500", "TESTO": "1-5000", "CORT": "0.1-200", "HBA1C": "2-25",
        "GLU": "5-2500", "CA": "2-25", "BM_FLOW": "0-100", "BM_PC": "0-100",
    }  # fmt: skip
    assert windows == {c: f"{e.plausible.low}-{e.plausible.high}" for c, e in CATALOGUE.items() if e.plausible}
    assert {c: e.better for c, e in CATALOGUE.items() if e.better} == {
        "IFE_S": "NEG", "IFE_U": "NEG", "MPROT_S": "lower", "MPROT_U24": "lower", "SFLC_K": "by_clone",
        "SFLC_L": "by_clone", "SFLC_R": "toward", "VEGF": "lower", "CSF_PROT": "lower",
    }  # fmt: skip


def test_what_is_rechecked_when_abnormal_at_baseline() -> None:
    never = {"IGG", "IGA", "IGM", "UFLC_K", "UFLC_L", "UFLC_R", "CSF_PROT", "CSF_WBC", "CSF_PANDY", "GLU"}
    other_rules = {"IFE_S", "IFE_U", "BM_FLOW", "BM_PC", "PET_LESION"}
    assert {code for code, entry in CATALOGUE.items() if not entry.recheck} == never | other_rules


def test_only_vegf_must_have_its_specimen_stated() -> None:
    assert [code for code, entry in CATALOGUE.items() if entry.specimen_must_be_stated] == ["VEGF"]


def test_alternates_deprecated_and_foreign_codes() -> None:
    assert by_loinc("80516-8") is CATALOGUE["SFLC_L"]
    assert by_loinc("40844-3") is CATALOGUE["SFLC_R"]
    assert "40844-3" in DEPRECATED
    for code in ("2823-3", "26464-8", "62238-1", "12778-7", "33944-8", "51435-6", "34366-5", ""):
        assert by_loinc(code) is None


def test_igg_in_mg_per_litre_counts_only_through_a_repair() -> None:
    assert to_canonical(Decimal("11290"), "mg/L", CATALOGUE["IGG"]) is None
    assert CATALOGUE["IGG"].repair_only_units["mg/L"].apply(Decimal("11.29")) == Decimal("0.01129")
