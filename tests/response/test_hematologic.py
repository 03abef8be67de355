"""The hematologic axis at, and just past, every threshold (clinical.md 11.1, CONF-8, 13.1)."""

from __future__ import annotations

from typing import Any

import pytest

IGG_LAMBDA = ("IgG", "lambda")
IGG_KAPPA = ("IgG", "kappa")
IGG_ONLY = ("IgG", None)


def state(chart: Any, part: str = "IFE_S") -> str:
    return chart.axis("HEMATOLOGIC").components[part].state


def call(chart: Any) -> tuple[str | None, str | None, str]:
    axis = chart.axis("HEMATOLOGIC")
    return axis.call, axis.candidate, axis.assessability


# --- M-protein ---


@pytest.mark.parametrize(
    ("baseline", "value", "expected"),
    [
        ("20", "2", "VGPRH"), ("20", "2.01", "PRH"), ("20", "10", "PRH"), ("20", "10.01", "NRH"),
        ("10", "1", "VGPRH"), ("10", "5", "PRH"), ("10", "5.1", "NRH"), ("5", "0.5", "VGPRH"), ("20", "<2", "VGPRH"),
        ("20", "0", "VGPRH"), ("20", "NEG", "VGPRH"),
    ],
)  # fmt: skip
def test_levels_of_the_m_protein(chart: Any, baseline: str, value: str, expected: str) -> None:
    chart.m(-4, baseline)
    chart.m(28, value)
    assert call(chart) == (expected, None, "ASSESSED")
    assert chart.axis("HEMATOLOGIC").rule_id == f"POEMS-H-{expected}"


@pytest.mark.parametrize(
    ("baseline", "levels"),
    [
        ("4.99", {"VGPRH": "NOT_ASSESSABLE", "PRH": "NOT_ASSESSABLE"}),
        ("5", {"VGPRH": "NOT_MET", "PRH": "NOT_ASSESSABLE"}),
        ("9.99", {"VGPRH": "NOT_MET", "PRH": "NOT_ASSESSABLE"}),
        ("<4", {"VGPRH": "NOT_ASSESSABLE", "PRH": "NOT_ASSESSABLE"}),
        ("<8", {"VGPRH": "INDETERMINATE", "PRH": "NOT_ASSESSABLE"}),
    ],
)
def test_a_small_baseline_cannot_be_graded(chart: Any, baseline: str, levels: dict[str, str]) -> None:
    chart.m(-4, baseline)
    chart.m(28, "3")
    axis = chart.axis("HEMATOLOGIC")
    assert axis.call == "NEH"
    assert {name: axis.levels[name] for name in levels} == levels
    assert "BASELINE_BELOW_MINIMUM" in axis.reasons


def test_without_a_baseline_no_fall_is_graded(chart: Any) -> None:
    chart.m(28, "3")
    axis = chart.axis("HEMATOLOGIC")
    assert axis.call == "NEH"
    assert "BASELINE_NOT_QUANTIFIED" in axis.reasons
    assert axis.levels["PRH"] == "NOT_ASSESSABLE"


def test_a_spike_seen_by_immunofixation_only_is_very_good(chart: Any) -> None:
    chart.m(-4, "20")
    chart.m(28, "<3")
    assert call(chart) == ("PRH", "VGPRH", "ASSESSED")
    assert "SERUM_IFE_MISSING" in chart.axis("HEMATOLOGIC").reasons
    chart.ife(28, "POS", isotype=IGG_LAMBDA)
    assert call(chart)[0] == "VGPRH"


def test_a_drug_band_is_no_sign_of_the_spike(chart: Any) -> None:
    chart.drug("daratumumab", 0, 28)
    chart.m(-4, "20")
    chart.m(28, "<3")
    chart.ife(28, "POS", isotype=IGG_KAPPA)
    assert call(chart) == ("PRH", "VGPRH", "ASSESSED")


@pytest.mark.parametrize(
    ("nadir", "value", "p"),
    [
        ("20", "25", "met"), ("20", "24.99", "not_met"), ("10", "15", "met"), ("10", "14.99", "not_met"),
        ("40", "49", "not_met"), ("0", "5", "met"), ("0", "4.9", "not_met"), ("<1", "6", "met"), ("<1", "5.5",
        "undecidable"), ("<1", "4.9", "not_met"),
    ],
)  # fmt: skip
def test_progression_needs_a_quarter_and_five_grams(chart: Any, nadir: str, value: str, p: str) -> None:
    chart.m(-4, "60")
    chart.m(28, nadir)
    chart.m(56, value)
    assert chart.steps("MPROT_S")["m 56"].p == p
    assert (chart.axis("HEMATOLOGIC").call == "PDH") == (p == "met")


