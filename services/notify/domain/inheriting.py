"""What an alert takes over from the one that it supersedes: who knows, who answered, and what is on its way."""

from __future__ import annotations

from uuid import UUID

from refrain.contracts.events import Occasion
from refrain.contracts.events.actions import Inherited
from services.notify.domain import clock, tellings
from services.notify.domain.facts import UNANSWERED
from services.notify.domain.happenings import HeardThere, Inherits
from services.notify.domain.knowing import absorb, believers, known, learned, surely_told
from services.notify.domain.thread import Message, Thread
from services.notify.domain.turn import Turn

PROGRESS = ("raised", "delivered", "escalated", "snoozed", "acknowledged", "read_back", "closed", "retracted")
"""How far an alert has come with people."""
FIRST: frozenset[Occasion] = frozenset({"raised", "digest"})
"""How people hear of an alert first."""


def inherits(turn: Turn, old: Inherits) -> None:
    """Go on where the superseded alert stood, unless this one is more urgent than what people know.

    Nobody who was told under the old id is told again; an answer given there holds here, and what was on its way there
    is on its way here.
    """
    before, own = old.predecessor, turn.thread
    hears(turn, old)
    if not own.live or before.ended:
        return
    if own.rank < before.rank:
        _tells_anew(turn, own, before)
        return
    further = PROGRESS.index(before.state) > PROGRESS.index(own.state)
    if further:
        turn.set(**{name: getattr(before, name) for name in UNANSWERED}, state=before.state)
    turn.set(
        resent=before.resent or own.resent, snoozed_for=max(before.snoozed_for, own.snoozed_for),
        assigned_to=(before.assigned_to or own.assigned_to) if further else (own.assigned_to or before.assigned_to),
        clock_from=min(before.clock_from, own.clock_from), level=max(own.level, before.level),
    )  # fmt: skip
    silent = turn.thread.answered or turn.thread.state == "snoozed"
    knows = _up_to_date(before)
    turn.withdraw(lambda message: tellings.asks(message) and (silent or message.to.person in knows))
    if further or not silent:
        _goes_on(turn, own, before)
    clock.wind(turn)
    now = turn.thread
    turn.note(
        Inherited(
            predecessor=before.alert, level=now.level, acknowledged_by=now.acknowledged_by,
            acknowledged_at=now.acknowledged_at, acknowledge_reason=now.acknowledge_reason,
            snoozed_until=now.snoozed_until,
        )
    )  # fmt: skip


def _tells_anew(turn: Turn, own: Thread, before: Thread) -> None:
    """More urgent: its first contacts are told already; so is everybody else who knew the old alert or took it on."""
    turn.set(assigned_to=own.assigned_to or before.assigned_to)
    hear = {entry.to.person for entry in own.told} | {message.to.person for message in own.unsent}
    known_there = before.model_copy(update={"told": known(before, turn.at)})
    if people := [person for person in believers(known_there) if person not in hear]:
        tellings.tell_those_told(turn, "amended", people)


def _up_to_date(before: Thread) -> set[str]:
    """Who surely heard the old alert as it stood at last, and that it stands."""
    surely = {entry.to.person for entry in before.told if entry.sure and entry.occasion not in ("retracted", "closed")}
    return surely - {message.to.person for message in before.unsent}


def _goes_on(turn: Turn, own: Thread, before: Thread) -> None:
    """Send what the old alert had on its way, in place of our own first message to the same people.

    ``own`` as it was before: whoever was told of it already, or is at this moment, need not hear the same again.
    """
    heard = {message.to.person for message in own.unsent if message.begun} | surely_told(own)
    ours = [message for message in turn.thread.unsent if message.occasion in FIRST and not message.begun]
    for message in before.unsent:
        if message.to.person not in heard or message.occasion == "reassigned":
            first = frozenset(one.delivery for one in ours if one.to.person == message.to.person)
            _send_on(turn, before, message, first)


def _send_on(turn: Turn, before: Thread, message: Message, first: frozenset[UUID]) -> None:
    """``first``: what this alert itself has on its way to the same person, and no channel was tried with."""
    alike = _alike(turn.thread, before)
    if first and not (tellings.asks(message) and (alike or message.occasion not in FIRST)):
        return  # ours says as much, and what is right now
    turn.withdraw(lambda one: one.delivery in first)
    if message.occasion == "amended":
        turn.set(values=turn.thread.values or before.values)
    if alike:
        tellings.take_over(turn, message)
    else:
        tellings.tell_people(turn, (message.to.person,), message.occasion)


def _alike(one: Thread, other: Thread) -> bool:
    """Whether what people hear of the two is the same in kind, urgency and patient."""
    return (one.kind, one.rank, one.patient) == (other.kind, other.rank, other.patient)


def hears(turn: Turn, old: Inherits) -> None:
    """Keep who was told under the old id, for a correction or a retraction."""
    before = old.predecessor
    turn.thread = absorb(turn.thread, known(before, turn.at))
    turn.set(predecessors=tuple(dict.fromkeys((*turn.thread.predecessors, *before.predecessors, before.alert))))


def heard_there(turn: Turn, heard: HeardThere) -> None:
    """Not told again what they just heard under the old id, unless this one is more urgent or already on its way."""
    knows(turn, heard)
    entry = heard.entry
    if not turn.thread.live or entry.occasion not in tellings.ASKS or turn.thread.rank < heard.rank:
        return
    turn.withdraw(lambda message: _is_heard(message, heard))
    if turn.thread.state == "raised":
        turn.set(state="delivered")
    clock.wind(turn)


def _is_heard(message: Message, heard: HeardThere) -> bool:
    """The very message under our id, or a first one to the same person that no channel was tried with."""
    if message.repeats == heard.entry.delivery:
        return True
    return message.occasion in FIRST and message.to.person == heard.entry.to.person and not message.begun


def knows(turn: Turn, heard: HeardThere) -> None:
    """It only keeps who was told under the old id, for a retraction."""
    turn.thread = learned(turn.thread, heard.entry)
