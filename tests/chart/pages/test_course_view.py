"""The course as a page says it: ladders read from their alerts, what is due, bars of what was given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from refrain.contracts.events import (
    AlertEvent,
    AlertRaised,
    CareBody,
    CareEvent,
    Drug,
    Evidence,
    Infection,
    LineCourse,
    LineStarted,
    LineStopped,
    PatientId,
    Recheck,
    Transplant,
)
from refrain.contracts.site import SiteSettings
from services.chart.domain.context import Bar, bars
from services.chart.domain.course_view import Due, LadderLine, due, ladders
from services.chart.domain.views import AlertRow, AlertView

PATIENT = PatientId(authority="NORTH", type="MR", id="1")
AT = datetime(2026, 3, 1, 8, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Vienna")
REPEAT = (14, 28)


def a_line(**fields: object) -> LineCourse:
    known = {"line": 1, "rule_set": "poems", "start": date(2026, 1, 1), "first_dose": date(2026, 1, 1), "axes": {}}
    return LineCourse.model_validate(known | fields)


def an_alert(kind: str, **fields: object) -> AlertView:
    """An alert of line 1 that is open; ``tags`` and ``evidence`` are those of its only event."""
    alert = uuid4()
    event = AlertRaised.model_validate(
        {
            "patient": PATIENT, "occurred_at": AT, "recorded_at": AT, "alert": alert, "kind": kind, "tier": "P2",
            "subject": "VEGF", "episode": alert, "text": "a sentence", "at": AT, "sequence": 0, "line": 1,
            "tags": fields.pop("tags", ()), "evidence": fields.pop("evidence", ()),
        }
    )  # fmt: skip
    row = AlertRow(
        alert=alert, key=PATIENT.key, patient=PATIENT, chart_id=uuid4(), kind=kind, tier="P2", due_hours=72,
        subject="VEGF", line=1, text="a sentence", at=AT, raised_at=AT, fact_state="open", notice=False,
        state="delivered", waiting=True, due_at=None, assigned_to="", level=0, acknowledged_by="",
        acknowledged_at=None, acknowledge_reason="", snoozed_until=None, events=1, repeats=0, number=0,
        processing="live", what_changed="", superseded_by=None,
    )  # fmt: skip
    events: tuple[AlertEvent, ...] = (event,)
    return AlertView(replace(row, **fields), None, events, None, (), ())  # type: ignore[arg-type]


def taken(on: datetime) -> Evidence:
    return Evidence(result=uuid4(), version=uuid4(), analyte="VEGF", text="250 pg/mL", collected_at=on)


def state_of(line: LineCourse, *views: AlertView) -> LadderLine:
    lives: dict[UUID, AlertView] = {view.row.alert: view for view in views}
    return ladders(line, [view.row for view in views], lives, REPEAT, ZONE)["VEGF"]


def test_without_an_alert_nothing_is_on_watch() -> None:
    assert state_of(a_line()).state == "NONE"


def test_an_open_watch_asks_for_a_repeat_counted_from_its_newest_sample_in_the_sites_zone() -> None:
    evidence = (taken(AT - timedelta(days=90)), taken(datetime(2026, 3, 1, 23, 30, tzinfo=UTC)))
    found = state_of(a_line(), an_alert("VEGF_RISE_WATCH", evidence=evidence))
    assert (found.state, found.repeat) == ("WATCH", (date(2026, 3, 16), date(2026, 3, 30)))


def test_a_watch_that_somebody_acknowledged_is_still_a_watch() -> None:
    answered = an_alert("VEGF_RISE_WATCH", state="acknowledged", waiting=False)
    assert state_of(a_line(), answered).state == "WATCH"


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"fact_state": "closed"}, id="closed"),
        pytest.param({"fact_state": "retracted"}, id="retracted"),
        pytest.param({"line": 2}, id="of another line"),
    ],
)
def test_a_watch_that_is_over_is_none(fields: dict[str, object]) -> None:
    assert state_of(a_line(), an_alert("VEGF_RISE_WATCH", **fields)).state == "NONE"


def test_a_watch_whose_series_changed_is_stalled() -> None:
    assert state_of(a_line(), an_alert("VEGF_RISE_WATCH", tags=("stalled",))).state == "STALLED"


def test_a_watch_inside_an_infection_says_that_it_confirms_nothing() -> None:
    assert state_of(a_line(), an_alert("VEGF_RISE_WATCH", tags=("in_infection_window",))).deferred


def test_what_is_confirmed_stands_above_a_watch() -> None:
    views = an_alert("VEGF_PROGRESSION_CONFIRMED"), an_alert("VEGF_RISE_WATCH")
    assert state_of(a_line(), *views).state == "CONFIRMED"


def test_the_ladders_of_a_closed_line_are_archived() -> None:
    assert state_of(a_line(closed=True), an_alert("VEGF_RISE_WATCH")).state == "ARCHIVED"


def a_recheck(**fields: object) -> Recheck:
    known = {"analyte": "PRL", "rule": "GAP-1", "due_on": "2026-02-26", "due_at": None, "opened_by": None}
    return Recheck.model_validate(known | fields)


@pytest.mark.parametrize(
    ("today", "overdue"),
    [
        pytest.param(date(2026, 2, 26), False, id="on the day itself it is in time"),
        pytest.param(date(2026, 2, 27), True, id="the day after it is late"),
    ],
)
def test_a_recheck_is_overdue_after_its_day(today: date, overdue: bool) -> None:
    [found] = due(a_line(rechecks=(a_recheck(),)), (), today)
    assert (found.what, found.on, found.overdue) == ("prolactin", date(2026, 2, 26), overdue)


def test_what_was_repeated_or_belongs_to_a_closed_line_is_not_due() -> None:
    today = date(2026, 6, 1)
    assert due(a_line(rechecks=(a_recheck(repeated_by=str(uuid4())),)), (), today) == ()
    assert due(a_line(rechecks=(a_recheck(),), closed=True), (), today) == ()


def test_the_repeat_of_a_watch_is_overdue_after_its_last_day() -> None:
    watch = LadderLine("VEGF", "WATCH", repeat=(date(2026, 3, 15), date(2026, 3, 29)))

    def found(today: date) -> Due:
        [each] = due(a_line(), (watch,), today)
        return each

    assert not found(date(2026, 3, 29)).overdue
    assert found(date(2026, 3, 30)).overdue


# --- bars ---


def events(*bodies: CareBody) -> Iterable[CareEvent]:
    return [
        CareEvent(patient=PATIENT, occurred_at=AT, recorded_at=AT, key=str(at), body=body)
        for at, body in enumerate(bodies)
    ]


def drug(name: str, first: str, last: str = "", **fields: object) -> Drug:
    return Drug.model_validate({"drug": name, "first": first, "last": last or first} | fields)


def of(row: str, *bodies: CareBody) -> list[Bar]:
    return [bar for bar in bars(events(*bodies), SiteSettings()) if bar.row == row]


def test_days_that_touch_are_one_bar() -> None:
    found = of("lenalidomide", drug("lenalidomide", "2026-01-01"), drug("Lenalidomide", "2026-01-02"),
               drug("lenalidomide", "2026-01-05", "2026-01-09"))  # fmt: skip
    assert [bar.span for bar in found] == ["2026-01-01 to 2026-01-02", "2026-01-05 to 2026-01-09"]


@pytest.mark.parametrize(
    ("name", "until"),
    [
        pytest.param("daratumumab", date(2026, 7, 9), id="180 days"),
        pytest.param("bevacizumab", date(2026, 4, 20), id="100 days"),
        pytest.param("dexamethasone", date(2026, 1, 11), id="the day after"),
    ],
)
def test_a_drug_acts_until_its_washout_is_over(name: str, until: date) -> None:
    given, washout = of(name, drug(name, "2026-01-10"))
    assert (given.kind, washout.kind) == ("given", "washout")
    assert (washout.first, washout.last) == (date(2026, 1, 11), until)


def test_a_planned_drug_is_shown_as_planned_and_has_no_washout() -> None:
    [found] = of("daratumumab", drug("daratumumab", "2026-01-10", status="planned"))
    assert found.kind == "planned"


def test_an_infection_counts_for_28_days_after_its_end() -> None:
    ill = Infection(name="pneumonia", onset=date(2026, 2, 1), end=date(2026, 2, 10))
    infection, window = of("infection", ill)
    assert (infection.span, window.last) == ("2026-02-01 to 2026-02-10", date(2026, 3, 10))
    [still, _] = of("infection", ill.model_copy(update={"end": None}))
    assert still.text == "pneumonia, end not recorded"


def test_a_line_ends_the_day_before_it_no_longer_holds() -> None:
    started = LineStarted(line=1, start=date(2026, 1, 1), rule_set="poems")
    [running] = of("therapy line", started)
    assert running.span == "from 2026-01-01"
    [stopped] = of("therapy line", started, LineStopped(line=1, end=date(2026, 3, 1)))
    assert stopped.last == date(2026, 2, 28)


def test_a_transplant_is_a_point_with_its_kind() -> None:
    [found] = of("transplant", Transplant(on=date(2026, 2, 1)))
    assert (found.text, found.span) == ("transplant, autologous", "2026-02-01")
