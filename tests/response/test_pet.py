"""The PET axis at, and just past, every threshold (clinical.md 11.3)."""

from __future__ import annotations

from typing import Any

import pytest


def call(chart: Any) -> tuple[str | None, str | None, str, tuple[str, ...]]:
    axis = chart.axis("PET")
    return axis.call, axis.candidate, axis.assessability, axis.reasons


@pytest.mark.parametrize(
    ("value", "expected"),
    [("3", "CR-PET"), ("3.01", "PR-PET"), ("5", "PR-PET"), ("5.01", "NR-PET"), ("12.9", "NR-PET"), ("13", "PD-PET")],
)
def test_levels_of_one_lesion(chart: Any, value: str, expected: str) -> None:
    """Baseline 10, liver 3: CR at the liver, PR at half, PD at 1.30 times, all inclusive."""
    chart.pet(-4, "10")
    chart.pet(56, value)
    assert call(chart) == (expected, None, "ASSESSED", ())
    assert chart.axis("PET").confirmation == "not_required"
    assert chart.steps("PET_LESION")["pet 56 T11"].p == ("met" if expected == "PD-PET" else "not_met")


@pytest.mark.parametrize(("value", "p"), [("3.99", "not_met"), ("4", "met")])
def test_a_small_sum_is_no_progression(chart: Any, value: str, p: str) -> None:
    chart.pet(-4, "10")
    chart.pet(56, "2")
    chart.pet(120, value)
    assert chart.steps("PET_LESION")["pet 120 T11"].p == p


def test_the_rise_is_from_the_lowest_sum(chart: Any) -> None:
    chart.pet(-4, "10")
    chart.pet(56, "4")
    chart.pet(120, "5.2")
    axis = chart.axis("PET")
    assert (axis.call, axis.best_response) == ("PD-PET", "PR-PET")
    assert chart.name(axis.nadir.result) == "pet 56 T11"


def test_a_new_lesion_is_progression_whatever_the_sum(chart: Any) -> None:
    chart.pet(-4, "10")
    chart.pet(56, "1", new="Y")
    assert chart.axis("PET").call == "PD-PET"


def test_a_new_lesion_without_an_avid_baseline_is_progression_too(chart: Any) -> None:
    chart.pet(-4, "3")
    chart.pet(56, "2")
    assert call(chart) == (None, None, "NOT_ASSESSABLE", ("NO_AVID_LESION_AT_BASELINE",))
    chart.pet(120, "2", new="Y")
    assert chart.axis("PET").call == "PD-PET"


def test_several_lesions_count_as_their_sum(chart: Any) -> None:
    for lesion, first, second in (("T11", "6", "2"), ("sacrum", "4", "3.5")):
        chart.pet(-4, first, lesion=lesion)
        chart.pet(56, second, lesion=lesion)
    axis = chart.axis("PET")
    assert (axis.call, axis.baseline.number) == ("NR-PET", 10)
    assert len(axis.evidence) == 4
    chart.pet(120, "2", lesion="T11")
    chart.pet(120, "3", lesion="sacrum")
    assert chart.axis("PET").call == "CR-PET"


def test_a_baseline_lesion_that_is_not_told_of_keeps_the_answer_open(chart: Any) -> None:
    chart.pet(-4, "6", lesion="T11")
    chart.pet(-4, "4", lesion="sacrum")
    chart.pet(56, "2", lesion="T11")
    assert call(chart) == (None, "CR-PET", "INCOMPLETE", ("LESION_MISSING",))


def test_without_a_liver_complete_response_is_not_proven(chart: Any) -> None:
    chart.pet(-4, "10")
    chart.pet(56, "2", liver="")
    assert call(chart) == ("PR-PET", "CR-PET", "ASSESSED", ("LIVER_SUV_MISSING",))
    assert [up.level for up in chart.line().upgrades] == []


def test_the_reports_own_words_stand_in_for_the_liver(chart: Any) -> None:
    chart.pet(-4, "10")
    chart.pet(56, "2", liver="", statement="Complete metabolic response; no other finding")
    assert call(chart) == ("CR-PET", None, "ASSESSED", ())


def test_words_that_are_not_on_the_list_decide_nothing(chart: Any) -> None:
    chart.pet(-4, "10")
    chart.pet(56, "2", liver="", statement="not a complete metabolic response")
    assert call(chart)[0] == "PR-PET"


@pytest.mark.parametrize(("value", "words"), [("4", "complete metabolic response"), ("2", "residual hypermetabolism")])
def test_words_against_the_measurement_are_for_a_person(chart: Any, value: str, words: str) -> None:
    chart.pet(-4, "10")
    chart.pet(56, value, statement=words)
    assert call(chart) == (None, "CR-PET", "INDETERMINATE", ("CONFLICTING_EVIDENCE",))


def test_the_liver_as_a_measure_is_the_sites_choice(new_chart: Any) -> None:
    chart = new_chart(pet_liver_proxy=False).therapy()
    chart.pet(-4, "10")
    chart.pet(56, "2")
    assert chart.axis("PET").call == "PR-PET"


def test_a_first_scan_within_the_line_has_nothing_to_be_measured_against(chart: Any) -> None:
    chart.pet(56, "5")
    assert call(chart) == (None, None, "NOT_ASSESSABLE", ("NO_BASELINE_IN_SERIES",))
    chart.pet(120, "6.5")
    assert chart.axis("PET").call == "PD-PET"


def test_each_better_scan_is_a_step_up(chart: Any) -> None:
    chart.pet(-4, "10")
    chart.pet(56, "5")
    chart.pet(120, "2")
    chart.pet(200, "4")
    assert [(up.level, chart.name(up.sample), up.sample == up.by) for up in chart.line().upgrades] == [
        ("PR-PET", "pet 56 T11", True), ("CR-PET", "pet 120 T11", True),
    ]  # fmt: skip
    assert chart.axis("PET").best_response == "CR-PET"


def test_an_unnamed_avid_lesion_keeps_complete_response_open(chart: Any) -> None:
    chart.pet(-4, "10")
    chart.pet(56, "2", new="")
    chart.pet(56, "3.5", lesion="sacrum", new="")
    assert call(chart) == (None, "CR-PET", "INDETERMINATE", ("CONFLICTING_EVIDENCE",))


def test_a_scan_that_leaves_a_lesion_out_is_no_nadir(chart: Any) -> None:
    """Two lesions of 6 and 4, then one scan that tells of one only: its low sum proves no later rise."""
    for lesion, value in (("T11", "6"), ("sacrum", "4")):
        chart.pet(-4, value, lesion=lesion)
        chart.pet(120, "3.4", lesion=lesion)
    chart.pet(56, "2", lesion="T11")
    steps = chart.steps("PET_LESION")
    assert (steps["pet 56 T11"].comparator, steps["pet 56 T11"].p) == (">=", "undecidable")
    assert chart.axis("PET").call == "NR-PET"


def test_what_is_told_may_prove_a_rise_by_itself(chart: Any) -> None:
    chart.pet(-4, "6", lesion="T11")
    chart.pet(-4, "4", lesion="sacrum")
    chart.pet(56, "13", lesion="T11")
    assert chart.axis("PET").call == "PD-PET"
