"""The VEGF axis at, and just past, every threshold (clinical.md 11.2, 10.1, SER-6, 13.2)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest


def call(chart: Any) -> tuple[str | None, str]:
    axis = chart.axis("VEGF")
    return axis.call, axis.assessability


def why(chart: Any) -> tuple[str, ...]:
    return chart.axis("VEGF").reasons


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("160", "CRV"), ("160.01", "PRV"), ("200", "PRV"), ("200.01", "NRV"), ("<160", "CRV"), ("<=160", "CRV"),
    ],
)  # fmt: skip
def test_levels_against_limit_and_baseline(chart: Any, value: str, expected: str) -> None:
    """Baseline 400, limit 160: CRV at 160 (inclusive), PRV at 200 (0.5 b, inclusive)."""
    chart.vegf(-4, 400)
    chart.vegf(28, value)
    assert call(chart) == (expected, "ASSESSED")


def test_a_limit_printed_less_than_is_itself_outside(chart: Any) -> None:
    chart.vegf(-4, 400)
    chart.vegf(28, "160", high_inclusive=False)
    assert call(chart) == ("PRV", "ASSESSED")
    chart.vegf(56, "159.99", high_inclusive=False)
    assert call(chart) == ("CRV", "ASSESSED")


@pytest.mark.parametrize(("value", "p"), [("300", "not_met"), ("300.01", "met"), ("299.99", "not_met")])
def test_one_and_a_half_times_the_nadir_exactly_is_no_rise(chart: Any, value: str, p: str) -> None:
    chart.vegf(-4, 400)
    chart.vegf(28, 200)
    chart.vegf(56, value)
    assert chart.steps("VEGF")["vegf 56"].p == p
    assert (chart.axis("VEGF").call == "PDV") == (p == "met")


@pytest.mark.parametrize(
    ("value", "inclusive", "p"), [("160", True, "not_met"), ("160.1", True, "met"), ("160", False, "met")]
)
def test_a_rise_needs_a_value_above_its_own_interval(chart: Any, value: str, inclusive: bool, p: str) -> None:
    chart.vegf(-4, 400)
    chart.vegf(28, 40)
    chart.vegf(56, value, high_inclusive=inclusive)
    assert chart.steps("VEGF")["vegf 56"].p == p


def test_the_guard_is_the_sites_choice(new_chart: Any) -> None:
    chart = new_chart(vegf_pd_above_uln=False).therapy()
    chart.vegf(-4, 400)
    chart.vegf(28, 40)
    chart.vegf(56, 61)
    assert call(chart) == ("PDV", "ASSESSED")


@pytest.mark.parametrize(
    ("value", "p"), [("<170", "undecidable"), ("<150", "not_met"), (">200", "met"), (">100", "undecidable")]
)
def test_censored_values_are_every_point_they_may_be(chart: Any, value: str, p: str) -> None:
    chart.vegf(-4, 400)
    chart.vegf(28, 100)
    chart.vegf(56, value)
    assert chart.steps("VEGF")["vegf 56"].p == p
    if p == "undecidable":
        assert (call(chart), why(chart)) == ((None, "INDETERMINATE"), ("CENSORED",))


def test_a_rise_over_a_censored_nadir_holds_for_every_point_of_it(chart: Any) -> None:
    chart.vegf(-4, 400, high=100)
    chart.vegf(28, "<80", high=100)
    chart.vegf(56, "120", high=100)
    chart.vegf(84, "120.1", high=100)
    steps = chart.steps("VEGF")
    assert (steps["vegf 56"].p, steps["vegf 84"].p) == ("met", "met")
    assert steps["vegf 56"].nadir.comparator == "<"
    chart.vegf(40, "110", high=100, name="between")
    assert chart.steps("VEGF")["between"].p == "undecidable"


def test_the_nadir_of_a_number_and_a_censored_value_may_lie_under_both(chart: Any) -> None:
    chart.vegf(-4, 400, high=120)
    chart.vegf(28, "<110", high=120)
    chart.vegf(42, 100, high=120)
    chart.vegf(56, 150, high=120)
    assert chart.steps("VEGF")["vegf 56"].p == "undecidable"


def test_an_undecidable_level_is_a_candidate_and_the_proven_one_the_call(chart: Any) -> None:
    chart.vegf(-4, 1000)
    chart.vegf(28, "<300", high=200)
    axis = chart.axis("VEGF")
    assert (axis.call, axis.candidate, axis.reasons) == ("PRV", "CRV", ("CENSORED",))
    assert chart.steps("VEGF")["vegf 28"].level is None


def test_a_patient_normal_at_baseline_can_still_progress(chart: Any) -> None:
    chart.vegf(-4, 100)
    chart.vegf(28, 90)
    assert (call(chart), why(chart)) == ((None, "NOT_ASSESSABLE"), ("BASELINE_NORMAL",))
    chart.vegf(56, 200)
    chart.vegf(70, 210)
    axis = chart.axis("VEGF")
    assert (axis.call, axis.confirmation, chart.name(axis.confirmed_as_of)) == ("PDV", "confirmed", "vegf 56")


def test_no_upper_limit_is_incomplete_not_normal(chart: Any) -> None:
    chart.vegf(-4, 400)
    chart.vegf(28, 10, high=None)
    assert (call(chart), why(chart)) == ((None, "INCOMPLETE"), ("NO_ULN",))
    assert chart.steps("VEGF")["vegf 28"].p == "undecidable"


def test_a_limit_that_needs_the_sex_is_indeterminate(chart: Any) -> None:
    chart.vegf(-4, 400)
    chart.vegf(28, 10, high=None, reasons=("RANGE_NEEDS_SEX",))
    assert (call(chart), why(chart)) == ((None, "INDETERMINATE"), ("RANGE_NEEDS_SEX",))


# --- eligibility ---


@pytest.mark.parametrize(("baseline", "tagged"), [("320", False), ("319.9", True)])
def test_a_small_baseline_is_a_caveat(chart: Any, baseline: str, tagged: bool) -> None:
    chart.vegf(-4, baseline)
    chart.vegf(28, 100)
    assert call(chart) == ("CRV", "ASSESSED")
    assert ("BASELINE_BELOW_2X_ULN" in chart.axis("VEGF").caveats) == tagged


@pytest.mark.parametrize(("option", "expected"), [("off", ("CRV", "ASSESSED")), ("enforce", (None, "NOT_ASSESSABLE"))])
def test_a_small_baseline_by_the_sites_choice(new_chart: Any, option: str, expected: tuple[str, str]) -> None:
    chart = new_chart(vegf_baseline_2x_uln=option).therapy()
    chart.vegf(-4, "319.9")
    chart.vegf(28, 100)
    assert call(chart) == expected
    assert chart.axis("VEGF").caveats == ()


@pytest.mark.parametrize(
    ("day", "reasons"), [(-60, ()), (-61, ("NO_BASELINE_IN_SERIES",)), (0, ()), (1, ("NO_BASELINE_IN_SERIES",))]
)
def test_the_baseline_is_at_most_sixty_days_before_the_first_dose(
    chart: Any, day: int, reasons: tuple[str, ...]
) -> None:
    chart.vegf(day, 400, name="start")
    chart.vegf(28, 100)
    assert why(chart) == reasons
    assert ("same_day_as_dose" in chart.axis("VEGF").caveats) == (day == 0)


def test_a_sample_of_the_day_of_the_first_dose_is_baseline_and_nothing_else(chart: Any) -> None:
    chart.vegf(-4, 400)
    chart.vegf(0, 100)
    assert (call(chart), why(chart)) == ((None, "NE"), ("NO_DATA",))
    chart.vegf(28, 100)
    steps = chart.steps("VEGF")
    assert [steps[name].before_line for name in ("vegf -4", "vegf 0", "vegf 28")] == [True, True, False]
    assert why(chart) == ("BASELINE_NORMAL",)


def test_the_last_value_before_the_first_dose_is_the_baseline(chart: Any) -> None:
    chart.vegf(-30, 900)
    chart.vegf(-4, 400)
    chart.vegf(28, 100)
    assert chart.axis("VEGF").baseline.number == 400
    assert chart.axis("VEGF").percent_from_baseline == Decimal("-75.0")


# --- confirmation ---


def test_a_worse_second_sample_confirms_only_the_worse_level(chart: Any) -> None:
    chart.vegf(-4, 1000)
    chart.vegf(28, 100)
    chart.vegf(56, 140.5, high=140)
    axis = chart.axis("VEGF")
    assert (axis.call, axis.confirmation, chart.name(axis.confirmed_as_of)) == ("PRV", "confirmed", "vegf 28")
    assert axis.best_response == "PRV"
    assert chart.steps("VEGF")["vegf 28"].level_confirmed_by is None
    assert [(up.level, chart.name(up.sample), chart.name(up.by)) for up in chart.line().upgrades] == [
        ("PRV", "vegf 28", "vegf 56")
    ]


def test_two_samples_of_one_date_are_one_assessment(chart: Any) -> None:
    chart.vegf(-4, 400)
    chart.vegf(28, 100, hour=8, name="a")
    chart.vegf(28, 170, hour=9, name="b")
    axis = chart.axis("VEGF")
    assert (axis.call, axis.confirmation, chart.name(axis.as_of)) == ("PRV", "unconfirmed", "b")
    assert chart.steps("VEGF")["a"].excluded == ("NOT_WORST_OF_DAY",)


def test_the_date_is_that_of_the_site(new_chart: Any) -> None:
    chart = new_chart(time_zone="Asia/Shanghai").therapy()
    chart.vegf(-4, 400)
    chart.vegf(28, 100, hour=15)
    chart.vegf(28, 120, hour=17, name="next day there")
    assert chart.axis("VEGF").confirmation == "confirmed"


def test_an_undecidable_sample_neither_confirms_nor_breaks(chart: Any) -> None:
    chart.vegf(-4, 400)
    chart.vegf(28, 100)
    chart.vegf(42, "<400")
    chart.vegf(56, 120)
    axis = chart.axis("VEGF")
    assert (axis.confirmation, chart.name(axis.confirmed_as_of)) == ("confirmed", "vegf 28")


def test_a_preliminary_result_is_no_assessment(chart: Any) -> None:
    chart.vegf(-4, 400)
    chart.vegf(28, 100)
    chart.vegf(56, 900, status="P")
    assert (call(chart), chart.name(chart.axis("VEGF").as_of)) == (("CRV", "ASSESSED"), "vegf 28")
    assert chart.steps("VEGF")["vegf 56"].excluded == ("NOT_FINAL",)


@pytest.mark.parametrize(("days", "late"), [(120, False), (121, True)])
def test_a_late_confirmation_says_so(chart: Any, days: int, late: bool) -> None:
    chart.vegf(-4, 400)
    chart.vegf(28, 100)
    chart.vegf(28 + days, 100)
    axis = chart.axis("VEGF")
    assert axis.confirmation == "confirmed"
    assert ("LATE_CONFIRMATION" in axis.caveats) == late


def test_a_rise_is_unconfirmed_until_the_next_sample_rises_too(chart: Any) -> None:
    chart.vegf(-4, 400)
    chart.vegf(28, 100)
    chart.vegf(56, 100)
    chart.vegf(84, 200)
    assert (chart.axis("VEGF").call, chart.axis("VEGF").confirmation) == ("PDV", "unconfirmed")
    chart.vegf(98, 210)
    axis = chart.axis("VEGF")
    assert (axis.call, axis.confirmation, chart.name(axis.confirmed_as_of)) == ("PDV", "confirmed", "vegf 84")
    assert axis.best_response == "CRV"
    assert axis.nadir.number == 100
    assert chart.steps("VEGF")["vegf 84"].level_confirmed_by is not None


def test_no_response_confirms_no_progression_and_the_other_way_round(chart: Any) -> None:
    chart.vegf(-4, 400)
    chart.vegf(28, 100)
    chart.vegf(56, 200)
    chart.vegf(70, 100)
    assert (chart.axis("VEGF").call, chart.axis("VEGF").confirmation) == ("CRV", "unconfirmed")


def test_no_response_is_no_step_up(chart: Any) -> None:
    chart.vegf(-4, 400)
    chart.vegf(28, 390)
    chart.vegf(56, 390)
    assert (chart.axis("VEGF").call, chart.axis("VEGF").best_response) == ("NRV", "NRV")
    assert chart.line().upgrades == ()


def test_the_nadir_is_confirmed_by_a_neighbour_of_its_level(chart: Any) -> None:
    chart.vegf(-4, 1000)
    chart.vegf(28, 100)
    assert chart.axis("VEGF").nadir_confirmed is False
    chart.vegf(56, 150)
    assert chart.axis("VEGF").nadir_confirmed is True


# --- series and interference ---


def test_after_a_switch_of_series_nothing_is_graded_but_progression(chart: Any) -> None:
    chart.vegf(-4, 400)
    chart.vegf(28, 100)
    chart.vegf(56, 300, series="VEGF-B", high=600)
    axis = chart.axis("VEGF")
    assert (axis.call, axis.assessability, axis.last_assessable) == (None, "NOT_ASSESSABLE", "CRV")
    assert set(axis.reasons) == {"SERIES_CHANGED", "NO_BASELINE_IN_SERIES"}
    chart.vegf(84, 700, series="VEGF-B", high=600)
    assert chart.axis("VEGF").call == "PDV"
    [old] = [each for each in chart.line().trajectories if each.series == "VEGF-A"]
    assert (old.switched_to, chart.name(old.switched_at)) == ("VEGF-B", "vegf 56")


def test_a_new_series_confirms_nothing_of_the_old_one(chart: Any) -> None:
    chart.vegf(-4, 400)
    chart.vegf(28, 100)
    chart.vegf(56, 100, series="VEGF-B")
    chart.vegf(60, 120)
    axis = chart.axis("VEGF")
    assert (axis.call, axis.confirmation, chart.name(axis.confirmed_as_of)) == ("CRV", "confirmed", "vegf 28")
    assert chart.steps("VEGF")["vegf 28"].level_confirmed_by == axis.as_of


def test_a_series_with_its_own_baseline_is_no_switch(chart: Any) -> None:
    chart.vegf(-4, 400)
    chart.vegf(-3, 800, series="VEGF-B", high=600)
    chart.vegf(28, 100)
    chart.vegf(29, 300, series="VEGF-B", high=600)
    assert call(chart) == ("CRV", "ASSESSED")
    assert chart.axis("VEGF").last_assessable is None
    assert {each.switched_to for each in chart.line().trajectories} == {None}


@pytest.mark.parametrize(("day", "excluded"), [(120, True), (121, False)])
def test_bevacizumab_disturbs_the_assay_for_a_hundred_days(chart: Any, day: int, excluded: bool) -> None:
    chart.drug("bevacizumab", 10, 20)
    chart.vegf(-4, 400)
    chart.vegf(day, 10)
    axis = chart.axis("VEGF")
    assert (axis.reasons == ("INTERFERENCE_BEVACIZUMAB",)) == excluded
    assert axis.call == (None if excluded else "CRV")
    assert axis.assessability == ("INCOMPLETE" if excluded else "ASSESSED")


def test_a_planned_drug_disturbs_nothing(chart: Any) -> None:
    chart.drug("bevacizumab", 10, 20, status="planned")
    chart.vegf(-4, 400)
    chart.vegf(30, 10)
    assert call(chart) == ("CRV", "ASSESSED")


def test_a_value_that_waits_for_review_is_shown_as_such(chart: Any) -> None:
    chart.vegf(-4, 400)
    chart.vegf(28, 100)
    chart.vegf(56, 1, held=("DQ_DELTA",))
    axis = chart.axis("VEGF")
    assert (axis.call, axis.assessability, axis.reasons) == (None, "INCOMPLETE", ("REVIEW_PENDING",))
    assert axis.last_assessable == "CRV"


def test_a_link_by_assumption_is_told_with_every_call(chart: Any) -> None:
    chart.vegf(-4, 400, caveats=("matrix_assumed",))
    chart.vegf(28, 100)
    assert chart.axis("VEGF").caveats == ("matrix_assumed",)


def test_a_confirmation_by_a_linked_result_carries_the_assumption(chart: Any) -> None:
    """SER-3: every call that uses the link says so; here the sample that makes it confirmed does."""
    chart.vegf(-4, 400)
    chart.vegf(28, 100, caveats=("matrix_assumed",))
    chart.vegf(56, 90)
    assert (chart.axis("VEGF").confirmation, chart.axis("VEGF").caveats) == ("confirmed", ("matrix_assumed",))
    chart.vegf(84, 90)
    chart.vegf(112, 300)
    assert chart.axis("VEGF").caveats == ()


@pytest.mark.parametrize(("value", "p"), [("450", "met"), ("449.99", "undecidable"), ("160", "not_met")])
def test_a_censored_value_that_is_surely_lower_is_the_nadir(chart: Any, value: str, p: str) -> None:
    """NAD-3: "<300" may lie on both sides of its limit 160, yet it fell below 1000; a rise is measured from it."""
    chart.vegf(-4, 1000)
    chart.vegf(28, "<300")
    chart.vegf(56, value)
    assert chart.steps("VEGF")["vegf 56"].p == p


def test_a_censored_first_value_without_a_baseline_is_the_first_nadir(chart: Any) -> None:
    """SER-7 with NAD-3."""
    chart.vegf(28, "<200")
    chart.vegf(56, 301)
    assert call(chart) == ("PDV", "ASSESSED")


def test_a_censored_value_that_says_nothing_of_a_rise_is_no_nadir(chart: Any) -> None:
    chart.vegf(-4, 400)
    chart.vegf(28, 200)
    chart.vegf(56, "<2000")
    chart.vegf(84, 250)
    assert chart.steps("VEGF")["vegf 84"].p == "not_met"


def test_an_undecidable_rise_without_a_baseline_lists_every_reason(chart: Any) -> None:
    """Nothing proven: all reasons are listed (clinical.md 10)."""
    chart.vegf(28, 100)
    chart.vegf(56, ">=150")
    assert (call(chart), why(chart)) == ((None, "INDETERMINATE"), ("CENSORED", "NO_BASELINE_IN_SERIES"))
