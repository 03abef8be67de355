"""``ChartService``: what the read model says, for machines. It changes nothing, and no error names a patient.

Every look is in the audit, like a person's. While the read model is being rebuilt a call is
UNAVAILABLE: a part of the patients, or of an alert's course, would pass for the whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from refrain.api.chart.v1 import chart_pb2, chart_pb2_grpc
from refrain.api.events.v1 import events_pb2, people_pb2
from refrain.contracts.events import PatientId, ResponseAssessed
from refrain.contracts.fhir_names import chart_id_of
from refrain.contracts.topics import RESPONSES
from refrain.runtime.grpc_server import InvalidRequest, Unknown, in_thread
from services.chart import metrics
from services.chart.adapters.cursors import UnknownCursor, cursor_of
from services.chart.adapters.machine_looks import MachineLooks
from services.chart.adapters.read_model import ReadModel
from services.chart.adapters.tables import microseconds
from services.chart.adapters.web.audit import Audit
from services.chart.domain.views import Moment, PatientRow, ResultRow, SeriesView

NAME = "refrain.api.chart.v1.ChartService"
PAGE_SIZE = 50
PAGE_LIMIT = 500
LOOK_SECONDS = 0.5
"""How often a watcher looks for changes, those that other replicas projected too."""
AT_ONCE = 500


REBUILDING = "the read model is being rebuilt, and what is there is not the whole: try again in a moment"

Answer = TypeVar("Answer")


class ChartApi(chart_pb2_grpc.ChartServiceServicer):
    """Answers from one read model; blocking reads run in threads, no longer than the caller waits."""

    def __init__(self, read_model: ReadModel, audit: Audit, now: Callable[[], datetime]) -> None:
        self._read_model = read_model
        self._looks = MachineLooks(audit, now)

    async def SearchPatients(
        self, request: chart_pb2.SearchPatientsRequest, context: grpc.aio.ServicerContext
    ) -> chart_pb2.SearchPatientsResponse:
        if request.page_size < 0:
            raise InvalidRequest("page_size", "negative")
        size = min(request.page_size or PAGE_SIZE, PAGE_LIMIT)
        search = self._read_model.search_patients
        try:
            rows = await self._read(context, search, request.query, size + 1, request.page_token)
        except UnknownCursor:
            raise InvalidRequest("page_token", "not one of ours") from None
        await self._looks.write(context, "search", [row.chart_id for row in rows[:size]])
        following = cursor_of(rows[size - 1]) if len(rows) > size else ""
        return chart_pb2.SearchPatientsResponse(
            patients=[_patient(row) for row in rows[:size]], next_page_token=following
        )

    async def GetCourse(
        self, request: chart_pb2.GetCourseRequest, context: grpc.aio.ServicerContext
    ) -> chart_pb2.GetCourseResponse:
        row = await self._known(request.patient, context, "course")
        assessment = await self._read(context, self._read_model.course, row.key)
        moments = await self._read(context, self._read_model.course_moments, row.key)
        return chart_pb2.GetCourseResponse(
            assessment=_event(assessment) if assessment is not None else None,
            moments=[_moment(moment) for moment in moments],
        )

    async def GetSeries(
        self, request: chart_pb2.GetSeriesRequest, context: grpc.aio.ServicerContext
    ) -> chart_pb2.GetSeriesResponse:
        if not request.analyte:
            raise InvalidRequest("analyte", "missing")
        row = await self._known(request.patient, context, "series", request.analyte)
        found = await self._read(context, self._read_model.series, row.key, request.analyte)
        return chart_pb2.GetSeriesResponse(series=[_series(one) for one in found])

    async def GetAlertContext(
        self, request: chart_pb2.GetAlertContextRequest, context: grpc.aio.ServicerContext
    ) -> chart_pb2.GetAlertContextResponse:
        try:
            alert = UUID(request.alert_id)
        except ValueError:
            raise InvalidRequest("alert_id", "no UUID") from None
        found = await self._read(context, self._read_model.context, alert)
        metrics.CONTEXTS.labels("unknown" if found is None else "found").inc()
        if found is None:
            raise Unknown("there is no such alert")
        self._looks.soon(context, "alert context", [found.chart_id], str(alert))
        return chart_pb2.GetAlertContextResponse(
            chart_id=str(found.chart_id), path=found.path, course=found.course, previous=found.previous
        )

    async def WatchPatient(
        self,
        request: chart_pb2.WatchPatientRequest,
        context: grpc.aio.ServicerContext,
    ) -> AsyncIterator[chart_pb2.WatchPatientResponse]:
        key = _key(request.patient)
        await self._looks.write(context, "watch", [chart_id_of(key)])
        after = await asyncio.to_thread(self._read_model.newest_change)
        await context.send_initial_metadata(())  # from here on nothing is missed; the stream ends with its caller
        while True:
            changes = await asyncio.to_thread(self._read_model.changes, after, key, AT_ONCE)
            for change in changes:
                after = change.number
                yield chart_pb2.WatchPatientResponse(what=change.what, event_id=change.event)
            if not changes:
                await asyncio.sleep(LOOK_SECONDS)

    async def _known(
        self, patient: people_pb2.PatientId, context: grpc.aio.ServicerContext, what: str, subject: str = ""
    ) -> PatientRow:
        row = await self._read(context, self._read_model.patient_of, _key(patient))
        await self._looks.write(context, what, [row.chart_id] if row else [], subject)
        if row is None:
            raise Unknown("there is no such patient")
        return row

    async def _read(
        self, context: grpc.aio.ServicerContext, work: Callable[..., Answer], *arguments: object
    ) -> Answer:  # fmt: skip
        """Of the whole only: asked before and afterwards, since a rebuild may begin at any moment."""
        await self._whole(context)
        found = await in_thread(context, work, *arguments)
        await self._whole(context)
        return found

    async def _whole(self, context: grpc.aio.ServicerContext) -> None:
        if (await in_thread(context, self._read_model.progress)).rebuilding:
            await context.abort(grpc.StatusCode.UNAVAILABLE, REBUILDING)


def _key(patient: people_pb2.PatientId) -> str:
    if not patient.id:
        raise InvalidRequest("patient", "missing")
    return PatientId(authority=patient.authority, type=patient.type, id=patient.id).key


def _patient(row: PatientRow) -> chart_pb2.PatientSummary:
    patient = people_pb2.PatientId(authority=row.patient.authority, type=row.patient.type, id=row.patient.id)
    return chart_pb2.PatientSummary(
        patient=patient, chart_id=str(row.chart_id), newest_fact_at=_timestamp(microseconds(row.newest_fact_at)),
        results=row.results, waiting_alerts=row.waiting_alerts,
    )  # fmt: skip


def _event(assessment: ResponseAssessed) -> events_pb2.Event:
    return events_pb2.Event(topic=RESPONSES.name, json=RESPONSES.encode(assessment))


def _moment(moment: Moment) -> chart_pb2.CourseMoment:
    return chart_pb2.CourseMoment(
        as_of=_timestamp(microseconds(moment.as_of)), revision=moment.revision,
        calls={name.replace(":", " ", 1): call for name, call in moment.calls.items()},
    )  # fmt: skip


def _series(one: SeriesView) -> chart_pb2.Series:
    return chart_pb2.Series(
        series=one.series or "", analyte=one.analyte, unit=one.unit or "", specimen=one.specimen, method=one.method,
        lab=one.lab, results=[_result(row) for row in one.results],
    )  # fmt: skip


def _result(row: ResultRow) -> chart_pb2.Result:
    def text(number: object) -> str:
        return "" if number is None else f"{number:f}"

    return chart_pb2.Result(
        result_id=str(row.result), version_id=str(row.version),
        collected_at=_timestamp(microseconds(row.collected_at)), issued_at=_timestamp(microseconds(row.issued_at)),
        number=text(row.number), comparator=row.comparator or "", text=row.text, low=text(row.low),
        high=text(row.high), interpretation=row.interpretation, usable=row.usable, held=row.held,
        versions=row.versions,
    )  # fmt: skip


def _timestamp(since_1970: int) -> Timestamp:
    return Timestamp(seconds=since_1970 // 1_000_000, nanos=since_1970 % 1_000_000 * 1000)
