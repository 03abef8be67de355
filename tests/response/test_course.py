"""Lines, the clinical axis, what is due, safety series, and the snapshot around them (clinical.md 9, 11.4, 17.4)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from refrain.contracts.events import ResponseAssessed
from services.response.domain.judgement import ResponseIssued, classify

# --- lines ---


def test_without_a_line_only_the_safety_series_are_told(new_chart: Any) -> None:
    chart = new_chart()
    chart.vegf(28, 100)
    chart.result("igg", "IGG", 28, "3.4", low="8.6", high="17.4")
    course = chart.course()
    assert course.lines == ()
    assert [(each.analyte, each.axis) for each in course.trajectories] == [("IGG", None)]


def test_a_new_line_starts_afresh_and_the_old_one_stays(chart: Any) -> None:
    chart.vegf(-4, 400)
    chart.vegf(28, 100)
    chart.vegf(56, 100)
    chart.vegf(100, 500)
    chart.care("line 2", {"type": "line_started", "line": 2, "start": "2025-04-20", "rule_set": "poems"})
    chart.drug("lenalidomide", 110)
    assert [line.closed for line in chart.course().lines] == [False, False]
    chart.vegf(140, 200)
    old, new = chart.course().lines
    assert (old.closed, old.end, old.axes["VEGF"].call, old.axes["VEGF"].best_response) == (
        True,
        new.start,
        "PDV",
        "CRV",
    )
    axis = new.axes["VEGF"]
    assert (axis.call, axis.confirmation, axis.baseline.number, axis.best_response) == ("PRV", "unconfirmed", 500, None)
    assert (new.first_dose - old.first_dose).days == 110


def test_a_stopped_line_is_closed_and_takes_no_more_samples(chart: Any) -> None:
    chart.vegf(-4, 400)
    chart.vegf(28, 100)
    chart.care("stop", {"type": "line_stopped", "line": 1, "end": "2025-02-10"})
    chart.vegf(35, 900)
    assert (chart.line().closed, chart.axis("VEGF").call) == (True, "CRV")


def test_the_first_dose_and_not_the_start_divides_before_from_after(new_chart: Any) -> None:
    chart = new_chart()
    chart.care("line", {"type": "line_started", "line": 1, "start": "2025-01-06", "rule_set": "poems"})
    chart.drug("lenalidomide", 10, status="planned")
    chart.drug("lenalidomide", 20)
    chart.vegf(15, 400)
    chart.vegf(28, 100)
    axis = chart.axis("VEGF")
    assert (axis.call, axis.baseline.number) == ("CRV", 400)


def test_an_unknown_rule_set_is_never_guessed(new_chart: Any) -> None:
    chart = new_chart().therapy(rule_set="imwg")
    chart.vegf(-4, 400, codes=("H",))
    chart.vegf(28, 100)
    line = chart.line()
    assert {(axis.call, axis.assessability, axis.reasons) for axis in line.axes.values()} == {
        (None, "NE", ("RULE_SET_UNKNOWN",))
    }
    assert [flag.analyte for flag in line.baseline_abnormal] == ["VEGF"]


def test_a_rule_set_may_be_assigned_later(new_chart: Any) -> None:
    chart = new_chart().therapy(rule_set="imwg")
    chart.care("assign", {"type": "rule_set_assigned", "line": 1, "rule_set": "poems", "at": "2025-02-01T00:00:00Z"})
    chart.vegf(-4, 400)
    chart.vegf(28, 100)
    assert (chart.line().rule_set, chart.axis("VEGF").call) == ("poems", "CRV")


def test_before_the_first_result_of_the_line_nothing_is_called(chart: Any) -> None:
    chart.vegf(-4, 400)
    axes = chart.line().axes
    assert {axis.call for axis in axes.values()} == {None}
    chart.vegf(28, 100)
    assert chart.axis("HEMATOLOGIC").call == "NEH"
    assert chart.axis("HEMATOLOGIC").reasons == ("NO_DATA",)


# --- the clinical axis ---


@pytest.mark.parametrize(
    ("symptoms", "expected"),
    [
        ({"weakness": "better", "numbness": "unchanged"}, "improved"), ({"numbness": "unchanged"}, "stable"),
        ({"weakness": "worse"}, "worsened"), ({"weakness": "much better", "edema": "worse"}, "mixed"),
    ],
)  # fmt: skip
def test_symptoms_make_the_clinical_call(chart: Any, symptoms: dict[str, str], expected: str) -> None:
    chart.finding(28, symptoms=symptoms)
    axis = chart.axis("CLINICAL")
    assert (axis.call, axis.assessability, axis.confirmation) == (expected, "ASSESSED", "not_required")
    assert axis.symptoms == symptoms


@pytest.mark.parametrize(
    ("name", "before", "then", "now", "expected"),
    [
        ("ONLS", "5", "5", "4", "improved"), ("ONLS", "5", "5", "5", "stable"), ("ONLS", "5", "3", "4", "worsened"),
        ("mNIS+7", "60", "60", "50", "improved"), ("mNIS+7", "60", "60", "50.1", "stable"),
        ("mNIS+7", "80", "80", "69", "stable"), ("mNIS+7", "80", "80", "68", "improved"),
        ("RVSP", "45", "45", "39.9", "improved"), ("RVSP", "45", "45", "40", "stable"),
        ("RVSP", "45", "35", "40", "worsened"), ("DLCO", "60", "60", "70", "improved"),
        ("DLCO", "60", "60", "69.9", "stable"), ("DLCO", "60", "75", "69", "worsened"),
        ("papilledema", "1", "1", "0", "improved"), ("papilledema", "1", "0", "1", "worsened"),
    ],
)  # fmt: skip
def test_scores(chart: Any, name: str, before: str, then: str, now: str, expected: str) -> None:
    chart.finding(-4, scores={name: before})
    chart.finding(28, scores={name: then})
    chart.finding(56, scores={name: now})
    assert chart.axis("CLINICAL").call == expected


def test_a_new_feature_is_worse(chart: Any) -> None:
    chart.finding(28, symptoms={"weakness": "better"}, new_feature="ascites")
    assert chart.axis("CLINICAL").call == "mixed"


def test_free_text_is_no_clinical_evaluation(chart: Any) -> None:
    chart.finding(28, symptoms={"weakness": "better"})
    chart.finding(56, findings=["feels well"])
    assert chart.axis("CLINICAL").call == "improved"


# --- what is due ---


def due(chart: Any) -> dict[str, bool]:
    return {recheck.analyte: recheck.due_at is not None for recheck in chart.line().rechecks}


@pytest.mark.parametrize(("day", "expected"), [(55, False), (56, True)])
def test_a_recheck_is_due_on_day_fifty_six(chart: Any, day: int, expected: bool) -> None:
    chart.result("prl", "PRL", -4, "30", high="21", codes=("H",))
    chart.vegf(day, 100)
    assert due(chart) == {"PRL": expected}


@pytest.mark.parametrize("day", [1, 56])
def test_a_repeat_up_to_the_due_day_closes_it(chart: Any, day: int) -> None:
    chart.result("prl", "PRL", -4, "30", high="21", codes=("H",))
    chart.result("again", "PRL", day, "25", high="21", codes=("H",))
    chart.vegf(70, 100)
    [recheck] = chart.line().rechecks
    assert (recheck.due_at, chart.name(recheck.repeated_by)) == (None, "again")


def test_a_late_repeat_leaves_when_it_was_due(chart: Any) -> None:
    chart.result("prl", "PRL", -4, "30", high="21", codes=("H",))
    chart.vegf(60, 100)
    chart.result("again", "PRL", 70, "25", high="21")
    [recheck] = chart.line().rechecks
    assert recheck.due_at is not None
    assert (recheck.due_at.date() - chart.line().first_dose).days == 60
    assert chart.name(recheck.repeated_by) == "again"


def test_what_is_due_travels_with_its_series(chart: Any) -> None:
    chart.result("prl", "PRL", -20, "30", high="21", codes=("H",))
    chart.result("b12", "B12", -4, "105", low="180", codes=("L",))
    chart.vegf(60, 100)
    assert [(each.axis, each.analyte) for each in chart.line().trajectories] == [("VEGF", "VEGF"), (None, "PRL")]
    assert [each.analyte for each in chart.course().trajectories] == ["B12"]
    assert chart.steps("PRL")["prl"].before_line


def test_normal_or_unlisted_results_need_no_recheck(chart: Any) -> None:
    chart.result("prl", "PRL", -4, "10", high="21", codes=("N",))
    chart.result("igg", "IGG", -4, "30", high="17", codes=("H",))
    chart.vegf(60, 100)
    assert due(chart) == {}


@pytest.mark.parametrize(("urine", "gap"), [(14, False), (13, True)])
def test_a_negative_serum_band_without_urine_is_a_gap_at_once(chart: Any, urine: int, gap: bool) -> None:
    chart.ife(urine, "NEG", kind="IFE_U")
    chart.ife(56, "NEG")
    assert due(chart) == ({"IFE_U": True} if gap else {})


def test_the_urine_that_follows_closes_the_gap(chart: Any) -> None:
    chart.ife(28, "NEG")
    chart.ife(40, "NEG", kind="IFE_U")
    [recheck] = chart.line().rechecks
    assert (recheck.rule, chart.name(recheck.opened_by)) == ("GAP-2", "IFE_S 28")
    assert chart.name(recheck.repeated_by) == "IFE_U 40"
    assert recheck.due_at is not None


# --- the snapshot ---


def test_as_of_is_the_latest_issue(chart: Any) -> None:
    chart.vegf(28, 100, issued=40)
    chart.vegf(30, 100, issued=31)
    assert chart.course().as_of == chart.facts[-2].observations[0].observation.issued_at


def test_the_revision_grows_although_a_ledger_keeps_only_the_newest_view_of_a_report(chart: Any) -> None:
    old = chart.vegf(28, 100, revision=3)
    before = chart.course().revision
    chart.vegf(28, 100, held=("DQ_DELTA",), revision=4)
    assert chart.course().revision == before + 1
    chart.facts.remove(old)
    assert chart.course().revision == before + 1
    chart.finding(30, symptoms={"weakness": "better"})
    assert chart.course().revision == before + 2


def test_the_newest_view_of_a_version_counts(chart: Any) -> None:
    chart.vegf(-4, 400)
    chart.vegf(28, 100, held=("DQ_DELTA",), revision=3)
    chart.vegf(28, 100, revision=4)
    assert chart.axis("VEGF").call == "CRV"
    chart.vegf(28, 100, held=("DQ_DELTA",), revision=2, translation=1)
    assert chart.axis("VEGF").call is None
    chart.facts.reverse()
    assert chart.axis("VEGF").call is None


@pytest.mark.parametrize("status", ["W", "D", "X"])
def test_a_withdrawn_result_is_gone(chart: Any, status: str) -> None:
    chart.vegf(-4, 400)
    chart.vegf(28, 100)
    chart.vegf(56, 100)
    chart.vegf(28, 100, status=status, issued=60)
    assert (chart.axis("VEGF").confirmation, set(chart.steps("VEGF"))) == ("unconfirmed", {"vegf -4", "vegf 56"})
    chart.vegf(28, 120, issued=61)
    assert chart.axis("VEGF").confirmation == "confirmed"


def test_a_test_feed_never_touches_a_live_course(chart: Any) -> None:
    chart.vegf(-4, 400)
    chart.vegf(28, 100)
    chart.vegf(56, 900, processing="test")
    assert (chart.axis("VEGF").call, chart.course().processing) == ("CRV", "live")


def test_the_lowest_of_a_day_is_the_one_for_safety(new_chart: Any) -> None:
    chart = new_chart()
    chart.result("low", "IGG", 28, "3.4", low="8.6", high="17.4", hour=8)
    chart.result("high", "IGG", 28, "4.6", low="8.6", high="17.4", hour=9)
    [trajectory] = chart.course().trajectories
    assert {chart.name(step.result): step.excluded for step in trajectory.assessments} == {
        "low": (), "high": ("NOT_WORST_OF_DAY",),
    }  # fmt: skip


def test_the_step_says_what_changed_and_is_silent_when_nothing_did(chart: Any) -> None:
    chart.vegf(-4, 400)
    first = classify(chart.facts, ResponseIssued(), chart.facts, chart.site)
    [output] = first.outputs
    assert isinstance(output.event, ResponseAssessed)
    assert output.topic.name == "responses.v1"
    again = classify(chart.facts, first.issued, chart.facts[-1:], chart.site)
    assert again.outputs == ()
    assert again.issued == first.issued
    cause = chart.vegf(28, 100)
    second = classify(chart.facts, first.issued, [cause], chart.site)
    event = second.outputs[0].event
    assert isinstance(event, ResponseAssessed)
    assert event.caused_by == (cause.event_id,)
    assert event.recorded_at == cause.recorded_at
    changed = {change.axis: (change.before, change.after) for change in event.changes}
    assert changed["VEGF"] == ("no call, not evaluated: NO_DATA", "CRV unconfirmed")
    assert event == event.identified()


def test_care_events_alone_are_no_moment_in_time(chart: Any) -> None:
    decision = classify(chart.facts, ResponseIssued(), chart.facts, chart.site)
    assert (decision.outputs, decision.issued) == ((), ResponseIssued())


def test_a_clinical_finding_alone_is_told(chart: Any) -> None:
    event = chart.finding(28, symptoms={"weakness": "better"})
    assert chart.course().as_of == event.known_from
    assert chart.axis("CLINICAL").as_of == event.event_id


def test_issued_and_snapshot_survive_the_wire(chart: Any) -> None:
    chart.vegf(-4, 400)
    chart.vegf(28, 100)
    decision = classify(chart.facts, ResponseIssued(), chart.facts, chart.site)
    assert ResponseIssued.model_validate_json(decision.issued.model_dump_json()) == decision.issued
    [output] = decision.outputs
    assert output.topic.decode(output.topic.encode(output.event)) == output.event


def test_numbers_are_compared_unrounded(chart: Any) -> None:
    chart.vegf(-4, "400")
    chart.vegf(28, "200.0000000000000000000000000000000000001")
    assert chart.axis("VEGF").call == "NRV"


def test_the_baseline_draw_is_the_last_date_before_the_first_dose(chart: Any) -> None:
    chart.result("old", "PRL", -20, "30", high="21", codes=("H",))
    chart.result("b12", "B12", -4, "105", low="180", codes=("L",), hour=7)
    chart.vegf(-4, 400, codes=("H",))
    line = chart.line()
    assert [flag.analyte for flag in line.baseline_abnormal] == ["B12", "VEGF"]
    assert line.baseline_at is not None
    assert line.baseline_at.date() == line.first_dose - timedelta(days=4)
