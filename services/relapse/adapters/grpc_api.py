"""RelapseService: the step of the stream for whoever asks, and why an alert stands or does not."""

from __future__ import annotations

import grpc

from refrain.api.events.v1 import events_pb2
from refrain.api.relapse.v1 import relapse_pb2 as api
from refrain.api.relapse.v1.relapse_pb2_grpc import RelapseServiceServicer
from refrain.contracts.events import CareEvent, ResponseAssessed, RuleRef
from refrain.contracts.site import SiteSettings
from refrain.contracts.topics import CARE_EVENTS, RESPONSES
from refrain.runtime.explaining import explain
from refrain.runtime.grpc_events import alert_fields, document_of, one_patient, read_event, read_events, rule_fields
from refrain.runtime.grpc_server import InvalidRequest, in_thread
from refrain.runtime.ledger import Ledger
from services.relapse.domain import rules
from services.relapse.domain.judgement import RelapseIssued, advance

SERVICE_NAME = api.DESCRIPTOR.services_by_name["RelapseService"].full_name


class RelapseApi(RelapseServiceServicer):
    """Answers from the request, except ``Explain``, which reads the ledger."""

    def __init__(self, site: SiteSettings, ledger: Ledger[RelapseIssued]) -> None:
        self._site = site
        self._ledger = ledger

    async def EvaluateCourse(
        self, request: api.EvaluateCourseRequest, context: grpc.aio.ServicerContext
    ) -> api.EvaluateCourseResponse:
        return await in_thread(context, self._evaluate, request)

    async def ListRules(self, _: api.ListRulesRequest, __: grpc.aio.ServicerContext) -> api.ListRulesResponse:
        speaking = {rule.id: rule for rule in vars(rules).values() if isinstance(rule, RuleRef)}
        return api.ListRulesResponse(
            rules=[events_pb2.Rule(**rule_fields(rule)) for _id, rule in sorted(speaking.items())]
        )

    async def Explain(self, request: api.ExplainRequest, context: grpc.aio.ServicerContext) -> api.ExplainResponse:
        return await in_thread(context, self._explain, request)

    def _evaluate(self, request: api.EvaluateCourseRequest) -> api.EvaluateCourseResponse:
        facts: list[ResponseAssessed | CareEvent] = [
            *read_events("care_events", request.care_events, CARE_EVENTS, CareEvent)
        ]
        if request.HasField("assessment"):
            facts.append(read_event("assessment", request.assessment, RESPONSES, ResponseAssessed))
        if not facts:
            raise InvalidRequest("assessment", "there is nothing to evaluate")
        one_patient(facts)
        outputs = advance(facts, RelapseIssued(), facts, self._site).outputs
        return api.EvaluateCourseResponse(
            alerts=[events_pb2.Alert(**fields) for fields in alert_fields(outputs)],
            events=[events_pb2.Event(**document_of(output)) for output in outputs],
        )

    def _explain(self, request: api.ExplainRequest) -> api.ExplainResponse:
        found = explain(self._ledger, request.id)
        return api.ExplainResponse(
            alerts=[events_pb2.Alert(**fields) for fields in alert_fields(found.issued)],
            issued=[events_pb2.Event(**document_of(output)) for output in found.issued],
            facts=[events_pb2.Event(**document_of(output)) for output in found.facts],
        )
