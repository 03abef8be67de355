"""The paper's patient through response alone: flagged results as the reference states them, axes as it expects them."""

from __future__ import annotations

import random
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from refrain.contracts.events import Axis

START = date(2025, 1, 6)
DRUGS = "exposures"


def day_of(text: str) -> int:
    return (datetime.fromisoformat(text).date() - START).days


def standing(chart: Any, case: dict[str, Any]) -> None:
    line = case["therapy_lines"][0]
    body = {key: line[key] for key in ("line", "start", "rule_set", "second_rule_set", "m_component_source")}
    chart.care("line", {"type": "line_started", **body})
    chart.care("clone", {"type": "clone_stated", "heavy": case["clone"]["heavy"], "light": case["clone"]["light"]})
    for exposure in case[DRUGS]:
        days = [*exposure.get("dates", ()), *(dose["date"] for dose in exposure.get("doses", ()))]
        for day in days:
            chart.drug(exposure["drug"], day_of(day))
        for first, last in exposure.get("intervals", ()):
            chart.drug(exposure["drug"], day_of(first), day_of(last))


def record(chart: Any, observed: dict[str, Any], **more: Any) -> None:
    expected = observed["expect"]
    value = expected["value"]
    attributes = {key: observed[key] for key in ("lesion", "statement") if key in observed}
    if "liver_suvmax" in observed:
        attributes["liver_suvmax"] = str(observed["liver_suvmax"])
    for key in ("clonal", "new_lesion"):
        if key in observed:
            attributes[key] = "Y" if observed[key] else "N"
    isotype = observed.get("isotype")
    repair = expected.get("repair", {})
    printed = observed["received"]["value"] if expected["kind"] == "quantity" and not repair else value
    chart.result(
        observed["id"], observed["code"], day_of(observed["collected_at"]), more.pop("value", printed),
        low=expected.get("low"), high=expected.get("high"),
        isotype=(isotype["heavy"], isotype["light"]) if isotype else None,
        held=("REVIEW_PENDING",) if repair.get("review") == "pending" else (),
        caveats=("matrix_assumed",) if observed["id"] == "t0-vegf" else (),
        codes=tuple(more.pop("codes", expected["interpretation"])), **attributes, **more,
    )  # fmt: skip


def through(chart: Any, case: dict[str, Any], last: str) -> Any:
    """Everything up to and including a time point; T6 holds two dates."""
    standing(chart, case)
    for point in case["timepoints"]:
        for observed in point.get("observations", ()):
            record(chart, observed)
        if found := point.get("clinical"):
            chart.care(
                f"clinical {point['id']}",
                {"type": "clinical_finding", "on": point["synthetic_date"], **found},
                known=day_of(point["synthetic_date"]),
            )
        if point["id"] == last:
            return chart
    raise AssertionError(last)


def check(chart: Any, axis: Axis, expected: dict[str, Any]) -> None:
    assert axis.call == expected["call"]
    for key in ("candidate", "assessability", "confirmation"):
        if key in expected:
            assert getattr(axis, key) == expected[key], key
    for key in ("reasons", "caveats"):
        if key in expected:
            assert set(getattr(axis, key)) == set(expected[key])
    if "levels" in expected:
        assert axis.levels == expected["levels"]
    for name, words in expected.get("components", {}).items():
        state, _, confirmation = words.partition(" ")
        assert (axis.components[name].state, axis.components[name].confirmation or "") == (state, confirmation)
    if "confirmed_as_of" in expected:
        assert chart.name(axis.confirmed_as_of) == expected["confirmed_as_of"]
    if "component_confirmed_as_of" in expected:
        assert chart.name(axis.components["IFE_S"].confirmed_as_of) == expected["component_confirmed_as_of"]
    if "nadir" in expected:
        assert axis.nadir is not None
        assert axis.nadir.number == Decimal(str(expected["nadir"]))
    for key in ("percent_over_nadir", "percent_from_baseline"):
        if key in expected:
            assert getattr(axis, key) == Decimal(str(expected[key]))
    if "symptoms" in expected:
        assert axis.symptoms == expected["symptoms"]


@pytest.mark.parametrize("point", ["T1", "T2", "T6"])
@pytest.mark.parametrize("name", ["VEGF", "HEMATOLOGIC", "PET", "CLINICAL"])
def test_axes(new_chart: Any, case_report: dict[str, Any], point: str, name: str) -> None:
    chart = through(new_chart(), case_report, point)
    [entry] = [one for one in case_report["timepoints"] if one["id"] == point]
    expected = entry["expect"]["poems"].get(name) or {"call": "improved"}
    check(chart, chart.axis(name), expected)


def test_nothing_is_called_before_the_line_starts(new_chart: Any, case_report: dict[str, Any]) -> None:
    axes = through(new_chart(), case_report, "T0").line().axes
    assert {axis.call for axis in axes.values()} == {None}
    assert {(axis.assessability, axis.reasons) for axis in axes.values()} == {("NE", ("NO_DATA",))}


