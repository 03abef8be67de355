"""A search over one patient's resources, page by page. What can be told apart in SQL is; the rest is compared here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement

from services.chart.adapters.cursors import cursor_of
from services.chart.adapters.fhir import narrowing
from services.chart.adapters.read_model import ReadModel
from services.chart.adapters.tables import RESULTS
from services.chart.domain.fhir import alerts, calls, observations, reports
from services.chart.domain.fhir.pieces import Piece
from services.chart.domain.fhir.searching import (
    COUNT_DIGITS,
    Asked,
    Unsearchable,
    matches,
    of_alert,
    of_head,
    of_resource,
    of_row,
    wants_calls,
)
from services.chart.domain.views import AlertRow, ObservationView, PatientRow, ReportView, ResultRow

Row = TypeVar("Row")
Taken = TypeVar("Taken")

AT_ONCE = 500
"""Rows that are looked through at a time once the first ones were not enough."""
SEPARATOR = "~"
"""Between what kind of thing a page goes on with, and behind which one."""


@dataclass(slots=True)
class Page:
    """What a search found so far."""

    resources: list[Piece] = field(default_factory=list)
    following: str = ""
    """Where the next page begins; empty when there is none."""


class PatientSearch:
    """One search. Each step fills the page, and says where it goes on; None when it has no more."""

    def __init__(self, read_model: ReadModel, zone: ZoneInfo, now: datetime, asked: Asked, patient: PatientRow) -> None:
        self._model = read_model
        self._zone = zone
        self._now = now
        self._asked = asked
        self._patient = patient
        self._page = Page()

    def page(self) -> Page:
        """The page that is asked for. UnknownCursor or Unsearchable for one that is not ours."""
        steps: dict[str, Sequence[tuple[str, Callable[[str], str | None]]]] = {
            "Observation": (("call", self._calls), ("result", self._results)),
            "DiagnosticReport": (("report", self._reports),),
            "Flag": (("alert", self._alerts),),
            "DetectedIssue": (("alert", self._alerts), ("repair", self._repairs)),
        }
        mine = steps[self._asked.kind]
        begin, _, behind = self._asked.page.partition(SEPARATOR)
        names = [name for name, _ in mine]
        if self._asked.page and begin not in names:
            raise Unsearchable("invalid", "_page is not one of ours: begin again without it")
        for name, step in mine[names.index(begin) if begin else 0 :]:
            goes_on = step(behind)
            if goes_on is not None:
                self._page.following = f"{name}{SEPARATOR}{goes_on}"
                break
            behind = ""
        return self._page

    def _wanted(self, resource: Piece) -> bool:
        return matches(self._asked, of_resource(resource, self._zone), self._now)

    def _calls(self, behind: str) -> str | None:
        if not wants_calls(self._asked):
            return None
        known = calls.calls(self._model.course(self._patient.key), self._patient.chart_id)
        wanted = [call for call in known if self._wanted(call)]
        start = int(behind[:COUNT_DIGITS]) if behind.isascii() and behind.isdigit() else 0
        end = start + self._asked.count
        self._page.resources += wanted[start:end]
        return str(end) if end < len(wanted) else None

    def _results(self, behind: str) -> str | None:
        def take(row: ResultRow) -> ResultRow | None:
            if row.state in observations.GONE and not self._asked.also_gone:
                return None
            if observations.status_of(row) is None:
                return None
            return row if matches(self._asked, of_row(row, self._zone), self._now) else None

        where = narrowing.of_results(self._asked)
        found, goes_on = self._walk(behind, lambda limit, after: self._rows(where, limit, after), take)
        versions = self._model.versions_of(found)
        for row in found:
            view = ObservationView(row, self._patient.patient, self._patient.chart_id, versions[row.result])
            resource = observations.observation(view, self._zone)
            self._page.resources += [] if resource is None else [resource]
        return goes_on

    def _rows(self, where: Sequence[ColumnElement[bool]], limit: int, after: str) -> list[ResultRow]:
        return self._model.results(self._patient.key, limit, after, all_states=True, where=where)

    def _reports(self, behind: str) -> str | None:
        """Of most reports only how they stand is read; of those that may be meant all of it."""
        by_head = replace(
            self._asked,
            tokens={name: ands for name, ands in self._asked.tokens.items() if name == "status"},
            dates={name: ands for name, ands in self._asked.dates.items() if name in ("_lastUpdated", "date")},
        )

        def take(head: reports.Head) -> Piece | None:
            if not matches(by_head, of_head(head, self._zone, dated="date" in by_head.dates), self._now):
                return None
            view = self._model.report(head.report)
            resource = resource_of(self._model, view, self._zone) if view else None
            return resource if resource and self._wanted(resource) else None

        where = narrowing.of_reports(self._asked)
        return self._fill(
            behind, lambda limit, after: self._model.report_heads(self._patient.key, limit, after, where=where), take
        )  # fmt: skip

    def _alerts(self, behind: str) -> str | None:
        by_row = replace(self._asked, dates={})

        def take(row: AlertRow) -> Piece | None:
            if alerts.kind_of_resource(row) != self._asked.kind or not matches(by_row, of_alert(row), self._now):
                return None
            view = self._model.alert(row.alert)
            resource = None if view is None else alerts.resource_of(view)
            return resource if resource and self._wanted(resource) else None

        def rows(limit: int, after: str) -> list[AlertRow]:
            return self._model.alerts(
                key=self._patient.key, processing=self._patient.processing, newest_first=True, limit=limit, after=after
            )  # fmt: skip

        return self._fill(behind, rows, take)

    def _repairs(self, behind: str) -> str | None:
        def take(row: ResultRow) -> Piece | None:
            view = self._model.observation(row.result)
            resource = None if view is None else alerts.repair(view)
            return resource if resource and self._wanted(resource) else None

        where = [RESULTS.c.review.is_not(None)]
        return self._fill(behind, lambda limit, after: self._rows(where, limit, after), take)

    def _fill(
        self, behind: str, rows: Callable[[int, str], list[Any]], take: Callable[[Any], Piece | None]
    ) -> str | None:  # fmt: skip
        found, goes_on = self._walk(behind, rows, take)
        self._page.resources += found
        return goes_on

    def _walk(
        self, behind: str, rows: Callable[[int, str], list[Row]], take: Callable[[Row], Taken | None]
    ) -> tuple[list[Taken], str | None]:
        """Go through rows behind a cursor until the page is full and one more is known to be wanted."""
        room = self._asked.count - len(self._page.resources)
        found: list[Taken] = []
        last, limit = behind, room + 1
        while some := rows(limit, last):
            for row in some:
                taken = take(row)
                if taken is not None:
                    if len(found) >= room:
                        return found, last
                    found.append(taken)
                last = cursor_of(row)
            if len(some) < limit:
                break
            limit = AT_ONCE
        return found, None


def resource_of(read_model: ReadModel, view: ReportView, zone: ZoneInfo) -> Piece:
    """A report with its results as they stand."""
    ids: list[UUID] = list(dict.fromkeys(view.results))
    return reports.report(view, list(read_model.results_named(view.key, view.processing, ids).values()), zone)
