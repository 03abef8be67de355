"""Resources out of the read model: one by its id, or those of a search. Blocking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from services.chart.adapters.fhir.of_patient import Page, PatientSearch, resource_of
from services.chart.adapters.read_model import ReadModel
from services.chart.domain.fhir import alerts, calls, observations, patients
from services.chart.domain.fhir.pieces import Piece
from services.chart.domain.fhir.searching import Asked, matches, of_resource, of_row
from services.chart.domain.views import PatientRow, ResultRow


@dataclass(frozen=True, slots=True)
class Found:
    """A resource, and whose it is: the look at it is written down before it is shown."""

    resource: Piece
    patient: UUID
    gone: bool = False
    row: ResultRow | None = None
    """Of a result: how precise its time is stands here alone."""


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
        return [one for one in found if matches(asked, of_resource(one.resource, self._zone), self._now)]

    def by_ids(self, asked: Asked) -> list[Found]:
        """The resources that ``_id`` names, as far as the other filters let them through."""
        found = [one for each in asked.one_of_ids() if (one := self.one(asked.kind, each)) is not None]
        return [
            one
            for one in found
            if (asked.patient is None or asked.patient == str(one.patient))
            and (not one.gone or asked.also_gone)
            and matches(
                asked, of_row(one.row, self._zone) if one.row else of_resource(one.resource, self._zone), self._now
            )
        ]

    def of_patient(self, asked: Asked, patient: PatientRow) -> Page:
        """One page of a patient's resources. UnknownCursor or Unsearchable for a page that is not ours."""
        return PatientSearch(self._model, self._zone, self._now, asked, patient).page()

    def patient(self, identifier: str) -> PatientRow | None:
        """Who is called by this id."""
        chart_id = _uuid(identifier)
        return self._model.patient(chart_id) if chart_id else None

    # one by its id

    def _patient(self, _: str, identifier: str) -> Found | None:
        row = self.patient(identifier)
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
        gone = view.row.state in observations.GONE
        return None if resource is None else Found(resource, view.chart_id, gone, view.row)

    def _report(self, _: str, identifier: str) -> Found | None:
        report = _uuid(identifier)
        view = self._model.report(report) if report else None
        return Found(resource_of(self._model, view, self._zone), view.chart_id) if view else None

    def _alert(self, kind: str, identifier: str) -> Found | None:
        alert = _uuid(identifier)
        view = self._model.alert(alert) if alert else None
        if view is None or alerts.kind_of_resource(view.row) != kind:
            return None
        return Found(alerts.resource_of(view), view.row.chart_id)

    def _issue(self, kind: str, identifier: str) -> Found | None:
        if not identifier.startswith(alerts.REPAIR_PREFIX):
            return self._alert(kind, identifier)
        result = _uuid(identifier.removeprefix(alerts.REPAIR_PREFIX))
        view = self._model.observation(result) if result else None
        issue = alerts.repair(view) if view is not None and view.row.result == result else None
        return None if view is None or issue is None else Found(issue, view.chart_id)


def _uuid(text: str) -> UUID | None:
    """In the one way that we write ids; another spelling of the same is none of ours."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None