def test_progression_keeps_the_best_response_and_is_confirmed_by_the_next(chart: Any) -> None:
    chart.m(-4, "60")
    chart.m(28, "5")
    chart.m(56, "5")
    chart.m(84, "11")
    axis = chart.axis("HEMATOLOGIC")
    assert (axis.call, axis.confirmation, axis.best_response) == ("PDH", "unconfirmed", "VGPRH")
    chart.m(98, "12")
    axis = chart.axis("HEMATOLOGIC")
    assert (axis.call, axis.confirmation, chart.name(axis.confirmed_as_of)) == ("PDH", "confirmed", "m 84")
    assert [(up.level, chart.name(up.by)) for up in chart.line().upgrades] == [("VGPRH", "m 56")]


def test_total_immunoglobulin_is_never_m_protein(chart: Any) -> None:
    chart.result("b", "IGG", -4, "40", high=17)
    chart.result("v", "IGG", 28, "5", high=17)
    axis = chart.axis("HEMATOLOGIC")
    assert (axis.call, axis.assessability) == ("NEH", "NOT_ASSESSABLE")
    assert set(axis.reasons) == {"TOTAL_IG_NOT_M_PROTEIN", "BASELINE_NOT_QUANTIFIED"}


def test_unless_a_clinician_chose_it_for_the_line(new_chart: Any) -> None:
    chart = new_chart().therapy(m_component_source="QUANT_IG:IgG")
    chart.result("b", "IGG", -4, "40", high=17)
    chart.result("v", "IGG", 28, "4", high=17)
    axis = chart.axis("HEMATOLOGIC")
    assert (axis.call, axis.caveats) == ("VGPRH", ("quantitative_ig_as_m",))


def test_pumch_has_no_very_good_level_and_no_minimum(new_chart: Any) -> None:
    chart = new_chart().therapy(rule_set="poems-pumch")
    chart.m(-4, "2")
    chart.m(28, "1")
    assert call(chart) == ("PRH", None, "ASSESSED")
    assert set(chart.axis("HEMATOLOGIC").levels) == {"CRH", "PRH"}
    chart.m(56, "1.01")
    assert call(chart)[0] == "NRH"


def test_pumch_grades_immunofixation_only_as_partial(new_chart: Any) -> None:
    chart = new_chart().therapy(rule_set="poems-pumch")
    chart.m(-4, "2")
    chart.m(28, "<1.5")
    chart.ife(28, "POS", isotype=IGG_LAMBDA)
    assert call(chart)[0] == "PRH"


# --- CRH ---


def complete(chart: Any, *days: int) -> None:
    for day in days:
        chart.ife(day, "NEG")
        chart.ife(day, "NEG", kind="IFE_U")


def test_a_complete_response_needs_three_parts_and_two_samples_of_the_bands(chart: Any) -> None:
    complete(chart, 56)
    chart.marrow(56)
    axis = chart.axis("HEMATOLOGIC")
    assert (axis.call, axis.assessability, axis.confirmation) == ("CRH", "ASSESSED", "unconfirmed")
    assert chart.line().upgrades == ()
    complete(chart, 84)
    axis = chart.axis("HEMATOLOGIC")
    assert (axis.call, axis.confirmation, axis.best_response) == ("CRH", "confirmed", "CRH")
    [upgrade] = chart.line().upgrades
    assert (upgrade.axis, upgrade.level) == ("HEMATOLOGIC", "CRH")


@pytest.mark.parametrize(("gap", "missing"), [(42, False), (43, True)])
def test_the_two_immunofixations_pair_within_six_weeks(chart: Any, gap: int, missing: bool) -> None:
    chart.ife(30, "NEG", kind="IFE_U")
    chart.marrow(30)
    chart.ife(30 + gap, "NEG")
    axis = chart.axis("HEMATOLOGIC")
    assert (axis.call, axis.candidate) == (("NEH", "CRH") if missing else ("CRH", None))
    assert ("URINE_IFE_MISSING" in axis.reasons) == missing
    assert axis.components["IFE_U"].state == ("MISSING" if missing else "NEG")


