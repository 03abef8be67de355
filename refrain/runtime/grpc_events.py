"""Events inside gRPC messages: read from requests, and as fields of answers.

Works on the shape of the messages, because generated code belongs to the services.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeVar

from refrain.contracts.events import Alert, AlertRaised, AlertRetracted, Event, RuleRef
from refrain.contracts.steps import Output
from refrain.contracts.topics import Topic
from refrain.runtime.grpc_server import InvalidRequest


class Document(Protocol):
    """refrain.api.events.v1.Event."""

    topic: str
    json: bytes


E = TypeVar("E", bound=Event)


def read_events(field: str, documents: Iterable[Document], topic: Topic, kind: type[E]) -> list[E]:
    """Events of one topic. InvalidRequest names the element and what is wrong with it, never its content."""
    return [read_event(f"{field}[{number}]", document, topic, kind) for number, document in enumerate(documents)]


def read_event(field: str, document: Document, topic: Topic, kind: type[E]) -> E:
    """One event; see :func:`read_events`."""
    if document.topic != topic.name:
        raise InvalidRequest(f"{field}.topic", f"{topic.name} belongs here")
    try:
        event = topic.decode(document.json)
    except ValueError as error:
        raise InvalidRequest(f"{field}.json", f"no event of {topic.name} ({type(error).__name__})") from None
    if not isinstance(event, kind):
        raise InvalidRequest(f"{field}.json", f"no event of {topic.name}")
    return event


def one_patient(events: Sequence[Event]) -> None:
    """InvalidRequest when the events are not all about the same patient."""
    if len({event.patient for event in events}) > 1:
        raise InvalidRequest("", "the events are about more than one patient")


def document_of(output: Output) -> dict[str, Any]:
    """Fields of refrain.api.events.v1.Event."""
    return {"topic": output.topic.name, "json": output.topic.encode(output.event)}


def rule_fields(rule: RuleRef | None) -> dict[str, str]:
    """Fields of refrain.api.events.v1.Rule; empty ones without a rule."""
    return rule.model_dump() if rule else {}


def alert_fields(outputs: Iterable[Output]) -> list[dict[str, Any]]:
    """Fields of refrain.api.events.v1.Alert: each alert as its newest event leaves it, in order of first issue."""
    alerts: dict[str, dict[str, Any]] = {}
    for output in outputs:
        event = output.event
        if not isinstance(event, Alert):
            continue
        before = alerts.get(str(event.alert), {})
        alerts[str(event.alert)] = _alert(event) | {
            "notice": event.notice if isinstance(event, AlertRaised) else before.get("notice", False)
        }
        for other in event.with_alerts if isinstance(event, AlertRetracted) else ():
            if str(other) in alerts:
                alerts[str(other)] |= {"state": "retracted", "event_id": str(event.event_id)}
    return list(alerts.values())


def _alert(event: Alert) -> dict[str, Any]:
    return {
        "alert_id": str(event.alert), "kind": event.kind, "tier": event.tier,
        "state": event.fact.removeprefix("alert_"), "subject": event.subject, "due_hours": event.due_hours,
        "line": event.line, "text": event.text, "at": event.at.isoformat(),
        "evidence": [str(piece.result) for piece in event.evidence], "rule": rule_fields(event.rule),
        "event_id": str(event.event_id),
    }  # fmt: skip
