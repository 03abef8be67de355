"""The work list in SQL: what could not be used, where its bytes are, and how each entry ended."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Engine, select, update

from refrain.contracts.events import Quarantined
from refrain.runtime.database import READING
from services.intake.adapters.tables import CHANGES, UNUSABLE, Act, audit, microseconds, moment_of, upsert
from services.intake.domain.resolutions import RESOLUTIONS, SENDER_RESENDS

PAGE_LIMIT = 500
"""Largest page of the work list that is given out at once."""
INTAKE = "intake"
"""Who acts where no person did."""

State = Literal["open", "resolved", "all"]
ResolvedBy = Literal["now", "same_request", "another"]
_COPIED = ("sender", "listener", "reason", "place", "whole_message", "hash", "size")
_OPEN: Mapping[str, None] = dict.fromkeys(("resolved_at", "resolved_by", "resolution", "comment", "request"))


@dataclass(frozen=True, slots=True)
class RawAt:
    """Where on ``quarantine.v1`` the bytes of a message are: the record of the entry ``event_id``."""

    event_id: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry that is on Kafka, with the place of its message's bytes; None when they were too large to keep."""

    entry: Quarantined
    raw: RawAt | None


@dataclass(frozen=True, slots=True)
class Item:
    """One entry; ``size`` in bytes, ``hash`` the SHA-256 of the message, ``resolved_at`` None while it is open."""

    event_id: str
    recorded_at: datetime
    sender: str
    listener: str
    reason: str
    place: str
    whole_message: bool
    hash: str
    size: int
    raw_kept: bool | None
    raw: RawAt | None
    resolved_at: datetime | None
    resolved_by: str
    resolution: str
    comment: str
    request: str

    @property
    def open(self) -> bool:
        return self.resolved_at is None

    @property
    def decided(self) -> bool:
        """Whether a person resolved it, so that driving its message again is not for intake to do unasked."""
        return self.resolution in RESOLUTIONS


