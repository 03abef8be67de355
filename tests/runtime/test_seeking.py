"""What Faust drops in a rebalance it seeks back to, also where the group committed nothing yet: a real Kafka."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from kafka import KafkaProducer

from refrain.cli.topics import create_topics
from refrain.contracts.topics import CARE_EVENTS
from refrain.runtime.settings import WorkerSettings
from refrain.runtime.stream import stream_app

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]
PATIENCE_SECONDS = 60


async def three(seen: asyncio.Queue[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return [await seen.get() for _ in range(3)]


async def test_a_partition_without_a_commit_is_sought_back_to_its_beginning(kafka: str) -> None:
    topic = replace(CARE_EVENTS, name=f"seeking-{uuid4()}", partitions=2)
    create_topics(kafka, topics=[topic])
    producer = KafkaProducer(bootstrap_servers=kafka)
    for number in range(3):
        producer.send(topic.name, key=b"one", value=b"%d" % number, partition=1).get(10)
    producer.close()
    app = stream_app(f"seeking-{uuid4()}", WorkerSettings(kafka_broker=kafka, ledger="sqlite://"))
    seen: asyncio.Queue[tuple[Any, Any]] = asyncio.Queue()

    @app.agent(app.topic(topic.name, key_type=bytes, value_type=bytes))
    async def look(stream: Any) -> None:
        async for batch in stream.noack_take(10, within=0.02):
            for event in batch:
                seen.put_nowait((stream, event))  # and not acknowledged, so that nothing is committed

    await app.start()
    try:
        first = await three(seen)
        assert app.consumer.starts == {(topic.name, 0): 0, (topic.name, 1): 0}
        await app.consumer.perform_seek()
        again = await three(seen)
        assert [event.message.offset for _, event in (*first, *again)] == [0, 1, 2, 0, 1, 2]
        for held, event in (*first, *again):
            await held.ack(event)  # a stop waits for them
    finally:
        await app.stop()
