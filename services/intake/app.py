"""The way of one message through intake:

    frame ─▶ translate ─▶ seen before? ─▶ publish reports and quarantine ─▶ remember ─▶ answer

Nothing is answered before Kafka has it. When Kafka does not take it, nobody is answered.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Protocol, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from refrain.contracts.events import CareEvent, LabReport, Quarantined
from refrain.contracts.topics import CARE_EVENTS, LAB_REPORTS, QUARANTINE
from services.intake import metrics
from services.intake.adapters.memory import Memory, Stored
from services.intake.adapters.mllp_feed import Silence
from services.intake.adapters.publisher import Delivery, NotStored, Record
from services.intake.adapters.quarantine import kept_at, quarantined
from services.intake.adapters.standing import Standing
from services.intake.adapters.work_list import Kept
from services.intake.domain.acks import answer, second_answer, unavailable
from services.intake.domain.code_map import CodeMap, sightings, with_code_map
from services.intake.domain.er7 import header_of
from services.intake.domain.framing import Frame
from services.intake.domain.profile import Profile, choose
from services.intake.domain.reasons import REASONS
from services.intake.domain.translate import refuse, translate_frame
from services.intake.domain.translation import QuarantinedPart, Translation

log = logging.getLogger(__name__)

Result = TypeVar("Result")

SLOW_SECONDS = 2.0
"""Processor time of one translation above which it is counted and logged (feeds.md 4)."""


class Door(Protocol):
    """Where records go; see :class:`services.intake.adapters.publisher.Publisher`."""

    @property
    def storing(self) -> bool: ...
    @property
    def log_id(self) -> str: ...
    def publish(self, records: Sequence[Record]) -> Awaitable[Delivery]: ...


class Intake:
    """What happens to a message and to a care event. ``fallback`` reads senders that have no profile."""

    def __init__(
        self,
        door: Door,
        memory: Memory,
        standing: Standing,
        profiles: Sequence[Profile],
        fallback: Profile | None,
        now: Callable[[], datetime],
    ) -> None:
        self._door = door
        self._memory = memory
        self._standing = standing
        self._as_written = tuple(profiles), fallback
        self._profiles = tuple(profiles)
        self._fallback = fallback
        self._now = now
        self._readers = ThreadPoolExecutor(2, "translate")
        self._memorizers = ThreadPoolExecutor(2, "memory")

    def read_with(self, code_maps: Mapping[str, CodeMap]) -> None:
        """From the next message on, senders are read with these mappings on top of their profiles."""
        profiles, fallback = self._as_written
        self._profiles = tuple(with_code_map(profile, code_maps.get(profile.sender)) for profile in profiles)
        self._fallback = with_code_map(fallback, code_maps.get(fallback.sender)) if fallback else None
        self._standing.read_with([*self._profiles, *([self._fallback] if self._fallback else [])])

    def written(self, sender: str) -> Profile | None:
        """The profile of a sender as its file says it, or the fallback; None when no profile has the name."""
        profiles, fallback = self._as_written
        return _named(sender, profiles, fallback)

    def reading(self, sender: str) -> Profile | None:
        """The profile that reads a sender now; None when no profile has the name."""
        return _named(sender, self._profiles, self._fallback)

    async def receive(self, frame: Frame, listener: str) -> tuple[bytes, ...]:
        """The answers to one message, as many as its sender wants; Silence when it could not be stored."""
        started = time.monotonic()
        translation = await self._in(self._readers, self._translate, frame, listener, self._now())
        try:
            stored = await self._store(translation, frame, listener)
        except NotStored:
            self._standing.not_stored(translation)
            if (excuse := unavailable(translation, self._now())) is not None:
                return (excuse,)
            raise Silence from None
        metrics.ACK_SECONDS.observe(time.monotonic() - started)
        both = answer(stored, self._now()), second_answer(stored, self._now())
        return tuple(one for one in both if one is not None)

    async def take(self, frame: Frame, listener: str) -> Translation:
        """What became of one message of a file, once it is durable; NotStored when it could not be."""
        translation = await self._in(self._readers, self._translate, frame, listener, self._now())
        return await self._store(translation, frame, listener)

    async def record(self, event: CareEvent) -> bool:
        """Returns when Kafka has the care event; False when it is too large for it, NotStored when it is away."""
        record = Record(CARE_EVENTS, event.patient.key.encode(), CARE_EVENTS.encode(event))
        refused = (await self._door.publish([record])).refused
        metrics.CARE_EVENTS.labels("refused" if refused else "published").inc()
        return not refused

    async def again(self, frame: Frame, listener: str, received_at: datetime) -> tuple[Translation, Stored]:
        """A message through the same door again, as received when it came, and whether or not it was seen before.

        Kafka has all of it afterwards; NotStored when it could not be. What is to be remembered is for the caller.
        """
        translation = await self._in(self._readers, self._translate, frame, listener, received_at)
        translation, kept = await self._publish(translation, frame, listener)
        return translation, _stored(self._door.log_id, translation, kept)

    def close(self) -> None:
        """Ends the worker threads."""
        for executor in (self._readers, self._memorizers):
            executor.shutdown(wait=True)

    # --- one message ---

    def _translate(self, frame: Frame, listener: str, received_at: datetime) -> Translation:
        """Never fails: a message that breaks the translator is kept in quarantine like any other."""
        profile = self._profile(frame.payload, listener)
        started = time.thread_time()
        try:
            return translate_frame(frame, profile, received_at, listener=listener)
        except Exception as error:  # noqa: BLE001 - the edge of the message; the text may quote it
            log.error("a message broke the translator", extra={"reason": type(error).__name__, "hash": frame.sha256})
            return refuse(frame.payload, profile, received_at, "internal_error")
        finally:
            if time.thread_time() - started > SLOW_SECONDS:
                metrics.SLOW_TRANSLATIONS.inc()
                log.warning("a translation was slow", extra={"hash": frame.sha256, "size": frame.size})

    def _profile(self, payload: bytes, listener: str) -> Profile | None:
        header = header_of(payload)
        application, facility = (header.text(3), header.text(4)) if header else ("", "")
        found = choose(self._profiles, listener=listener, application=application, facility=facility)
        return found or self._fallback

    async def _store(self, translation: Translation, frame: Frame, listener: str) -> Translation:
        """What became of it, now that it is durable: a duplicate publishes nothing."""
        log_id = self._door.log_id if self._door.storing else ""
        if log_id and translation.transport and await self._seen(log_id, translation):
            stored = translation.as_duplicate()
        else:
            stored, kept = await self._publish(translation, frame, listener)
            await self._remember(_stored(log_id or self._door.log_id, stored, kept))
        self._standing.stored(stored)
        if stored.outcome == "quarantined":
            log.warning("quarantined", extra=_about(stored, listener))
        return stored

    async def _publish(
        self, translation: Translation, frame: Frame, listener: str
    ) -> tuple[Translation, tuple[Kept, ...]]:
        """Everything is on Kafka afterwards; a report that Kafka calls too large goes to quarantine with the rest."""
        reports = {
            Record(LAB_REPORTS, report.patient.key.encode(), LAB_REPORTS.encode(report)): report
            for report in translation.reports
        }
        entries = {_entry(entry): entry for entry in quarantined(translation, frame, listener)}
        delivery = await self._door.publish([*reports, *entries])
        places = dict(delivery.places)
        if unread := [reports[record] for record in delivery.refused if record in reports]:
            translation = _without(translation, unread)
            entries = {_entry(entry): entry for entry in quarantined(translation, frame, listener)}
            places |= (await self._door.publish([record for record in entries if record not in places])).places
        bulky = [entry.model_copy(update={"raw": None}) for record, entry in entries.items() if record not in places]
        if bulky and (await self._door.publish([_entry(entry) for entry in bulky])).refused:
            raise NotStored
        return translation, kept_at(entries, places)

    async def _seen(self, log_id: str, translation: Translation) -> bool:
        try:
            return await self._in(
                self._memorizers, self._memory.seen, log_id, translation.transport, self._now(), _reading(translation)
            )
        except SQLAlchemyError as error:
            _memory_failed("look up", error)
            return False

    async def _remember(self, stored: Stored) -> None:
        """Losing the memory costs a counter, never a result: what is on Kafka is answered all the same."""
        if stored.nothing:
            return
        try:
            await self._in(self._memorizers, self._memory.remember, stored, self._now())
        except SQLAlchemyError as error:
            _memory_failed("remember", error)

    @staticmethod
    async def _in(executor: ThreadPoolExecutor, work: Callable[..., Result], *arguments: object) -> Result:
        return await asyncio.get_running_loop().run_in_executor(executor, work, *arguments)


def _named(sender: str, profiles: Sequence[Profile], fallback: Profile | None) -> Profile | None:
    known = profiles if fallback is None else (*profiles, fallback)
    return next((profile for profile in known if profile.sender == sender), None)


def _entry(entry: Quarantined) -> Record:
    return Record(QUARANTINE, str(entry.event_id).encode(), QUARANTINE.encode(entry))


def _without(translation: Translation, unread: Sequence[LabReport]) -> Translation:
    """The translation after Kafka refused some reports for their size."""
    places = [observation.segment for report in unread for observation in report.observations]
    reports = tuple(report for report in translation.reports if report not in unread)
    parts = (*translation.quarantined, *(QuarantinedPart(place, "too_large") for place in places))
    if reports:
        return replace(translation, reports=reports, quarantined=parts)
    return replace(
        translation, outcome="quarantined", reason="too_large", place="MSH[1]", reports=(), quarantined=parts
    )


def _reading(translation: Translation) -> int:
    """Number of the reading: the same body read anew is no duplicate (answers 9)."""
    return translation.profile.translation if translation.profile else 0


def _stored(log_id: str, translation: Translation, kept: Sequence[Kept]) -> Stored:
    """What is remembered of a message that is on Kafka."""
    answered_well = translation.reason is None or REASONS[translation.reason].kind == "ignored"
    body = translation.transport if translation.may_be_remembered and answered_well and log_id else None
    results = (observation for report in translation.reports for observation in report.observations)
    unmapped = [(one.code, one.system, one.name) for one in results if "code_unmapped" in one.quality]
    return Stored(log_id, body, _reading(translation), kept, sightings(translation.sender, unmapped))


def _about(stored: Translation, listener: str) -> dict[str, object]:
    return {
        "sender": stored.sender or "unknown", "listener": listener, "reason": stored.reason, "place": stored.place,
        "hash": stored.hash, "size": stored.size,
    }  # fmt: skip


def _memory_failed(kind: str, error: SQLAlchemyError) -> None:
    metrics.MEMORY_FAILURES.labels(kind).inc()
    log.warning("intake's memory could not be used", extra={"reason": type(error).__name__})
