"""How an alert lives: the difference between what was issued and what the facts now say.

A service folds its facts into :class:`Finding` s, the alerts that should exist. :func:`reconcile` compares
them with what was issued and returns the events in between, so that a late result, a correction, a review
and a changed rule are one case:

* wanted and not issued: raised, if it is open or a notice; history that opened and closed again is silent;
* issued and wanted, but different: amended, closed, or reopened (an amendment). A closed alert is amended only
  when a value that it told was corrected; a new version with the same value is no difference;
* issued and no longer wanted: retracted with both values, or closed as superseded when an earlier result
  that arrived late now opens the same episode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime

from refrain.contracts.events import (
    Alert,
    AlertAmended,
    AlertClosed,
    AlertRaised,
    AlertRetracted,
    Event,
    Evidence,
    PatientId,
    Processing,
    RuleRef,
    Tier,
    ValueChange,
    Wire,
)
from refrain.contracts.ids import derive

URGENCY: tuple[tuple[Tier, int | None], ...] = (("P1", None), ("P2", 24), ("P2", 72), ("P3", None), ("DQ", None))
"""Most urgent first (clinical.md 12.4)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """An alert that the facts call for. Equal findings are the same alert with the same content."""

    kind: str
    tier: Tier
    subject: str
    """Axis or analyte code; for DQ alerts analyte and rule."""
    opener: str
    """Id of the result (or other fact) that opens the episode; empty where there is one per line."""
    text: str
    at: datetime
    rule: RuleRef
    evidence: tuple[Evidence, ...] = ()
    line: int | None = None
    due_hours: int | None = None
    state: Literal["open", "closed"] = "open"
    notice: bool = False
    """Born closed: told once, waits for nothing."""
    closed_because: str = ""
    episode: str = ""
    """Shared by a watch and its confirmation; the opener where it stands alone."""
    covers: tuple[str, ...] = ()
    """Later openers of the same episode: an alert issued under one of them is superseded, not retracted."""
    tags: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()

    def alert_id(self, patient: PatientId) -> UUID:
        """UUIDv5 of patient, line, kind, subject and opener (answers 16)."""
        return derive("alert", patient.key, self.line, self.kind, self.subject, self.opener)

    def episode_id(self, patient: PatientId) -> UUID:
        return derive("episode", patient.key, self.line, self.subject, self.episode or self.opener)


class IssuedAlert(Wire):
    """What everybody was told last about one alert."""

    alert: UUID
    kind: str
    tier: Tier
    due_hours: int | None
    subject: str
    opener: str
    line: int | None
    episode: UUID
    text: str
    evidence: tuple[Evidence, ...]
    at: AwareDatetime
    state: Literal["open", "closed", "retracted"]
    notice: bool
    events: int
    """How many events the alert has had."""
    rule: RuleRef
    tags: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    superseded_by: UUID | None = None
    """The alert that took over when an earlier opener arrived late; nothing follows under this id."""


IssuedAlerts = dict[UUID, IssuedAlert]
AnyAlert = AlertRaised | AlertAmended | AlertClosed | AlertRetracted


@dataclass(frozen=True, slots=True)
class Context:
    """What every alert event of one reconciliation has in common."""

    patient: PatientId
    cause: Sequence[Event]
    """The new facts; never empty when something changes."""
    settings: str = ""
    processing: Processing = "live"

    @property
    def recorded_at(self) -> datetime:
        return max(fact.recorded_at for fact in self.cause)


def reconcile(
    wanted: Sequence[Finding],
    issued: Mapping[UUID, IssuedAlert],
    now: Mapping[UUID, Evidence],
    context: Context,
) -> tuple[IssuedAlerts, tuple[AnyAlert, ...]]:
    """Bring what was issued to what is wanted.

    ``now`` has the current evidence of every result that still counts; a result that an alert rested on and
    that is not there any more was withdrawn. Events come in order: raised and amended, closed, then retracted.
    Reconciling twice with the same findings gives no event.
    """
    by_id = {finding.alert_id(context.patient): finding for finding in wanted}
    work = _Reconciliation(by_id, dict(issued), now, context)
    for alert_id, finding in by_id.items():
        work.bring(alert_id, finding)
    work.end([old for alert_id, old in issued.items() if alert_id not in by_id and _stands(old)])
    return work.after, (*work.raised, *work.closed, *work.retracted)


def _stands(old: IssuedAlert) -> bool:
    """Whether an alert that nothing asks for any more still has to be ended."""
    return old.state != "retracted" and old.superseded_by is None


