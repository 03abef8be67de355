"""Every row of clinical.md 12.3, and the alerts it emits."""

from typing import Any

import pytest


def test_a_corrected_result_takes_its_alert_back(on_watch: Any) -> None:
    on_watch.vegf(161, "240", "met", level="PDV")
    assert on_watch.tell() == [
        ("raised", "VEGF_PROGRESSION_CONFIRMED"),
        ("closed", "VEGF_RISE_WATCH"),
    ]
    confirmed = on_watch.last("VEGF_PROGRESSION_CONFIRMED")
    assert (confirmed.tier, confirmed.due_hours) == ("P2", 24)
    assert confirmed.episode == on_watch.last("VEGF_RISE_WATCH").episode

    # the laboratory corrects the last value: 24.0, not 240
    on_watch.vegf(161, "24.0", "not_met", level="CRV", version=1, issued=162)
    assert on_watch.tell() == [("retracted", "VEGF_PROGRESSION_CONFIRMED")]
    retraction = on_watch.events[-1]
    assert retraction.alert == confirmed.alert
    assert [(value.analyte, value.before, value.after) for value in retraction.values] == [
        ("VEGF", "240 pg/mL", "24.0 pg/mL")
    ]
    assert on_watch.open() == {}
    assert on_watch.ladder("vegf") == "NONE"


def test_a_watch_and_its_confirmation_are_taken_back_by_one_event(on_watch: Any) -> None:
    on_watch.vegf(161, "240", "met")
    on_watch.tell()
    on_watch.forget("VEGF", 140)
    on_watch.forget("VEGF", 161)
    assert on_watch.tell() == [("retracted", "VEGF_PROGRESSION_CONFIRMED")]
    retraction = on_watch.events[-1]
    assert retraction.with_alerts == (on_watch.last("VEGF_RISE_WATCH").alert,)
    assert (retraction.tier, retraction.due_hours) == ("P2", 24)
    assert {value.after for value in retraction.values} == {None}


def test_a_confirmation_may_fall_back_to_its_watch(on_watch: Any) -> None:
    on_watch.vegf(161, "240", "met")
    on_watch.tell()
    on_watch.forget("VEGF", 161)
    assert on_watch.tell() == [("amended", "VEGF_RISE_WATCH"), ("retracted", "VEGF_PROGRESSION_CONFIRMED")]
    assert on_watch.open() == {"VEGF_RISE_WATCH": "VEGF"}
    assert "what remains open: VEGF_RISE_WATCH" in on_watch.events[-1].reason
    assert on_watch.ladder("vegf") == "WATCH"


def test_the_first_rise_opens_a_watch(on_watch: Any) -> None:
    watch = on_watch.last("VEGF_RISE_WATCH")
    assert (watch.tier, watch.due_hours, watch.subject, watch.line) == ("P2", 72, "VEGF", 1)
    assert [piece.text for piece in watch.evidence] == ["40 pg/mL", "200 pg/mL"]
    assert watch.at == on_watch.at(140, 16)
    for word in ("14 to 28 days", "infection", "iron", "COPD", "sleep apnea"):
        assert word in watch.text
    assert on_watch.ladder("vegf") == "WATCH"


def test_a_sample_that_does_not_agree_resolves_the_watch(on_watch: Any) -> None:
    on_watch.vegf(161, "60", "not_met")
    assert on_watch.tell() == [("raised", "WATCH_RESOLVED"), ("closed", "VEGF_RISE_WATCH")]
    notice = on_watch.last("WATCH_RESOLVED")
    assert (notice.tier, notice.notice, notice.subject) == ("P3", True, "VEGF")
    assert on_watch.ladder("vegf") == "NONE"
    assert on_watch.tell() == []


def test_the_end_of_a_watch_is_corrected_into_a_confirmation(on_watch: Any) -> None:
    on_watch.vegf(161, "60", "not_met")
    on_watch.tell()
    on_watch.vegf(161, "260", "met", version=1, issued=165)
    assert on_watch.tell() == [("raised", "VEGF_PROGRESSION_CONFIRMED"), ("retracted", "WATCH_RESOLVED")]
    assert on_watch.open() == {"VEGF_PROGRESSION_CONFIRMED": "VEGF"}


@pytest.mark.parametrize("p", ["undecidable", None])
def test_an_undecidable_sample_neither_confirms_nor_breaks(on_watch: Any, p: str | None) -> None:
    on_watch.vegf(161, ">150", p)
    assert on_watch.tell() == []
    assert on_watch.ladder("vegf") == "WATCH"
    on_watch.vegf(170, "220", "met")
    on_watch.tell()
    assert on_watch.ladder("vegf") == "CONFIRMED"


@pytest.mark.parametrize("reason", ["INTERFERENCE_BEVACIZUMAB", "REVIEW_PENDING", "NOT_FINAL"])
def test_an_excluded_sample_is_no_assessment(on_watch: Any, reason: str) -> None:
    on_watch.vegf(161, "600", "met", excluded=(reason,))
    assert on_watch.tell() == []
    assert on_watch.ladder("vegf") == "WATCH"


