"""How an alert lives: the difference between what was issued and what the facts now say.

A service folds its facts into :class:`Finding` s, the alerts that should exist. :func:`reconcile` compares
them with what was issued and returns the events in between, so that a late result, a correction, a review
and a changed rule are one case:

* wanted and not issued: raised, if it is open or a notice; history that opened and closed again is silent;
* issued and wanted, but different: amended, closed, or reopened (an amendment);
* issued and no longer wanted: retracted with both values, or closed as superseded when an earlier result
  that arrived late now opens the same episode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


IssuedAlerts = dict[UUID, IssuedAlert]


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
) -> tuple[IssuedAlerts, tuple[AlertRaised | AlertAmended | AlertClosed | AlertRetracted, ...]]:
    """Bring what was issued to what is wanted.

    ``now`` has the current evidence of every result that still counts; a result that an alert rested on and
    that is not there any more was withdrawn. Events come in order: raised, amended, closed, then retracted.
    Reconciling twice with the same findings gives no event.
    """
    patient = context.patient
    by_id = {finding.alert_id(patient): finding for finding in wanted}
    after: IssuedAlerts = dict(issued)
    raised: list[AlertRaised | AlertAmended | AlertClosed | AlertRetracted] = []
    ended: list[AlertRaised | AlertAmended | AlertClosed | AlertRetracted] = []
    for alert_id, finding in by_id.items():
        before = issued.get(alert_id)
        if before is None:
            if finding.state == "open" or finding.notice:
                raised.append(_raise(alert_id, finding, 0, after, context))
        elif before.state == "retracted":
            if finding.state == "open" or finding.notice:
                raised.append(_raise(alert_id, finding, before.events, after, context))
        elif change := _difference(before, finding):
            if finding.state == "closed" and not finding.notice and before.state == "open":
                ended.append(_close(alert_id, finding, before, after, context))
            elif finding.state == "open" or finding.notice:
                raised.append(_amend(alert_id, finding, before, change, after, context))
            else:
                after[alert_id] = _record(alert_id, finding, before.events, context)
    gone = [old for alert_id, old in issued.items() if alert_id not in by_id and old.state != "retracted"]
    ended.extend(_end(gone, by_id, now, after, context))
    return after, (*raised, *ended)


def _difference(before: IssuedAlert, finding: Finding) -> str:
    changes = []
    if finding.state != before.state and not finding.notice:
        changes.append("open again" if finding.state == "open" else finding.closed_because)
    if (finding.tier, finding.due_hours) != (before.tier, before.due_hours):
        changes.append("urgency changed")
    if finding.evidence != before.evidence:
        changes.append("evidence changed")
    if (finding.text, finding.tags, finding.subjects) != (before.text, before.tags, before.subjects):
        changes.append("context changed")
    return "; ".join(changes)


def _record(alert_id: UUID, finding: Finding, events: int, context: Context) -> IssuedAlert:
    return IssuedAlert(
        alert=alert_id, kind=finding.kind, tier=finding.tier, due_hours=finding.due_hours, subject=finding.subject,
        opener=finding.opener, line=finding.line, episode=finding.episode_id(context.patient), text=finding.text,
        evidence=finding.evidence, at=finding.at, state="closed" if finding.notice else finding.state,
        notice=finding.notice, events=events, rule=finding.rule, tags=finding.tags, subjects=finding.subjects,
    )  # fmt: skip


def _head(alert: IssuedAlert, context: Context) -> dict[str, object]:
    shared = Alert.model_fields.keys() & IssuedAlert.model_fields.keys()
    return {name: getattr(alert, name) for name in shared} | {
        "patient": context.patient, "occurred_at": alert.at, "recorded_at": context.recorded_at,
        "caused_by": tuple(sorted(fact.event_id for fact in context.cause)),
        "trace": max((fact.recorded_at, fact.trace) for fact in context.cause)[1],
        "sequence": alert.events - 1, "settings": context.settings, "processing": context.processing,
    }  # fmt: skip


def _raise(alert_id: UUID, finding: Finding, events: int, after: IssuedAlerts, context: Context) -> AlertRaised:
    after[alert_id] = record = _record(alert_id, finding, events + 1, context)
    return AlertRaised.model_validate(_head(record, context) | {"notice": finding.notice}).identified()


def _amend(
    alert_id: UUID, finding: Finding, before: IssuedAlert, change: str, after: IssuedAlerts, context: Context
) -> AlertAmended:
    after[alert_id] = record = _record(alert_id, finding, before.events + 1, context)
    return AlertAmended.model_validate(_head(record, context) | {"what_changed": change}).identified()


def _close(alert_id: UUID, finding: Finding, before: IssuedAlert, after: IssuedAlerts, context: Context) -> AlertClosed:
    after[alert_id] = record = _record(alert_id, finding, before.events + 1, context)
    return AlertClosed.model_validate(_head(record, context) | {"reason": finding.closed_because}).identified()


def _end(
    gone: Sequence[IssuedAlert],
    wanted: Mapping[UUID, Finding],
    now: Mapping[UUID, Evidence],
    after: IssuedAlerts,
    context: Context,
) -> list[AlertRaised | AlertAmended | AlertClosed | AlertRetracted]:
    """End alerts that no finding asks for any more: superseded ones close, the others are retracted by episode."""
    events: list[AlertRaised | AlertAmended | AlertClosed | AlertRetracted] = []
    episodes: dict[UUID, list[IssuedAlert]] = {}
    for old in gone:
        heir = next((i for i, finding in wanted.items() if _supersedes(finding, old, now)), None)
        if heir is None:
            episodes.setdefault(old.episode, []).append(old)
            continue
        after[old.alert] = ended = old.model_copy(update={"state": "closed", "events": old.events + 1})
        if old.state == "open":
            head = _head(ended, context) | {"reason": "an earlier result opens this episode", "superseded_by": heir}
            events.append(AlertClosed.model_validate(head).identified())
    for group in episodes.values():
        first, *others = sorted(group, key=lambda old: URGENCY.index((old.tier, old.due_hours)))
        for old in group:
            after[old.alert] = old.model_copy(update={"state": "retracted", "events": old.events + 1})
        values = _changed_values((first, *others), now)
        head = _head(after[first.alert], context) | {
            "reason": "the reason for this alert no longer holds", "values": values,
            "with_alerts": tuple(old.alert for old in others),
        }  # fmt: skip
        events.append(AlertRetracted.model_validate(head).identified())
    return events


def _supersedes(finding: Finding, old: IssuedAlert, now: Mapping[UUID, Evidence]) -> bool:
    """Whether the same episode now starts at another result while the old evidence stands as it was."""
    same = (finding.kind, finding.subject, finding.line) == (old.kind, old.subject, old.line)
    stands = all(now.get(piece.result) == piece for piece in old.evidence)
    return same and stands and (finding.state == "open" or finding.notice) and finding.opener != old.opener


def _changed_values(alerts: Sequence[IssuedAlert], now: Mapping[UUID, Evidence]) -> tuple[ValueChange, ...]:
    pieces = {piece.result: piece for alert in alerts for piece in alert.evidence}
    return tuple(
        ValueChange(
            result=result, analyte=piece.analyte, before=piece.text, after=now[result].text if result in now else None
        )
        for result, piece in pieces.items()
        if now.get(result) != piece
    )
