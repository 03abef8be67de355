"""The text of one message: what, how urgent, by when, and a link; about the patient only what the channel may carry.

Three grades of detail: ``none`` says nothing that comes from a laboratory or names anybody; ``clinical`` adds the
alert's text, values and course; ``identified`` adds the patient's number. A site allows them channel by channel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from refrain.contracts.events import Occasion, Tier, ValueChange
from refrain.contracts.kinds import KINDS, UNKNOWN, kind_of
from services.notify.domain.thread import Message, Thread

Detail = Literal["none", "clinical", "identified"]

SHOWN = 20
"""Alerts written out in one message; the work list has the others. POLICY, UNV."""
PIECES = 6
"""Results written out for one alert. POLICY, UNV."""

URGENCY: tuple[Tier, ...] = ("P1", "P2", "P3", "DQ")

LEADS: dict[Occasion, str] = {
    "raised": "",
    "amended": "changed: ",
    "closed": "over: ",
    "retracted": "WITHDRAWN: ",
    "resent": "again: ",
    "escalated": "escalated to you: ",
    "reassigned": "passed to you: ",
    "reminded": "reminder: ",
    "digest": "",
}
"""How a subject says why it comes."""

ENDS: frozenset[Occasion] = frozenset({"closed", "retracted"})


@dataclass(frozen=True, slots=True)
class Context:
    """What chart knows about an alert: the path of its page, sentences on the course, the value before."""

    path: str
    course: tuple[str, ...] = ()
    previous: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """One message, ready for any channel. ``alerts`` are its threads, ``data`` the same facts for a machine."""

    subject: str
    body: str
    link: str
    urgency: Tier
    alerts: tuple[UUID, ...]
    earlier: tuple[UUID, ...] = ()
    """Alerts that these superseded: people may have had a message of the episode under their ids."""
    digest: bool = False
    data: dict[str, Any] = field(default_factory=dict)


def compose(
    threads: Sequence[Thread],
    messages: Sequence[Message],
    detail: Detail,
    console_url: str,
    contexts: Mapping[UUID, Context] | None = None,
    *,
    zone: str = "UTC",
) -> Text:
    """Word one message about one or more alerts; ``threads`` and ``messages`` belong together pair by pair.

    What is withdrawn comes first, then the most urgent, then what waits longest. Times are shown in ``zone``.
    """
    pairs = sorted(zip(threads, messages, strict=True), key=_order)
    words = _Words(detail, console_url.rstrip("/"), contexts or {}, ZoneInfo(zone))
    first, why = pairs[0]
    alone = len(pairs) == 1
    link = words.link(first) if alone else f"{words.console}/"
    blocks = [words.block(thread, message, alone=alone) for thread, message in pairs[:SHOWN]]
    if (further := len(pairs) - SHOWN) > 0:
        blocks.append(f"{further} more on the work list.")
    body = "\n\n".join([*blocks, *words.foot(link)])
    return Text(
        subject=_subject(pairs),
        body=body + "\n",
        link=link,
        urgency=min((message.tier for message in messages), key=URGENCY.index),
        alerts=tuple(thread.alert for thread, _ in pairs),
        earlier=tuple(dict.fromkeys(old for thread, _ in pairs for old in thread.predecessors)),
        digest=all(message.digest for message in messages),
        data={
            "occasion": why.occasion,
            "detail": detail,
            "link": link,
            "alerts": [words.data(thread, message) for thread, message in pairs],
        },
    )


def _order(pair: tuple[Thread, Message]) -> tuple[object, ...]:
    thread, message = pair
    return (
        message.occasion != "retracted", URGENCY.index(message.tier), thread.due_hours or 0,
        message.occasion != "reminded", thread.raised_at, str(thread.alert),
    )  # fmt: skip


def urgency(thread: Thread, message: Message) -> str:
    """``P2, 24 h``: how urgent the message is, as people say it."""
    if message.tier == "DQ":
        return "Data quality"
    return f"P2, {thread.due_hours} h" if thread.due_hours and message.tier == thread.tier == "P2" else message.tier


def _subject(pairs: Sequence[tuple[Thread, Message]]) -> str:
    thread, message = pairs[0]
    if all(message.digest for _, message in pairs):
        withdrawn = sum(message.occasion == "retracted" for _, message in pairs)
        also = f", {withdrawn} WITHDRAWN" if withdrawn else ""
        return f"Refrain digest: {len(pairs)} {'notice' if len(pairs) == 1 else 'notices'}{also}"
    more = f" and {len(pairs) - 1} more" if len(pairs) > 1 else ""
    return f"{LEADS[message.occasion]}{urgency(thread, message)}: {kind_of(thread.kind).short}{more}"


@dataclass(frozen=True, slots=True)
class _Words:
    detail: Detail
    console: str
    contexts: Mapping[UUID, Context]
    zone: ZoneInfo

    def link(self, thread: Thread) -> str:
        """The alert's page. Its path is chart's where chart may be asked; an alert's id says nothing by itself."""
        context = self.contexts.get(thread.alert) if self.detail != "none" else None
        path = context.path if context and context.path.startswith("/") else f"/alerts/{thread.alert}"
        return f"{self.console}{path}"

    def when(self, at: datetime) -> str:
        return f"{at.astimezone(self.zone):%Y-%m-%d %H:%M %Z}"

    def block(self, thread: Thread, message: Message, *, alone: bool) -> str:
        lines = [
            self._head(thread, message),
            *self._patient(thread),
            *self._before(thread, message),
            *self._medicine(thread, message),
            *self._why(thread, message),
            *self._answer(thread, message),
        ]
        if not alone:
            lines.append(self.link(thread))
        return "\n".join(lines)

    def foot(self, link: str) -> Iterator[str]:
        yield f"Open: {link}"
        if self.detail == "none":
            yield "This message carries no patient data on purpose; the page shows them after signing in."

    def _head(self, thread: Thread, message: Message) -> str:
        sentence = kind_of(thread.kind).sentence
        how = urgency(thread, message)
        match message.occasion:
            case "retracted":
                return f"WITHDRAWN: {how}. This alert is taken back, its reason never held."
            case "closed":
                return f"OVER: {how}. {sentence} This alert is closed."
            case "amended":
                return f"CHANGED: {how}. {sentence} What was told before is different now."
        return f"{how}: {sentence}"

    def _patient(self, thread: Thread) -> Iterator[str]:
        if self.detail == "identified":
            yield f"Patient: {thread.patient.id} ({thread.patient.type} of {thread.patient.authority})"

    def _before(self, thread: Thread, message: Message) -> Iterator[str]:
        """What this person was told, for those who hear that it no longer holds."""
        if message.occasion != "retracted":
            return
        mine = [told for told in thread.told if told.to.person == message.to.person]
        on = f" on {self.when(mine[0].at)}" if mine else ""
        yield f"Told before{on}: {kind_of(thread.kind).sentence}"
        yield "Please disregard it, and check what was done because of it."

    def _medicine(self, thread: Thread, message: Message) -> Iterator[str]:
        if self.detail == "none":
            return
        ended = message.occasion == "retracted"
        yield f"{'Text of the withdrawn alert: ' if ended else ''}{thread.text}"
        if thread.repeats:
            yield f"It came up {thread.repeats + 1} times."
        if thread.what_changed and message.occasion in ("amended", "closed", "retracted"):
            yield f"What changed: {thread.what_changed}"
        yield from map(_change, thread.values)
        if not ended:
            yield from self._evidence(thread)
        context = self.contexts.get(thread.alert)
        if context is not None:
            if context.previous and not ended:
                yield f"The value before: {context.previous}"
            yield from context.course

    def _evidence(self, thread: Thread) -> Iterator[str]:
        for piece in thread.evidence[:PIECES]:
            yield f"{piece.analyte}: {piece.text}, collected {self.when(piece.collected_at)}"
        if (further := len(thread.evidence) - PIECES) > 0:
            yield f"{further} more results on the page."

    def _why(self, thread: Thread, message: Message) -> Iterator[str]:
        match message.occasion:
            case "escalated" if thread.told:
                yield f"It comes to you because nobody told before you has answered in time (level {message.level})."
            case "escalated":
                yield f"It comes to you because nobody before you could be reached (level {message.level})."
            case "reassigned":
                yield "It comes to you because a colleague passed it to you."
            case "resent":
                yield "It comes again because nobody has answered yet."
            case "reminded":
                yield "It comes again because it was put off and still waits for an answer."

    def _answer(self, thread: Thread, message: Message) -> Iterator[str]:
        if message.occasion in ENDS or thread.fact_state != "open":
            yield "No answer is needed."
        elif not thread.waiting:
            yield "No answer is needed." if thread.tier == "P3" else "It was answered already."
        else:
            what = "confirm the read-back" if thread.state == "acknowledged" else "answer"
            by = f"by {self.when(thread.due_at)}" if thread.due_at else "as soon as you can"
            yield f"Please {what} {by}."

    def data(self, thread: Thread, message: Message) -> dict[str, Any]:
        """One alert for a machine: closed codes only, and the rest as the detail allows."""
        known: dict[str, Any] = {
            "alert": str(thread.alert), "kind": thread.kind if thread.kind in KINDS else "OTHER",
            "words": kind_of(thread.kind).sentence, "tier": message.tier, "due_hours": thread.due_hours,
            "occasion": message.occasion, "level": message.level, "state": thread.state, "waiting": thread.waiting,
            "link": self.link(thread),
            "due_at": thread.due_at.isoformat() if thread.due_at else None,
        }  # fmt: skip
        if self.detail != "none":
            known |= {
                "text": thread.text, "subject": thread.subject, "repeats": thread.repeats,
                "what_changed": thread.what_changed,
                "values": [value.model_dump(mode="json") for value in thread.values],
                "evidence": [piece.model_dump(mode="json") for piece in thread.evidence],
            }  # fmt: skip
        if self.detail == "identified":
            known["patient"] = thread.patient.model_dump(mode="json")
        return known


def _change(value: ValueChange) -> str:
    if value.after is None:
        return f"{value.analyte}: was {value.before}; the result no longer counts"
    if value.after == value.before:
        return f"{value.analyte}: {value.before}, but collected at another time than was told"
    return f"{value.analyte}: was {value.before}, is {value.after}"


__all__ = ["KINDS", "UNKNOWN", "Context", "Detail", "Text", "compose", "urgency"]
