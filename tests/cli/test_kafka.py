"""The local Kafka: what stops it is a sentence, what starts it is real."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType

from refrain.cli import jars
from refrain.cli.kafka import LocalKafka, cluster_id, new_cluster_id, prepare
from refrain.cli.problems import CannotStart
from refrain.cli.topics import create_topics
from refrain.contracts.topics import PARTITIONS, QUARANTINE, TOPICS


def test_a_port_in_use_is_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotStart, match=rf"Port {port} is in use .*REFRAIN_KAFKA_PORT"):
            prepare(tmp_path, port=port)


def test_a_java_that_does_not_run_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFRAIN_JAVA", str(tmp_path / "no-java"))
    with pytest.raises(CannotStart, match=r"does not run on this machine\. Set REFRAIN_JAVA"):
        prepare(tmp_path)


def test_a_java_that_is_too_old_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "java"
    old.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    old.chmod(0o755)
    monkeypatch.setenv("REFRAIN_JAVA", str(old))
    with pytest.raises(CannotStart, match=r"is version 11; Apache Kafka .* needs 17 or later"):
        prepare(tmp_path)


def test_a_full_disk_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refrain.cli.kafka.NEEDED_BYTES", 1 << 62)
    with pytest.raises(CannotStart, match="MB are free at"):
        prepare(tmp_path)


def test_a_jar_with_other_bytes_is_refused_and_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    staged = tmp_path / "staged.jar"
    staged.write_bytes(b"not what was pinned")

    class Artifact:
        def at_version(self, _: str) -> Artifact:
            return self

        def artifact(self) -> Artifact:
            return self

        def resolve(self) -> Path:
            return staged

    monkeypatch.setenv("REFRAIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(jars.MavenContext, "project", lambda *_: Artifact())
    with pytest.raises(CannotStart, match="SHA-256 differs"):
        jars.classpath()
    assert list((tmp_path / "cache").rglob("*.jar")) == []


def test_cluster_ids_never_begin_with_a_dash() -> None:
    ids = {new_cluster_id() for _ in range(500)}
    assert len(ids) == 500
    assert {len(one) for one in ids} == {22}
    assert not [one for one in ids if one.startswith("-")]


@pytest.mark.kafka
def test_topics_are_made_once_with_their_layout(kafka: str) -> None:
    assert create_topics(kafka) == []
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    try:
        names = {topic.name for topic in TOPICS} | {t.dead_letters(reader) for t in TOPICS for reader in t.read_by}
        found = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics(sorted(names))}
        assert found == dict.fromkeys(names, PARTITIONS)
        [[_, settings]] = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, QUARANTINE.name)]).items()
    finally:
        admin.close()
    assert str(QUARANTINE.max_record_bytes) in str(settings)


@pytest.mark.kafka
def test_the_quarantine_takes_a_message_of_ten_megabytes(kafka: str) -> None:
    mine = replace(QUARANTINE, name=f"quarantine-{uuid4().hex}")  # the shared one holds what services wrote
    create_topics(kafka, topics=[mine])
    producer = KafkaProducer(
        bootstrap_servers=kafka, acks="all", max_request_size=QUARANTINE.max_record_bytes, compression_type=None
    )
    sent = producer.send(mine.name, b"x" * 10_000_000).get(timeout=30)
    producer.close()
    assert sent.offset == 0


@pytest.mark.kafka
def test_a_killed_node_comes_back_with_its_records_and_its_id(private_kafka: Callable[[], LocalKafka]) -> None:
    node = private_kafka()
    before = cluster_id(node.bootstrap)
    producer = KafkaProducer(bootstrap_servers=node.bootstrap, acks="all")
    producer.send(QUARANTINE.name, b"kept", partition=0).get(timeout=30)
    producer.close()
    node.stop(signal.SIGKILL)
    node.start()
    consumer = KafkaConsumer(
        QUARANTINE.name, bootstrap_servers=node.bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=20_000,
        enable_auto_commit=False,
    )  # fmt: skip
    assert next(consumer).value == b"kept"
    consumer.close()
    assert cluster_id(node.bootstrap) == before == node.node.cluster_id