def test_a_second_sample_of_the_same_day_does_not_confirm(on_watch: Any) -> None:
    on_watch.vegf(140, "210", "met", hour=15)
    assert on_watch.tell() == []
    assert on_watch.ladder("vegf") == "WATCH"


def test_confirmed_may_fall_and_nothing_is_told(on_watch: Any) -> None:
    on_watch.vegf(161, "240", "met")
    on_watch.tell()
    on_watch.vegf(190, "45", "not_met")
    assert on_watch.tell() == []
    on_watch.vegf(220, "300", "met")
    on_watch.vegf(250, "320", "met")
    assert on_watch.tell() == []
    assert on_watch.ladder("vegf") == "CONFIRMED"


def test_a_late_confirmation_says_so(on_watch: Any) -> None:
    on_watch.vegf(140 + 121, "240", "met")
    on_watch.tell()
    assert "LATE_CONFIRMATION" in on_watch.last("VEGF_PROGRESSION_CONFIRMED").tags


def test_a_confirmation_in_time_is_not_late(on_watch: Any) -> None:
    on_watch.vegf(140 + 120, "240", "met")
    on_watch.tell()
    assert "LATE_CONFIRMATION" not in on_watch.last("VEGF_PROGRESSION_CONFIRMED").tags


# --- what stands at once ---


def test_a_scan_with_progression_stands_at_once(story: Any) -> None:
    story.result("PET_LESION", 56, "1.6", p="not_met")
    story.result("PET_LESION", 180, "5.2", p="met")
    assert story.tell() == [("raised", "RADIOGRAPHIC_RELAPSE")]
    alert = story.last("RADIOGRAPHIC_RELAPSE")
    assert (alert.tier, alert.due_hours) == ("P2", 24)
    assert story.ladder("radiographic") == "CONFIRMED"


@pytest.mark.parametrize(
    "found",
    [
        pytest.param({"symptoms": {"leg weakness": "worse"}}, id="worse"),
        pytest.param({"symptoms": {"leg weakness": "better", "numbness": "much worse"}}, id="mixed"),
        pytest.param({"new_feature": "papilledema"}, id="a new feature"),
    ],
)
def test_a_clinician_s_finding_stands_at_once(story: Any, found: dict[str, Any]) -> None:
    story.finding(100, **found)
    assert story.tell() == [("raised", "CLINICAL_RELAPSE")]
    alert = story.last("CLINICAL_RELAPSE")
    assert (alert.tier, alert.due_hours) == ("P2", 24)
    assert story.ladder("clinical") == "CONFIRMED"


@pytest.mark.parametrize(
    ("day", "symptoms"),
    [
        pytest.param(100, {"leg weakness": "better", "numbness": "unchanged"}, id="nothing worse"),
        pytest.param(-4, {"leg weakness": "worse"}, id="before the line"),
        pytest.param(0, {"leg weakness": "worse"}, id="the day of the start is the baseline"),
    ],
)
def test_other_findings_are_no_relapse(story: Any, day: int, symptoms: dict[str, str]) -> None:
    story.finding(day, symptoms)
    assert story.tell() == []
    assert story.ladder("clinical") == "NONE"


def test_a_further_finding_updates_the_open_alert(story: Any) -> None:
    story.finding(100, {"leg weakness": "worse"})
    story.tell()
    story.finding(120, new_feature="ascites")
    assert story.tell() == [("amended", "CLINICAL_RELAPSE")]


def test_care_events_alone_are_enough_for_a_clinical_relapse(story: Any) -> None:
    story.finding(100, {"leg weakness": "worse"})
    assert story.take(story.care, story.care[-1:]) == [("raised", "CLINICAL_RELAPSE")]


def test_a_withdrawn_finding_takes_the_alert_back(story: Any) -> None:
    story.finding(100, {"leg weakness": "worse"})
    story.tell()
    finding = story.care[-1]
    gone = finding.model_copy(update={"withdrawn": True, "recorded_at": story.at(110)}).identified()
    story.care.append(gone)
    assert story.tell() == [("retracted", "CLINICAL_RELAPSE")]
    assert story.ladder("clinical") == "NONE"


# --- line ---


def test_a_new_line_archives_everything(on_watch: Any) -> None:
    on_watch.line(2, 170)
    assert on_watch.tell() == [("closed", "VEGF_RISE_WATCH")]
    assert on_watch.last("VEGF_RISE_WATCH").reason == "the line is closed"
    assert on_watch.ladder("vegf", 1) == "ARCHIVED"
    assert {on_watch.ladder(name, 2) for name in ("vegf", "hematologic", "radiographic", "clinical")} == {"NONE"}


def test_a_confirmed_progression_is_archived_without_a_retraction(on_watch: Any) -> None:
    on_watch.vegf(161, "240", "met")
    on_watch.tell()
    on_watch.stop(1, 170)
    assert on_watch.tell() == [("closed", "VEGF_PROGRESSION_CONFIRMED")]
    assert on_watch.ladder("vegf") == "ARCHIVED"


# --- the watch that waits ---


