"""What all results of one order have in common: numbers, times, specimen, laboratory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from refrain.clinical.specimens import UNKNOWN, read_specimen
from refrain.contracts.events import Order, PatientId, Processing
from services.intake.domain.er7 import Message, Segment
from services.intake.domain.groups import OrderGroup
from services.intake.domain.identity import damaged
from services.intake.domain.profile import Profile
from services.intake.domain.reasons import Rejected
from services.intake.domain.times import Issued, Moment, TimeField, issued_at, read_time, time_field

MAX_SHARED_NOTES = 1_000_000
"""Characters that repeating an order's comments on each of its results may cost (our choice)."""


@dataclass(frozen=True, slots=True)
class MessageContext:
    """What all results of one message have in common."""

    profile: Profile
    patient: PatientId
    processing: Processing
    received_at: datetime
    sent: Moment | None
    """MSH-7."""
    facility: str
    charset_guessed: bool
    charset_quality: tuple[str, ...]

    @classmethod
    def of(
        cls, message: Message, profile: Profile, patient: PatientId, processing: Processing, received_at: datetime
    ) -> MessageContext:
        header = message.header
        return cls(
            profile, patient, processing, received_at, read_time(header.text(7), profile.time_zone),
            header.text(4, 1, 1), message.decoded.guessed, message.decoded.quality,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Specimen:
    """A specimen as received, and whether the order names more than one."""

    raw: str
    several: bool = False


@dataclass(frozen=True, slots=True)
class OrderContext:
    """One order, read once for all its results."""

    message: MessageContext
    order: Order
    status: str
    """OBR-25 as received."""
    issued: Issued
    reported: Moment | None
    """OBR-22."""
    collected: TimeField
    """OBR-7."""
    specimen_collected: TimeField
    """SPM-17."""
    specimen: Specimen
    shared_notes: tuple[str, ...]
    """Comments on the order, which stand by each of its results; left out where that would be too much text."""
    notes_left_out: bool
    questioned: bool
    """A comment on the order questions all of its results."""

    @property
    def number(self) -> str:
        """The order number that identifies results: the filler's, else the placer's."""
        return self.order.filler or self.order.placer


def order_context(group: OrderGroup, message: MessageContext) -> OrderContext:
    """Read an order. Rejected (``identifier_damaged``) when a character of its number was lost or guessed."""
    zone = message.profile.time_zone
    obr = group.obr
    order = _order(group)
    if damaged(order.filler + order.placer, charset_guessed=message.charset_guessed):
        raise Rejected("identifier_damaged", f"{obr.place}-3")
    reported = read_time(obr.text(22), zone)
    bulky = sum(map(len, group.notes)) * len(group.results) > MAX_SHARED_NOTES
    drawn = group.specimens[0].text(17) if group.specimens else ""
    return OrderContext(
        message=message,
        order=order,
        status=obr.text(25),
        issued=issued_at(reported, message.sent, message.received_at),
        reported=reported,
        collected=time_field(obr.text(7), zone),
        specimen_collected=time_field(drawn, zone),
        specimen=_specimen(group),
        shared_notes=() if bulky else tuple(group.notes),
        notes_left_out=bulky,
        questioned=questions(group.notes, message.profile),
    )


def questions(notes: Sequence[str], profile: Profile) -> bool:
    """Whether a comment says something that the profile lists as questioning a result."""
    said = " ".join(notes).casefold()
    return any(phrase.casefold() in said for phrase in profile.comments_that_question)


def _order(group: OrderGroup) -> Order:
    obr, orc = group.obr, group.orc
    placer = obr.text(2, 1, 1) or (orc.text(2, 1, 1) if orc else "")
    filler = obr.text(3, 1, 1) or (orc.text(3, 1, 1) if orc else "")
    control = orc.text(1) if orc else ""
    status = obr.text(25) or (control if control == "CA" else "")
    return Order(
        placer=placer.strip(), filler=filler.strip(), code=obr.text(4) or obr.text(4, 4), status=status.strip()
    )


def _specimen(group: OrderGroup) -> Specimen:
    """SPM-4, else OBR-15 (answers 22); of several different ones none is taken."""
    if not group.specimens:
        return Specimen(_known(group.obr.text(15, 1, 1), group.obr.text(15, 1, 2)))
    stated = {_known(spm.text(4), spm.text(4, 2)) for spm in group.specimens}
    if len(stated) > 1:
        return Specimen("", several=True)
    return Specimen(stated.pop())


def _known(code: str, text: str) -> str:
    """The code, or the text beside it where only that is in the table."""
    if read_specimen(code) == UNKNOWN and text and read_specimen(text) != UNKNOWN:
        return text
    return code or text


def laboratory(obx: Segment, message: MessageContext) -> str:
    """Who measured: OBX-23, else OBX-15, else the profile's facility, else MSH-4 (answers 22)."""
    named = obx.text(23) or obx.text(23, 10) or obx.text(15) or obx.text(15, 2)
    return named.strip() or message.profile.match.facility or message.facility or UNKNOWN


def method(obx: Segment) -> str:
    """OBX-17: platform or kit."""
    return obx.text(17).strip() or obx.text(17, 2).strip() or UNKNOWN
