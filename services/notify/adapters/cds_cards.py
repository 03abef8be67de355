"""Alerts as CDS Hooks cards (specification 2.0), and what an EHR says of them as answers. No I/O."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from refrain.contracts.acknowledging import REASON_BY_CODE, REASONS
from refrain.contracts.fhir_names import ACKNOWLEDGE_REASONS, ALERT_KINDS
from refrain.contracts.ids import derive
from refrain.contracts.kinds import kind_of
from services.notify.domain.thread import Thread

SUMMARY = 139
"""Characters: the specification wants fewer than 140."""
LONGEST_COMMENT = 2000
EVIDENCE = 10
"""Results that a card lists; the console has all."""
INDICATORS = {"P1": "critical", "P2": "warning", "P3": "info", "DQ": "info"}
WILL_ACT = "will_act"
OTHER = "other"
NO_REASON = "overridden in the EHR without a reason of Refrain's list"
CLOCK_SKEW = timedelta(minutes=5)
"""How far the EHR's clock may be behind (our choice)."""
UNANSWERED = ("raised", "delivered", "escalated", "snoozed")
_MARKS = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~&:@])")


def shown(threads: Sequence[Thread], tiers: Collection[str]) -> list[Thread]:
    """Those that a card is made for: the reason holds, and nobody has answered."""
    return [
        thread
        for thread in threads
        if thread.live
        and thread.fact_state == "open"
        and thread.tier in tiers
        and thread.state in UNANSWERED
        and not thread.answered
    ]


def card(thread: Thread, console_url: str) -> dict[str, Any]:
    """One alert. Its card has the alert's own id, so that feedback finds it again."""
    kind = kind_of(thread.kind)
    source: dict[str, Any] = {"label": "Refrain", "topic": _coding(ALERT_KINDS, thread.kind, kind.short)}
    found = {
        "uuid": str(thread.alert),
        "summary": _cut(kind.sentence),
        "detail": _detail(thread),
        "indicator": INDICATORS[thread.tier],
        "source": source | ({"url": console_url} if console_url else {}),
        "suggestions": [{"label": REASON_BY_CODE[WILL_ACT].words, "uuid": str(will_act_id(thread.alert))}],
        "selectionBehavior": "at-most-one",
        "overrideReasons": [
            _coding(ACKNOWLEDGE_REASONS, reason.code, reason.words)
            for reason in REASONS
            if reason.code != WILL_ACT and (thread.tier == "DQ" or reason.code != "data_problem_solved")
        ],
    }
    if console_url:
        link = {"label": "Open in Refrain", "url": f"{console_url}/alerts/{thread.alert}", "type": "absolute"}
        found["links"] = [link]
    return found


def will_act_id(alert: UUID) -> UUID:
    """Of the one suggestion of a card."""
    return derive("cds suggestion", alert, WILL_ACT)


def _coding(system: str, code: str, display: str) -> dict[str, str]:
    return {"system": system, "code": code, "display": display}


def _cut(text: str) -> str:
    return text if len(text) <= SUMMARY else text[: SUMMARY - 1] + "…"


def _detail(thread: Thread) -> str:
    """Markdown in which nothing that came from outside is a mark."""
    paragraphs = [escaped(thread.text)]
    if thread.what_changed:
        paragraphs.append(f"Changed: {escaped(thread.what_changed)}")
    if thread.evidence:
        listed = [
            f"* {escaped(piece.analyte)} {escaped(piece.text)}, {piece.collected_at:%Y\\-%m\\-%d}"
            for piece in thread.evidence[:EVIDENCE]
        ]
        more = len(thread.evidence) - EVIDENCE
        paragraphs.append("\n".join([*listed, *([f"* and {more} more"] if more > 0 else [])]))
    if thread.rule:
        paragraphs.append(f"Rule {escaped(thread.rule.id)} {escaped(thread.rule.version)}".strip())
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def escaped(text: str) -> str:
    """A text of somebody else's within markdown: one line, no mark, no tag, no link."""
    return _MARKS.sub(r"\\\1", " ".join(text.split()))


class Strict(BaseModel):
    """What an EHR sends. Further members are extensions, which the specification lets anybody add."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Coding(Strict):
    system: str = ""
    code: str


class OverrideReason(Strict):
    reason: Coding | None = None
    userComment: str = Field(default="", max_length=LONGEST_COMMENT)


class AcceptedSuggestion(Strict):
    id: UUID


class Feedback(Strict):
    card: UUID
    outcome: Literal["accepted", "overridden"]
    acceptedSuggestions: tuple[AcceptedSuggestion, ...] = ()
    overrideReason: OverrideReason | None = None
    outcomeTimestamp: AwareDatetime

    @model_validator(mode="after")
    def _says_what_was_accepted(self) -> Feedback:
        if self.outcome == "accepted" and not self.acceptedSuggestions:
            raise ValueError("accepted without acceptedSuggestions")
        return self


class FeedbackRequest(Strict):
    feedback: tuple[Feedback, ...] = Field(min_length=1, max_length=100)


@dataclass(frozen=True, slots=True)
class Said:
    """One feedback as notify understands it."""

    alert: UUID
    reason: str
    comment: str
    request: UUID
    """The same for the same feedback, however often it is sent."""


def said(feedback: Feedback, client: str) -> Said:
    """Accepted: somebody will act. Overridden: for the reason chosen, ``other`` when none of ours was."""
    reason, comment = WILL_ACT, ""
    if feedback.outcome == "overridden":
        given = feedback.overrideReason or OverrideReason()
        chosen = given.reason if given.reason and given.reason.system == ACKNOWLEDGE_REASONS else None
        reason = chosen.code if chosen and chosen.code in REASON_BY_CODE else OTHER
        comment = given.userComment.strip() or (NO_REASON if reason == OTHER else "")
    at = feedback.outcomeTimestamp
    request = derive("cds feedback", client, feedback.card, feedback.outcome, reason, comment, at)
    return Said(feedback.card, reason, comment, request)


def out_of_date(feedback: Feedback, thread: Thread) -> bool:
    """Whether the alert was raised, opened again or became more urgent after the card was answered."""
    since = thread.clock_from - thread.snoozed_for
    answered: datetime = feedback.outcomeTimestamp
    return answered + CLOCK_SKEW < since
