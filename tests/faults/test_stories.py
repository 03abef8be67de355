"""The feed of the fault runs: a seed brings it back, and intake can use all of it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from random import Random

from services.intake.domain.profile import load_profile
from services.intake.domain.translate import translate
from tests.faults.stories import PROFILE, Delivery, Message, deliveries

RECEIVED_AT = datetime(2026, 1, 5, tzinfo=UTC)


def told(seed: int) -> list[Delivery]:
    return deliveries(8, 20, Random(seed))


def test_a_seed_brings_a_feed_back() -> None:
    assert told(7) == told(7)
    assert told(7) != told(8)


def test_every_message_is_usable_and_every_patient_has_enough_of_them() -> None:
    messages = [one for one in told(7) if isinstance(one, Message)]
    profile = load_profile(PROFILE)
    reports: dict[str, set[str]] = {}
    for message in messages:
        translation = translate(message.body, profile, RECEIVED_AT, listener="mllp")
        assert (translation.outcome, translation.quarantined) == ("published", ())
        [report] = translation.reports
        assert report.source.message == message.control
        reports.setdefault(report.patient.id, set()).add(str(report.event_id))
    assert len(reports) == 8
    assert all(len(found) >= 20 for found in reports.values())
    assert sum(map(len, reports.values())) == len({message.original for message in messages})


def test_a_feed_has_corrections_withdrawals_and_repetitions() -> None:
    messages = [one for one in told(7) if isinstance(one, Message)]
    statuses = Counter(message.body.split(b"\rSPM")[0].rsplit(b"||||", 2)[1] for message in messages)
    assert {b"F", b"C", b"W"} == set(statuses)
    assert len(messages) > len({message.control for message in messages}) > len({one.original for one in messages})