@dataclass(slots=True)
class _Reconciliation:
    """One run of :func:`reconcile`: what is wanted, what will have been issued, and the events so far."""

    wanted: Mapping[UUID, Finding]
    after: IssuedAlerts
    now: Mapping[UUID, Evidence]
    context: Context
    raised: list[AnyAlert] = field(default_factory=list)
    closed: list[AnyAlert] = field(default_factory=list)
    retracted: list[AnyAlert] = field(default_factory=list)

    def bring(self, alert_id: UUID, finding: Finding) -> None:
        """Raise, amend, close or leave one wanted alert."""
        before = self.after.get(alert_id)
        if before is None or before.state == "retracted":
            if finding.state == "open" or finding.notice:
                self._raise(alert_id, finding, before.events if before else 0)
            return
        values = _changed_values((before,), self.now)
        if finding.notice and not before.notice:
            finding = replace(finding, notice=False, state="closed")  # it waits: a notice about it is its end
        if finding.state == "closed" and not finding.notice:
            self._keep_closed(alert_id, finding, before, values)
        elif changes := _differences(before, finding, values):
            self._amend(alert_id, finding, before, changes, values)
        else:
            self.after[alert_id] = _record(alert_id, finding, before.events, self.context, before)

    def _keep_closed(
        self, alert_id: UUID, finding: Finding, before: IssuedAlert, values: tuple[ValueChange, ...]
    ) -> None:
        """Close an open alert; amend one that was closed only when a value that it told was corrected.

        It keeps the urgency that was told, and with another one its text, which says how urgent it is.
        """
        urgency = before.tier, before.due_hours
        if (finding.tier, finding.due_hours) != urgency:
            finding = replace(finding, tier=before.tier, due_hours=before.due_hours, text=before.text)
        if before.state == "closed" and values:
            self._amend(alert_id, finding, before, _differences(before, finding, values), values)
            return
        events = before.events + (before.state == "open")
        self.after[alert_id] = record = _record(alert_id, finding, events, self.context, before)
        if before.state == "open":
            head = _head(record, self.context) | {"reason": finding.closed_because}
            self.closed.append(AlertClosed.model_validate(head).identified())

    def _raise(self, alert_id: UUID, finding: Finding, events: int) -> None:
        self.after[alert_id] = record = _record(alert_id, finding, events + 1, self.context)
        head = _head(record, self.context) | {"notice": finding.notice}
        self.raised.append(AlertRaised.model_validate(head).identified())

    def _amend(
        self, alert_id: UUID, finding: Finding, before: IssuedAlert, changes: Sequence[str],
        values: tuple[ValueChange, ...],
    ) -> None:  # fmt: skip
        self.after[alert_id] = record = _record(alert_id, finding, before.events + 1, self.context, before)
        head = _head(record, self.context) | {
            "what_changed": "; ".join(changes), "values": values, "still_open": record.state == "open",
        }  # fmt: skip
        self.raised.append(AlertAmended.model_validate(head).identified())

    def end(self, gone: Sequence[IssuedAlert]) -> None:
        """End alerts that no finding asks for: superseded ones close, the others are retracted by episode."""
        episodes: dict[UUID, list[IssuedAlert]] = {}
        for old in gone:
            if not _changed_values((old,), self.now) and (heirs := self._heirs(old)):
                self._supersede(old, heirs)
            else:
                episodes.setdefault(old.episode, []).append(old)
        for group in episodes.values():
            self._retract(sorted(group, key=lambda old: (URGENCY.index((old.tier, old.due_hours)), str(old.alert))))

    def _heirs(self, old: IssuedAlert) -> list[tuple[UUID, Finding]]:
        """Findings of the episode that now opens at another result and covers the old opener, the best first."""
        same = [
            (alert_id, finding)
            for alert_id, finding in self.wanted.items()
            if (finding.kind, finding.subject, finding.line) == (old.kind, old.subject, old.line)
            and old.opener in finding.covers
        ]
        episodes = {finding.episode_id(self.context.patient) for _, finding in same}
        alive = [
            (alert_id, finding)
            for alert_id, finding in self.wanted.items()
            if finding.episode_id(self.context.patient) in episodes and (finding.state == "open" or finding.notice)
        ]
        return [pair for pair in alive if pair in same] or alive or same

    def _supersede(self, old: IssuedAlert, heirs: Sequence[tuple[UUID, Finding]]) -> None:
        heir, finding = heirs[0]
        told = heir in self.after
        ended = old.model_copy(
            update={"state": "closed", "events": old.events + (old.state == "open"), "superseded_by": heir}
        )
        self.after[old.alert] = ended
        if old.state == "open":
            reason = "an earlier result opens this episode" if told else finding.closed_because
            head = _head(ended, self.context) | {"reason": reason, "superseded_by": heir if told else None}
            self.closed.append(AlertClosed.model_validate(head).identified())

    def _retract(self, group: Sequence[IssuedAlert]) -> None:
        """One event takes back all alerts of an episode, at the tier of the most urgent (RET-3)."""
        for old in group:
            self.after[old.alert] = old.model_copy(update={"state": "retracted", "events": old.events + 1})
        first, *others = group
        values = _changed_values(group, self.now)
        head = _head(self.after[first.alert], self.context) | {
            "reason": self._reason(first, values), "values": values,
            "with_alerts": tuple(old.alert for old in others),
        }  # fmt: skip
        self.retracted.append(AlertRetracted.model_validate(head).identified())

    def _reason(self, first: IssuedAlert, values: Sequence[ValueChange]) -> str:
        if any(value.after is None for value in values):
            cause = "withdrawn because a result it rested on no longer counts"
        elif values:
            cause = "withdrawn because the laboratory corrected a result it rested on"
        else:
            cause = "withdrawn because a later fact changed the course it rested on"
        remains = sorted(
            alert.kind for alert in self.after.values() if alert.episode == first.episode and alert.state == "open"
        )
        return f"{cause}; what remains open: {', '.join(remains)}" if remains else cause