def test_a_watch_waits_41_days_in_silence(on_watch: Any) -> None:
    on_watch.until = 140 + 41
    assert on_watch.tell() == []


def test_day_42_without_a_sample_is_a_gap_told_once(on_watch: Any) -> None:
    on_watch.until = 140 + 42
    assert on_watch.tell() == [("raised", "MONITORING_GAP")]
    gap = on_watch.last("MONITORING_GAP")
    assert (gap.tier, gap.subject, gap.subjects) == ("P3", "VEGF", ("VEGF",))
    assert on_watch.ladder("vegf") == "WATCH"
    on_watch.until = 260
    assert on_watch.tell() == []


def test_a_sample_closes_the_gap(on_watch: Any) -> None:
    on_watch.until = 200
    on_watch.tell()
    on_watch.until = 210
    on_watch.vegf(209, "230", "met")
    assert ("closed", "MONITORING_GAP") in on_watch.tell()


def test_a_sample_on_day_42_itself_is_in_time(on_watch: Any) -> None:
    on_watch.infection(175)
    on_watch.vegf(182, "230", "met")
    assert on_watch.tell() == [("amended", "VEGF_RISE_WATCH")]
    assert ("MONITORING_GAP", "VEGF") not in {(finding.kind, finding.subject) for finding in on_watch.findings()}


def test_a_sample_after_day_42_came_late_and_is_history(on_watch: Any) -> None:
    on_watch.vegf(183, "60", "not_met")
    [gap] = [finding for finding in on_watch.findings() if finding.kind == "MONITORING_GAP"]
    assert (gap.state, gap.closed_because) == ("closed", "a sample came")


def test_a_gap_that_is_over_when_it_is_seen_is_silent(on_watch: Any) -> None:
    on_watch.vegf(200, "50", "not_met")
    assert on_watch.tell() == [("raised", "WATCH_RESOLVED"), ("closed", "VEGF_RISE_WATCH")]


# --- priority (12.4) ---


def test_two_active_ladders_are_more_urgent(on_watch: Any) -> None:
    on_watch.result("MPROT_S", 28, "4", p="not_met")
    on_watch.result("MPROT_S", 140, "10", p="met")
    assert on_watch.tell() == [("amended", "VEGF_RISE_WATCH"), ("raised", "HEMATOLOGIC_RISE_WATCH")]
    for kind in ("VEGF_RISE_WATCH", "HEMATOLOGIC_RISE_WATCH"):
        alert = on_watch.last(kind)
        assert (alert.tier, alert.due_hours) == ("P2", 24)
        assert "multi_axis" in alert.tags


def test_steps_go_up_first_and_then_down(on_watch: Any) -> None:
    on_watch.infection(138)
    on_watch.result("PET_LESION", 139, "6", p="met")
    on_watch.tell()
    watch, scan = on_watch.last("VEGF_RISE_WATCH"), on_watch.last("RADIOGRAPHIC_RELAPSE")
    assert (watch.tier, watch.due_hours) == ("P2", 72)
    assert (scan.tier, scan.due_hours) == ("P2", 24)


# --- arrival ---


def test_an_earlier_opener_that_arrives_late_supersedes(on_watch: Any) -> None:
    first = on_watch.last("VEGF_RISE_WATCH").alert
    on_watch.vegf(120, "190", "met", issued=150)
    assert on_watch.tell() == [("raised", "VEGF_PROGRESSION_CONFIRMED"), ("closed", "VEGF_RISE_WATCH")]
    closed, confirmed = on_watch.last("VEGF_RISE_WATCH"), on_watch.last("VEGF_PROGRESSION_CONFIRMED")
    assert closed.alert == first
    assert closed.superseded_by == confirmed.alert
    assert on_watch.tell() == []
    assert on_watch.open() == {"VEGF_PROGRESSION_CONFIRMED": "VEGF"}


def test_history_that_opened_and_closed_is_silent(story: Any) -> None:
    story.vegf(28, "40", "not_met")
    story.vegf(56, "200", "met")
    story.vegf(84, "45", "not_met")
    assert story.tell() == []


def test_only_the_highest_revision_counts(on_watch: Any) -> None:
    old = on_watch.snapshot()
    on_watch.vegf(161, "60", "not_met")
    assert on_watch.tell(again=[old]) == [("raised", "WATCH_RESOLVED"), ("closed", "VEGF_RISE_WATCH")]
    assert on_watch.open() == {}


def test_a_verified_version_with_the_same_value_tells_nothing(on_watch: Any) -> None:
    on_watch.vegf(140, "200", "met", version=1, issued=141)
    assert on_watch.tell() == []


def test_a_corrected_value_that_still_rises_amends_with_both_values(on_watch: Any) -> None:
    on_watch.vegf(140, "210", "met", version=1, issued=141)
    assert on_watch.tell() == [("amended", "VEGF_RISE_WATCH")]
    amended = on_watch.events[-1]
    assert [(value.before, value.after) for value in amended.values] == [("200 pg/mL", "210 pg/mL")]
    assert "was 200 pg/mL, is 210 pg/mL" in amended.what_changed
    assert amended.still_open
