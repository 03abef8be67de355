"""A story of one patient for the tests of relapse: results and care events in, alert events out.

Snapshots are built by hand as response would issue them; every event goes over the wire, as do the issued alerts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from refrain.contracts.alerting import Finding
from refrain.contracts.events import (
    Alert,
    AlertRaised,
    Assessment,
    Axis,
    BaselineFlag,
    CareEvent,
    ClinicalFinding,
    Drug,
    Infection,
    LineCourse,
    LineStarted,
    LineStopped,
    PatientId,
    Point,
    Recheck,
    ResponseAssessed,
    Trajectory,
    Upgrade,
)
from refrain.contracts.ids import derive
from refrain.contracts.site import SiteSettings
from refrain.contracts.topics import ALERTS, CARE_EVENTS, RESPONSES
from services.relapse.domain.judgement import RelapseIssued, advance, evaluate
from services.relapse.domain.ladder import ladders

DAY_0 = date(2025, 1, 6)
PATIENT = PatientId(authority="HOSPITAL-A", type="MR", id="0042")
AXES = {"VEGF": "VEGF", "MPROT_S": "HEMATOLOGIC", "IFE_S": "HEMATOLOGIC", "IFE_U": "HEMATOLOGIC", "PET_LESION": "PET"}
UNITS = {"VEGF": "pg/mL", "MPROT_S": "g/L", "IGG": "g/L", "B12": "pg/mL", "PET_LESION": "{SUV}"}


def on(day: int) -> date:
    return DAY_0 + timedelta(days=day)


def at(day: int, hour: int = 8) -> datetime:
    return datetime.combine(on(day), datetime.min.time(), tzinfo=UTC) + timedelta(hours=hour)


def name_of(analyte: str, day: int, series: str = "") -> UUID:
    return derive("result", analyte, day, series)


class Story:
    """Facts of one patient, and what relapse has told about them."""

    def __init__(self, **site: Any) -> None:
        self.site = SiteSettings(**site)
        self.issued = RelapseIssued()
        self.events: list[Alert] = []
        self.results: dict[UUID, tuple[Assessment, int]] = {}
        self.care: list[CareEvent] = []
        self.lines: dict[int, dict[str, Any]] = {}
        self.extra: dict[int, dict[str, Any]] = {}
        self.switches: dict[str, tuple[str, UUID]] = {}
        self.revision = 0
        self.until: int | None = None
        self.line(1, 0)

    # --- facts ---

    def line(self, number: int, start: int) -> None:
        self.lines[number] = {"start": on(start)}
        self.record(LineStarted(line=number, start=on(start), rule_set="poems"), f"line {number}")
        if number > 1:
            self.lines[number - 1] |= {"end": on(start), "closed": True}

    def stop(self, number: int, day: int) -> None:
        self.lines[number] |= {"end": on(day), "closed": True}
        self.record(LineStopped(line=number, end=on(day)), f"line {number} stopped")

    def record(self, body: Any, key: str, *, day: int = 0, version: int = 0) -> None:
        event = CareEvent(
            patient=PATIENT, occurred_at=at(day), recorded_at=at(day, 9 + version), key=key, known_from=at(day),
            body=body,
        )  # fmt: skip
        self.care.append(CARE_EVENTS.decode(CARE_EVENTS.encode(event.identified())))

    def infection(self, onset: int, end: int | None = None) -> None:
        body = Infection(name="pneumonia", onset=on(onset), end=None if end is None else on(end))
        self.record(body, f"infection {onset}", day=onset)

    def drug(self, name: str, first: int, last: int) -> None:
        self.record(Drug(drug=name, first=on(first), last=on(last)), f"{name} {first}", day=first)

    def finding(self, day: int, symptoms: dict[str, str] | None = None, *, new_feature: str | None = None) -> None:
        body = ClinicalFinding(on=on(day), symptoms=symptoms or {}, new_feature=new_feature)
        self.record(body, f"clinic {day}", day=day)

    def result(
        self, analyte: str, day: int, value: str | None = None, *, line: int = 1, series: str = "", version: int = 0,
        issued: int | None = None, hour: int = 8, **more: Any,
    ) -> UUID:  # fmt: skip
        """One daily result: ``value`` a number (``<5`` too), or nothing and ``state`` for a band."""
        result = name_of(analyte, day, series + ("" if hour == 8 else f" {hour}"))
        digits = (value or "").lstrip("<>=")
        sign = (value or "").removesuffix(digits) or None
        number = Decimal(digits) if digits else None
        state = more.get("state")
        each = Assessment(
            result=result, version=derive("version", result, version), analyte=analyte, series=series or analyte,
            day=on(day), collected_at=at(day, hour), issued_at=at(day if issued is None else issued, 16), number=number,
            comparator=sign, nominal=None if state is None else ("NEG" if state == "NEG" else "POS"),
            text=f"{value} {UNITS.get(analyte, '')}".strip() if value else (state or ""),
            before_line=more.pop("before_line", day <= 0), **more,
        )  # fmt: skip
        self.results[result] = (each, line)
        return result

    def vegf(self, day: int, value: str, p: str | None = None, **more: Any) -> UUID:
        return self.result("VEGF", day, value, p=p, **more)

    def forget(self, analyte: str, day: int, series: str = "") -> None:
        del self.results[name_of(analyte, day, series)]

    def add(self, line: int = 1, **parts: Any) -> None:
        """What the line's course carries beside its trajectories: upgrades, rechecks, calls, a baseline."""
        self.extra.setdefault(line, {}).update(parts)

    # --- the snapshot ---

    def snapshot(self) -> ResponseAssessed:
        self.revision += 1
        times = [each.issued_at for each, _ in self.results.values()]
        moment = at(self.until, 16) if self.until is not None else max(times, default=at(0))
        snapshot = ResponseAssessed(
            patient=PATIENT, occurred_at=moment, recorded_at=moment, revision=self.revision, as_of=moment,
            lines=tuple(self._line(number) for number in sorted(self.lines)),
            trajectories=tuple(self._series(None, lambda analyte: analyte in ("IGG", "B12"))),
        ).identified()  # fmt: skip
        return RESPONSES.decode(RESPONSES.encode(snapshot))

    def _line(self, number: int) -> LineCourse:
        return LineCourse(
            line=number, rule_set="poems", first_dose=self.lines[number]["start"], **self.lines[number],
            trajectories=tuple(self._series(number, lambda analyte: analyte not in ("IGG", "B12"))),
            **({"axes": {}} | self.extra.get(number, {})),
        )  # fmt: skip

    def _series(self, line: int | None, wanted: Any) -> list[Trajectory]:
        groups: dict[tuple[str, str], list[Assessment]] = {}
        for each, of_line in sorted(self.results.values(), key=lambda pair: pair[0].collected_at):
            if wanted(each.analyte) and line in (None, of_line):
                groups.setdefault((each.analyte, each.series), []).append(each)
        return [self._trajectory(analyte, series, steps) for (analyte, series), steps in groups.items()]

    def _trajectory(self, analyte: str, series: str, steps: Sequence[Assessment]) -> Trajectory:
        switched_to, switched_at = self.switches.get(series, (None, None))
        return Trajectory(
            axis=AXES.get(analyte), analyte=analyte, series=series, assessments=tuple(_with_nadirs(steps)),
            switched_to=switched_to, switched_at=switched_at,
        )  # fmt: skip

    # --- what is told ---

    def tell(self, *, again: Sequence[ResponseAssessed] = ()) -> list[tuple[str, str]]:
        """Run the step over everything; returns (fact, kind) of the new events, e.g. ("raised", "VEGF_RISE_WATCH")."""
        snapshot = self.snapshot()
        return self.take([snapshot, *again, *self.care], [snapshot])

    def take(self, facts: Sequence[Any], cause: Sequence[Any]) -> list[tuple[str, str]]:
        decision = advance(facts, self.issued, cause, self.site)
        assert advance(facts, decision.issued, cause, self.site).outputs == ()
        self.issued = RelapseIssued.model_validate_json(decision.issued.model_dump_json(by_alias=True))
        new = [ALERTS.decode(ALERTS.encode(output.event)) for output in decision.outputs]
        assert all(output.topic is ALERTS for output in decision.outputs)
        self.events.extend(new)
        return [(event.fact.removeprefix("alert_"), event.kind) for event in new]

    def last(self, kind: str) -> Any:
        """The newest event of a kind."""
        return [event for event in self.events if event.kind == kind][-1]

    def open(self) -> dict[str, str]:
        """Kinds of the alerts that stand, with their subject."""
        return {each.kind: each.subject for each in self.issued.alerts.values() if each.state == "open"}

    def standing(self) -> set[tuple[Any, ...]]:
        """Everything a person still sees as open, comparably."""
        return {
            (a.alert, a.kind, a.tier, a.due_hours, a.text, a.evidence, a.tags, a.subjects)
            for a in self.issued.alerts.values() if a.state == "open"
        }  # fmt: skip

    def ladder(self, name: str, line: int = 1) -> str:
        return ladders(self.snapshot(), self.care, self.site)[line][name]

    def findings(self) -> tuple[Finding, ...]:
        """What the facts call for, history included."""
        return evaluate(self.snapshot(), self.care, self.site)

    def raised(self) -> list[str]:
        return [event.kind for event in self.events if isinstance(event, AlertRaised)]


