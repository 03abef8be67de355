"""Replays the patient: care events over gRPC, results over a real MLLP socket, moment by moment.

After each moment the engines are waited for, so that the course shows a call for every moment, as it
did at the bedside. All is done when the committed offsets of all services have reached the ends of their topics.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from refrain.cli import questions, streams
from refrain.cli.demo.case import Case
from refrain.cli.demo.messages import messages, without_a_number
from refrain.cli.mllp import MllpClient, Unanswered
from refrain.cli.problems import CannotStart
from refrain.cli.programs import ENGINES, READERS

PATIENCE_SECONDS = 120.0
"""How long the engines may take for one moment before the demo gives up."""
POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Sent:
    """What went in, and how much of it intake knew already."""

    messages: int
    known: int
    refused: tuple[str, ...]
    """A sentence per message that was not taken."""


def replay(case: Case, *, mllp: tuple[str, int], grpc: str, bootstrap: str, say: Callable[[str], None]) -> Sent:
    """Send everything and wait until the engines are through. CannotStart when they do not get there."""
    questions.record(grpc, list(case.standing))
    say(f"Recorded {len(case.standing)} care events over gRPC: the clone, the therapy line, each dose.")
    duplicates = questions.duplicates(grpc, case.sender.profile)
    sent, refused = 0, []
    with MllpClient(*mllp) as client:
        for moment in case.moments:
            for message in messages(case, moment):
                sent += 1
                if trouble := _send(client, message):
                    refused.append(f"Message {sent}: {trouble}")
            questions.record(grpc, list(moment.care_events))  # after the results: a finding rests on them
            wait_for(ENGINES, bootstrap)
            if moment.records:
                say(f"{moment.at:%Y-%m-%d}: results in, and through all engines: {len(moment.records)}.")
    wait_for(READERS, bootstrap)
    return Sent(sent, questions.duplicates(grpc, case.sender.profile) - duplicates, tuple(refused))


def send_without_a_number(case: Case, *, mllp: tuple[str, int]) -> str:
    """Send one result that says nobody's number. What is wrong with the answer; empty where intake keeps it back."""
    with MllpClient(*mllp) as client:
        answered = _send(client, without_a_number(case))
    if answered.startswith("AE no_patient_id"):
        return ""
    return f"A message without a patient's number was answered {answered or 'as if it had been used'}."


def _send(client: MllpClient, message: bytes) -> str:
    """What is wrong with the answer; empty for AA or CA."""
    try:
        answer = client.send(message)
    except Unanswered as silence:
        return str(silence)
    return "" if answer.positive else f"{answer.code} {'; '.join(answer.causes)}"


def wait_for(services: Iterable[str], bootstrap: str, *, seconds: float = PATIENCE_SECONDS) -> None:
    """Return when every service has committed the ends of its topics, asked one after the other.

    Given in the order of the flow: outputs are on Kafka before their input is committed, so a service that is through
    has told the next one all.
    """
    end = time.monotonic() + seconds
    with streams.admin(bootstrap) as client:
        for service in services:
            while waiting := sum(topic.waiting for topic in streams.backlog(client, service).values()):
                if time.monotonic() > end:
                    raise CannotStart(
                        f"{service} has {waiting} records left after {seconds:.0f} seconds: see refrain status and "
                        f"refrain logs {service}."
                    )
                time.sleep(POLL_SECONDS)
