"""What the engines say when they are asked why: each with a deadline, and a sentence where one does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import grpc

from refrain.api.events.v1 import events_pb2
from refrain.api.flagging.v1 import flagging_pb2
from refrain.api.relapse.v1 import relapse_pb2
from refrain.api.response.v1 import response_pb2
from services.chart.adapters.web.clients import Clients, answered

NEVER_SAW = "its ledger does not know it"


@dataclass(frozen=True, slots=True)
class Explained:
    """One engine's answer. ``sentence`` says why there is none."""

    engine: str
    sentence: str = ""
    away: bool = False
    """It did not answer; asked again it may."""
    flags: Sequence[flagging_pb2.Flag] = ()
    calls: Sequence[response_pb2.AxisCall] = ()
    alerts: Sequence[events_pb2.Alert] = ()
    issued: Sequence[events_pb2.Event] = ()
    facts: int = 0
    """How many facts caused it."""


@dataclass(frozen=True, slots=True)
class Levels:
    """What each level of a rule set asks for, as response says it."""

    sentence: str = ""
    says: dict[str, str] = field(default_factory=dict)
    title: str = ""


async def ask_engines(clients: Clients, identifier: UUID) -> tuple[Explained, ...]:
    """Flagging, response and relapse at once; none of them holds the page up longer than its deadline."""
    asked = (
        ("flagging", clients.flagging, flagging_pb2.ExplainRequest(id=str(identifier))),
        ("response", clients.response, response_pb2.ExplainRequest(id=str(identifier))),
        ("relapse", clients.relapse, relapse_pb2.ExplainRequest(id=str(identifier))),
    )
    return tuple(await asyncio.gather(*(_explain(name, service, request) for name, service, request in asked)))


async def _explain(engine: str, service: Any, request: Any) -> Explained:
    try:
        answer = await answered(service.Explain(request))
    except grpc.aio.AioRpcError as error:
        known = error.code() == grpc.StatusCode.NOT_FOUND
        return Explained(engine, NEVER_SAW if known else f"it refused the question ({error.code().name})")
    if answer.value is None:
        return Explained(engine, answer.away, away=True)
    found = answer.value
    return Explained(
        engine,
        flags=getattr(found, "flags", ()),
        calls=getattr(found, "calls", ()),
        alerts=getattr(found, "alerts", ()),
        issued=found.issued,
        facts=len(found.facts),
    )


async def rule_sets(clients: Clients) -> tuple[tuple[tuple[str, str], ...], str]:
    """Id and title of every rule set, or a sentence when response does not say."""
    found, sentence = await _rule_sets(clients)
    return tuple((one.id, one.title) for one in found), sentence


async def levels_of(clients: Clients, rule_set: str) -> Levels:
    """The levels of one rule set in words; a sentence when response does not answer."""
    found, sentence = await _rule_sets(clients)
    if sentence:
        return Levels(sentence)
    for one in found:
        if one.id == rule_set:
            return Levels(says={rule.level: rule.says for rule in one.rules}, title=one.title)
    return Levels(f"Response does not know the rule set {rule_set}.")


async def _rule_sets(clients: Clients) -> tuple[Sequence[response_pb2.RuleSet], str]:
    try:
        answer = await answered(clients.response.ListRuleSets(response_pb2.ListRuleSetsRequest()))
    except grpc.aio.AioRpcError as error:
        return (), f"Response refused to list its rules ({error.code().name})."
    return ((), answer.away) if answer.value is None else (answer.value.rule_sets, "")