class WorkList:
    """Blocking; safe from several threads and processes. Raises SQLAlchemyError when the database is away."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reading = engine.execution_options(**{READING: True})

    def page(
        self, *, sender: str = "", reason: str = "", state: State = "open", limit: int = 100, before: str = ""
    ) -> list[Item]:
        """Entries, newest first, at most ``limit``, after the one with the id ``before``; KeyError: none has it."""
        query = select(UNUSABLE).order_by(UNUSABLE.c.recorded_at.desc(), UNUSABLE.c.event_id.desc())
        if sender:
            query = query.where(UNUSABLE.c.sender == sender)
        if reason:
            query = query.where(UNUSABLE.c.reason == reason)
        if state != "all":
            ended = UNUSABLE.c.resolved_at
            query = query.where(ended.is_(None) if state == "open" else ended.is_not(None))
        with self._reading.connect() as connection:
            if before:
                mark = connection.execute(select(UNUSABLE).where(UNUSABLE.c.event_id == before)).mappings().first()
                if mark is None:
                    raise KeyError(before)
                same = (UNUSABLE.c.recorded_at == mark["recorded_at"]) & (UNUSABLE.c.event_id < before)
                query = query.where((UNUSABLE.c.recorded_at < mark["recorded_at"]) | same)
            return [_item(row) for row in connection.execute(query.limit(limit)).mappings()]

    def get(self, event_id: str) -> Item:
        """One entry; KeyError when there is none."""
        with self._reading.connect() as connection:
            return _get(connection, event_id)

    def resolve(self, event_id: str, act: Act, resolution: str, comment: str) -> tuple[Item, ResolvedBy]:
        """Takes an entry off the open list; of one that is resolved the first word stands. KeyError: no entry."""
        with self._engine.begin() as connection:
            again = _done(connection, "resolved", event_id, act)
            changed = not again and _resolve(connection, event_id, act, resolution=resolution, comment=comment)
            if changed:
                audit(connection, act, "resolved", event_id, f"{resolution}: {comment}" if comment else resolution)
            item = _get(connection, event_id)
        if changed:
            return item, "now"
        return item, "same_request" if again and item.request == act.request else "another"

    def reopen(self, event_id: str, act: Act, comment: str) -> Item:
        """Puts an entry back on the open list; of an open one nothing changes. KeyError: no entry."""
        with self._engine.begin() as connection:
            if not _done(connection, "reopened", event_id, act) and _reopen(connection, event_id):
                audit(connection, act, "reopened", event_id, comment)
            return _get(connection, event_id)


# --- parts of larger transactions -----------------------------------------------------------------------------


def keep(connection: Connection, kept: Sequence[Kept]) -> None:
    """Puts entries on the list. One that is there stays as it is, and its bytes are found at their newest place."""
    for one in kept:
        insert = upsert(connection, UNUSABLE).values(_row(one))
        found = {name: insert.excluded[name] for name in ("raw_kept", "raw_event", "raw_partition", "raw_offset")}
        if one.raw is None:
            connection.execute(insert.on_conflict_do_nothing(index_elements=[UNUSABLE.c.event_id]))
        else:
            connection.execute(insert.on_conflict_do_update(index_elements=[UNUSABLE.c.event_id], set_=found))


def came_again(connection: Connection, kept: Sequence[Kept], at: datetime) -> None:
    """Opens again what somebody closed because a corrected message would come, now that the same one came."""
    if not kept:
        return
    ids = [str(one.entry.event_id) for one in kept]
    waiting = select(UNUSABLE.c.event_id).where(UNUSABLE.c.event_id.in_(ids), UNUSABLE.c.resolution == SENDER_RESENDS)
    for event_id in connection.execute(waiting).scalars().all():
        _reopen(connection, event_id)
        audit(connection, Act(INTAKE, at), "reopened", event_id, "the same message came again")


def of_message(connection: Connection, item: Item, senders: Collection[str]) -> list[Item]:
    """All entries of the message that ``item`` is about, under any of these senders. They stay locked until commit."""
    query = select(UNUSABLE).where(
        UNUSABLE.c.hash == item.hash, UNUSABLE.c.listener == item.listener, UNUSABLE.c.sender.in_(sorted(senders))
    )
    ordered = query.order_by(UNUSABLE.c.event_id).with_for_update()
    return [_item(row) for row in connection.execute(ordered).mappings()]


def settle(connection: Connection, act: Act, ends: Mapping[str, str], reopened: Sequence[str]) -> None:
    """Ends entries as a redrive found (id to resolution), and opens those again whose cause is back."""
    for event_id, resolution in sorted(ends.items()):
        if _resolve(connection, event_id, act, resolution=resolution, comment=""):
            audit(connection, act, "resolved", event_id, resolution)
    for event_id in sorted(reopened):
        _reopen(connection, event_id)
        audit(connection, act, "reopened", event_id, "driven again, and its cause is back")


def note_redrive(connection: Connection, act: Act, event_id: str, became: str) -> None:
    """Writes down that somebody drove an entry again; a request that comes twice is written down once."""
    if not _done(connection, "redriven", event_id, act):
        audit(connection, act, "redriven", event_id, became)


def _resolve(connection: Connection, event_id: str, act: Act, **how: str) -> bool:
    mine = (UNUSABLE.c.event_id == event_id) & UNUSABLE.c.resolved_at.is_(None)
    who = {"resolved_at": microseconds(act.at), "resolved_by": act.actor, "request": act.request}
    return connection.execute(update(UNUSABLE).where(mine).values(who | how)).rowcount > 0


def _reopen(connection: Connection, event_id: str) -> bool:
    closed = (UNUSABLE.c.event_id == event_id) & UNUSABLE.c.resolved_at.is_not(None)
    return connection.execute(update(UNUSABLE).where(closed).values(dict(_OPEN))).rowcount > 0


def _done(connection: Connection, what: str, event_id: str, act: Act) -> bool:
    """Whether this very request was carried out before."""
    mine = (CHANGES.c.what == what) & (CHANGES.c.subject == event_id) & (CHANGES.c.request == act.request)
    return bool(act.request) and connection.execute(select(CHANGES.c.id).where(mine)).first() is not None


def _get(connection: Connection, event_id: str) -> Item:
    row = connection.execute(select(UNUSABLE).where(UNUSABLE.c.event_id == event_id)).mappings().first()
    if row is None:
        raise KeyError(event_id)
    return _item(row)


def _row(kept: Kept) -> dict[str, Any]:
    copied = {name: getattr(kept.entry, name) for name in _COPIED}
    raw = kept.raw
    where = {
        "raw_kept": raw is not None,
        "raw_event": raw.event_id if raw else None,
        "raw_partition": raw.partition if raw else None,
        "raw_offset": raw.offset if raw else None,
    }
    head = {"event_id": str(kept.entry.event_id), "recorded_at": microseconds(kept.entry.recorded_at)}
    return head | copied | where


def _item(row: Any) -> Item:
    raw = RawAt(row["raw_event"], row["raw_partition"], row["raw_offset"]) if row["raw_event"] else None
    resolved_at = row["resolved_at"]
    content: dict[str, Any] = {name: row[name] for name in _COPIED}
    content |= {name: row[name] or "" for name in ("resolved_by", "resolution", "comment", "request")}
    content |= {"event_id": row["event_id"], "recorded_at": moment_of(row["recorded_at"])}
    content |= {"raw_kept": row["raw_kept"], "raw": raw}
    return Item(**content, resolved_at=None if resolved_at is None else moment_of(resolved_at))
