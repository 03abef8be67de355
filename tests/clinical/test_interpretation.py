"""Interpretation codes and their groups."""

from __future__ import annotations

import pytest

from refrain.clinical.interpretation import (
    CRITICAL,
    GROUPS,
    ReadFlag,
    more_severe,
    nominal_codes,
    read_flag,
    severity,
    violations,
)


@pytest.mark.parametrize(
    "codes", [[], ["N", "D", "B"], ["H", ">"], ["POS", "A"], ["LL", "<", "U", "W", "EXP"], ["N", "N"]]
)
def test_legal_sets(codes: list[str]) -> None:
    assert violations(codes) == ()


@pytest.mark.parametrize(
    "codes", [["L", "LU"], ["U", "D"], ["B", "W"], ["<", ">"], ["POS", "NEG"], ["N", "A"], ["EXP", "UNE"]]
)
def test_two_of_one_group(codes: list[str]) -> None:
    [sentence] = violations(codes)
    assert all(code in sentence for code in codes)


def test_codes_that_are_never_sent() -> None:
    assert len(violations(["QCF", "L<", "N"])) == 2


def test_flags_of_a_laboratory() -> None:
    assert read_flag("") is None
    assert read_flag('""') is None
    assert read_flag(" H ") == ReadFlag("H")
    assert read_flag("L<") == ReadFlag("LU", "deprecated_flag")
    assert read_flag("H>") == ReadFlag("HU", "deprecated_flag")
    for code in ("QCF", "AC", "TOX"):
        assert read_flag(code) == ReadFlag(None, "deprecated_flag")
    assert read_flag("zz") == ReadFlag(None, "unknown_flag")
    assert all(read_flag(code) == ReadFlag(code) for code in GROUPS)


def test_the_more_severe_wins() -> None:
    assert more_severe("N", "HH") == "HH"
    assert more_severe("HH", "H") == "HH"
    assert more_severe("L", "H") == "L"
    assert more_severe(None, "LL") == "LL"
    assert more_severe("H", None) == "H"
    assert all(severity(code) == 3 for code in CRITICAL)
    assert severity("POS") == severity("?") == -1


def test_nominal_results() -> None:
    assert nominal_codes("POS") == ("A", "POS")
    assert nominal_codes("NEG") == ("N", "NEG")
    assert nominal_codes("IND") == ("IND",)
