"""ResponseService: the step of the stream for whoever asks, and why an axis was called as it was."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import grpc

from refrain.api.events.v1 import events_pb2
from refrain.api.response.v1 import response_pb2 as api
from refrain.api.response.v1.response_pb2_grpc import ResponseServiceServicer
from refrain.contracts.events import Axis, CareEvent, FlaggedReport, LineCourse, Point, ResponseAssessed
from refrain.contracts.site import SiteSettings
from refrain.contracts.steps import Output
from refrain.contracts.topics import CARE_EVENTS, FLAGGED_REPORTS
from refrain.runtime.explaining import Explained, explain
from refrain.runtime.facts import Fact
from refrain.runtime.grpc_events import document_of, one_patient, read_events
from refrain.runtime.grpc_server import InvalidRequest, in_thread
from refrain.runtime.ledger import Ledger
from services.response.domain.judgement import ResponseIssued, classify
from services.response.domain.rulesets import RULESETS

SERVICE_NAME = api.DESCRIPTOR.services_by_name["ResponseService"].full_name


class ResponseApi(ResponseServiceServicer):
    """Answers from the request, except ``Explain``, which reads the ledger."""

    def __init__(self, site: SiteSettings, ledger: Ledger[ResponseIssued]) -> None:
        self._site = site
        self._ledger = ledger

    async def AssessCourse(
        self, request: api.AssessCourseRequest, context: grpc.aio.ServicerContext
    ) -> api.AssessCourseResponse:
        return await in_thread(context, self._assess, request)

    async def ListRuleSets(self, _: api.ListRuleSetsRequest, __: grpc.aio.ServicerContext) -> api.ListRuleSetsResponse:
        return api.ListRuleSetsResponse(rule_sets=[_rule_set(name) for name in sorted(RULESETS)])

    async def Explain(self, request: api.ExplainRequest, context: grpc.aio.ServicerContext) -> api.ExplainResponse:
        return await in_thread(context, self._explain, request)

    def _assess(self, request: api.AssessCourseRequest) -> api.AssessCourseResponse:
        reports = read_events("flagged_reports", request.flagged_reports, FLAGGED_REPORTS, FlaggedReport)
        facts: list[FlaggedReport | CareEvent] = [
            *_newest(reports),
            *read_events("care_events", request.care_events, CARE_EVENTS, CareEvent),
        ]
        if not facts:
            raise InvalidRequest("flagged_reports", "there is nothing to assess")
        one_patient(facts)
        outputs = classify(facts, ResponseIssued(), facts, self._site).outputs
        if not outputs:
            return api.AssessCourseResponse()
        return api.AssessCourseResponse(
            calls=_calls(outputs[-1]), assessment=events_pb2.Event(**document_of(outputs[-1]))
        )

    def _explain(self, request: api.ExplainRequest) -> api.ExplainResponse:
        found = explain(self._ledger, request.id)
        return api.ExplainResponse(
            calls=_calls_on(found),
            issued=[events_pb2.Event(**document_of(output)) for output in found.issued],
            facts=[events_pb2.Event(**document_of(output)) for output in found.facts],
        )


def _newest(reports: Iterable[FlaggedReport]) -> list[FlaggedReport]:
    """Of each report the highest revision, as the ledger keeps them."""
    newest: dict[UUID, FlaggedReport] = {}
    for report in sorted(reports, key=lambda report: Fact(FLAGGED_REPORTS, report).rank):
        newest[report.report] = report
    return list(newest.values())


def _calls_on(found: Explained) -> list[api.AxisCall]:
    """The calls that rest on a result in the newest snapshot; all calls of the snapshots that the id concerns."""
    if found.issued:
        return _calls(found.issued[-1])
    if not found.rest:
        return []
    asked = str(found.id)
    return [call for call in _calls(found.rest[-1]) if asked in (*call.evidence, call.as_of, call.baseline, call.nadir)]


def _calls(output: Output) -> list[api.AxisCall]:
    event = output.event
    if not isinstance(event, ResponseAssessed):
        return []
    return [_call(line, axis) for line in event.lines for _, axis in sorted(line.axes.items())]


def _call(line: LineCourse, axis: Axis) -> api.AxisCall:
    percents: dict[str, Any] = {
        name: str(number)
        for name in ("percent_from_baseline", "percent_over_nadir")
        if (number := getattr(axis, name)) is not None
    }
    rule = events_pb2.Rule(
        id=axis.rule_id, version=axis.rule_version, source=axis.source, verification=axis.verification
    )
    return api.AxisCall(
        line=line.line, rule_set=line.rule_set, axis=axis.axis, call=axis.call or "", candidate=axis.candidate or "",
        assessability=axis.assessability, confirmation=axis.confirmation, reasons=axis.reasons,
        as_of=_text(axis.as_of), confirmed_as_of=_text(axis.confirmed_as_of),
        baseline=_result(axis.baseline), nadir=_result(axis.nadir),
        evidence=map(str, axis.evidence), why_not=axis.why_not, caveats=axis.caveats, rule=rule, **percents,
    )  # fmt: skip


def _text(result: UUID | None) -> str:
    return str(result) if result else ""


def _result(point: Point | None) -> str:
    return str(point.result) if point else ""


def _rule_set(name: str) -> api.RuleSet:
    found = RULESETS[name]
    rules = [
        api.LevelRule(
            level=rule.level, says=rule.says,
            rule=events_pb2.Rule(
                id=rule.id, version=rule.version, source=rule.source, verification=rule.how_verified
            ),
        )
        for rule in found.rules.values()
    ]  # fmt: skip
    return api.RuleSet(id=found.id, title=found.title, rules=rules)
