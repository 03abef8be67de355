"""The alerts that the facts call for: critical results, and questions for the laboratory's queue.

A critical alert is opened by its result. A question is one per patient, code and rule (answers 18), so its
opener is the rule: whichever result comes first, the alert has the same id. What came as a test or for
training opens alerts of its own, never those of the living patient.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import UUID

from refrain.contracts.alerting import Finding
from refrain.contracts.events import Evidence, Processing
from services.flagging.domain import rules
from services.flagging.domain.patient import Judged, Patient
from services.flagging.domain.quality import ONCE, Question, questions
from services.flagging.domain.seen import Seen
from services.flagging.domain.series import position
from services.flagging.domain.views import laboratory_critical, tags

SHOWN = 20
"""Results shown as evidence of one question; the text says how many there are. POLICY, UNV."""

ABOUT_THE_WITHDRAWN = frozenset({"DQ_IDENTITY", "DQ_STATUS"})
"""Kinds that speak of a withdrawal itself; every other alert ends with the result it rests on."""


def findings(patient: Patient, processing: Processing) -> list[Finding]:
    """All alerts that should exist for one patient's results of one kind of processing."""
    asked: dict[tuple[str, str, str], list[Question]] = {}
    for question in questions(patient):
        asked.setdefault((question.kind, question.subject, question.rule.id), []).append(question)
    queue = [_question(group, processing) for group in asked.values()]
    return [*_critical(patient, processing), *queue]


def evidence(seen: Seen) -> Evidence:
    """A result as an alert shows it."""
    received = seen.observation
    return Evidence(
        result=received.result, version=received.version, analyte=seen.version.subject, text=shown(seen),
        collected_at=received.collected_at,
    )  # fmt: skip


def shown(seen: Seen) -> str:
    """Value and unit for a person; a withdrawn value is not shown again."""
    if seen.status == "withdrawn":
        return "withdrawn"
    if seen.number is not None:
        return f"{seen.comparator or ''}{seen.number:f} {seen.unit or seen.observation.value.unit_raw}".strip()
    return seen.nominal or f"{seen.observation.value.text} {seen.observation.value.unit_raw}".strip()


def standing(patient: Patient) -> dict[UUID, Evidence]:
    """Current evidence of every result, by result id; of a withdrawn one that it is withdrawn."""
    return {one.seen.observation.result: evidence(one.seen) for one in patient.current}


def withdrawn(patient: Patient) -> set[UUID]:
    """Results that no longer have a value."""
    return {one.seen.observation.result for one in patient.current if not one.seen.flagged}


def _opener(opener: str, processing: Processing) -> str:
    return opener if processing == "live" else f"{opener}|{processing}"


def _critical(patient: Patient, processing: Processing) -> Iterator[Finding]:
    for one in patient.current:
        seen = one.seen
        if seen.flagged and _may_alert(seen) and (laboratory_critical(seen) or one.flags.critical):
            yield _critical_finding(one, processing)


def _may_alert(seen: Seen) -> bool:
    """Preliminary results alert only where the sender's profile lets preliminary criticals through."""
    return seen.status == "final" or "critical" in seen.version.report.alert_on_preliminary


def _critical_finding(one: Judged, processing: Processing) -> Finding:
    seen, theirs = one.seen, laboratory_critical(one.seen)
    unconfirmed = ("unconfirmed",) if seen.implausible else ()
    kind, rule = "CRITICAL_RESULT", rules.INT5 if theirs else rules.CRITICAL
    if theirs:
        why = f"critical by the laboratory's flag {', '.join(theirs)}"
    elif one.flags.critical == "yes":
        why = f"beyond the site's critical limit {one.flags.critical_text}"
    else:
        kind, rule = "CRITICAL_POSSIBLE", rules.R9
        why = f"may be beyond the site's critical limit {one.flags.critical_text}"
    if unconfirmed:
        why = f"{why}; the value is implausible and not confirmed"
    received = seen.observation
    return Finding(
        kind=kind, tier="P1", subject=seen.version.subject, opener=_opener(str(received.result), processing),
        text=f"{seen.version.subject} {shown(seen)}: {why}", at=received.issued_at, rule=rule,
        evidence=(evidence(seen),), tags=(*tags(seen), *unconfirmed),
    )  # fmt: skip


def _question(group: Sequence[Question], processing: Processing) -> Finding:
    unsettled = [question for question in group if not question.settled]
    first = (unsettled or group)[0]
    results = {seen.version.id: seen for question in unsettled or group for seen in question.evidence}
    ordered = sorted(results.values(), key=position)
    told = ordered if first.kind not in ONCE else list(first.evidence)
    pieces = told[-SHOWN:]
    count = "" if len(told) == len(pieces) else f" ({len(told)} results)"
    return Finding(
        kind=first.kind, tier="DQ", subject=first.subject, opener=_opener(first.rule.id, processing),
        text=f"{first.subject}: {first.text}{count}", at=max(seen.observation.issued_at for seen in pieces),
        rule=first.rule, evidence=tuple(evidence(seen) for seen in pieces),
        state="open" if unsettled else "closed", closed_because="" if unsettled else "a person has answered",
    )  # fmt: skip
