"""What people do about an alert, and when that makes no sense."""

from __future__ import annotations

from refrain.contracts.acknowledging import REASON_BY_CODE
from refrain.contracts.events import NIL, Actor, Recipient
from refrain.contracts.events.actions import Acknowledged, ReadBack, Reassigned, Snoozed
from services.notify.domain import clock, tellings
from services.notify.domain.escalation import stop_snooze
from services.notify.domain.happenings import Acknowledge, IsPast, Reassign, RecordReadBack, Refused, Snooze
from services.notify.domain.knowing import learned
from services.notify.domain.thread import ToldOnce
from services.notify.domain.turn import Turn

READ_BACK_REASON = "will_act"
"""Whoever notes a read-back of an alert that nobody acknowledged takes it on."""


def _by_a_person(turn: Turn, actor: Actor) -> None:
    if actor.type != "person":
        raise ValueError("only a person answers an alert")
    if not turn.thread.live:
        raise Refused("NOT_LIVE")


def acknowledges(turn: Turn, answer: Acknowledge) -> None:
    """Taken on: nobody is asked any more, save for the read-back of a P1."""
    _by_a_person(turn, answer.actor)
    _take_on(turn, answer.actor, answer.reason, answer.comment)


def _take_on(turn: Turn, actor: Actor, reason: str, comment: str) -> None:
    """Whoever takes it on knows it, and hears of corrections and of a retraction (RET-3), if the roster has them."""
    thread, holder = turn.thread, turn.thread.assigned_to
    if turn.roster.belongs(actor.id, thread.tier):
        holder, where = actor.id, Recipient(person=actor.id, channel=actor.via)
        entry = ToldOnce(to=where, at=turn.at, occasion="raised", level=thread.level, tier=thread.tier, delivery=NIL)
        turn.thread = learned(turn.thread, entry)
    turn.withdraw(tellings.asks)
    turn.set(
        state="acknowledged", acknowledged_by=actor.id, acknowledged_at=turn.at, acknowledge_reason=reason,
        assigned_to=holder, snoozed_until=None, reminded_at=None,
    )  # fmt: skip
    clock.wind(turn)
    turn.note(Acknowledged(reason=reason, comment=comment, override=REASON_BY_CODE[reason].override), actor)


def reads_back(turn: Turn, answer: RecordReadBack) -> None:
    """A critical result was read back; that acknowledges it too."""
    _by_a_person(turn, answer.actor)
    if turn.thread.tier != "P1":
        raise Refused("NOT_CRITICAL")
    if not turn.thread.answered:
        _take_on(turn, answer.actor, READ_BACK_REASON, "")
    turn.withdraw(tellings.asks)
    turn.set(state="read_back", read_back_at=turn.at, read_back_by=answer.by)
    clock.wind(turn)
    turn.note(ReadBack(by=answer.by, comment=answer.comment), answer.actor)


def snoozes(turn: Turn, answer: Snooze) -> None:
    """Silent until then; the clock stands still meanwhile. All snoozes together stay within the site's limit."""
    _by_a_person(turn, answer.actor)
    if answer.until <= turn.at:
        raise IsPast("a snooze ends in the future")
    thread = turn.thread
    length = answer.until - turn.at
    spent = thread.snoozed_for
    if thread.snoozed_until and thread.snoozed_until > turn.at:
        spent -= thread.snoozed_until - turn.at
    if spent + length > turn.roster.chain(thread.tier, thread.due_hours).snooze_max.nominal:
        raise Refused("TOO_LONG")
    if thread.state == "snoozed":
        stop_snooze(turn, "snoozed anew")
    turn.withdraw(tellings.asks)
    turn.set(state="snoozed", snoozed_until=answer.until, **clock.shift(turn.thread, length))
    clock.wind(turn)
    turn.note(Snoozed(until=answer.until, reason=answer.reason), answer.actor)


def reassigns(turn: Turn, answer: Reassign) -> None:
    """Given to somebody else, who is told. The clock goes on: an alert handed around must not gain time by it."""
    _by_a_person(turn, answer.actor)
    if not turn.roster.belongs(answer.to, turn.thread.tier):
        raise Refused("NOT_ON_ROSTER")
    turn.withdraw(lambda message: message.occasion == "reassigned")
    turn.set(assigned_to=answer.to)
    turn.note(Reassigned(to=answer.to, reason=answer.reason), answer.actor)
    if answer.to != answer.actor.id:
        tier = turn.thread.tier
        when = turn.roster.free_at(answer.to, tier, turn.roster.settled(tier, turn.at))
        tellings.tell(turn, ((answer.to, when),), "reassigned")


def is_taken(turn: Turn, answer: Acknowledge | Snooze) -> None:
    """Somebody was faster."""
    _by_a_person(turn, answer.actor)
    raise Refused("ALREADY_ACKNOWLEDGED", by=turn.thread.acknowledged_by, at=turn.thread.acknowledged_at)


def is_read_back(turn: Turn, answer: RecordReadBack) -> None:
    _by_a_person(turn, answer.actor)
    if turn.thread.tier != "P1":
        raise Refused("NOT_CRITICAL")
    raise Refused("ALREADY_READ_BACK", by=turn.thread.read_back_by, at=turn.thread.read_back_at)


def is_over(turn: Turn, answer: Acknowledge | RecordReadBack | Snooze | Reassign) -> None:
    _by_a_person(turn, answer.actor)
    raise Refused("ENDED")