def test_the_baseline_draw_lists_what_was_abnormal(new_chart: Any, case_report: dict[str, Any]) -> None:
    flags = through(new_chart(), case_report, "T0").line().baseline_abnormal
    assert [flag.analyte for flag in flags] == [
        "B12", "BM_FLOW", "CSF_PANDY", "CSF_PROT", "IFE_S", "PET_LESION", "PRL", "SFLC_K", "SFLC_L", "SFLC_R",
        "UFLC_K", "UFLC_L", "UFLC_R", "VEGF",
    ]  # fmt: skip


def test_what_was_never_repeated_is_due_after_cycle_two(new_chart: Any, case_report: dict[str, Any]) -> None:
    chart = through(new_chart(), case_report, "T2")
    rechecks = {recheck.analyte: recheck for recheck in chart.line().rechecks}
    due = {analyte for analyte, recheck in rechecks.items() if recheck.due_at is not None}
    assert due == {"IFE_U", "SFLC_K", "SFLC_L", "SFLC_R", "B12", "PRL"}
    assert {rechecks[analyte].due_at for analyte in due} == {chart.course().as_of}
    assert rechecks["IFE_U"].rule == "GAP-2"
    assert chart.name(rechecks["VEGF"].repeated_by) == "t1-vegf"


def test_upgrades_are_the_confirmed_vegf_response_and_the_pet_response(
    new_chart: Any, case_report: dict[str, Any]
) -> None:
    chart = through(new_chart(), case_report, "T6")
    told = [(up.axis, up.level, chart.name(up.sample), chart.name(up.by)) for up in chart.line().upgrades]
    assert told == [("VEGF", "CRV", "t1-vegf", "t2-vegf"), ("PET", "CR-PET", "t2-pet", "t2-pet")]
    assert chart.axis("VEGF").best_response == "CRV"
    assert chart.axis("HEMATOLOGIC").best_response is None
    assert chart.line().withdrawn_candidates == ()


def test_no_condition_of_the_ladder_is_ever_met(new_chart: Any, case_report: dict[str, Any]) -> None:
    line = through(new_chart(), case_report, "T6").line()
    steps = [step for trajectory in line.trajectories for step in trajectory.assessments]
    assert "met" not in {step.p for step in steps}
    assert {step.level for step in steps} & {"CRH", "VGPRH", "PRH"} == set()


def test_a_held_repair_is_shown_and_never_used(new_chart: Any, case_report: dict[str, Any]) -> None:
    chart = through(new_chart(), case_report, "T2")
    [trajectory] = [each for each in chart.course().trajectories if each.analyte == "IGG"]
    assert [(step.text, step.excluded) for step in trajectory.assessments] == [
        ("11.29 g/L", ("REVIEW_PENDING",)), ("4.35 g/L", ()), ("3.44 g/L", ()),
    ]  # fmt: skip
    assert [step.below for step in trajectory.assessments] == [False, True, True]


def test_nv3_a_rise_over_the_nadir_inside_the_interval_is_no_progression(
    new_chart: Any, case_report: dict[str, Any]
) -> None:
    chart = through(new_chart(), case_report, "T2")
    chart.vegf(84, "64.0", name="nv3-vegf")
    axis = chart.axis("VEGF")
    assert (axis.call, axis.confirmation, axis.nadir.number) == ("CRV", "confirmed", Decimal("42.35"))
    assert chart.steps("VEGF", "VEGF-A")["nv3-vegf"].p == "not_met"
    assert "1.5 x the nadir 42.35" in axis.why_not["PDV"]


def test_nv4_out_of_order_and_twice_is_the_same_course(new_chart: Any, case_report: dict[str, Any]) -> None:
    chart = through(new_chart(), case_report, "T2")
    expected = chart.course()
    mixed = [*chart.facts, *chart.facts[-8:]]
    random.Random(7).shuffle(mixed)
    chart.facts = mixed
    assert chart.course() == expected


def test_nv5_a_correction_takes_the_first_normal_value_away(new_chart: Any, case_report: dict[str, Any]) -> None:
    chart = through(new_chart(), case_report, "T2")
    [t1] = [one for one in case_report["timepoints"][1]["observations"] if one["id"] == "t1-vegf"]
    record(chart, t1, value="423.5", status="C", issued=60, issued_hour=12, codes=("H", "U", "W"))
    axis = chart.axis("VEGF")
    assert (axis.call, axis.confirmation, chart.name(axis.as_of)) == ("CRV", "unconfirmed", "t2-vegf")
    assert axis.nadir.number == Decimal("50.63")
    assert set(axis.caveats) == {"matrix_assumed", "BASELINE_BELOW_2X_ULN"}
    steps = chart.steps("VEGF")
    assert (steps["t1-vegf"].level, steps["t1-vegf"].p, steps["t2-vegf"].p) == ("PDV", "met", "not_met")
    assert [up.axis for up in chart.line().upgrades] == ["PET"]
