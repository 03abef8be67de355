"""The three engines' pure steps in a row, without Kafka: what ``refrain assess`` and the story tests run.

Each step gets its facts as it would from its topics, encoded and decoded, so that what works here works there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from refrain.contracts.events import (
    Alert,
    CareEvent,
    Event,
    FlaggedObservation,
    FlaggedReport,
    LabReport,
    ResponseAssessed,
)
from refrain.contracts.site import SiteSettings
from refrain.contracts.steps import Issued, Output
from refrain.contracts.topics import CARE_EVENTS, LAB_REPORTS, Topic
from services.flagging.domain.judgement import FlaggingIssued, place
from services.relapse.domain.judgement import RelapseIssued, advance
from services.response.domain.judgement import ResponseIssued, classify

E = TypeVar("E", bound=Event)


@dataclass
class Pipeline:
    """One patient's way through flagging, response and relapse. Facts may come in any order, and twice."""

    site: SiteSettings
    reports: dict[UUID, LabReport] = field(default_factory=dict)
    care_events: dict[UUID, CareEvent] = field(default_factory=dict)
    flagged: dict[UUID, FlaggedReport] = field(default_factory=dict)
    assessed: ResponseAssessed | None = None
    alerts: list[Alert] = field(default_factory=list)
    """Every alert event, in order of issue."""
    _flagging: FlaggingIssued = field(default_factory=FlaggingIssued)
    _response: ResponseIssued = field(default_factory=ResponseIssued)
    _relapse: RelapseIssued = field(default_factory=RelapseIssued)

    def add(self, facts: Iterable[LabReport | CareEvent]) -> tuple[Alert, ...]:
        """Take in facts that became known together; returns the alert events they caused."""
        told = len(self.alerts)
        new = [_over_the_wire(_topic(fact), fact) for fact in facts]
        new = [fact for fact in new if fact.event_id not in self.reports and fact.event_id not in self.care_events]
        if not new:
            return ()
        care = [fact for fact in new if isinstance(fact, CareEvent)]
        self.care_events |= {fact.event_id: fact for fact in care}
        self.reports |= {fact.event_id: fact for fact in new if isinstance(fact, LabReport)}
        flagged = self._flag(new)
        assessed = self._classify([*flagged, *care]) if flagged or care else ()
        if assessed or care:
            self._advance([*assessed, *care])
        return tuple(self.alerts[told:])

    def wait(self, until: datetime) -> tuple[Alert, ...]:
        """Let time pass without a fact, up to ``until``; returns the alert events of what fell due (answers 19)."""
        told = len(self.alerts)
        if self.flagged or self.care_events:
            assessed = self._classify((), until)
            if assessed:
                self._advance(assessed)
        return tuple(self.alerts[told:])

    def _flag(self, new: Sequence[Event]) -> list[FlaggedReport]:
        facts = (*self.reports.values(), *self.care_events.values())
        decision = place(facts, self._flagging, new, self.site)
        self._flagging = _stored(decision.issued)
        views = [event for event in self._take(decision.outputs) if isinstance(event, FlaggedReport)]
        for view in views:
            self.flagged[view.report] = view
        return views

    def _classify(
        self, new: Sequence[FlaggedReport | CareEvent], until: datetime | None = None
    ) -> tuple[ResponseAssessed, ...]:
        facts: list[FlaggedReport | CareEvent] = [*self.flagged.values(), *self.care_events.values()]
        decision = classify(facts, self._response, new, self.site, until)
        self._response = _stored(decision.issued)
        assessed = [event for event in self._take(decision.outputs) if isinstance(event, ResponseAssessed)]
        if assessed:
            self.assessed = max(assessed, key=lambda event: event.revision)
        return tuple(assessed)

    def _advance(self, new: Sequence[Event]) -> None:
        facts = (*((self.assessed,) if self.assessed else ()), *self.care_events.values())
        decision = advance(facts, self._relapse, new, self.site)
        self._relapse = _stored(decision.issued)
        self._take(decision.outputs)

    def _take(self, outputs: Iterable[Output]) -> list[Event]:
        events = [_over_the_wire(output.topic, output.event) for output in outputs]
        self.alerts.extend(event for event in events if isinstance(event, Alert))
        return events

    def observations(self) -> dict[UUID, FlaggedObservation]:
        """The view that counts of each result; of a result without any, its newest version."""
        found: dict[UUID, FlaggedObservation] = {}
        for report in self.flagged.values():
            for view in report.observations:
                known = found.get(view.observation.result)
                if known is None or _weight(view) > _weight(known):
                    found[view.observation.result] = view
        return found


def _weight(view: FlaggedObservation) -> tuple[bool, datetime]:
    return view.current, view.observation.issued_at


def _topic(fact: Event) -> Topic:
    return LAB_REPORTS if isinstance(fact, LabReport) else CARE_EVENTS


def _over_the_wire(topic: Topic, event: E) -> E:
    decoded: E = topic.decode(topic.encode(event))
    return decoded


def _stored(issued: Issued) -> Issued:
    return type(issued).model_validate_json(issued.model_dump_json(by_alias=True))
