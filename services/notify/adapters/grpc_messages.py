"""Threads, actions, people and channels as the messages of ``AlertService``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from refrain.api.events.v1 import events_pb2, people_pb2
from refrain.api.notify.v1 import alerts_pb2
from refrain.contracts.events import AlertAction
from refrain.contracts.topics import ALERT_ACTIONS
from refrain.runtime.grpc_events import rule_fields
from services.notify.adapters.deliveries import ChannelState
from services.notify.domain.people import Channel
from services.notify.domain.roster import Roster
from services.notify.domain.thread import Thread


def timestamp(moment: datetime | None) -> Timestamp | None:
    """None where there is none: the field stays absent."""
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment.astimezone(UTC))
    return stamp


def alert_message(thread: Thread) -> alerts_pb2.Alert:
    """An alert as it stands with people."""
    return alerts_pb2.Alert(
        alert_id=str(thread.alert), patient=people_pb2.PatientId(**thread.patient.model_dump()), kind=thread.kind,
        tier=thread.tier, due_hours=thread.due_hours, subject=thread.subject, line=thread.line, text=thread.text,
        rule=events_pb2.Rule(**rule_fields(thread.rule)), at=timestamp(thread.at),
        raised_at=timestamp(thread.raised_at), state=thread.state, waiting=thread.waiting,
        assigned_to=thread.assigned_to, acknowledged_by=thread.acknowledged_by,
        acknowledged_at=timestamp(thread.acknowledged_at), acknowledge_reason=thread.acknowledge_reason,
        read_back_at=timestamp(thread.read_back_at), snoozed_until=timestamp(thread.snoozed_until),
        due_at=timestamp(thread.due_at), level=thread.level, repeats=thread.repeats, number=thread.number,
        evidence=[
            alerts_pb2.Evidence(
                result_id=str(piece.result), analyte=piece.analyte, text=piece.text,
                collected_at=timestamp(piece.collected_at),
            )
            for piece in thread.evidence
        ],
    )  # fmt: skip


def action_message(action: AlertAction) -> alerts_pb2.Action:
    """One action, with the event that is on Kafka."""
    return alerts_pb2.Action(
        number=action.number, at=timestamp(action.at), type=action.body.type, actor=action.actor.id,
        event=events_pb2.Event(topic=ALERT_ACTIONS.name, json=ALERT_ACTIONS.encode(action)),
    )  # fmt: skip


def people_messages(roster: Roster, now: datetime) -> list[alerts_pb2.Person]:
    """The people of the roster by name, never their addresses."""
    holders = {duty: roster.on_duty(duty, now) for duty in roster.duties}
    people = sorted(roster.people.items(), key=lambda item: (item[1].name, item[0]))
    return [
        alerts_pb2.Person(
            id=key, name=person.name, duties=roster.duties_of(key), on_duty=key in holders.values()
        )
        for key, person in people
    ]  # fmt: skip


def channel_messages(
    channels: Mapping[str, Channel],
    states: Sequence[ChannelState],
    dead: Collection[str],
    unsent: Mapping[str, int],
) -> list[alerts_pb2.Channel]:
    """The channels of the roster, in its order. One that was never tried is taken to work."""
    known = {state.name: state for state in states}
    return [_channel(name, channel, known.get(name), name not in dead, unsent) for name, channel in channels.items()]


def _channel(
    name: str, channel: Channel, state: ChannelState | None, up: bool, unsent: Mapping[str, int]
) -> alerts_pb2.Channel:
    told: dict[str, Any] = {}
    if state is not None:
        told = {"last_success_at": timestamp(state.last_success), "down_since": timestamp(state.down_since)}
    return alerts_pb2.Channel(name=name, type=channel.type, up=up, waiting=unsent.get(name, 0), **told)
