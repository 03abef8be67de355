"""A delivery log in memory and a channel that does as it is told: both keep the promises of the real ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Event, Lock
from uuid import UUID

from sqlalchemy.exc import OperationalError

from services.notify.adapters.channels.channel import DeliveryFailed
from services.notify.adapters.deliveries import ChannelState, Due
from services.notify.domain.thread import Message, Thread
from services.notify.domain.words import URGENCY, Detail, Text


@dataclass
class Row:
    due: Due
    next_try_at: datetime
    leased_until: datetime | None = None
    state: str = "waiting"
    reason: str = ""


@dataclass
class FakeDeliveries:
    """Keeps deliveries as the SQL store does, and can be away for a number of calls."""

    rows: dict[UUID, Row] = field(default_factory=dict)
    states: dict[str, ChannelState] = field(default_factory=dict)
    away: dict[str, int] = field(default_factory=dict)
    """By method: how many calls find the database away."""
    broken: set[UUID] = field(default_factory=set)
    """Deliveries whose thread cannot be advanced."""
    released: list[datetime] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def post(self, thread: Thread, *messages: Message) -> None:
        for message in messages:
            self.rows[message.delivery] = Row(Due(message, thread, 0), message.not_before)

    def state_of(self, message: Message) -> tuple[str, str]:
        row = self.rows[message.delivery]
        return row.state, row.reason

    def next_try(self, message: Message) -> datetime:
        return self.rows[message.delivery].next_try_at

    def due_channels(self, now: datetime) -> Collection[str]:
        self._reach("due_channels")
        return sorted({row.due.message.to.channel for row in self.rows.values() if self._free(row, now)})

    def lease(self, now: datetime, limit: int, lease_seconds: float, channel: str | None = None) -> Sequence[Due]:
        self._reach("lease")
        with self.lock:
            found = [
                row
                for row in self.rows.values()
                if self._free(row, now) and channel in (None, row.due.message.to.channel)
            ]
            found.sort(key=lambda row: (URGENCY.index(row.due.message.tier), row.next_try_at, _name(row.due)))
            found = found[:limit]
            noted = {row.due.bundle for row in found if row.due.bundle}
            new = {_group(row.due) for row in found if not row.due.bundle}
            others = [row for row in self.rows.values() if row not in found and row.state == "waiting"]
            found += [row for row in others if row.due.bundle in noted]
            found += [
                row for row in others if not row.due.bundle and self._free(row, now) and _group(row.due) in new
            ]  # fmt: skip
            for row in found:
                row.leased_until = now + timedelta(seconds=lease_seconds)
            return [row.due for row in found]

    def bundle(
        self,
        key: UUID,
        messages: Sequence[Message],
        now: datetime,  # noqa: ARG002 - the real one does
    ) -> Mapping[UUID, Thread] | None:
        self._reach("bundle")
        rows = [self.rows[message.delivery] for message in messages]
        mine = [row for row in rows if row.state == "waiting" and row.leased_until and row.due.bundle is None]
        for row in mine:
            if len(mine) < len(rows):
                row.leased_until = None
            else:
                row.due = replace(row.due, bundle=key)
        return {row.due.thread.alert: row.due.thread for row in rows} if len(mine) == len(rows) else None

    def sent(self, message: Message, now: datetime) -> None:  # noqa: ARG002 - the real one notes the time
        self._reach("sent")
        self._advance(message)
        self._end(message, "sent", "")

    def retry(self, message: Message, at: datetime, reason: str) -> None:
        self._reach("retry")
        row = self.rows[message.delivery]
        row.due = replace(row.due, attempts=row.due.attempts + 1)
        row.next_try_at, row.leased_until, row.reason = at, None, reason

    def failed(self, message: Message, reason: str, now: datetime) -> None:  # noqa: ARG002 - the real one notes the time
        self._reach("failed")
        self._advance(message)
        if self.rows[message.delivery].state == "waiting":
            self._end(message, "failed", reason)

    def release(self, messages: Sequence[Message], at: datetime) -> None:
        self._reach("release")
        self.released.append(at)
        for message in messages:
            row = self.rows[message.delivery]
            row.next_try_at, row.leased_until = at, None

    def channel_result(self, name: str, ok: bool, now: datetime) -> None:
        self._reach("channel_result")
        with self.lock:
            before = self.states.get(name, ChannelState(name, 0, None, None))
            failed = replace(before, failures=before.failures + 1, down_since=before.down_since or now)
            self.states[name] = ChannelState(name, 0, None, now) if ok else failed

    def channels(self) -> Sequence[ChannelState]:
        self._reach("channels")
        return list(self.states.values())

    def _free(self, row: Row, now: datetime) -> bool:
        on_loan = row.leased_until is not None and row.leased_until > now
        return row.state == "waiting" and not on_loan and row.next_try_at <= now

    def _end(self, message: Message, state: str, reason: str) -> None:
        row = self.rows[message.delivery]
        row.state, row.reason, row.leased_until = state, reason, None

    def _advance(self, message: Message) -> None:
        if message.delivery in self.broken:
            raise ValueError(f"cannot advance the thread of {message.to.person}")

    def _reach(self, method: str) -> None:
        if self.away.get(method, 0) > 0:
            self.away[method] -= 1
            raise OperationalError("select 1", {}, Exception("away"))


def _group(due: Due) -> tuple[object, ...]:
    message = due.message
    return message.to, message.tier, "" if message.digest else due.thread.patient.key


@dataclass
class FakeChannel:
    """Notes what it was given. ``does`` decides, message by message, and may block or raise."""

    name: str = "mail"
    kind: str = "smtp"
    detail: Detail = "none"
    does: Callable[[Text, str, UUID], None] = lambda text, address, key: None  # noqa: ARG005 - it takes all
    taken: list[tuple[UUID, str, Text]] = field(default_factory=list)
    tried: int = 0
    at_once: int = 0
    most_at_once: int = 0
    lock: Lock = field(default_factory=Lock)

    def send(self, text: Text, address: str, key: UUID) -> None:
        with self.lock:
            self.tried += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            self.does(text, address, key)
        finally:
            with self.lock:
                self.at_once -= 1
        self.taken.append((key, address, text))

    @property
    def keys(self) -> list[UUID]:
        return [key for key, _, _ in self.taken]


def failing(
    reason: str = "unreachable", *, again: bool = True, wait_seconds: float | None = None
) -> Callable[..., None]:
    """For ``does``: every message fails so."""

    def fail(_text: Text, _address: str, _key: UUID) -> None:
        raise DeliveryFailed(reason, again=again, wait_seconds=wait_seconds)  # type: ignore[arg-type]

    return fail


def held_by(gate: Event) -> Callable[..., None]:
    """For ``does``: every message waits until the gate is opened."""

    def hold(_text: Text, _address: str, _key: UUID) -> None:
        assert gate.wait(60)

    return hold


def _name(due: Due) -> str:
    return str(due.message.delivery)
