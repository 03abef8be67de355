"""Creates the topics of :mod:`refrain.contracts.topics` on a cluster; doing it again changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kafka import KafkaAdminClient

from refrain.cli.problems import CannotStart
from refrain.contracts.topics import TOPICS, Topic

HEADER_BYTES = 65_536
"""What a dead letter may add to the record it holds: cause and place travel in its headers."""


def create_topics(bootstrap: str, *, replication: int = 1, topics: Sequence[Topic] = TOPICS) -> list[str]:
    """Create what is missing, dead-letter topics of every reader included, and wait until it has leaders.

    Returns the names of the topics made. A topic that is there with another number of partitions is refused with
    CannotStart, because a patient would move to another partition. ``replication`` counts for new topics only.
    """
    wanted = _layouts(topics, replication)
    admin = KafkaAdminClient(bootstrap_servers=bootstrap.split(","))
    try:
        there = {
            found["name"]: len(found["partitions"]) for found in admin.describe_topics() if found["name"] in wanted
        }
        for name, partitions in there.items():
            if partitions != wanted[name]["num_partitions"]:
                raise CannotStart(
                    f"Topic {name} at {bootstrap} has {partitions} partitions instead of "
                    f"{wanted[name]['num_partitions']}. This version of Refrain did not make it: use another cluster, "
                    "or move its records to a new topic."
                )
        missing = {name: layout for name, layout in wanted.items() if name not in there}
        if missing:
            admin.create_topics(missing)
            admin.wait_for_topics(list(missing), timeout_ms=30_000)
        return sorted(missing)
    finally:
        admin.close()


def _layouts(topics: Sequence[Topic], replication: int) -> dict[str, dict[str, Any]]:
    layouts = {}
    for topic in topics:
        layouts[topic.name] = _layout(topic, replication, topic.max_record_bytes)
        for reader in topic.read_by:
            dead = topic.dead_letters(reader)
            layouts[dead] = _layout(topic, replication, topic.max_record_bytes + HEADER_BYTES)
    return layouts


def _layout(topic: Topic, replication: int, record_bytes: int) -> dict[str, Any]:
    return {
        "num_partitions": topic.partitions,
        "replication_factor": replication,
        "configs": {
            "cleanup.policy": "delete",
            "retention.ms": str(int(topic.retention.total_seconds() * 1000)),
            "max.message.bytes": str(record_bytes),
            "min.insync.replicas": str(2 if replication > 2 else 1),
        },
    }
