"""What callers of ``AlertService`` ask for, checked: InvalidRequest names the field, never what was in it."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from refrain.api.events.v1 import people_pb2
from refrain.api.notify.v1 import alerts_pb2
from refrain.contracts.acknowledging import REASON_BY_CODE
from refrain.contracts.events import Actor
from refrain.contracts.ids import patient_key
from refrain.runtime.grpc_server import InvalidRequest
from services.notify.adapters.queries import RANKS, NotOurs, Place, Wanted
from services.notify.domain.life import Acknowledge, Reassign, RecordReadBack, Snooze

PAGE = 100
LONGEST_PAGE = 500
LONGEST_TEXT = 2000
"""Characters of a comment or reason."""


def alert_id(text: str) -> UUID:
    return _uuid("alert_id", text)


def request_id(text: str) -> UUID:
    return _uuid("request_id", text)


def hash_of(request: Any) -> str:
    """Of all that a request asks for: the same id with another hash is another request."""
    return sha256(f"{type(request).__name__}\x1f".encode() + request.SerializeToString(deterministic=True)).hexdigest()


def wanted(request: alerts_pb2.ListAlertsRequest) -> tuple[Wanted, int, Place | None]:
    """Which alerts, how many, and behind which."""
    if not 0 <= request.page_size <= LONGEST_PAGE:
        raise InvalidRequest("page_size", f"at most {LONGEST_PAGE}, or 0 for {PAGE}")
    key = ""
    if request.HasField("patient"):
        patient = request.patient
        key = patient_key(patient.authority, patient.type, patient.id)
    after = None
    if request.page_token:
        try:
            after = Place.read(request.page_token)
        except NotOurs:
            raise InvalidRequest("page_token", "not one that was given out here") from None
    selected = Wanted(tiers(request.tiers), request.waiting_only, key, request.assigned_to)
    return selected, request.page_size or PAGE, after


def tiers(given: Any) -> tuple[str, ...]:
    if not set(given) <= set(RANKS):
        raise InvalidRequest("tiers", f"one of {', '.join(RANKS)}")
    return tuple(sorted(set(given)))


def acknowledge(request: alerts_pb2.AcknowledgeRequest, now: datetime) -> Acknowledge:
    if request.reason not in REASON_BY_CODE:
        raise InvalidRequest("reason", f"one of {', '.join(REASON_BY_CODE)}")
    comment = _text("comment", request.comment)
    if request.reason == "other" and not comment:
        raise InvalidRequest("comment", "say what, where the reason is other")
    return Acknowledge(_actor(request.actor), request.reason, comment, now)


def read_back(request: alerts_pb2.RecordReadBackRequest, now: datetime) -> RecordReadBack:
    for field in ("name_confirmed", "identifier_confirmed", "result_confirmed"):
        if not getattr(request, field):
            raise InvalidRequest(field, "name, identifier and result are each read back and confirmed")
    by = _text("by", request.by)
    if not by:
        raise InvalidRequest("by", "say who read it back")
    return RecordReadBack(_actor(request.actor), by, _text("comment", request.comment), now)


def snooze(request: alerts_pb2.SnoozeRequest, now: datetime) -> Snooze:
    if not request.HasField("until"):
        raise InvalidRequest("until", "a time that is still to come")
    return Snooze(_actor(request.actor), _moment("until", request.until), _text("reason", request.reason), now)


def reassign(request: alerts_pb2.ReassignRequest, now: datetime) -> Reassign:
    if not request.to:
        raise InvalidRequest("to", "a person of the roster")
    return Reassign(_actor(request.actor), request.to, _text("reason", request.reason), now)


def cursor_after(text: str, cluster: str) -> int | None:
    """The change number that a cursor stands for; None for an empty one."""
    if not text:
        return None
    number, _, of = text.partition("@")
    if of != cluster or not (number.isascii() and number.isdigit()):
        raise InvalidRequest("after", "not a cursor of these alerts; begin without one")
    return int(number)


def cursor(number: int, cluster: str) -> str:
    """Where a stream of changes is, of the alerts of one Kafka cluster."""
    return f"{number}@{cluster}"


def _actor(given: people_pb2.Actor) -> Actor:
    if not given.id.strip():
        raise InvalidRequest("actor.id", "say who asks")
    return Actor(type="person", id=given.id.strip(), role=given.role, via=given.via or "api")


def _uuid(field: str, text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidRequest(field, "not a UUID") from None


def _text(field: str, text: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise InvalidRequest(field, f"longer than {LONGEST_TEXT} characters")
    return text.strip()


def _moment(field: str, given: Timestamp) -> datetime:
    try:
        moment: datetime = given.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidRequest(field, "not a time") from None
    return moment
