"""An alert as lists show it: its newest event by sequence, beside where its newest action by number leaves it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from refrain.contracts.events import (
    Acknowledged,
    AlertAction,
    AlertAmended,
    AlertClosed,
    AlertEvent,
    AlertRaised,
    AlertRetracted,
    Escalated,
    Inherited,
    Processing,
    ReadBack,
    Reopened,
    Snoozed,
    ThreadState,
    Tier,
)
from refrain.contracts.ids import derive
from services.chart.domain.views import AlertRow, FactState

TIERS: tuple[Tier, ...] = ("P1", "P2", "P3", "DQ")
"""Most urgent first (clinical.md 12.4)."""
TIER_STEP = 1000
NO_HOURS = TIER_STEP - 1


def urgency(tier: Tier, due_hours: int | None) -> int:
    """Place in the order of the work list: by tier, then by the hours it is due in; smaller is more urgent."""
    hours = NO_HOURS if due_hours is None else max(0, min(due_hours, NO_HOURS))
    return TIERS.index(tier) * TIER_STEP + hours


def waits(fact_state: FactState, tier: Tier, state: ThreadState, processing: Processing = "live") -> bool:
    """Whether somebody still has to answer: an open P1 until it is read back, others until acknowledged.

    A notice is born closed, and nobody answers a test. The same rule as notify's ``Thread.waiting``, which a test
    compares with this one, because services do not import one another.
    """
    if fact_state != "open" or tier == "P3" or processing != "live":
        return False
    return state != "read_back" if tier == "P1" else state not in ("acknowledged", "read_back")


def by_sequence(events: Sequence[AlertEvent]) -> list[AlertEvent]:
    """Each event once, in the order its service issued them."""
    distinct = {event.event_id: event for event in events}
    return sorted(distinct.values(), key=lambda event: (event.sequence, str(event.event_id)))


def by_number(actions: Sequence[AlertAction]) -> list[AlertAction]:
    """Each action once, in the order notify numbered them."""
    distinct = {action.event_id: action for action in actions}
    return sorted(distinct.values(), key=lambda action: (action.number, str(action.event_id)))


def taken_back_last(events: Sequence[AlertEvent], retractions: Collection[UUID]) -> bool:
    """Whether the newest thing said is a retraction that came with another alert's.

    Such an event carries no sequence of this alert, but takes one: its place is a number that no own event has. So it
    came last exactly when there are more of them than numbers missing below the newest own event. ``events`` are all
    known ones, at least one, in any order.
    """
    sequences = {event.sequence for event in events}
    missing = max(sequences) + 1 - len(sequences)
    return len(set(retractions)) > missing


@dataclass(slots=True)
class _Answered:
    """What people have done about one alert so far."""

    level: int = 0
    by: str = ""
    at: datetime | None = None
    reason: str = ""
    snoozed_until: datetime | None = None

    def add(self, action: AlertAction) -> None:
        match action.body:
            case Escalated(level=level):
                self.level = level
            case Acknowledged(reason=reason):
                self.by, self.at, self.reason = action.actor.id, action.at, reason
            case ReadBack():
                if not self.by:
                    self.by, self.at = action.actor.id, action.at
            case Snoozed(until=until):
                self.snoozed_until = until
            case Inherited():
                self.level, self.snoozed_until = action.body.level, action.body.snoozed_until
                self.by, self.at = action.body.acknowledged_by, action.body.acknowledged_at
                self.reason = action.body.acknowledge_reason
            case Reopened():
                self.level, self.by, self.at, self.reason = 0, "", None, ""


def alert_of(
    events: Sequence[AlertEvent], retractions: Collection[UUID], actions: Sequence[AlertAction]
) -> AlertRow:  # fmt: skip
    """The row of one alert from everything that is known of it, in any order, repeats allowed.

    ``retractions``: events of other alerts that took this one back too. ``events`` has at least one.
    """
    told = by_sequence(events)
    newest, done = told[-1], by_number(actions)
    fact_state, what_changed = _said(newest)
    if taken_back_last(told, retractions):
        fact_state, what_changed = "retracted", "taken back together with another alert of the same episode"
    notice = _notice(told)
    last = done[-1] if done else None
    state: ThreadState = last.state if last else "raised" if fact_state == "open" else fact_state
    waiting = waits(fact_state, newest.tier, state, newest.processing)
    answered = _Answered()
    for action in done:
        answered.add(action)
    return AlertRow(
        alert=newest.alert, key=newest.patient.key, patient=newest.patient,
        chart_id=derive("patient", newest.patient.key), kind=newest.kind, tier=newest.tier,
        due_hours=newest.due_hours, subject=newest.subject, line=newest.line, text=newest.text, at=newest.at,
        raised_at=told[0].recorded_at, fact_state=fact_state, notice=notice, state=state, waiting=waiting,
        due_at=last.due_at if last and waiting else None, assigned_to=last.assigned_to if last else "",
        level=answered.level, acknowledged_by=answered.by, acknowledged_at=answered.at,
        acknowledge_reason=answered.reason, snoozed_until=answered.snoozed_until if state == "snoozed" else None,
        events=len(told) + len(set(retractions)),
        repeats=sum(isinstance(event, AlertAmended) and event.still_open for event in told),
        number=last.number if last else 0, processing=newest.processing, what_changed=what_changed,
        superseded_by=newest.superseded_by if isinstance(newest, AlertClosed) else None,
    )  # fmt: skip


def _said(event: AlertEvent) -> tuple[FactState, str]:
    """What an event leaves of its alert, and why. A notice is born closed."""
    match event:
        case AlertRaised(notice=notice):
            return ("closed" if notice else "open"), ""
        case AlertAmended(still_open=still_open, what_changed=why):
            return ("open" if still_open else "closed"), why
        case AlertClosed(reason=why):
            return "closed", why
        case AlertRetracted(reason=why):
            return "retracted", why


def _notice(told: Sequence[AlertEvent]) -> bool:
    """Whether it only tells: born closed, and never open since."""
    notice = False
    for event in told:
        if isinstance(event, AlertRaised):
            notice = event.notice
        elif isinstance(event, AlertAmended) and event.still_open:
            notice = False
    return notice
