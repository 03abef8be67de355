"""Specimens: read, settled, and against the code."""

from __future__ import annotations

import pytest

from refrain.clinical.analytes import CATALOGUE
from refrain.clinical.specimens import SPECIMENS, agrees, read_specimen, settle


@pytest.mark.parametrize(
    ("received", "code"),
    [
        ("SER", "SERUM"), ("Serum", "SERUM"), ("PLAS", "PLASMA_EDTA"), ("EDTA plasma", "PLASMA_EDTA"), ("UR", "URINE"),
        ("24 h urine", "URINE_24H"), ("24-hour urine", "URINE_24H"), ("CSF", "CSF"), ("cerebrospinal  fluid", "CSF"),
        ("BLD", "BLOOD"), ("Whole blood", "BLOOD"), ("bone marrow", "MARROW"), ("MAR", "MARROW"), ("PET-CT", "IMAGE"),
        ("", "UNKNOWN"), ("saliva", "UNKNOWN"), ("serum or plasma", "UNKNOWN"),
    ],
)  # fmt: skip
def test_codes_and_words(received: str, code: str) -> None:
    assert read_specimen(received) == code


@pytest.mark.parametrize("code", sorted(SPECIMENS))
def test_every_code_means_itself(code: str) -> None:
    assert read_specimen(code) == code


def test_only_a_single_allowed_specimen_is_assumed() -> None:
    assert settle(CATALOGUE["IGG"], "") == ("SERUM", "assumed")
    assert settle(CATALOGUE["IGG"], "UNKNOWN") == ("SERUM", "assumed")
    assert settle(CATALOGUE["VEGF"], "") == ("UNKNOWN", "unknown")
    assert settle(CATALOGUE["VEGF"], "PLAS") == ("PLASMA_EDTA", "stated")
    assert settle(CATALOGUE["IFE_U"], "") == ("UNKNOWN", "unknown")
    assert settle(None, "") == ("UNKNOWN", "unknown")
    assert settle(None, "SER") == ("SERUM", "stated")


def test_nothing_is_assumed_over_a_stated_specimen_that_is_not_known() -> None:
    assert settle(CATALOGUE["IGG"], "saliva") == ("UNKNOWN", "unknown")


@pytest.mark.parametrize(
    ("analyte", "loinc", "specimen", "fits"),
    [
        (None, "26464-8", "CSF", False), (None, "26464-8", "BLOOD", True), (None, "2823-3", "CSF", True),
        ("CSF_WBC", "26465-5", "BLOOD", False), ("CSF_WBC", "26465-5", "CSF", True),
        ("CSF_WBC", "26465-5", "UNKNOWN", True), ("IFE_S", "25700-6", "PLASMA_EDTA", True),
        ("IFE_S", "25700-6", "URINE", False), ("MPROT_U24", "42482-0", "URINE", False),
        ("MPROT_U24", "42482-0", "URINE_24H", True), ("IFE_U", "13440-3", "URINE_24H", True),
        ("PLT", "777-3", "SERUM", False),
    ],
)  # fmt: skip
def test_code_and_specimen_must_agree(analyte: str | None, loinc: str, specimen: str, fits: bool) -> None:
    assert agrees(CATALOGUE[analyte] if analyte else None, loinc, specimen) is fits
