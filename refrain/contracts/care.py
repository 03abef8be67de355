"""Which care events hold, and what they say about lines and exposures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import zip_longest

from refrain.contracts.events import CareEvent, CloneStated, Drug, Infection, LineStarted, LineStopped, RuleSetAssigned


def current_care_events(events: Iterable[CareEvent]) -> tuple[CareEvent, ...]:
    """Of each key the newest version (recording time, then event id), withdrawn ones left out; sorted by key."""
    newest: dict[str, CareEvent] = {}
    for event in events:
        known = newest.get(event.key)
        if known is None or (event.recorded_at, event.event_id) > (known.recorded_at, known.event_id):
            newest[event.key] = event
    return tuple(event for _, event in sorted(newest.items()) if not event.withdrawn)


@dataclass(frozen=True, slots=True)
class Line:
    """A therapy line as the care events state it; ``end`` is exclusive for what belongs to it."""

    number: int
    rule_set: str
    second_rule_set: str | None
    m_component_source: str
    start: date
    end: date | None
    first_dose: date
    """Earliest given drug inside the line, else its start (answers 12)."""

    def holds(self, day: date) -> bool:
        return self.start <= day and (self.end is None or day < self.end)


def lines(events: Iterable[CareEvent]) -> tuple[Line, ...]:
    """Lines in order of their start. A line ends at its stop, or where the next one starts."""
    current = current_care_events(events)
    stops = {e.body.line: e.body.end for e in current if isinstance(e.body, LineStopped)}
    assigned = sorted(
        (e.body for e in current if isinstance(e.body, RuleSetAssigned)), key=lambda body: (body.at, body.rule_set)
    )
    rule_sets = {body.line: body.rule_set for body in assigned}
    starts = sorted(
        (e.body for e in current if isinstance(e.body, LineStarted)), key=lambda body: (body.start, body.line)
    )
    result = []
    for body, following in zip_longest(starts, starts[1:]):
        ends = [day for day in (stops.get(body.line), following.start if following else None) if day is not None]
        end = min(ends) if ends else None
        doses = [
            drug.first for drug in given(current) if drug.first >= body.start and (end is None or drug.first < end)
        ]
        result.append(
            Line(
                number=body.line,
                rule_set=rule_sets.get(body.line, body.rule_set),
                second_rule_set=body.second_rule_set,
                m_component_source=body.m_component_source,
                start=body.start,
                end=end,
                first_dose=min(doses, default=body.start),
            )
        )
    return tuple(result)


def given(events: Iterable[CareEvent]) -> tuple[Drug, ...]:
    """Drugs that were given; a planned one is no exposure (clinical.md DQ-21)."""
    return tuple(e.body for e in events if isinstance(e.body, Drug) and e.body.status == "given")


def exposed(events: Iterable[CareEvent], drugs: frozenset[str], on: date, washout_days: int) -> bool:
    """Whether one of the drugs acts on a date: first dose <= date <= last dose + washout (EXP-1, inclusive)."""
    doses = [drug for drug in given(events) if drug.drug.casefold() in drugs]
    return bool(doses) and min(d.first for d in doses) <= on <= max(d.last for d in doses) + timedelta(washout_days)


def in_infection_window(events: Iterable[CareEvent], on: date, days_after: int) -> bool:
    """Onset to ``days_after`` days past the end, or past the onset while open; both days included (13.4)."""
    after = timedelta(days=days_after)
    bodies = (event.body for event in events if isinstance(event.body, Infection))
    return any(body.onset <= on <= (body.end or body.onset) + after for body in bodies)


def clone(events: Iterable[CareEvent]) -> CloneStated | None:
    """The clone's isotype as stated last; None when nobody stated one."""
    stated = [e for e in current_care_events(events) if isinstance(e.body, CloneStated)]
    newest = max(stated, key=lambda e: (e.recorded_at, e.event_id), default=None)
    return newest.body if newest and isinstance(newest.body, CloneStated) else None
