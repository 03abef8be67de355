"""Invented threads and messages for the tests of what is told and how."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from refrain.contracts.events import Evidence, Occasion, PatientId, Recipient, Tier, ValueChange
from refrain.contracts.ids import derive
from services.notify.domain.roster import Roster, load
from services.notify.domain.thread import Message, Thread

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
PATIENT = PatientId(authority="NORTHWARD", type="MR", id="7700415")


def a_roster(channels: dict[str, Any], people: dict[str, list[tuple[str, str]]] | None = None) -> Roster:
    """A hospital with these channels; ``people``: by id, their channels and addresses in order."""
    reached = people or {"ward-nurse": [(name, f"{name}-address") for name in channels]}
    first = next(iter(reached))
    document = {
        "zone": "Europe/Berlin",
        "channels": channels,
        "people": {
            person: {
                "name": person, "team": "laboratory",
                "channels": [{"channel": channel, "address": address} for channel, address in ways],
            } for person, ways in reached.items()
        },
        "chains": {key: {"levels": [{"to": [first]}]} for key in ("P1", "P2_24", "P2_72", "P3", "DQ")},
        "fallback": {"clinical": [first], "laboratory": [first]},
        "digest": {"weekday": "monday", "time": "08:00"},
    }  # fmt: skip
    return load(json.dumps(document))


def an_id(*parts: object) -> UUID:
    return derive("test", *map(str, parts))


def evidence(text: str, analyte: str = "VEGF", number: int = 1) -> Evidence:
    return Evidence(
        result=an_id("result", number), version=an_id("version", number, text), analyte=analyte, text=text,
        collected_at=NOON - timedelta(hours=2),
    )  # fmt: skip


def change(before: str, after: str | None, analyte: str = "VEGF") -> ValueChange:
    return ValueChange(result=an_id("result", 1), analyte=analyte, before=before, after=after)


def told(person: str = "ward-nurse", channel: str = "mail") -> dict[str, Any]:
    """Somebody was told at noon."""
    return {
        "to": {"person": person, "channel": channel}, "at": NOON, "occasion": "raised", "level": 0, "tier": "P1",
        "delivery": an_id("told", person, channel),
    }  # fmt: skip


def a_thread(number: int = 1, /, *, kind: str = "CRITICAL_RESULT", tier: Tier = "P1", **more: Any) -> Thread:
    return Thread.model_validate(
        {
            "alert": an_id("alert", number), "patient": PATIENT, "kind": kind, "tier": tier, "subject": "VEGF",
            "episode": an_id("episode", number), "text": "VEGF 871.5 pg/mL: beyond the limit",
            "evidence": (evidence("871.5 pg/mL"),), "at": NOON - timedelta(hours=1), "raised_at": NOON,
            "recorded_at": NOON - timedelta(seconds=5), "caused_by": an_id("event", number),
            "clock_from": NOON, "due_at": NOON + timedelta(minutes=15),
        } | more
    )  # fmt: skip


def a_message(
    thread: Thread, person: str = "ward-nurse", *, channel: str = "mail", occasion: Occasion = "raised", **more: Any
) -> Message:
    return Message.model_validate(
        {
            "delivery": an_id("delivery", thread.alert, person, channel, occasion, *more.values()),
            "alert": thread.alert, "to": Recipient(person=person, channel=channel), "occasion": occasion, "level": 0,
            "tier": thread.tier,
            "not_before": NOON, "give_up_at": NOON + timedelta(minutes=5),
        } | more
    )  # fmt: skip
