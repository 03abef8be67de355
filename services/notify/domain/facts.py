"""What alert events make of a thread: begun, joined, opened again, closed, retracted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from refrain.contracts.alerting import AnyAlert
from refrain.contracts.events import AlertAmended, AlertClosed, AlertRaised, ValueChange
from refrain.contracts.events.actions import Ended, Reopened
from services.notify.domain import clock, tellings
from services.notify.domain.escalation import begin, stop_snooze, tell_the_end
from services.notify.domain.happenings import Issued, TakenBack
from services.notify.domain.knowing import believers, may_believe, surely_told
from services.notify.domain.thread import FactState, Thread
from services.notify.domain.turn import Turn

NEW = -1
"""Sequence of a thread that has had no event yet."""
UNANSWERED: dict[str, Any] = {
    "acknowledged_by": "", "acknowledged_at": None, "acknowledge_reason": "", "read_back_at": None,
    "read_back_by": "", "snoozed_until": None, "reminded_at": None,
}  # fmt: skip


def blank(event: AnyAlert, at: datetime) -> Thread:
    """The thread of an alert before its first event."""
    return Thread(
        alert=event.alert, patient=event.patient, kind=event.kind, tier=event.tier, due_hours=event.due_hours,
        episode=event.episode, text=event.text, at=event.at, raised_at=at, recorded_at=event.recorded_at,
        caused_by=event.event_id, processing=event.processing, sequence=NEW, clock_from=at,
    )  # fmt: skip


def fact_state(event: AnyAlert) -> FactState:
    """What the newest event of an alert says of it; a notice is born closed."""
    match event:
        case AlertRaised():
            return "closed" if event.notice else "open"
        case AlertAmended():
            return "open" if event.still_open else "closed"
        case AlertClosed():
            return "closed"
    return "retracted"


def _learn(turn: Turn, event: AnyAlert) -> None:
    """Take over what the event says. Once live, an alert stays so: a test never silences it."""
    before = turn.thread
    notice = event.notice if isinstance(event, AlertRaised) else before.notice and fact_state(event) == "closed"
    turn.set(
        patient=event.patient, kind=event.kind, tier=event.tier, due_hours=event.due_hours, subject=event.subject,
        line=event.line, episode=event.episode, text=event.text, rule=event.rule, evidence=event.evidence,
        values=_values(before, getattr(event, "values", ())), at=event.at, recorded_at=event.recorded_at,
        trace=event.trace, caused_by=event.event_id, sequence=event.sequence, fact_state=fact_state(event),
        what_changed=getattr(event, "what_changed", "") or getattr(event, "reason", ""), notice=notice,
        processing="live" if before.live and before.sequence != NEW else event.processing,
    )  # fmt: skip


def _values(before: Thread, values: Sequence[ValueChange]) -> tuple[ValueChange, ...]:
    """The newest correction; joined with one before it that somebody has still to be told of."""
    if not any(message.occasion == "amended" for message in before.unsent):
        return tuple(values)
    changes = {change.result: change for change in before.values}
    for change in values:
        first = changes.get(change.result)
        changes[change.result] = change.model_copy(update={"before": first.before}) if first else change
    return tuple(changes.values())


def speaks(turn: Turn, issued: Issued) -> None:
    """A raised or amended alert that stands, whatever was known before: begun, joined or opened again."""
    event, before = issued.event, turn.thread
    _learn(turn, event)
    first_live = turn.thread.live and not before.live
    if not turn.thread.live:
        return
    if before.sequence == NEW or first_live:
        turn.set(state="raised", clock_from=turn.at)
        if turn.thread.fact_state == "open" or turn.thread.notice:
            begin(turn)
        else:
            _end(turn, "closed")
    elif before.ended or before.notice:
        _speaks_after_the_end(turn, before, event)
    else:
        _joins(turn, before, event)


def _joins(turn: Turn, before: Thread, event: AnyAlert) -> None:
    """A new event about an alert that stands (FAT-1, FAT-2): told anew when more urgent, else only what was wrong."""
    if turn.thread.fact_state == "closed":
        _corrected(turn, event)
        _close(turn, superseded=False)
    elif turn.thread.rank < before.rank:
        if before.state == "snoozed":
            stop_snooze(turn, "it became more urgent")
        _again(turn, "it became more urgent", may_believe(turn.thread, turn.at))
    elif turn.thread.tier == "P1" and before.answered and _other_value(event):
        _again(turn, "a value that was taken on was corrected", may_believe(turn.thread, turn.at))
    else:
        if not _corrected(turn, event):
            turn.set(repeats=before.repeats + 1)
        if turn.thread.tier == "P3" and before.tier != "P3":
            _waits_no_more(turn)
        clock.wind(turn)


def _speaks_after_the_end(turn: Turn, before: Thread, event: AnyAlert) -> None:
    """Closed, retracted or a notice: it may open again, or only a value that was told was corrected."""
    told_again = before.ended and isinstance(event, AlertRaised)
    if turn.thread.fact_state == "open" or told_again:
        anew = before.state == "retracted"
        turn.set(successor=None, assigned_to="" if anew else before.assigned_to)
        _again(turn, "it opened again", () if anew else may_believe(turn.thread, turn.at))
    else:
        _corrected(turn, event)


def _corrected(turn: Turn, event: AnyAlert) -> bool:
    """A value that was told was wrong: those who were told it, or may be at this moment, hear the right one."""
    if not isinstance(event, AlertAmended) or not event.values:
        return False
    if people := may_believe(turn.thread, turn.at):
        tellings.tell_those_told(turn, "amended", people)
    return True


def _other_value(event: AnyAlert) -> bool:
    """Whether a critical result is another than was read back: it is read back anew (clinical.md 17.2)."""
    values = event.values if isinstance(event, AlertAmended) else ()
    return any(change.before != change.after for change in values)


def _again(turn: Turn, reason: str, believers: Sequence[str]) -> None:
    """It waits for an answer anew: a fresh clock, the first contacts, and everybody who was told before."""
    already = surely_told(turn.thread).intersection(believers)
    turn.withdraw(lambda _: True)
    turn.set(state="raised", level=0, clock_from=turn.at, resent=False, snoozed_for=timedelta(), **UNANSWERED)
    clock.wind(turn)
    turn.note(Reopened(reason=reason))
    begin(turn, also=tuple(believers), already=tuple(already))


def _waits_no_more(turn: Turn) -> None:
    """It sank to a P3: what was not sent yet goes into the digest, unless somebody was told already."""
    if turn.thread.state == "snoozed":
        stop_snooze(turn, "it no longer waits for an answer")
    held = any(tellings.asks(message) for message in turn.thread.unsent)
    turn.withdraw(tellings.asks)
    if held and not surely_told(turn.thread):
        tellings.tell_level(turn, "raised")


def closes(turn: Turn, issued: Issued) -> None:
    """The reason ended. Of a P1 or P2 that nobody answered people hear in the digest, even if nobody was told yet."""
    event = issued.event
    assert isinstance(event, AlertClosed)
    _learn(turn, event)
    if turn.thread.live and not turn.thread.notice:
        turn.set(successor=event.superseded_by)
        _close(turn, superseded=event.superseded_by is not None)


def _close(turn: Turn, *, superseded: bool) -> None:
    """What corrects a value that was told still goes out, unless the alert lives on under another id."""
    turn.withdraw(lambda message: superseded or message.occasion != "amended")
    people = believers(turn.thread) or _first_contacts(turn)
    _end(turn, "closed")
    tell_the_end(turn, people)


def _first_contacts(turn: Turn) -> tuple[str, ...]:
    thread, roster = turn.thread, turn.roster
    level = 0
    start = roster.next_digest(turn.at)
    while not (people := roster.recipients(thread.tier, thread.due_hours, level, start)):
        level += 1
    return people


def closes_again(turn: Turn, issued: Issued) -> None:
    """Nobody waits for it any more: only the facts are kept."""
    _learn(turn, issued.event)


def retracts(turn: Turn, issued: Issued) -> None:
    """The reason never held: everybody who was told or acknowledged it is told, once, with both values (RET-3)."""
    _learn(turn, issued.event)
    _takes_back(turn)


def _takes_back(turn: Turn) -> None:
    if not turn.thread.live:
        return
    _end(turn, "retracted")
    if people := believers(turn.thread):
        tellings.tell_those_told(turn, "retracted", people)


def taken_back(turn: Turn, back: TakenBack) -> None:
    """Retracted by the event of another alert, which tells people, but for those who are this one's alone. Its own
    sequence goes on as it was."""
    turn.set(fact_state="retracted", what_changed=back.event.reason, values=_values(turn.thread, back.event.values))
    _takes_back(turn)


def _end(turn: Turn, how: FactState) -> None:
    turn.withdraw(lambda message: how == "retracted" or tellings.asks(message))
    turn.set(state=how, wake_at=None, due_at=None, snoozed_until=None)
    turn.note(Ended.model_validate({"how": how}))
