"""What the read model says of a patient: results with their versions, series, course, care events, letters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from drawn_stories import CASE, a_timeline, open_alerts
from hypothesis import HealthCheck, given, settings
from records import Feed, Recorded, facts_of, records_of, send_all

from refrain.clinical.statuses import RANK, TAKES_BACK_RANK
from refrain.contracts.events import CareEvent, Event, FlaggedObservation, FlaggedReport, LabReport, ResponseAssessed
from refrain.contracts.ids import derive
from services.chart.adapters.cursors import UnknownCursor, cursor_of
from services.chart.adapters.projection import Projection
from services.chart.adapters.read_model import ReadModel
from services.chart.domain.views import PatientRow, ResultRow

ON_ONE_DATABASE = settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def a_result(name: str, value: str, day: str, **more: Any) -> dict[str, Any]:
    """A VEGF in plasma, collected in the morning of a day of 2026, issued the same day."""
    return {
        "id": name, "code": "VEGF", "specimen": "PLASMA_EDTA", "lab": "NORTH", "method": "M1", "status": "F",
        "collected_at": f"2026-{day}T08:00:00Z", "issued_at": f"2026-{day}T15:00:00Z",
        "received": {"value": value, "unit": "pg/mL", "range": "0-160"},
    } | more  # fmt: skip


def a_story(*observations: dict[str, Any], patient: str = "0007") -> list[Event]:
    line = {"line": 1, "rule_set": "poems", "start": "2026-01-05"}
    return records_of({"subject": {"id": patient}, "therapy_lines": [line], "observations": list(observations)})


@pytest.fixture
def fill(projection: Projection) -> Feed:
    return Feed(projection.take)


def only_patient(read_model: ReadModel) -> PatientRow:
    [patient] = read_model.search_patients()
    return patient


def results_of(read_model: ReadModel, **how: Any) -> list[ResultRow]:
    return read_model.results(only_patient(read_model).key, **how)


def test_a_corrected_value_counts_and_the_old_one_is_kept(fill: Feed, read_model: ReadModel) -> None:
    later = {"status": "C", "issued_at": "2026-02-09T08:00:00Z"}
    wrong, right = a_result("a", "300", "02-05"), a_result("a", "30.0", "02-05", **later)
    fill(a_story(wrong, right))
    [row] = results_of(read_model)
    assert (row.shown, row.number, row.state, row.corrected, row.versions) == (
        "30.0 pg/mL", Decimal("30.0"), "current", True, 2,
    )  # fmt: skip
    assert row.interpretation == ("N",)
    old, new = read_model.versions(row.result)
    assert (old.text, old.counts, new.text, new.counts) == ("300 pg/mL", False, "30.0 pg/mL", True)
    assert old.flagged is not None
    assert old.flagged.interpretation == ("H",), "the old flags are there as they were"
    view = read_model.observation(old.version)
    assert view is not None
    assert view.row == row, "a version leads to its result"
    assert read_model.observation(row.result) == view


def test_a_preliminary_value_that_became_final_is_no_correction(fill: Feed, read_model: ReadModel) -> None:
    final = a_result("a", "210", "02-05", issued_at="2026-02-06T08:00:00Z")
    fill(a_story(a_result("a", "200", "02-05", status="P"), final))
    [row] = results_of(read_model)
    assert (row.shown, row.corrected, row.versions) == ("210 pg/mL", False, 2)


def test_a_result_that_flagging_has_not_seen_is_shown_and_nothing_is_said_of_it(
    fill: Feed, read_model: ReadModel
) -> None:  # fmt: skip
    records = a_story(a_result("a", "300", "02-05"))
    fill([event for event in records if not isinstance(event, FlaggedReport)])
    [row] = results_of(read_model)
    assert (row.shown, row.state, row.awaiting_flags) == ("300 pg/mL", "current", True)
    assert (row.interpretation, row.usable, row.low, row.high, row.series) == ((), False, None, None, None)
    fill([event for event in records if isinstance(event, FlaggedReport)])
    [row] = results_of(read_model)
    assert (row.awaiting_flags, row.interpretation, row.usable) == (False, ("H",), True)


def test_flags_of_an_older_reading_do_not_stand_for_a_newer_one(fill: Feed, read_model: ReadModel) -> None:
    """Driven again with a better code map: until flagging has spoken, the new reading is shown without flags."""
    records = a_story(a_result("a", "300", "02-05"))
    fill(records)
    lab = next(event for event in records if isinstance(event, LabReport))
    again = lab.model_copy(update={"translation": lab.translation + 1}).identified()
    fill([again])
    [row] = results_of(read_model)
    assert (row.awaiting_flags, row.interpretation, row.report) == (True, (), again.event_id)
    flagged = next(event for event in records if isinstance(event, FlaggedReport))
    replaced = tuple(one.model_copy(update={"current": False}) for one in flagged.observations)
    fill([flagged.model_copy(update={"revision": flagged.revision + 1, "observations": replaced}).identified()])
    [row] = results_of(read_model)
    assert row.state == "current", "what flagging said of the older reading does not take the newer one away"


def test_a_correction_that_flagging_has_not_seen_takes_the_old_value_away_at_once(
    fill: Feed, read_model: ReadModel
) -> None:  # fmt: skip
    right = a_result("a", "30", "02-05", status="C", issued_at="2026-02-09T08:00:00Z")
    records = a_story(a_result("a", "300", "02-05"), right)
    last = [event for event in records if isinstance(event, FlaggedReport)][-1]
    superseding = {event.event_id for event in records if isinstance(event, FlaggedReport)} - {last.event_id}
    newest = max(event.revision for event in records if isinstance(event, FlaggedReport))
    fill([e for e in records if not (isinstance(e, FlaggedReport) and e.revision == newest)])
    [row] = results_of(read_model)
    assert (row.shown, row.awaiting_flags, row.interpretation) == ("30 pg/mL", True, ())
    assert superseding


@pytest.mark.parametrize(
    ("status", "state", "on_screen"),
    [("D", "withdrawn", True), ("W", "removed", False), ("X", "unobtainable", True)],
    ids=["deleted", "posted wrongly", "cannot be obtained"],
)
def test_a_result_taken_back_has_no_number_and_the_audit_knows_it(
    fill: Feed, read_model: ReadModel, status: str, state: str, on_screen: bool
) -> None:  # fmt: skip
    gone = a_result("a", "", "02-05", status=status, issued_at="2026-02-09T08:00:00Z")
    fill(a_story(a_result("a", "300", "02-05"), gone, a_result("b", "100", "02-12")))
    rows = {row.state: row for row in results_of(read_model, all_states=True)}
    assert rows.keys() == {"current", state}
    assert (rows[state].number, rows[state].text) == (None, "300 pg/mL"), "the value as it was, to be struck through"
    assert (state in {row.state for row in results_of(read_model)}) == on_screen
    assert only_patient(read_model).results == (2 if on_screen else 1)
    key = only_patient(read_model).key
    assert [row.text for row in read_model.latest(key)] == ["100 pg/mL"]
    assert [len(one.results) for one in read_model.series(key)] == [1]
    assert [version.status for version in read_model.versions(rows[state].result)] == ["F", status]


def test_a_result_that_is_issued_again_is_back(fill: Feed, read_model: ReadModel) -> None:
    gone = a_result("a", "", "02-05", status="W", issued_at="2026-02-09T08:00:00Z")
    back = a_result("a", "280", "02-05", issued_at="2026-02-10T08:00:00Z")
    fill(a_story(a_result("a", "300", "02-05"), gone, back))
    [row] = results_of(read_model)
    assert (row.state, row.shown, row.corrected) == ("current", "280 pg/mL", True)


def test_series_of_different_methods_stand_apart(fill: Feed, read_model: ReadModel) -> None:
    fill(
        a_story(
            a_result("a", "200", "01-03"), a_result("b", "100", "02-12"), a_result("c", "90", "03-12", method="M2"),
            a_result("d", "<20", "04-12", method="M2"),
        )
    )  # fmt: skip
    key = only_patient(read_model).key
    found = read_model.series(key, "VEGF")
    assert [(one.method, [row.shown for row in one.results]) for one in found] == [
        ("M1", ["200 pg/mL", "100 pg/mL"]),
        ("M2", ["90 pg/mL", "<20 pg/mL"]),
    ] or [(one.method, [row.shown for row in one.results]) for one in found] == [
        ("M2", ["90 pg/mL", "<20 pg/mL"]),
        ("M1", ["200 pg/mL", "100 pg/mL"]),
    ]
    assert {one.series for one in found} != {None}
    censored = next(row for one in found for row in one.results if row.comparator)
    assert (censored.comparator, censored.number) == ("<", Decimal(20))
    assert sorted(row.shown for row in read_model.latest(key)) == ["100 pg/mL", "<20 pg/mL"]
    assert read_model.series(key, "IGG") == []


def test_results_are_paged_by_collection_time_without_loss(fill: Feed, read_model: ReadModel) -> None:
    fill(a_story(*[a_result(f"r{day}", str(100 + day), f"02-{day:02}") for day in range(1, 20)]))
    key, seen, before = only_patient(read_model).key, [], ""
    while page := read_model.results(key, limit=7, before=before):
        seen += page
        before = cursor_of(page[-1])
    assert [row.collected_at.day for row in seen] == list(range(19, 0, -1))
    assert "0007" not in before
    window = {"collected_from": datetime(2026, 2, 5, tzinfo=UTC), "collected_until": datetime(2026, 2, 8, tzinfo=UTC)}
    assert [row.collected_at.day for row in read_model.results(key, **window)] == [7, 6, 5]
    assert read_model.results(key, analyte="IGG") == []
    for cursor in ("nonsense", "1.2.3", "1.", f"x.{seen[0].result}"):
        with pytest.raises(UnknownCursor):
            read_model.results(key, before=cursor)


def test_patients_are_found_by_the_beginning_of_their_number(fill: Feed, read_model: ReadModel) -> None:
    for index, number in enumerate(("0007", "00071", "0008", "A-12", "%0", "0_")):
        fill(a_story(a_result("a", "200", f"02-{index + 1:02}"), patient=number))
    assert [row.patient.id for row in read_model.search_patients()] == ["0_", "%0", "A-12", "0008", "00071", "0007"]
    assert [row.patient.id for row in read_model.search_patients("000")] == ["0008", "00071", "0007"]
    assert [row.patient.id for row in read_model.search_patients("0007")] == ["00071", "0007"]
    assert [row.patient.id for row in read_model.search_patients("%")] == ["%0"], "no pattern: a beginning"
    assert read_model.search_patients("7") == []
    first = read_model.search_patients(limit=4)
    rest = read_model.search_patients(limit=4, after=cursor_of(first[-1]))
    assert [row.patient.id for row in (*first, *rest)] == ["0_", "%0", "A-12", "0008", "00071", "0007"]
    patient = first[0]
    assert patient.chart_id == derive("patient", patient.key)
    assert read_model.patient(patient.chart_id) == patient
    assert read_model.patient_of(patient.key) == patient
    assert read_model.patient(derive("patient", "nobody")) is None


def test_a_patient_of_a_test_feed_is_marked_and_one_who_has_both_is_live(fill: Feed, read_model: ReadModel) -> None:
    def as_test(records: Sequence[Event]) -> list[Event]:
        return [
            event.model_copy(update={"processing": "test"}).identified()
            for event in records
            if isinstance(event, LabReport | FlaggedReport)
        ]

    fill(as_test(a_story(a_result("a", "999", "02-05"))))
    assert (only_patient(read_model).processing, only_patient(read_model).results) == ("test", 1)
    assert [row.processing for row in results_of(read_model)] == ["test"]
    fill(a_story(a_result("b", "100", "02-12")))
    assert (only_patient(read_model).processing, only_patient(read_model).results) == ("live", 1)
    assert [(row.processing, row.shown) for row in results_of(read_model)] == [("live", "100 pg/mL")]


def test_reports_say_what_they_brought(fill: Feed, read_model: ReadModel) -> None:
    records = a_story(a_result("a", "200", "01-03"), a_result("b", "100", "02-12"))
    fill(records)
    patient = only_patient(read_model)
    sent = {event.event_id: event for event in records if isinstance(event, LabReport)}
    listed = read_model.reports(patient.key)
    assert {one.report for one in listed} == sent.keys()
    assert [one.recorded_at for one in listed] == sorted((one.recorded_at for one in listed), reverse=True)
    for one in listed:
        assert one.versions == tuple(observation.version for observation in sent[one.report].observations)
        assert one.results == tuple(observation.result for observation in sent[one.report].observations)
        assert read_model.report(one.report) == one
    assert read_model.reports(patient.key, limit=1) == listed[:1]
    assert read_model.reports(patient.key, before=cursor_of(listed[0])) == listed[1:]
    assert read_model.report(derive("report", "nobody's")) is None


def test_the_history_of_calls_is_kept_as_it_was(fill: Feed, read_model: ReadModel) -> None:
    later = {"status": "C", "issued_at": "2026-06-09T08:00:00Z"}
    records = a_story(
        a_result("a", "330", "01-03"), a_result("b", "40", "03-12"), a_result("c", "42", "04-20"),
        a_result("b", "400", "03-12", **later),
    )  # fmt: skip
    fill(records)
    key = only_patient(read_model).key
    assessments = [event for event in records if isinstance(event, ResponseAssessed)]
    assert read_model.course(key) == max(assessments, key=lambda event: event.revision)
    moments = read_model.course_moments(key)
    assert [moment.revision for moment in moments] == sorted(event.revision for event in assessments)
    calls = [moment.calls["1:VEGF"] for moment in moments if moment.changed]
    assert "CRV confirmed" in calls, "what was said before the correction"
    assert calls[-1] == "CRV unconfirmed", "and what is said since"
    assert all(one.changed == (one.calls != before.calls) for before, one in pairwise(moments))
    assert [moment.revision for moment in read_model.course_moments(key, limit=2)] == [
        moment.revision for moment in moments[-2:]
    ]
    assert read_model.course_moments(key, limit=2)[0].changed == moments[-2].changed
    assert read_model.course("nobody") is None


def test_care_events_hold_in_their_newest_version(fill: Feed, read_model: ReadModel) -> None:
    records = [event for event in records_of(CASE) if isinstance(event, CareEvent)]
    drug = next(event for event in records if event.body.type == "drug")
    later = {"recorded_at": drug.recorded_at.replace(year=2030)}
    fill([*records, drug.model_copy(update=later | {"withdrawn": True}).identified()])
    key = only_patient(read_model).key
    held = read_model.care_events(key)
    assert drug.key not in {event.key for event in held}
    assert len(held) == len({event.key for event in records}) - 1
    versions = [event for event in read_model.care_event_versions(key) if event.key == drug.key]
    assert [event.withdrawn for event in versions][-1] is True
    assert len(versions) == 1 + sum(event.key == drug.key for event in records)


@ON_ONE_DATABASE
@given(document=a_timeline())
def test_chart_says_what_the_engines_said_last(
    projection: Projection, read_model: ReadModel, document: dict[str, Any]
) -> None:
    """Each result counts in the version and with the flags of flagging's newest word; open alerts are those open."""
    stream = Recorded()
    for fact in facts_of(document):
        send_all(stream, [fact])
        stream.settle()
    projection.empty("one", {})
    Feed(projection.take)(stream.records)
    [patient] = read_model.search_patients()
    rows = {row.version: row for row in read_model.results(patient.key, limit=1000, all_states=True)}
    assert not any(row.awaiting_flags for row in rows.values())
    for version, flagged in newest_flags(stream.records).items():
        gone = RANK[flagged.observation.status_class] >= TAKES_BACK_RANK
        assert (version in rows and rows[version].state != "moved") == flagged.current
        if flagged.current and not gone and flagged.observation.status_class not in ("none", "pending"):
            row = rows[version]
            assert (row.state, row.interpretation, row.number) == ("current", flagged.interpretation, flagged.number)
            assert (row.series, row.usable, row.held) == (flagged.series, flagged.usable, flagged.held)
    alerts = read_model.alerts(key=patient.key, limit=1000)
    still = {str(row.alert) for row in alerts if row.fact_state == "open"}
    assert still == open_alerts(stream, without=set()).keys()


def newest_flags(records: Sequence[Event]) -> dict[Any, FlaggedObservation]:
    reports = [event for event in records if isinstance(event, FlaggedReport)]
    ordered = sorted(reports, key=lambda event: (event.translation, event.revision, str(event.event_id)))
    return {one.observation.version: one for event in ordered for one in event.observations}


def test_a_result_that_a_correction_under_another_identity_replaced_is_off_the_screen(
    fill: Feed, read_model: ReadModel
) -> None:  # fmt: skip
    """Flagging counts no version of it any more: a corrected collection time made it another result (feeds.md 9)."""
    records = a_story(a_result("a", "300", "02-05"))
    fill(records)
    flagged = next(event for event in records if isinstance(event, FlaggedReport))
    replaced = tuple(
        one.model_copy(update={"current": False, "usable": False, "held": ("SUPERSEDED",)})
        for one in flagged.observations
    )
    fill([flagged.model_copy(update={"revision": flagged.revision + 1, "observations": replaced}).identified()])
    assert results_of(read_model) == []
    [row] = results_of(read_model, all_states=True)
    assert (row.state, row.number) == ("moved", None)
    assert [version.counts for version in read_model.versions(row.result)] == [False]