@pytest.mark.parametrize(("age", "missing"), [(365, False), (366, True)])
def test_a_negative_marrow_counts_for_a_year(chart: Any, age: int, missing: bool) -> None:
    chart.marrow(30)
    complete(chart, 30 + age)
    assert ("MARROW_MISSING" in chart.axis("HEMATOLOGIC").reasons) == missing


def test_a_later_clonal_marrow_replaces_it(chart: Any) -> None:
    complete(chart, 56)
    chart.marrow(50)
    chart.marrow(60, clonal="Y")
    axis = chart.axis("HEMATOLOGIC")
    assert (axis.call, axis.candidate, axis.levels["CRH"]) == ("NEH", None, "NOT_MET")


def test_a_marrow_percentage_alone_says_nothing_of_clonality(chart: Any) -> None:
    complete(chart, 56)
    chart.result("flow", "BM_FLOW", 56, "0.1")
    axis = chart.axis("HEMATOLOGIC")
    assert (axis.call, axis.candidate, axis.levels["CRH"]) == ("NEH", "CRH", "INDETERMINATE")
    assert axis.components["MARROW"].state == "IND"


def test_results_of_the_baseline_are_no_components(chart: Any) -> None:
    complete(chart, -4)
    chart.marrow(-4)
    chart.ife(28, "NEG")
    axis = chart.axis("HEMATOLOGIC")
    assert (axis.components["IFE_U"].state, axis.components["MARROW"].state) == ("MISSING", "MISSING")


def test_without_a_clone_there_is_no_complete_response(new_chart: Any) -> None:
    chart = new_chart().therapy(clone=None)
    complete(chart, 56)
    chart.marrow(56)
    axis = chart.axis("HEMATOLOGIC")
    assert (axis.call, axis.candidate, axis.levels["CRH"]) == ("NEH", None, "NOT_ASSESSABLE")
    assert "NO_CLONE" in axis.reasons


def test_an_equivocal_band_decides_nothing(chart: Any) -> None:
    chart.ife(28, "NEG")
    chart.ife(56, "IND")
    axis = chart.axis("HEMATOLOGIC")
    assert (axis.components["IFE_S"].state, axis.candidate) == ("IND", None)
    assert "EQUIVOCAL" in axis.reasons
    assert chart.steps("IFE_S")["IFE_S 56"].p == "undecidable"


def test_the_worse_band_of_a_day_counts(chart: Any) -> None:
    chart.ife(28, "NEG", name="am")
    chart.ife(28, "POS", name="pm", hour=7, isotype=IGG_LAMBDA)
    assert state(chart) == "POS"
    assert chart.steps("IFE_S")["am"].excluded == ("NOT_WORST_OF_DAY",)


def test_of_two_series_on_one_day_the_worse_band_stands(chart: Any) -> None:
    chart.ife(28, "POS", name="here", hour=8, isotype=IGG_LAMBDA)
    chart.ife(28, "NEG", name="there", hour=9, series="IFE-B")
    assert state(chart) == "POS"
    assert chart.axis("HEMATOLOGIC").candidate is None


def test_a_band_seen_elsewhere_starts_the_negatives_anew(chart: Any) -> None:
    chart.ife(28, "NEG")
    chart.ife(42, "POS", series="IFE-B", isotype=IGG_LAMBDA)
    chart.ife(56, "NEG")
    assert chart.axis("HEMATOLOGIC").components["IFE_S"].confirmation == "unconfirmed"


# --- the band comes back ---


def test_the_clones_band_after_a_confirmed_negative_is_a_progression(chart: Any) -> None:
    chart.ife(28, "NEG")
    chart.ife(56, "NEG")
    chart.ife(84, "POS", isotype=IGG_LAMBDA)
    axis = chart.axis("HEMATOLOGIC")
    assert (axis.call, axis.confirmation) == ("PDH", "unconfirmed")
    assert chart.steps("IFE_S")["IFE_S 84"].p == "met"
    chart.ife(98, "POS", isotype=IGG_LAMBDA)
    axis = chart.axis("HEMATOLOGIC")
    assert (axis.call, axis.confirmation, chart.name(axis.confirmed_as_of)) == ("PDH", "confirmed", "IFE_S 84")


def test_the_clones_band_after_one_negative_only_withdraws_the_candidate(chart: Any) -> None:
    chart.ife(28, "NEG")
    chart.ife(56, "POS", isotype=IGG_LAMBDA)
    axis = chart.axis("HEMATOLOGIC")
    assert (axis.call, axis.candidate) == ("NEH", None)
    assert chart.steps("IFE_S")["IFE_S 56"].p == "not_met"
    assert [chart.name(result) for result in chart.line().withdrawn_candidates] == ["IFE_S 56"]


