"""Asks the three engines over gRPC what they make of the same facts, and compares with what the stream said.

Each engine serves the pure step that its stream runs, so a difference means that something was lost on the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from refrain.api.events.v1 import events_pb2
from refrain.api.flagging.v1 import flagging_pb2, flagging_pb2_grpc
from refrain.api.relapse.v1 import relapse_pb2, relapse_pb2_grpc
from refrain.api.response.v1 import response_pb2, response_pb2_grpc
from refrain.cli.demo.outcome import Outcome
from refrain.cli.demo.published import Checked
from refrain.cli.questions import DEADLINE_SECONDS, channel
from refrain.contracts.events import Axis, Event, FlaggedObservation
from refrain.contracts.topics import CARE_EVENTS, FLAGGED_REPORTS, LAB_REPORTS, RESPONSES, Topic


def ask(targets: dict[str, str], outcome: Outcome) -> Iterator[Checked]:
    """One line per engine. ``targets`` has each engine's ``host:port``; grpc.RpcError when one does not answer."""
    care = [_document(CARE_EVENTS, event) for event in outcome.care_events]
    yield _flagging(targets["flagging"], outcome, care)
    yield _response(targets["response"], outcome, care)
    yield _relapse(targets["relapse"], outcome, care)


def _flagging(target: str, outcome: Outcome, care: list[events_pb2.Event]) -> Checked:
    reports = [_document(LAB_REPORTS, report) for report in outcome.reports]
    views, wrong, alerts = outcome.views, [], set()
    with channel(target) as opened:
        stub = flagging_pb2_grpc.FlaggingServiceStub(opened)
        for index, report in enumerate(reports):
            request = flagging_pb2.FlagReportRequest(
                history=[*reports[:index], *reports[index + 1 :]], care_events=care, report=report
            )
            answer = stub.FlagReport(request, timeout=DEADLINE_SECONDS)
            streamed = {str(version): view for version, view in views.items()}
            wrong += [
                f"{flag.analyte}: {list(flag.interpretation)}"
                for flag in answer.flags
                if _asked(flag) != _streamed(streamed[flag.version_id])
            ]
            alerts = _open(answer.alerts)
    wrong += _alerts_differ(alerts, outcome, "flagging")
    return Checked("FlaggingService.FlagReport", tuple(wrong))


def _asked(flag: flagging_pb2.Flag) -> tuple[object, ...]:
    low, high, number = (
        getattr(flag, name) if flag.HasField(name) else None for name in ("low", "high", "number")
    )  # fmt: skip
    return list(flag.interpretation), flag.range_source, low, high, number, flag.usable


def _streamed(view: FlaggedObservation) -> tuple[object, ...]:
    low, high, number = (None if one is None else format(one, "f") for one in (view.low, view.high, view.number))
    return list(view.interpretation), view.range_source, low, high, number, view.usable


def _response(target: str, outcome: Outcome, care: list[events_pb2.Event]) -> Checked:
    request = response_pb2.AssessCourseRequest(
        flagged_reports=[_document(FLAGGED_REPORTS, report) for report in outcome.flagged], care_events=care
    )
    with channel(target) as opened:
        answer = response_pb2_grpc.ResponseServiceStub(opened).AssessCourse(request, timeout=DEADLINE_SECONDS)
    newest = outcome.snapshots[-1]
    streamed = {(line.line, axis.axis): _call(axis) for line in newest.lines for axis in line.axes.values()}
    asked = {
        (one.line, one.axis): (one.call, one.candidate, one.assessability, one.confirmation, sorted(one.reasons))
        for one in answer.calls
    }
    wrong = [f"{axis}: {asked.get((line, axis))}" for line, axis in streamed | asked
             if streamed.get((line, axis)) != asked.get((line, axis))]  # fmt: skip
    return Checked("ResponseService.AssessCourse", tuple(wrong))


def _call(axis: Axis) -> tuple[object, ...]:
    return axis.call or "", axis.candidate or "", axis.assessability, axis.confirmation, sorted(axis.reasons)


def _relapse(target: str, outcome: Outcome, care: list[events_pb2.Event]) -> Checked:
    request = relapse_pb2.EvaluateCourseRequest(
        assessment=_document(RESPONSES, outcome.snapshots[-1]), care_events=care
    )
    with channel(target) as opened:
        answer = relapse_pb2_grpc.RelapseServiceStub(opened).EvaluateCourse(request, timeout=DEADLINE_SECONDS)
    return Checked("RelapseService.EvaluateCourse", tuple(_alerts_differ(_open(answer.alerts), outcome, "relapse")))


def _open(alerts: Iterable[events_pb2.Alert]) -> set[str]:
    return {f"{alert.kind} {alert.subject}" for alert in alerts if alert.state == "raised" and not alert.notice}


def _alerts_differ(asked: set[str], outcome: Outcome, engine: str) -> list[str]:
    """Alerts that stay open; notices tell a transition, which somebody who was told nothing before has not seen."""
    streamed = {
        f"{alert.kind} {alert.subject}"
        for alert in outcome.alerts
        if alert.state in ("open", "amended") and alert.issued_by == engine
    }
    return [f"{one} only over gRPC" for one in sorted(asked - streamed)] + [
        f"{one} only on the stream" for one in sorted(streamed - asked)
    ]


def _document(topic: Topic, event: Event) -> events_pb2.Event:
    return events_pb2.Event(topic=topic.name, json=topic.encode(event))
