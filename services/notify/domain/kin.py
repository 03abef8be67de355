"""What one alert event moves: its own thread, those taken back with it, and the one that supersedes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from refrain.contracts.alerting import AnyAlert
from refrain.contracts.events import AlertClosed, AlertRetracted
from services.notify.domain import facts
from services.notify.domain.happenings import Inherits, Issued, Outcome, TakenBack
from services.notify.domain.knowing import absorb, known
from services.notify.domain.roster import Roster
from services.notify.domain.table import advance
from services.notify.domain.thread import Thread

Threads = Mapping[UUID, Thread | None]


def concerned(event: AnyAlert, threads: Threads) -> frozenset[UUID]:
    """The alerts whose threads :func:`take` needs. Load those that ``threads`` lacks (None: there is none), ask again
    until none is lacking; the second time is the last."""
    named = {event.alert, *_with(event)}
    if isinstance(event, AlertClosed) and event.superseded_by:
        named.add(event.superseded_by)
    known = [thread for alert in named if (thread := threads.get(alert))]
    return frozenset(named.union(*(thread.predecessors for thread in known)))


def take(event: AnyAlert, threads: Threads, roster: Roster, at: datetime) -> tuple[Outcome, ...]:
    """What an alert event makes of every thread that it concerns; only threads that changed, none twice.

    ``threads`` holds what :func:`concerned` names, ``at`` is notify's clock. An event that was seen gives nothing.
    Whoever tells people holds the list of those who know: what was told under a superseded id moves to the alert that
    took over, and on a retraction to the one whose event it is: one message. A data question and a clinical alert have
    their people each.
    """
    own = threads.get(event.alert)
    if own is not None and event.sequence <= own.sequence:
        return ()
    before = own or facts.blank(event, at)
    kin = tuple(_handing_over(event, before, threads))
    told = absorb(before, (entry for other in kin if _same_people(before, other) for entry in known(other, at)))
    outcome = advance(told, Issued(event, at), roster)
    rest = tuple(_without_told(other) if _same_people(before, other) else other for other in kin)
    if isinstance(event, AlertRetracted):
        return (outcome, *(advance(other, TakenBack(event, at), roster) for other in rest))
    others = tuple(Outcome(other) for other in rest)
    heir = threads.get(event.superseded_by) if isinstance(event, AlertClosed) and event.superseded_by else None
    if heir is None or heir.state == "retracted" or heir.alert == event.alert:
        return (outcome, *others)
    ended = replace(outcome, thread=_without_told(outcome.thread))
    return (ended, *others, advance(heir, Inherits(told, at), roster))


def _same_people(one: Thread, other: Thread) -> bool:
    """Whether both are told to the ward, or both to the laboratory."""
    return (one.tier == "DQ") == (other.tier == "DQ")


def _with(event: AnyAlert) -> tuple[UUID, ...]:
    return event.with_alerts if isinstance(event, AlertRetracted) else ()


def _handing_over(event: AnyAlert, own: Thread, threads: Threads) -> Iterator[Thread]:
    """Threads whose list of people this alert takes over: superseded ones that somebody was told of since (a message
    was on its way), and, on a retraction, all that it takes back and all that those superseded."""
    retracted = isinstance(event, AlertRetracted)
    roots = [own, *(other for alert in _with(event) if (other := threads.get(alert)) and alert != own.alert)]
    seen = {own.alert}
    for root in roots:
        if root.alert not in seen and root.fact_state != "retracted":
            seen.add(root.alert)
            yield root
        line = {root.alert, *root.predecessors}
        for alert in root.predecessors:
            old = threads.get(alert)
            if old and alert not in seen and old.successor in line and (retracted or old.told):
                seen.add(alert)
                yield old


def _without_told(thread: Thread) -> Thread:
    """Whoever was told, or may have been, is on another thread's list now."""
    unsent = tuple(message.model_copy(update={"begun": False}) for message in thread.unsent)
    return thread.model_copy(update={"told": (), "unsent": unsent})
