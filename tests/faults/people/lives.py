"""What the engines said about each alert, folded without notify's code: when it stood, and how that ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from refrain.contracts.alerting import URGENCY, AnyAlert
from refrain.contracts.events import AlertAmended, AlertClosed, AlertRaised, AlertRetracted, Tier

FactState = Literal["open", "closed", "retracted"]


@dataclass(frozen=True, slots=True)
class Issue:
    """An alert event as it first stands on Kafka, ``at`` so many seconds since 1970."""

    event: AnyAlert
    at: float


@dataclass(slots=True)
class Period:
    """A time in which an alert wanted to be told: from raised, opened again, more urgent or, for a P1, corrected to the
    next such moment or its end; ``end`` is None while it stands."""

    start: float
    tier: Tier
    due_hours: int | None
    end: float | None = None

    @property
    def rank(self) -> int:
        """Place in the order of urgency, 0 the most urgent (clinical.md 12.4)."""
        hours = 72 if (self.due_hours or 0) >= 72 else 24
        return URGENCY.index((self.tier, hours if self.tier == "P2" else None))


@dataclass(slots=True)
class Life:
    """One alert as its service tells it."""

    alert: UUID
    patient: str
    live: bool = False
    notice: bool = False
    state: FactState = "open"
    periods: list[Period] = field(default_factory=list)
    successor: UUID | None = None
    predecessors: list[UUID] = field(default_factory=list)
    corrections: int = 0
    retractions: list[float] = field(default_factory=list)
    closings: int = 0

    @property
    def tier(self) -> Tier:
        return self.periods[-1].tier

    @property
    def tiers(self) -> set[tuple[Tier, int | None]]:
        return {(period.tier, period.due_hours) for period in self.periods}

    @property
    def openings(self) -> int:
        """How often it may be told from the beginning."""
        return len(self.periods)

    def stands(self, at: float, event: AnyAlert) -> None:
        self.ends(at)
        self.periods.append(Period(at, event.tier, event.due_hours))

    def ends(self, at: float) -> None:
        if self.periods and self.periods[-1].end is None:
            self.periods[-1].end = at


def lives_of(issued: Iterable[Issue]) -> dict[UUID, Life]:
    """Every alert, from its events in the order of its partition; each event once."""
    lives: dict[UUID, Life] = {}
    for issue in issued:
        event = issue.event
        life = lives.setdefault(event.alert, Life(event.alert, event.patient.key))
        life.live = life.live or event.processing == "live"
        _happens(lives, life, event, issue.at)
    return lives


def _happens(lives: dict[UUID, Life], life: Life, event: AnyAlert, at: float) -> None:
    match event:
        case AlertRaised():
            life.stands(at, event)
            life.state, life.notice, life.successor = ("closed" if event.notice else "open"), event.notice, None
        case AlertAmended():
            life.corrections += bool(event.values)
            if event.still_open:
                _still_open(life, event, at)
        case AlertClosed():
            life.ends(at)
            life.state, life.successor = "closed", event.superseded_by
            life.closings += 1
            if event.superseded_by in lives:
                lives[event.superseded_by].predecessors.append(event.alert)
        case AlertRetracted():
            for alert in (event.alert, *event.with_alerts):
                if alert in lives:
                    lives[alert].ends(at)
                    lives[alert].state = "retracted"
                    lives[alert].retractions.append(at)


def _still_open(life: Life, event: AlertAmended, at: float) -> None:
    more_urgent = Period(at, event.tier, event.due_hours).rank < life.periods[-1].rank
    corrected = event.tier == "P1" and any(value.before != value.after for value in event.values)
    if life.state != "open" or more_urgent or corrected:
        life.stands(at, event)
    life.state, life.notice = "open", False


def family(lives: Mapping[UUID, Life], alerts: Iterable[UUID]) -> set[UUID]:
    """Some alerts and everything that they superseded, however far back."""
    found: set[UUID] = set()
    open_ = [alert for alert in alerts if alert in lives]
    while open_:
        alert = open_.pop()
        if alert not in found:
            found.add(alert)
            open_ += lives[alert].predecessors
    return found
