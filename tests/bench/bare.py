"""The measure for a worker: a bare aiokafka loop with the same pure step, the same batches, and no ledger.

It keeps facts and what was issued in memory, so it loses them with the process: what a worker costs beyond this loop
is what Faust and the ledger cost.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from refrain.contracts.site import SiteSettings
from refrain.contracts.steps import Decision
from refrain.contracts.topics import Topic, inputs_of
from refrain.runtime.facts import Fact
from services.flagging.domain.judgement import FlaggingIssued, place
from services.relapse.domain.judgement import RelapseIssued, advance
from services.response.domain.judgement import ResponseIssued, classify

SITE = SiteSettings()
STEPS: dict[str, tuple[Callable[..., Decision[Any]], type[Any]]] = {
    "flagging": (partial(place, site=SITE), FlaggingIssued),
    "response": (partial(classify, site=SITE), ResponseIssued),
    "relapse": (partial(advance, site=SITE), RelapseIssued),
}
BATCH = 500
WAIT_MILLISECONDS = 20


@dataclass
class Patient:
    """All that is known of one."""

    issued: Any
    facts: dict[tuple[str, str], Fact] = field(default_factory=dict)


async def records_per_second(engine: str, bootstrap: str, records: int, output: str) -> float:
    """Read this many records of the engine's topics from the beginning, decide, and write the outputs to ``output``."""
    topics = {topic.name: topic for topic in inputs_of(engine)}
    consumer = AIOKafkaConsumer(
        *topics, bootstrap_servers=bootstrap, group_id=f"bare-{uuid4().hex[:8]}", enable_auto_commit=False,
        auto_offset_reset="earliest",
    )  # fmt: skip
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=5, compression_type="gzip")
    await consumer.start()
    await producer.start()
    try:
        loop = _Loop(engine, topics, producer, output)
        return await asyncio.wait_for(loop.run(consumer, records), 120)
    finally:
        await consumer.stop()
        await producer.stop()


class _Loop:
    def __init__(self, engine: str, topics: dict[str, Topic], producer: Any, output: str) -> None:
        self._step, self._nothing = STEPS[engine]
        self._topics = topics
        self._producer = producer
        self._output = output
        self._patients: dict[str, Patient] = {}

    async def run(self, consumer: Any, records: int) -> float:
        """Records per second from the first batch on."""
        seen, started = 0, 0.0
        while seen < records:
            found = await consumer.getmany(timeout_ms=WAIT_MILLISECONDS, max_records=BATCH)
            batch = [record for several in found.values() for record in several]
            if not batch:
                continue
            started = started or time.monotonic()
            seen += len(batch)
            await self._decide(batch)
            await consumer.commit()
        return seen / (time.monotonic() - started)

    async def _decide(self, batch: Sequence[Any]) -> None:
        new: dict[str, list[Fact]] = {}
        for record in batch:
            topic = self._topics[record.topic]
            fact = Fact(topic, topic.decode(record.value))
            new.setdefault(fact.event.patient.key, []).append(fact)
        sent = []
        for key, facts in new.items():
            for output in self._outputs(key, facts):
                value = output.topic.encode(output.event)
                sent.append(await self._producer.send(self._output, key=key.encode(), value=value))
        await asyncio.gather(*sent)

    def _outputs(self, key: str, arrived: Sequence[Fact]) -> Sequence[Any]:
        patient = self._patients.setdefault(key, Patient(self._nothing()))
        fresh = [fact for fact in arrived if self._is_news(patient, fact)]
        if not fresh:
            return ()
        patient.facts |= {fact.place: fact for fact in fresh}
        events = [fact.event for fact in patient.facts.values()]
        decision = self._step(events, patient.issued, [fact.event for fact in fresh])
        patient.issued = decision.issued
        return decision.outputs

    @staticmethod
    def _is_news(patient: Patient, fact: Fact) -> bool:
        known = patient.facts.get(fact.place)
        return known is None or known.rank < fact.rank
