"""FlaggingService: the step of the stream for whoever asks, and why a result was flagged as it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

import grpc

from refrain.api.events.v1 import events_pb2
from refrain.api.flagging.v1 import flagging_pb2 as api
from refrain.api.flagging.v1.flagging_pb2_grpc import FlaggingServiceServicer
from refrain.clinical.analytes import CATALOGUE
from refrain.contracts.events import CareEvent, Event, FlaggedObservation, FlaggedReport, LabReport
from refrain.contracts.site import SiteSettings
from refrain.contracts.steps import Output
from refrain.contracts.topics import CARE_EVENTS, LAB_REPORTS
from refrain.runtime.explaining import explain
from refrain.runtime.grpc_events import alert_fields, document_of, one_patient, read_event, read_events, rule_fields
from refrain.runtime.grpc_server import in_thread
from refrain.runtime.ledger import Ledger
from services.flagging.domain.judgement import FlaggingIssued, place

SERVICE_NAME = api.DESCRIPTOR.services_by_name["FlaggingService"].full_name


class FlaggingApi(FlaggingServiceServicer):
    """Answers from the request, except ``Explain``, which reads the ledger."""

    def __init__(self, site: SiteSettings, ledger: Ledger[FlaggingIssued]) -> None:
        self._site = site
        self._ledger = ledger

    async def FlagReport(
        self, request: api.FlagReportRequest, context: grpc.aio.ServicerContext
    ) -> api.FlagReportResponse:
        return await in_thread(context, self._flag, request)

    async def ListAnalytes(self, _: api.ListAnalytesRequest, __: grpc.aio.ServicerContext) -> api.ListAnalytesResponse:
        analytes = [
            api.Analyte(
                code=entry.code, name=entry.name, loinc=entry.loinc, unit=entry.unit, specimens=entry.specimens,
                source=entry.source, verification=entry.verification,
            )
            for _code, entry in sorted(CATALOGUE.items())
        ]  # fmt: skip
        return api.ListAnalytesResponse(analytes=analytes)

    async def Explain(self, request: api.ExplainRequest, context: grpc.aio.ServicerContext) -> api.ExplainResponse:
        return await in_thread(context, self._explain, request)

    def _flag(self, request: api.FlagReportRequest) -> api.FlagReportResponse:
        report = read_event("report", request.report, LAB_REPORTS, LabReport)
        facts: list[Event] = [
            *read_events("history", request.history, LAB_REPORTS, LabReport),
            *read_events("care_events", request.care_events, CARE_EVENTS, CareEvent),
            report,
        ]
        one_patient(facts)
        outputs = [
            output
            for output in place(facts, FlaggingIssued(), facts, self._site).outputs
            if not isinstance(output.event, FlaggedReport) or output.event.report == report.event_id
        ]
        return api.FlagReportResponse(
            flags=[_flag(observation) for observation in _flagged(outputs)],
            alerts=[events_pb2.Alert(**fields) for fields in alert_fields(outputs)],
            events=_documents(outputs),
        )

    def _explain(self, request: api.ExplainRequest) -> api.ExplainResponse:
        found = explain(self._ledger, request.id)
        newest: dict[UUID, FlaggedObservation] = {}
        for observation in _flagged(found.issued):
            if observation.current or observation.observation.result not in newest:
                newest[observation.observation.result] = observation
        shown = [newest[found.id]] if found.id in newest else list(newest.values())
        return api.ExplainResponse(
            flags=[_flag(observation) for observation in shown],
            alerts=[events_pb2.Alert(**fields) for fields in alert_fields(found.issued)],
            issued=_documents(found.issued),
            facts=_documents(found.facts),
        )


def _flagged(outputs: Iterable[Output]) -> Iterator[FlaggedObservation]:
    for output in outputs:
        if isinstance(output.event, FlaggedReport):
            yield from output.event.observations


def _documents(outputs: Iterable[Output]) -> list[events_pb2.Event]:
    return [events_pb2.Event(**document_of(output)) for output in outputs]


def _flag(flagged: FlaggedObservation) -> api.Flag:
    numbers: dict[str, Any] = {
        name: str(number) for name in ("low", "high", "number") if (number := getattr(flagged, name)) is not None
    }
    return api.Flag(
        result_id=str(flagged.observation.result), version_id=str(flagged.observation.version),
        analyte=flagged.observation.analyte or "", interpretation=flagged.interpretation,
        range_source=flagged.range_source, unit=flagged.unit or "", comparator=flagged.comparator or "",
        nominal=flagged.nominal or "", reasons=flagged.reasons, quality=flagged.quality,
        critical=flagged.critical or "", current=flagged.current, usable=flagged.usable, held=flagged.held,
        rule=events_pb2.Rule(**rule_fields(flagged.rule)), **numbers,
    )  # fmt: skip