@pytest.mark.parametrize(
    ("isotype", "expected", "p"),
    [(IGG_KAPPA, "POS_OTHER", "not_met"), (("IgA", "lambda"), "POS_OTHER", "not_met"),
     (IGG_ONLY, "POS_UNTYPED", "undecidable"), (None, "POS_UNTYPED", "undecidable")],
)  # fmt: skip
def test_another_or_an_untyped_band_is_no_progression(chart: Any, isotype: Any, expected: str, p: str) -> None:
    chart.ife(28, "NEG")
    chart.ife(56, "NEG")
    chart.ife(84, "POS", isotype=isotype)
    axis = chart.axis("HEMATOLOGIC")
    assert (axis.call, axis.candidate, axis.levels["CRH"], state(chart)) == ("NEH", None, "NOT_MET", expected)
    assert chart.steps("IFE_S")["IFE_S 84"].p == p


# --- daratumumab ---


@pytest.mark.parametrize(
    ("clone", "isotype", "expected"),
    [
        (IGG_LAMBDA, IGG_KAPPA, "POS_DRUG_SUSPECTED"), (("IgA", None), IGG_KAPPA, "POS_DRUG_SUSPECTED"),
        (IGG_KAPPA, IGG_KAPPA, "POS_INDISTINGUISHABLE"), (IGG_ONLY, IGG_KAPPA, "POS_INDISTINGUISHABLE"),
        (IGG_LAMBDA, IGG_ONLY, "POS_UNTYPED"), (IGG_LAMBDA, IGG_LAMBDA, "POS"),
        (IGG_LAMBDA, ("IgA", "lambda"), "POS_OTHER"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("drug", ["daratumumab", "isatuximab", "elotuzumab"])
def test_bands_on_an_antibody(new_chart: Any, clone: Any, isotype: Any, expected: str, drug: str) -> None:
    chart = new_chart().therapy(clone=clone)
    chart.drug(drug, 0, 20)
    chart.ife(28, "POS", isotype=isotype)
    assert state(chart) == expected


@pytest.mark.parametrize(("day", "expected"), [(200, "POS_DRUG_SUSPECTED"), (201, "POS_OTHER")])
def test_the_washout_is_half_a_year(chart: Any, day: int, expected: str) -> None:
    chart.drug("daratumumab", 0, 20)
    chart.ife(day, "POS", isotype=IGG_KAPPA)
    assert state(chart) == expected


def test_a_drug_band_leaves_candidate_and_run_in_place(chart: Any) -> None:
    chart.drug("daratumumab", 0, 80)
    chart.ife(28, "NEG")
    chart.ife(56, "POS", isotype=IGG_KAPPA)
    axis = chart.axis("HEMATOLOGIC")
    assert (axis.call, axis.candidate, axis.assessability) == ("NEH", "CRH", "INCOMPLETE")
    assert "INTERFERENCE_DARATUMUMAB" in axis.reasons
    chart.ife(84, "NEG")
    component = chart.axis("HEMATOLOGIC").components["IFE_S"]
    assert (component.confirmation, chart.name(component.confirmed_as_of)) == ("confirmed", "IFE_S 28")


def test_an_untyped_band_on_the_drug_leaves_no_candidate(chart: Any) -> None:
    chart.drug("daratumumab", 0, 80)
    chart.ife(28, "NEG")
    chart.ife(56, "POS", isotype=IGG_ONLY)
    axis = chart.axis("HEMATOLOGIC")
    assert axis.candidate is None
    assert "LIGHT_CHAIN_UNSTATED" in axis.reasons


def test_what_a_dira_leaves_is_not_the_drug(chart: Any) -> None:
    chart.drug("daratumumab", 0, 80)
    chart.ife(28, "POS", isotype=IGG_KAPPA, method="DIRA", series="IFE-DIRA")
    assert state(chart) == "POS_OTHER"


def test_a_small_kappa_spike_on_the_drug_is_told(chart: Any) -> None:
    chart.drug("daratumumab", 0, 80)
    chart.m(-4, "20")
    chart.m(28, "1", isotype=IGG_KAPPA)
    axis = chart.axis("HEMATOLOGIC")
    assert (axis.call, axis.caveats) == ("VGPRH", ("INTERFERENCE_DARATUMUMAB",))
    chart.m(56, "1.1", isotype=IGG_KAPPA)
    assert chart.axis("HEMATOLOGIC").caveats == ()


# --- several spikes, and values that wait ---


def test_the_spikes_of_one_draw_are_summed(chart: Any) -> None:
    for day, first, second in ((-4, "12", "8"), (28, "6", "4.1")):
        chart.m(day, first, name=f"a{day}", sub_id="1")
        chart.m(day, second, name=f"b{day}", sub_id="2")
    axis = chart.axis("HEMATOLOGIC")
    assert (axis.call, axis.baseline.number) == ("NRH", 20)
    assert chart.steps("MPROT_S")["a28"].text == "10.1 g/L"


def test_a_spike_below_the_limit_adds_nothing_and_is_told(chart: Any) -> None:
    chart.m(-4, "20")
    chart.m(28, "6", name="a", sub_id="1")
    chart.m(28, "<1", name="b", sub_id="2")
    axis = chart.axis("HEMATOLOGIC")
    assert (axis.call, axis.caveats) == ("PRH", ("CENSORED_SPIKE",))


def test_an_m_protein_that_waits_for_review_is_told_and_not_used(chart: Any) -> None:
    chart.m(-4, "20")
    chart.m(28, "8")
    chart.m(56, "0.1", held=("REVIEW_PENDING",))
    axis = chart.axis("HEMATOLOGIC")
    assert (axis.call, axis.assessability, axis.nadir.number) == ("NEH", "INCOMPLETE", 8)
    assert "REVIEW_PENDING" in axis.reasons
    assert axis.percent_from_baseline is None


def test_a_clonal_marrow_after_a_negative_one_withdraws_nothing(chart: Any) -> None:
    chart.ife(28, "NEG")
    chart.marrow(28)
    chart.marrow(56, clonal="Y")
    assert chart.line().withdrawn_candidates == ()


def test_after_a_switch_of_the_m_protein_series_the_last_level_stays_visible(chart: Any) -> None:
    chart.m(-4, "20", series="A")
    chart.m(28, "8", series="A")
    chart.m(56, "9", series="B")
    axis = chart.axis("HEMATOLOGIC")
    assert (axis.call, axis.last_assessable) == ("NEH", "PRH")
    assert {"SERIES_CHANGED", "NO_BASELINE_IN_SERIES"} <= set(axis.reasons)
    chart.m(84, "14", series="B")
    assert chart.axis("HEMATOLOGIC").call == "PDH"


def test_a_value_that_may_be_a_rise_confirms_no_level(chart: Any) -> None:
    chart.m(-4, "60")
    chart.m(28, "<1")
    chart.m(56, "5.5")
    assert chart.axis("HEMATOLOGIC").confirmation == "unconfirmed"
    assert "may or may not be" in chart.axis("HEMATOLOGIC").why_not["PDH"]
    assert chart.steps("MPROT_S")["m 28"].level_confirmed_by is None


def test_a_value_that_no_level_names_still_breaks_a_run(chart: Any) -> None:
    """Baseline 5 to 10 g/L grades VGPRH only (HEM-4): 2 g/L is surely below it, and 0.5 after it is a first one."""
    chart.m(-4, "5")
    chart.m(28, "0.5")
    chart.m(56, "2")
    assert (call(chart)[0], chart.steps("MPROT_S")["m 56"].level) == ("NEH", "NEH")
    assert chart.line().upgrades == ()
    chart.m(84, "0.5")
    axis = chart.axis("HEMATOLOGIC")
    assert (axis.call, axis.confirmation, axis.best_response) == ("VGPRH", "unconfirmed", None)
    chart.m(112, "0.4")
    axis = chart.axis("HEMATOLOGIC")
    assert (axis.confirmation, axis.confirmed_as_of) == ("confirmed", chart.steps("MPROT_S")["m 84"].result)


def test_a_value_without_any_level_to_grade_is_left_out_of_the_runs(chart: Any) -> None:
    chart.m(-4, "4")
    chart.m(28, "2")
    assert chart.steps("MPROT_S")["m 28"].level is None


def test_a_component_too_old_to_count_is_named_so_beside_a_band(chart: Any) -> None:
    chart.ife(10, "NEG", kind="IFE_U")
    chart.ife(60, "POS", isotype=IGG_LAMBDA)
    assert "urine immunofixation of 2025-01-16 is too old to count" in chart.axis("HEMATOLOGIC").why_not["CRH"]
