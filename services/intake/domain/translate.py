"""Bytes to reports: the pure core of intake (feeds.md section 3).

``translate`` is a function of bytes, profile and time of receipt: the same inputs give the same events with
the same ids. What happens to each message type:

* ``ORU``: results, one LabReport for each order and specimen.
* ``ORM OML ORL``, and an ORU that only reports an order's progress: ``ignored``, ``order_context``, AA; nothing
  is "awaited" yet.
* ``ADT`` A01 A03 A04 A08 A31: ``ignored``, ``demographics_not_kept``, AA. There is no care event for
  demographics yet; sex and age at collection travel with the results.
* Merges and other changes of identity (``ADT`` A34 A40 A45 A47 and their kin) and ``OUL``: quarantined,
  ``not_yet_supported``, AE, so that they can be driven again.
* Everything else: ``ignored``, ``not_for_us``, AR 200.

A correction or withdrawal that fits no known result is published like any other version, a withdrawal also without
a time of collection: joining it to the chain that differs only in that time needs memory, which is downstream.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from refrain.contracts.events import LabReport, Processing, Source
from services.intake.domain.attributes import Statement, attach, statement_of
from services.intake.domain.codes import code_of
from services.intake.domain.er7 import Message, header_of, read
from services.intake.domain.framing import MAX_MESSAGE_BYTES, Frame
from services.intake.domain.groups import OrderGroup, Structure, structure_of
from services.intake.domain.identity import patient_of, transport_hash
from services.intake.domain.orders import MessageContext, OrderContext, order_context
from services.intake.domain.profile import Profile
from services.intake.domain.reasons import Rejected, checked
from services.intake.domain.reports import reports_of
from services.intake.domain.results import Draft, drafts_of
from services.intake.domain.translation import QuarantinedPart, Received, Translation
from services.intake.domain.twins import settle

_VERSION = re.compile(r"2(?:\.\d+)*", re.ASCII)
_ORDERS = frozenset({"ORM", "OML", "ORL"})
_DEMOGRAPHICS = frozenset({"A01", "A03", "A04", "A08", "A31"})
_IDENTITY_CHANGES = frozenset(
    {"A18", "A24", "A30", "A34", "A35", "A36", "A37", "A39", "A40", "A41", "A42", "A43", "A44", "A45", "A46", "A47",
     "A48", "A49", "A50", "A51"}
)  # fmt: skip
_IN_PROGRESS = frozenset({"I", "O", "S", "A", "P", "R"})
"""OBR-25 of an order that is under way: without results there is nothing to keep."""


def translate(raw: bytes, profile: Profile | None, received_at: datetime, *, listener: str = "") -> Translation:
    """Translate one message (without its MLLP envelope).

    ``profile`` None means that no profile belongs to the sender. Whether the body is a duplicate is for the
    caller to find out by ``transport`` of the result. Never raises for anything that a sender may send.
    """
    received = Received(raw, profile, received_at, header_of(raw), listener)
    if profile is None:
        return received.refused(Rejected("unknown_sender", "MSH[1]-3"))
    if len(raw) > MAX_MESSAGE_BYTES:
        return received.refused(Rejected("too_large", "MSH[1]"))
    try:
        message = read(raw, profile.charset)
    except Rejected as cause:
        return received.refused(cause)
    quality = message.quality if message.header.raw(10).strip() else (*message.quality, "control_id_missing")
    received = Received(
        raw, profile, received_at, message.header, listener, message.decoded.codec, checked(quality),
        transport_hash(profile.sender, message),
    )  # fmt: skip
    try:
        return _by_type(message, profile, received)
    except Rejected as cause:
        return received.refused(cause)


def refuse(raw: bytes, profile: Profile | None, received_at: datetime, reason: str) -> Translation:
    """The translation of a message that is quarantined for a reason found outside, such as ``internal_error``."""
    return Received(raw, profile, received_at, header_of(raw)).refused(Rejected(reason, "MSH[1]"))


def translate_frame(frame: Frame, profile: Profile | None, received_at: datetime, *, listener: str = "") -> Translation:
    """Translate what came in a frame: half a message is never read as a whole one, since its end may be a number."""
    if frame.too_large:
        return refuse_too_large(frame, profile, received_at)
    if frame.incomplete:
        return refuse(frame.payload, profile, received_at, "frame_incomplete")
    return translate(frame.payload, profile, received_at, listener=listener)


def refuse_too_large(frame: Frame, profile: Profile | None, received_at: datetime) -> Translation:
    """The translation of a frame over the limit: hash and size, and an answer from the MSH that was kept."""
    received = Received(
        frame.payload, profile, received_at, header_of(frame.payload), digest=frame.sha256, size=frame.size
    )
    return received.refused(Rejected("too_large", "MSH[1]"))


def _by_type(message: Message, profile: Profile, received: Received) -> Translation:
    header = message.header
    kind, event = header.text(9).strip(), header.text(9, 2).strip()
    if not kind:
        raise Rejected("message_type_missing", "MSH[1]-9")
    version = header.text(12).strip()
    if version and not _VERSION.fullmatch(version):
        raise Rejected("version", "MSH[1]-12")
    processing = profile.processing_of(header.text(11).strip())
    if processing is None:
        raise Rejected("processing_id", "MSH[1]-11")
    if received.message_type in profile.ignore or kind in profile.ignore:
        return received.became("ignored", "ignored_by_profile")
    if kind == "ORU":
        return _results(message, profile, processing, received)
    if kind in _ORDERS:
        return received.became("ignored", "order_context")
    if kind == "ADT" and event in _DEMOGRAPHICS:
        return received.became("ignored", "demographics_not_kept")
    if kind == "OUL" or (kind == "ADT" and event in _IDENTITY_CHANGES):
        raise Rejected("not_yet_supported", "MSH[1]-9")
    return received.became("ignored", "not_for_us", "MSH[1]-9")


def _results(message: Message, profile: Profile, processing: Processing, received: Received) -> Translation:
    structure = structure_of(message)
    patient = patient_of(structure.pid, profile.patient, charset_guessed=message.decoded.guessed)
    context = MessageContext.of(message, profile, patient, processing, received.received_at)
    source = Source(hash=received.hash, message=message.header.raw(10), listener=received.listener)
    orders = [_Order(group, context) for group in structure.orders]
    unused = [QuarantinedPart(obx.place, "obx_before_obr") for obx in structure.strays]
    unused += [part for order in orders for part in order.unused]
    settled = settle([draft for order in orders for draft in order.drafts])
    unused += [QuarantinedPart(place, "conflicting_duplicate") for place in settled.conflicting]
    by_order: dict[int, list[Draft]] = {}
    for draft in settled.drafts:
        by_order.setdefault(id(draft.order), []).append(draft)
    reports: list[LabReport] = []
    for order in orders:
        drafts = by_order.get(id(order.context), [])
        if order.context is None or not (drafts or order.reports_its_end):
            continue
        made, too_large = reports_of(order.context, drafts, structure.pid, source)
        reports += made
        unused += [QuarantinedPart(place, "result_too_large") for place in too_large]
    return _outcome(reports, _in_order(unused, message), structure, received)


class _Order:
    """One order group, read: its drafts, and what of it cannot be used."""

    def __init__(self, group: OrderGroup, message: MessageContext) -> None:
        self.group = group
        self.drafts: list[Draft] = []
        self.unused: list[QuarantinedPart] = []
        self.context: OrderContext | None = None
        if not group.results:
            self.unused += [QuarantinedPart(obx.place, "specimen_before_results") for obx in group.about_specimen]
        try:
            self.context = order_context(group, message)
        except Rejected as cause:
            places = [result.obx.place for result in group.results] or [cause.place]
            self.unused += [QuarantinedPart(place, cause.reason) for place in places]
            return
        self._read(self.context)

    @property
    def reports_its_end(self) -> bool:
        """An order that was cancelled before any result (case 23)."""
        return self.group.cancelled and not self.group.results

    def _read(self, context: OrderContext) -> None:
        statements: list[Statement] = []
        for result in self.group.results:
            try:
                code = code_of(result.obx, context.message.profile.codes)
                if code.attribute is not None:
                    statements.append(statement_of(result.obx, code.attribute, context))
                else:
                    self.drafts += drafts_of(result, code, context)
            except Rejected as cause:
                self.unused.append(QuarantinedPart(cause.place, cause.reason))
        self.drafts, left = attach(self.drafts, statements)
        self.unused += [QuarantinedPart(cause.place, cause.reason) for cause in left]


def _in_order(parts: Sequence[QuarantinedPart], message: Message) -> list[QuarantinedPart]:
    """In the order of the message, each place once."""
    at = {segment.place: position for position, segment in enumerate(message.segments)}
    once = {part.place: part for part in reversed(parts)}
    return sorted(once.values(), key=lambda part: (at.get(part.place, len(at)), part.place))


def _outcome(
    reports: Sequence[LabReport], parts: Sequence[QuarantinedPart], structure: Structure, received: Received
) -> Translation:
    about = ("specimen_observation",) if any(group.about_specimen for group in structure.orders) else ()
    if reports:
        return received.became("published", None, "", reports, parts, about)
    if parts:
        return received.became("quarantined", parts[0].reason, parts[0].place, (), parts, about)
    if structure.orders and all(group.obr.text(25).strip() in _IN_PROGRESS for group in structure.orders):
        return received.became("ignored", "order_context")
    raise Rejected("no_results", "OBX")