def _with_nadirs(steps: Sequence[Assessment]) -> list[Assessment]:
    """Each judged sample with the lowest value before it, as response gives it (NAD-1)."""
    lowest: Assessment | None = None
    told = []
    for each in steps:
        point = None
        if lowest is not None and each.p is not None:
            point = Point(result=lowest.result, number=lowest.number, collected_at=lowest.collected_at)
        told.append(each.model_copy(update={"nadir": point}))
        usable = each.number is not None and not each.excluded
        if usable and (lowest is None or (lowest.number is not None and each.number < lowest.number)):
            lowest = each
    return told


def axis(name: str, call: str | None, confirmation: str = "unconfirmed") -> Axis:
    return Axis(
        axis=name, call=call, assessability="ASSESSED" if call else "NE", confirmation=confirmation, rule_id="x",
        rule_version="1.0.0",
    )  # fmt: skip


Story.axis = staticmethod(axis)  # type: ignore[attr-defined]
Story.on, Story.at, Story.name_of = staticmethod(on), staticmethod(at), staticmethod(name_of)  # type: ignore[attr-defined]
Story.Upgrade, Story.Recheck, Story.BaselineFlag = Upgrade, Recheck, BaselineFlag  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def new_story() -> type[Story]:
    """Makes a story: ``new_story()``, or with site settings ``new_story(ladder_gap_days=28)``."""
    return Story


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def on_watch(story: Story) -> Story:
    """A course that fell under treatment and has risen once, as told."""
    story.vegf(-4, "250")
    story.vegf(28, "40", "not_met", level="CRV")
    story.vegf(56, "50", "not_met", level="CRV")
    story.vegf(140, "200", "met", level="PDV")
    assert story.tell() == [("raised", "VEGF_RISE_WATCH")]
    return story