def _differences(before: IssuedAlert, finding: Finding, values: Sequence[ValueChange]) -> list[str]:
    changes = [_in_words(value) for value in values]
    if before.state == "closed" and finding.state == "open" and not finding.notice:
        changes.append("open again")
    if (finding.tier, finding.due_hours) != (before.tier, before.due_hours):
        changes.append("urgency changed")
    if _told(finding.evidence) != _told(before.evidence) and not values:
        changes.append("evidence changed")
    if (finding.text, finding.tags, finding.subjects) != (before.text, before.tags, before.subjects):
        changes.append("context changed")
    return changes


def _in_words(value: ValueChange) -> str:
    if value.before == value.after:
        return f"{value.analyte} {value.before} was collected at another time"
    return f"{value.analyte} was {value.before}, is {value.after or 'withdrawn'}"


def _told(evidence: Sequence[Evidence]) -> list[tuple[object, ...]]:
    """What a person was shown of the evidence. A new version with the same value tells nobody anything."""
    return [(piece.result, piece.analyte, piece.text, piece.collected_at) for piece in evidence]


def _record(
    alert_id: UUID, finding: Finding, events: int, context: Context, before: IssuedAlert | None = None
) -> IssuedAlert:
    """What will have been told. A notice stays one until it waits for somebody, and never becomes one again."""
    waits = finding.state == "open" and not finding.notice
    return IssuedAlert(
        alert=alert_id, kind=finding.kind, tier=finding.tier, due_hours=finding.due_hours, subject=finding.subject,
        opener=finding.opener, line=finding.line, episode=finding.episode_id(context.patient), text=finding.text,
        evidence=finding.evidence, at=finding.at, state="closed" if finding.notice else finding.state,
        notice=not waits and (before.notice if before else finding.notice), events=events, rule=finding.rule,
        tags=finding.tags, subjects=finding.subjects,
    )  # fmt: skip


def _head(alert: IssuedAlert, context: Context) -> dict[str, object]:
    shared = Alert.model_fields.keys() & IssuedAlert.model_fields.keys()
    return {name: getattr(alert, name) for name in shared} | {
        "patient": context.patient, "occurred_at": alert.at, "recorded_at": context.recorded_at,
        "caused_by": tuple(sorted(fact.event_id for fact in context.cause)),
        "trace": max((fact.recorded_at, fact.trace) for fact in context.cause)[1],
        "sequence": alert.events - 1, "settings": context.settings, "processing": context.processing,
    }  # fmt: skip


def _changed_values(alerts: Sequence[IssuedAlert], now: Mapping[UUID, Evidence]) -> tuple[ValueChange, ...]:
    """Results whose value is another than was told, or that no longer count; in order of the evidence."""
    pieces = {piece.result: piece for alert in alerts for piece in alert.evidence}
    return tuple(
        ValueChange(
            result=result, analyte=piece.analyte, before=piece.text, after=now[result].text if result in now else None
        )
        for result, piece in pieces.items()
        if result not in now or _told((now[result],)) != _told((piece,))
    )
