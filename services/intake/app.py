"""The way of one message through intake:

    frame ─▶ translate ─▶ seen before? ─▶ publish reports and quarantine ─▶ remember ─▶ answer

Nothing is answered before Kafka has it. When Kafka does not take it, nobody is answered.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Protocol, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from refrain.contracts.events import CareEvent, LabReport, Quarantined
from refrain.contracts.topics import CARE_EVENTS, LAB_REPORTS, QUARANTINE
from services.intake import metrics
from services.intake.adapters.memory import Memory
from services.intake.adapters.mllp_feed import Silence
from services.intake.adapters.publisher import NotStored, Record
from services.intake.adapters.quarantine import quarantined
from services.intake.adapters.standing import Standing
from services.intake.domain.acks import answer, second_answer, unavailable
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
    def publish(self, records: Sequence[Record]) -> Awaitable[tuple[Record, ...]]: ...


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
        self._profiles = tuple(profiles)
        self._fallback = fallback
        self._now = now
        self._readers = ThreadPoolExecutor(2, "translate")
        self._memorizers = ThreadPoolExecutor(2, "memory")

    async def receive(self, frame: Frame, listener: str) -> tuple[bytes, ...]:
        """The answers to one message, as many as its sender wants; Silence when it could not be stored."""
        started = time.monotonic()
        translation = await self._in(self._readers, self._translate, frame, listener)
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
        translation = await self._in(self._readers, self._translate, frame, listener)
        return await self._store(translation, frame, listener)

    async def record(self, event: CareEvent) -> bool:
        """Returns when Kafka has the care event; False when it is too large for it, NotStored when it is away."""
        refused = await self._door.publish([Record(CARE_EVENTS, event.patient.key.encode(), CARE_EVENTS.encode(event))])
        metrics.CARE_EVENTS.labels("refused" if refused else "published").inc()
        return not refused

    def close(self) -> None:
        """Ends the worker threads."""
        for executor in (self._readers, self._memorizers):
            executor.shutdown(wait=True)

    # --- one message ---

    def _translate(self, frame: Frame, listener: str) -> Translation:
        """Never fails: a message that breaks the translator is kept in quarantine like any other."""
        received_at = self._now()
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
        if log_id and translation.transport and await self._seen(log_id, translation.transport):
            stored = translation.as_duplicate()
        else:
            stored, unusable = await self._publish(translation, frame, listener)
            await self._remember(log_id or self._door.log_id, stored, unusable)
        self._standing.stored(stored)
        if stored.outcome == "quarantined":
            log.warning("quarantined", extra=_about(stored, listener))
        return stored

    async def _publish(
        self, translation: Translation, frame: Frame, listener: str
    ) -> tuple[Translation, tuple[Quarantined, ...]]:
        """Everything is on Kafka afterwards; a report that Kafka calls too large goes to quarantine with the rest."""
        reports = {
            Record(LAB_REPORTS, report.patient.key.encode(), LAB_REPORTS.encode(report)): report
            for report in translation.reports
        }
        entries = quarantined(translation, frame, listener)
        refused = await self._door.publish([*reports, *map(_entry, entries)])
        unread = [reports[record] for record in refused if record in reports]
        bulky = [entry for entry in entries if _entry(entry) in refused]
        if unread:
            places = [observation.segment for report in unread for observation in report.observations]
            left = tuple(report for report in translation.reports if report not in unread)
            translation = _without(translation, left, places)
            entries = quarantined(translation, frame, listener)
            bulky += [entry for entry in await self._also(entries) if entry not in bulky]
        if bulky and await self._also([entry.model_copy(update={"raw": None}) for entry in bulky]):
            raise NotStored
        return translation, entries

    async def _also(self, entries: Sequence[Quarantined]) -> list[Quarantined]:
        """Publishes quarantine entries; those that are too large."""
        refused = await self._door.publish([_entry(entry) for entry in entries])
        return [entry for entry in entries if _entry(entry) in refused]

    async def _seen(self, log_id: str, body: str) -> bool:
        try:
            return await self._in(self._memorizers, self._memory.seen, log_id, body, self._now())
        except SQLAlchemyError as error:
            _memory_failed("look up", error)
            return False

    async def _remember(self, log_id: str, stored: Translation, unusable: Sequence[Quarantined]) -> None:
        """Losing the memory costs a counter, never a result: what is on Kafka is answered all the same."""
        answered_well = stored.reason is None or REASONS[stored.reason].kind == "ignored"
        body = stored.transport if stored.may_be_remembered and answered_well and log_id else None
        if body is None and not unusable:
            return
        try:
            await self._in(self._memorizers, self._memory.remember, log_id, body, unusable, self._now())
        except SQLAlchemyError as error:
            _memory_failed("remember", error)

    @staticmethod
    async def _in(executor: ThreadPoolExecutor, work: Callable[..., Result], *arguments: object) -> Result:
        return await asyncio.get_running_loop().run_in_executor(executor, work, *arguments)


def _entry(entry: Quarantined) -> Record:
    return Record(QUARANTINE, str(entry.event_id).encode(), QUARANTINE.encode(entry))


def _without(translation: Translation, reports: tuple[LabReport, ...], places: Sequence[str]) -> Translation:
    """The translation after Kafka refused some reports for their size."""
    parts = (*translation.quarantined, *(QuarantinedPart(place, "too_large") for place in places))
    if reports:
        return replace(translation, reports=reports, quarantined=parts)
    return replace(
        translation, outcome="quarantined", reason="too_large", place="MSH[1]", reports=(), quarantined=parts
    )


def _about(stored: Translation, listener: str) -> dict[str, object]:
    return {
        "sender": stored.sender or "unknown", "listener": listener, "reason": stored.reason, "place": stored.place,
        "hash": stored.hash, "size": stored.size,
    }  # fmt: skip


def _memory_failed(kind: str, error: SQLAlchemyError) -> None:
    metrics.MEMORY_FAILURES.labels(kind).inc()
    log.warning("intake's memory could not be used", extra={"reason": type(error).__name__})
