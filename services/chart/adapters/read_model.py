"""Every read of chart: one method each, blocking, indexed; call them through ``asyncio.to_thread``.

Lists are paged by cursors (:func:`~services.chart.adapters.cursors.cursor_of` of the last row shown), which hold no
patient data. Each method reads one state of the database. SQLAlchemyError when the database is away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Engine

from refrain.contracts.events import CareEvent, Processing, ResponseAssessed, Tier
from refrain.runtime.database import READING
from services.chart.adapters import alert_context, alerts, courses, letters, patients, reports, results, standing
from services.chart.domain.fhir.reports import Head
from services.chart.domain.views import (
    AlertContext,
    AlertRow,
    AlertView,
    Changed,
    Counted,
    DeadLetter,
    Moment,
    ObservationView,
    PatientRow,
    Progress,
    ReportView,
    ResultRow,
    SeriesView,
    VersionRow,
)

PAGE = 50
MOMENTS = 1000
"""Newest moments of a course that are read."""


class ReadModel:
    """What the projection made of the records on Kafka. ``key`` is always a patient's Kafka key."""

    def __init__(self, engine: Engine, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._engine = engine
        self._now = now

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._engine.connect().execution_options(**{READING: True}) as connection:
            yield connection

    def search_patients(self, query: str = "", limit: int = PAGE, after: str = "") -> list[PatientRow]:
        """Patients whose number begins with ``query`` (all when empty), newest record first. UnknownCursor."""
        with self._reading() as connection:
            return patients.search(connection, query, limit, after)

    def patient(self, chart_id: UUID) -> PatientRow | None:
        """The patient that pages and FHIR call by this id."""
        with self._reading() as connection:
            return patients.by_chart_id(connection, chart_id)

    def patient_of(self, key: str) -> PatientRow | None:
        """The patient with this Kafka key (``PatientId.key``)."""
        with self._reading() as connection:
            return patients.by_key(connection, key)

    def patients_numbered(self, number: str) -> list[PatientRow]:
        """Patients with exactly this number, of whichever authority."""
        with self._reading() as connection:
            return patients.by_number(connection, number)

    def course(self, key: str) -> ResponseAssessed | None:
        """The newest assessment; None when nothing was assessed."""
        with self._reading() as connection:
            return courses.course(connection, key)

    def course_moments(self, key: str, limit: int = MOMENTS) -> list[Moment]:
        """The calls as they were, oldest first; the newest ``limit`` ones."""
        with self._reading() as connection:
            return courses.moments(connection, key, limit)

    def care_events(self, key: str) -> list[CareEvent]:
        """What holds now: of each key the newest version, withdrawn ones left out; by key."""
        with self._reading() as connection:
            return courses.care_events(connection, key)

    def care_event_versions(self, key: str) -> list[CareEvent]:
        """Every version ever recorded, withdrawals included; by key, then oldest first."""
        with self._reading() as connection:
            return courses.care_event_versions(connection, key)

    def series(self, key: str, analyte: str | None = None) -> list[SeriesView]:
        """Results that count, split into series, by analyte; ``analyte`` may be the code of an unmapped result."""
        with self._reading() as connection:
            return results.series(connection, key, analyte)

    def latest(self, key: str) -> list[ResultRow]:
        """Of each analyte and series the newest result that counts, by analyte."""
        with self._reading() as connection:
            return results.latest(connection, key)

    def results(
        self,
        key: str,
        limit: int = PAGE,
        before: str = "",
        *,
        analyte: str | None = None,
        collected_from: datetime | None = None,
        collected_until: datetime | None = None,
        all_states: bool = False,
        where: Sequence[ColumnElement[bool]] = (),
    ) -> list[ResultRow]:
        """Results on the patient's screen (``all_states``: every one), newest collection first; the end is exclusive.

        ``where``: further conditions over the table ``results``. UnknownCursor for a ``before`` that is not ours.
        """
        window = collected_from, collected_until
        with self._reading() as connection:
            return results.listed(
                connection, key, limit, before, analyte=analyte, window=window, all_states=all_states, where=where
            )  # fmt: skip

    def result(self, result: UUID) -> ResultRow | None:
        """One result, whatever its state."""
        with self._reading() as connection:
            return results.by_id(connection, result)

    def results_named(self, key: str, processing: Processing, ids: Sequence[UUID]) -> Mapping[UUID, ResultRow]:
        """Of a patient's results those that are known here, whatever their state."""
        with self._reading() as connection:
            return results.named(connection, key, processing, ids)

    def versions(self, result: UUID) -> list[VersionRow]:
        """Every version of a result, the withdrawn ones too, oldest issue first; empty for an unknown one."""
        with self._reading() as connection:
            return results.versions(connection, result)

    def versions_of(self, rows: Sequence[ResultRow]) -> Mapping[UUID, tuple[VersionRow, ...]]:
        """The same of several results at once, by result."""
        with self._reading() as connection:
            return results.versions_of(connection, rows)

    def observation(self, result_or_version: UUID) -> ObservationView | None:
        """A result in full, by its own id or that of one of its versions."""
        with self._reading() as connection:
            return results.observation(connection, result_or_version)

    def report(self, report: UUID) -> ReportView | None:
        """One lab report, by the id of its event."""
        with self._reading() as connection:
            return reports.report(connection, report)

    def reports(self, key: str, limit: int = PAGE, before: str = "") -> list[ReportView]:
        """A patient's lab reports, newest first. UnknownCursor."""
        with self._reading() as connection:
            return reports.reports(connection, key, limit, before)

    def report_heads(
        self, key: str, limit: int = PAGE, before: str = "", *, where: Sequence[ColumnElement[bool]] = ()
    ) -> list[Head]:
        """The same without what the reports say: how their results stand. ``where``: over the table ``reports``."""
        with self._reading() as connection:
            return reports.heads(connection, key, limit, before, where)

    def alerts(
        self,
        *,
        waiting: bool | None = None,
        tiers: Sequence[Tier] = (),
        assigned_to: str = "",
        key: str = "",
        number: str = "",
        processing: Processing | None = "live",
        newest_first: bool = False,
        limit: int = PAGE,
        after: str = "",
    ) -> list[AlertRow]:
        """Alerts, most urgent, then oldest first, or newest first. UnknownCursor.

        ``number``: the beginning of the patient's number. Alerts of test feeds only with ``processing`` test,
        training, or None for all.
        """
        wanted = alerts.Wanted(waiting, tuple(tiers), assigned_to, key, number, processing, newest_first)
        with self._reading() as connection:
            return alerts.listed(connection, wanted, limit, after)

    def alert(self, alert: UUID) -> AlertView | None:
        """One alert with its whole life."""
        with self._reading() as connection:
            return alerts.view(connection, alert)

    def alert_row(self, alert: UUID) -> AlertRow | None:
        """One alert as lists show it."""
        with self._reading() as connection:
            return alerts.by_id(connection, alert)

    def counts(self) -> Mapping[Tier, Counted]:
        """Alerts that wait, by tier; every tier is there. Test feeds are not counted."""
        with self._reading() as connection:
            return alerts.counts(connection, self._now())

    def context(self, alert: UUID) -> AlertContext | None:
        """What notify needs to word an alert."""
        with self._reading() as connection:
            return alert_context.context(connection, alert)

    def dead_letters(self, limit: int = PAGE, after: str = "", *, key: str = "") -> list[DeadLetter]:
        """Records that a service could not use, newest first; ``key``: of one patient. UnknownCursor."""
        with self._reading() as connection:
            return letters.listed(connection, limit, after, key)

    def newest_change(self) -> int:
        """Grows with every projected batch, across replicas and rebuilds; 0 before the first one."""
        with self._reading() as connection:
            return standing.newest_change(connection)

    def changes(self, after: int, key: str = "", limit: int = 200) -> list[Changed]:
        """What changed after a number, oldest first; only recent changes are kept."""
        with self._reading() as connection:
            return standing.changes(connection, after, key, limit)

    def progress(self) -> Progress:
        """How far the read model is behind Kafka, as far as its workers have told."""
        with self._reading() as connection:
            return standing.progress(connection)
