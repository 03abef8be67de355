"""Who a message is about, and which result is which (feeds.md sections 8 and 9).

A result's identity says where it belongs; its version says what was received, never what was derived, so that
reading the same bytes with a better code map replaces a version and does not add one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC
from hashlib import sha256
from typing import Any
from uuid import UUID

from refrain.contracts.events import PatientId
from refrain.contracts.ids import derive
from services.intake.domain.er7 import DELETED, Message, Segment
from services.intake.domain.profile import PatientFields
from services.intake.domain.reasons import Rejected
from services.intake.domain.times import Moment

REPLACEMENT_CHARACTER = "\ufffd"
"""Somebody before us already lost a character here."""

MAX_OTHER_IDS = 20
"""Further numbers that a report carries; more are no patient's (our choice)."""

_HEADER_FIELDS_HASHED = (9, 11, 12)
"""Of MSH only type, processing id and version say what a message says; the rest says how it travelled."""


def patient_of(pid: Segment, settings: PatientFields, *, charset_guessed: bool) -> PatientId:
    """The patient of a PID: the most trusted type first, then the profile's authority, then as they stand.

    Rejected (``no_patient_id``) when nothing fits, (``identifier_damaged``) when the number has a character
    that was guessed or lost.
    """
    candidates = [number for field in settings.fields for number in _numbers(pid, int(field[4:]), settings)]
    place = f"{pid.place}-{settings.fields[0][4:]}"
    if settings.types:
        candidates = [number for number in candidates if number.type in settings.types]
        candidates.sort(key=lambda number: settings.types.index(number.type))
        candidates = [number for number in candidates if number.type == candidates[0].type]
    candidates.sort(key=lambda number: number.authority != settings.authority)
    if not candidates:
        raise Rejected("no_patient_id", place)
    chosen = candidates[0]
    if damaged(chosen.authority + chosen.type + chosen.id, charset_guessed=charset_guessed):
        raise Rejected("identifier_damaged", place)
    return chosen


def other_ids_of(pid: Segment, chosen: PatientId, settings: PatientFields) -> tuple[PatientId, ...]:
    """The further numbers of PID-3, kept beside the chosen one and never used as an identity by us."""
    anything = settings.model_copy(update={"types": ()})
    once = dict.fromkeys(_numbers(pid, 3, anything))
    return tuple(number for number in once if number != chosen)[:MAX_OTHER_IDS]


def damaged(text: str, *, charset_guessed: bool) -> bool:
    """Whether a character of an identifier was lost, or guessed together with the character set."""
    return REPLACEMENT_CHARACTER in text or (charset_guessed and not text.isascii())


def _numbers(pid: Segment, field: int, settings: PatientFields) -> Iterable[PatientId]:
    for repetition in pid.repetitions(field):
        first, _, _, fourth, fifth, *_ = [*repetition.split(pid.delimiters.component), "", "", "", ""]
        number, kind = pid.leaf(first).strip(), pid.leaf(fifth).strip()
        if not number or number == DELETED:
            continue
        authority = pid.leaf(fourth, 1).strip() or pid.leaf(fourth, 2).strip()
        authority = authority or settings.authority or ""
        kind = kind or settings.default_type or ""
        if settings.types and not (authority and kind):
            continue
        yield PatientId(authority=authority, type=kind, id=number)


@dataclass(frozen=True, slots=True)
class ResultKey:
    """What makes two observations the same result."""

    sender: str
    patient: str
    order: str
    """Filler order number, else placer."""
    code: str
    system: str
    sub_id: str
    repeat: int
    specimen: str
    """As received."""
    collected: Moment

    @property
    def id(self) -> UUID:
        """UUIDv5 of the identity."""
        start = self.collected.start.astimezone(UTC) if self.collected.known else ""
        return derive(
            "result", self.sender, self.patient, self.order, self.code, self.system, self.sub_id, self.repeat,
            self.specimen, start, self.collected.precision,
        )  # fmt: skip


def version_id(result: UUID, received: dict[str, Any]) -> UUID:
    """UUIDv5 of one version: the result and everything that was received about it."""
    return derive("version", result, received)


def transport_hash(sender: str, message: Message) -> str:
    """Hash of what a message says, line ends normalised: the same body sent again has the same one.

    Of MSH only type, processing id and version count: senders put licence numbers into MSH-10 and the time of
    sending into MSH-7.
    """
    digest = sha256(sender.encode())
    header = message.header
    for field in _HEADER_FIELDS_HASHED:
        digest.update(b"\x1f" + header.raw(field).encode())
    for segment in message.segments[1:]:
        digest.update(b"\r" + segment.delimiters.field.join(segment.fields).encode())
    return digest.hexdigest()
