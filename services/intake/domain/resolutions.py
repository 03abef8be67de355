"""How an entry of the work list ends: what a person may say, and what a redrive settles."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

REDRIVEN = "redriven"
"""What the entry was about is published now."""
SUPERSEDED = "superseded"
"""Driven again: its cause is gone, and what is still wrong stands under another entry."""
SENDER_RESENDS = "sender_resends"
"""The one resolution that a repeat contradicts: the same message came again, so the entry opens again."""
COMMENT_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class Resolution:
    """A reason for taking an entry off the work list, as a person chooses it."""

    text: str
    comment_required: bool = False


RESOLUTIONS: Mapping[str, Resolution] = {
    "told_otherwise": Resolution("The people treating the patient have the result by another way."),
    SENDER_RESENDS: Resolution(
        "The sender will send a corrected message. If the same message comes again, the entry opens again."
    ),
    "not_needed": Resolution("Nothing in it is a patient's result, for example a trial message."),
    "other": Resolution("Another reason, which the comment says.", comment_required=True),
}
"""What a person may choose; a redrive settles by itself."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing wrong with one message: an entry of the work list, by what settling needs."""

    event_id: str
    place: str
    whole_message: bool


def settled(
    outcome: Literal["published", "duplicate", "ignored", "quarantined"],
    before: Iterable[Wrong],
    now: Collection[Wrong],
    decided: Collection[str] = (),
) -> dict[str, str]:
    """Which open entries of a message are over after it was driven again, and how.

    ``before`` are its open entries, ``now`` what is wrong with it still, ``decided`` the ids of entries that a person
    resolved: they stay so, and stand for no other. An entry whose cause stands remains open, and so does everything
    of a message that is ignored now: whether that is right is for a person to say.
    """
    if outcome == "ignored":
        return {}
    standing = {wrong.event_id for wrong in now}
    ends = ((wrong, _end(outcome, wrong, now, decided)) for wrong in before if wrong.event_id not in standing)
    return {wrong.event_id: end for wrong, end in ends if end is not None}


def _end(outcome: str, over: Wrong, now: Collection[Wrong], decided: Collection[str]) -> str | None:
    """How an entry ends whose own cause is gone; None when what took its place is on nobody's open list."""
    follow = now if over.whole_message or outcome == "quarantined" else [w for w in now if w.place == over.place]
    if not follow:
        return REDRIVEN if outcome == "published" else None
    return SUPERSEDED if any(wrong.event_id not in decided for wrong in follow) else None
