"""Resources out of the read model: one by its id, or those of a search. Blocking."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from services.chart.adapters.cursors import cursor_of
from services.chart.adapters.read_model import ReadModel
from services.chart.domain.fhir import alerts, calls, observations, patients, reports
from services.chart.domain.fhir.pieces import Piece
from services.chart.domain.fhir.searching import (
    COUNT_DIGITS,
    Asked,
    Searchable,
    Unsearchable,
    matches,
    of_resource,
    of_row,
    wants_calls,
)
from services.chart.domain.views import AlertRow, ObservationView, PatientRow, ReportView, ResultRow

Row = TypeVar("Row")

AT_ONCE = 500
"""Rows that are looked through at a time."""
SEPARATOR = "~"
"""Between what kind of thing a page goes on with, and behind which one."""


@dataclass(frozen=True, slots=True)
class Found:
    """A resource, and whose it is: the look at it is written down before it is shown."""

    resource: Piece
    patient: UUID
    gone: bool = False


@dataclass(slots=True)
class Page:
    """What a search found so far."""

    resources: list[Piece] = field(default_factory=list)
    following: str = ""
    """Where the next page begins; empty when there is none."""


class Finder:
    """Reads of one read model. ``systems``: what the site calls the authorities of its patients' numbers."""

    def __init__(self, read_model: ReadModel, zone: ZoneInfo, systems: Mapping[str, str], now: datetime) -> None:
        self._model = read_model
        self._zone = zone
        self._systems = systems
        self._now = now

    def one(self, kind: str, identifier: str) -> Found | None:
        """One resource as it stands; None for an id that is not known here."""
        return {
            "Patient": self._patient, "Observation": self._observation, "DiagnosticReport": self._report,
            "Flag": self._alert, "DetectedIssue": self._issue,
        }[kind](kind, identifier)  # fmt: skip

    def history(self, identifier: str) -> tuple[list[observations.Reading], UUID, str] | None:
        """Every version of a result, whose it is, and its state."""
        result = _uuid(identifier)
        view = self._model.observation(result) if result else None
        if view is None or view.row.result != result:
            return None
        readings = observations.history(view, self._zone)
        return (readings, view.chart_id, view.row.state) if readings else None

    def patients_numbered(self, asked: Asked) -> list[Found]:
        """Patients by id, or by number as the ``identifier`` says it; of a number alone, of every authority."""
        rows: dict[UUID, PatientRow] = {}
        if asked.ids:
            named = [self._model.patient(each) for text in asked.one_of_ids() if (each := _uuid(text))]
            rows = {row.chart_id: row for row in named if row is not None}
        else:
            for given in asked.tokens["identifier"][0]:
                number = given.rpartition("|")[2]
                rows |= {row.chart_id: row for row in self._model.patients_numbered(number)}
        found = [self._patient_found(row) for row in rows.values()]
        return [one for one in found if matches(asked, of_resource(one.resource), self._now)]

    def by_ids(self, asked: Asked) -> list[Found]:
        """The resources that ``_id`` names, as far as the other filters let them through."""
        found = [one for each in asked.one_of_ids() if (one := self.one(asked.kind, each)) is not None]
        return [
            one
            for one in found
            if (asked.patient is None or asked.patient == str(one.patient))
            and (not one.gone or asked.also_gone)
            and matches(asked, of_resource(one.resource), self._now)
        ]

    def of_patient(self, asked: Asked, patient: PatientRow) -> Page:
        """One page of a patient's resources."""
        page = Page()
        steps: dict[str, Sequence[tuple[str, Callable[[Asked, PatientRow, Page, str], str | None]]]] = {
            "Observation": (("call", self._calls), ("result", self._results)),
            "DiagnosticReport": (("report", self._reports),),
            "Flag": (("alert", self._alerts),),
            "DetectedIssue": (("alert", self._alerts), ("repair", self._repairs)),
        }
        mine = steps[asked.kind]
        begin, _, behind = asked.page.partition(SEPARATOR)
        names = [name for name, _ in mine]
        if asked.page and begin not in names:
            raise Unsearchable("invalid", "_page is not one of ours: begin again without it")
        for name, step in mine[names.index(begin) if begin else 0 :]:
            goes_on = step(asked, patient, page, behind)
            if goes_on is not None:
                page.following = f"{name}{SEPARATOR}{goes_on}"
                break
            behind = ""
        return page

    # one by its id

    def _patient(self, _: str, identifier: str) -> Found | None:
        chart_id = _uuid(identifier)
        row = self._model.patient(chart_id) if chart_id else None
        return self._patient_found(row) if row else None

    def _patient_found(self, row: PatientRow) -> Found:
        return Found(patients.patient(row, self._systems), row.chart_id)

    def _observation(self, _: str, identifier: str) -> Found | None:
        if (chart_id := calls.patient_of_call(identifier)) is not None:
            row = self._model.patient(chart_id)
            known = calls.calls(self._model.course(row.key), chart_id) if row else []
            return next((Found(call, chart_id) for call in known if call["id"] == identifier), None)
        result = _uuid(identifier)
        view = self._model.observation(result) if result else None
        if view is None or view.row.result != result:
            return None
        resource = observations.observation(view, self._zone)
        return None if resource is None else Found(resource, view.chart_id, view.row.state in observations.GONE)

    def _report(self, _: str, identifier: str) -> Found | None:
        report = _uuid(identifier)
        view = self._model.report(report) if report else None
        return Found(self._of_report(view), view.chart_id) if view else None

    def _of_report(self, view: ReportView) -> Piece:
        rows = (self._model.result(result) for result in dict.fromkeys(view.results))
        return reports.report(view, [row for row in rows if row is not None and row.key == view.key])

    def _alert(self, kind: str, identifier: str) -> Found | None:
        alert = _uuid(identifier)
        view = self._model.alert(alert) if alert else None
        if view is None or alerts.kind_of_resource(view.row) != kind:
            return None
        return Found(alerts.flag(view) if kind == "Flag" else alerts.issue(view), view.row.chart_id)

    def _issue(self, kind: str, identifier: str) -> Found | None:
        if not identifier.startswith(alerts.REPAIR_PREFIX):
            return self._alert(kind, identifier)
        result = _uuid(identifier.removeprefix(alerts.REPAIR_PREFIX))
        view = self._model.observation(result) if result else None
        issue = alerts.repair(view) if view is not None and view.row.result == result else None
        return None if view is None or issue is None else Found(issue, view.chart_id)

    # the steps of a search: each fills the page, and says where it goes on; None when there is no more

    def _calls(self, asked: Asked, patient: PatientRow, page: Page, behind: str) -> str | None:
        if not wants_calls(asked):
            return None
        known = calls.calls(self._model.course(patient.key), patient.chart_id)
        wanted = [call for call in known if matches(asked, of_resource(call), self._now)]
        start = int(behind[:COUNT_DIGITS]) if behind.isascii() and behind.isdigit() else 0
        page.resources += wanted[start : start + asked.count]
        end = start + asked.count
        return str(end) if end < len(wanted) else None

    def _results(self, asked: Asked, patient: PatientRow, page: Page, behind: str) -> str | None:
        def take(row: ResultRow) -> Piece | None:
            if row.state in observations.GONE and not asked.also_gone:
                return None
            if observations.status_of(row) is None or not matches(asked, of_row(row, self._zone), self._now):
                return None
            versions = tuple(self._model.versions(row.result))
            view = ObservationView(row, patient.patient, patient.chart_id, versions)
            return observations.observation(view, self._zone)

        return self._walk(asked, page, behind, lambda after: self._rows(asked, patient, after), take)

    def _rows(self, asked: Asked, patient: PatientRow, after: str) -> list[ResultRow]:
        begin, end = asked.window()
        return self._model.results(
            patient.key, AT_ONCE, after, collected_from=begin, collected_until=end, all_states=True
        )  # fmt: skip

    def _reports(self, asked: Asked, patient: PatientRow, page: Page, behind: str) -> str | None:
        cheap = replace(asked, tokens={}, dates={name: asked.dates[name] for name in ("date",) if name in asked.dates})

        def take(view: ReportView) -> Piece | None:
            when = Searchable({}, {"date": (view.occurred_at, view.occurred_at)})
            if not matches(cheap, when, self._now):
                return None  # before its results are read
            resource = self._of_report(view)
            return resource if matches(asked, of_resource(resource), self._now) else None

        return self._walk(
            asked, page, behind, lambda after: self._model.reports(patient.key, AT_ONCE, after), take
        )  # fmt: skip

    def _alerts(self, asked: Asked, patient: PatientRow, page: Page, behind: str) -> str | None:
        def take(row: AlertRow) -> Piece | None:
            if alerts.kind_of_resource(row) != asked.kind:
                return None
            found = self._alert(asked.kind, str(row.alert))
            if found is None or not matches(asked, of_resource(found.resource), self._now):
                return None
            return found.resource

        def rows(after: str) -> list[AlertRow]:
            return self._model.alerts(
                key=patient.key, processing=patient.processing, newest_first=True, limit=AT_ONCE, after=after
            )  # fmt: skip

        return self._walk(asked, page, behind, rows, take)

    def _repairs(self, asked: Asked, patient: PatientRow, page: Page, behind: str) -> str | None:
        def take(row: ResultRow) -> Piece | None:
            found = self._issue("DetectedIssue", f"{alerts.REPAIR_PREFIX}{row.result}") if row.review else None
            if found is None or not matches(asked, of_resource(found.resource), self._now):
                return None
            return found.resource

        return self._walk(asked, page, behind, lambda after: self._rows(asked, patient, after), take)

    def _walk(
        self, asked: Asked, page: Page, behind: str, rows: Callable[[str], list[Row]],
        take: Callable[[Row], Piece | None],
    ) -> str | None:  # fmt: skip
        """Go through rows behind a cursor until the page is full and one more is known to be wanted."""
        last, after = behind, behind
        while some := rows(after):
            for row in some:
                found = take(row)
                if found is not None:
                    if len(page.resources) >= asked.count:
                        return last
                    page.resources.append(found)
                last = cursor_of(row)
            after = last
            if len(some) < AT_ONCE:
                break
        return None


def _uuid(text: str) -> UUID | None:
    """In the one way that we write ids; another spelling of the same is none of ours."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None
