"""A request of ``RecordCareEvent`` to the event it records: the field names of the API are those of the contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from google.protobuf.json_format import MessageToDict
from pydantic import ValidationError

from refrain.api.intake.v1 import care_pb2, intake_pb2
from refrain.contracts.events import CareBody, CareEvent, ClinicalFinding, Drug, Infection

SYMPTOM_COURSES = frozenset({"better", "much better", "unchanged", "worse", "much worse"})
STARTS = ("start", "first", "on", "onset", "end", "at")
"""The field that says when, by body; of a body with several the first of these."""
SUBJECTS = ("line", "drug", "cell", "kind", "name", "result", "series")
"""The field that says what it is about; of a body with several the first of these."""
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
"""Clinical time of what has none of its own (a clone) and was known before the first observation."""

Violation = tuple[str, str]
"""A field and what is wrong with it: never the value."""


class NotValid(ValueError):
    """The request cannot be recorded; ``violations`` says why, without a value of it."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__("the request is not valid")
        self.violations = tuple(violations)


def care_event(request: intake_pb2.RecordCareEventRequest, recorded_at: datetime) -> CareEvent:
    """The event of a request, with its derived id: the same request gives the same event. NotValid says why not."""
    kind = request.body.WhichOneof("body")
    missing = [(field, "required") for field in _missing(request, kind)]
    if missing or kind is None:
        raise NotValid(missing)
    body = {"type": kind, **_plain(getattr(request.body, kind))}
    copied = "body.drug.last" if kind == "drug" and "last" not in body else None
    if copied:
        body["last"] = body.get("first")
    content = {
        "patient": _plain(request.patient),
        "occurred_at": LONG_AGO,
        "recorded_at": recorded_at,
        "key": request.key,
        "withdrawn": request.withdrawn,
        "known_from": _plain(request).get("known_from"),
        "request": request.request_id,
        "body": body,
    }
    try:
        event = CareEvent.model_validate(content)
    except ValidationError as error:
        faults = [_violation(fault["loc"], fault["type"]) for fault in error.errors(include_input=False)]
        raise NotValid([fault for fault in faults if fault[0] != copied]) from None
    if impossible := list(_impossible(event.body)):
        raise NotValid(impossible)
    occurred_at = _start(event.body) or event.known_from or LONG_AGO
    key = event.key or default_key(event.body)
    return event.model_copy(update={"occurred_at": occurred_at, "key": key}).identified()


def default_key(body: CareBody) -> str:
    """Type, subject and start (answers 12): the event's identity for a caller who gives none."""
    fields = body.model_dump(mode="json")
    subject = next((str(fields[name]) for name in SUBJECTS if fields.get(name)), "")
    start = next((str(fields[name]) for name in STARTS if fields.get(name)), "")
    return " ".join(part for part in (body.type, subject, start) if part)


def _missing(request: intake_pb2.RecordCareEventRequest, kind: str | None) -> Iterator[str]:
    for part in ("authority", "type", "id"):
        if not getattr(request.patient, part).strip():
            yield f"patient.{part}"
    if kind is None:
        yield "body"


def _impossible(body: CareBody) -> Iterator[Violation]:
    """What the types allow and the calendar or the contract does not."""
    match body:
        case Drug() if body.last < body.first:
            yield "body.drug.last", "before first"
        case Infection() if body.end is not None and body.end < body.onset:
            yield "body.infection.end", "before onset"
        case ClinicalFinding() if not SYMPTOM_COURSES.issuperset(body.symptoms.values()):
            yield "body.clinical_finding.symptoms", f"one of: {', '.join(sorted(SYMPTOM_COURSES))}"


def _start(body: CareBody) -> datetime | None:
    """Clinical time: the beginning of the day (UTC) or the moment that the body names."""
    found = next((value for name in STARTS if (value := getattr(body, name, None)) is not None), None)
    if isinstance(found, datetime):
        return found
    return datetime.combine(found, time(), UTC) if isinstance(found, date) else None


def _plain(message: intake_pb2.RecordCareEventRequest | care_pb2.PatientId | Any) -> dict[str, Any]:
    """The fields that were set, by the names of the contract."""
    return dict(MessageToDict(message, preserving_proto_field_name=True))


def _violation(where: Iterable[int | str], kind: str) -> Violation:
    """Where and of what kind; names that the caller chose himself (symptoms, scores) are left out."""
    place = [str(part) for part in where]
    deepest = 3 if place[:1] == ["body"] else 2
    return ".".join(place[:deepest]), kind.replace("_", " ")
