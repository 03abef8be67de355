"""What tests of every part may ask for: one Apache Kafka for the whole session, and private ones to stop and kill.

Property tests run few examples; ``HYPOTHESIS_PROFILE=large`` runs many, by hand.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from refrain.cli.kafka import LocalKafka
from refrain.cli.topics import create_topics

for profile, examples in (("ci", 25), ("large", 2000)):
    settings.register_profile(
        profile,
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of the session's Kafka, with all topics, or those of ``KAFKA_BOOTSTRAP_SERVERS``.

    Everybody shares it: use a consumer group, a patient and, where it matters, a start offset of your own.
    """
    if given := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        create_topics(given)
        yield given
        return
    node = LocalKafka(tmp_path_factory.mktemp("kafka"))
    try:
        node.start()
        create_topics(node.bootstrap)
        yield node.bootstrap
    finally:
        node.stop()


@pytest.fixture
def private_kafka(tmp_path: Path) -> Iterator[Callable[[], LocalKafka]]:
    """Makes a Kafka of the test's own, started and with its topics, that it may ``stop(signal)`` and ``start()`` again.

    The address stays the same over restarts. All of them are gone when the test ends.
    """
    made: list[LocalKafka] = []

    def make() -> LocalKafka:
        node = LocalKafka(tmp_path / f"kafka-{len(made)}")
        made.append(node)
        node.start()
        create_topics(node.bootstrap)
        return node

    yield make
    for node in made:
        node.stop()
