"""The guarantees of the door, on a real Kafka: an AA means it is there, silence means send it again, twice is once."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from kafka import KafkaConsumer

from refrain.api.intake.v1 import care_pb2, intake_pb2, intake_pb2_grpc
from refrain.cli.kafka import LocalKafka
from refrain.cli.mllp import MllpClient, Unanswered
from refrain.contracts.topics import CARE_EVENTS, LAB_REPORTS, QUARANTINE, Topic

pytestmark = pytest.mark.kafka

PROFILE = """
sender: north-lab
match: {application: LAB, facility: NORTH}
zone: Europe/Berlin
patient: {fields: [PID-3], types: [MR], authority: NORTH}
"""
SERVING = health_pb2.HealthCheckResponse.SERVING


def a_message(patient: str, value: str = "42.35") -> bytes:
    segments = (
        "MSH|^~\\&|LAB|NORTH|REFRAIN|WARD|20260314091500+0100||ORU^R01^ORU_R01|E1|P|2.5.1",
        f"PID|1||{patient}^^^NORTH^MR||Planted^Name||19570203|F",
        "OBR|1|P100|F200|PAN^Panel^L|||20260314080000+0100|||||||||||||||20260314091400+0100|||F",
        f"OBX|1|NM|34694-0^VEGF^LN||{value}|pg/mL|0-160|N|||F",
    )
    return ("\r".join(segments) + "\r").encode()


class Running:
    """An intake process that can be killed and started again on the same database and ports."""

    def __init__(self, folder: Path, broker: str, *, hold_seconds: int = 3, database: Path | None = None) -> None:
        (folder / "profiles").mkdir(parents=True)
        self.profile = folder / "profiles" / "north.yaml"
        self.profile.write_text(PROFILE)
        self.database = database or folder / "intake.db"
        self._ports = folder / "ports.json"
        self._log = folder / "intake.log"
        self._environment = os.environ | {
            "INTAKE_KAFKA_BROKER": broker,
            "INTAKE_LEDGER": f"sqlite:///{self.database}",
            "INTAKE_PORTS_FILE": str(self._ports),
            "INTAKE_PROFILES": str(folder / "profiles"),
            "INTAKE_HOLD_SECONDS": str(hold_seconds),
            "INTAKE_LOG_LEVEL": "DEBUG",  # the lowest level must not show a patient either
            "INTAKE_FOLDER": str(folder / "files"),
        }
        self.folder = folder / "files"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "services.intake"]
        subprocess.run([*command, "migrate"], env=self._environment, check=True, timeout=60)
        self._ports.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        wait_for(self._ports.exists)
        wait_for(lambda: self.listens)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(timeout=60)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def port(self, name: str) -> int:
        return int(json.loads(self._ports.read_text())[name])

    @property
    def listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port("mllp")), timeout=5).close()
        except ConnectionRefusedError:
            return False
        return True

    @property
    def serving(self) -> bool:
        with self.channel() as channel:
            return health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest()).status == SERVING

    def channel(self) -> grpc.Channel:
        return grpc.insecure_channel(f"127.0.0.1:{self.port('grpc')}")

    def client(self, timeout: float = 30) -> MllpClient:
        return MllpClient("127.0.0.1", self.port("mllp"), timeout_seconds=timeout)


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def heard(sender: socket.socket) -> bytes:
    """What came back before the connection was closed or reset."""
    try:
        return sender.recv(1000)
    except ConnectionError:
        return b""


def events(broker: str, topic: Topic, key: str | None = None) -> list:
    """All events of a topic so far; only those of a key when one is given."""
    consumer = KafkaConsumer(
        topic.name,
        bootstrap_servers=broker.split(","),
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        consumer_timeout_ms=1500,
        fetch_max_bytes=64 * 1024 * 1024,
        max_partition_fetch_bytes=16 * 1024 * 1024,
    )
    with_key = None if key is None else key.encode()
    found = [topic.decode(record.value) for record in consumer if with_key in (None, record.key)]
    consumer.close()
    return found


@pytest.fixture
def intake(tmp_path: Path, kafka: str) -> Iterator[Running]:
    running = Running(tmp_path, kafka)
    running.start()
    yield running
    if running.process and running.process.poll() is None:
        running.stop(signal.SIGKILL)


@pytest.fixture
def patient() -> str:
    return uuid4().hex[:12]


def test_an_aa_means_that_kafka_has_the_report(intake: Running, kafka: str, patient: str) -> None:
    with intake.client() as client:
        answers = [client.send(a_message(patient, str(value))).code for value in range(1, 21)]
    assert answers == ["AA"] * 20
    reports = events(kafka, LAB_REPORTS, f"NORTH|MR|{patient}")
    assert [str(report.observations[0].value.number) for report in reports] == [str(v) for v in range(1, 21)]
    assert intake.stop() == 0
    assert "Planted" not in intake.log
    assert patient not in intake.log


def test_killed_between_write_and_answer_the_resend_is_the_same_result(
    intake: Running, kafka: str, patient: str
) -> None:
    # The answer comes after the memory; a lock on its file stops intake exactly between Kafka and the answer.
    lock = sqlite3.connect(intake.database, isolation_level=None)
    lock.execute("begin immediate")
    with socket.create_connection(("127.0.0.1", intake.port("mllp")), timeout=30) as sender:
        sender.sendall(b"\x0b" + a_message(patient) + b"\x1c\r")
        wait_for(lambda: len(events(kafka, LAB_REPORTS, f"NORTH|MR|{patient}")) == 1)
        intake.stop(signal.SIGKILL)
        assert heard(sender) == b""
    lock.close()
    intake.start()
    with intake.client() as client:
        assert client.send(a_message(patient)).code == "AA"
        assert client.send(a_message(patient)).code == "AA"
    first, second = events(kafka, LAB_REPORTS, f"NORTH|MR|{patient}")
    assert first.event_id == second.event_id
    assert first.observations[0].version == second.observations[0].version


def test_while_kafka_is_away_there_is_silence_and_a_closed_door(
    tmp_path: Path, private_kafka: Callable[[], LocalKafka], patient: str
) -> None:
    node = private_kafka()
    intake = Running(tmp_path, node.bootstrap)
    intake.start()
    try:
        with intake.client(timeout=60) as client:
            assert client.send(a_message(patient, "1")).code == "AA"
            wait_for(lambda: intake.serving)
            node.stop(signal.SIGKILL)
            with pytest.raises(Unanswered, match="closed without an answer"):
                client.send(a_message(patient, "2"))
        wait_for(lambda: not intake.listens)
        assert not intake.serving
        with intake.channel() as channel, pytest.raises(grpc.RpcError) as refused:
            intake_pb2_grpc.IntakeServiceStub(channel).RecordCareEvent(a_drug(patient), timeout=30)
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
        node.start()
        wait_for(lambda: intake.listens)
        wait_for(lambda: intake.serving)
        with intake.client(timeout=60) as client:
            assert client.send(a_message(patient, "2")).code == "AA"
        reports = events(node.bootstrap, LAB_REPORTS, f"NORTH|MR|{patient}")
        assert {str(report.observations[0].value.number) for report in reports} == {"1", "2"}
        assert len({report.event_id for report in reports}) == 2
        assert intake.stop() == 0
    finally:
        if intake.process and intake.process.poll() is None:
            intake.stop(signal.SIGKILL)


def test_a_message_that_is_held_is_answered_when_kafka_comes_back_in_time(
    tmp_path: Path, private_kafka: Callable[[], LocalKafka], patient: str
) -> None:
    node = private_kafka()
    intake = Running(tmp_path, node.bootstrap, hold_seconds=60)
    intake.start()
    try:
        with socket.create_connection(("127.0.0.1", intake.port("mllp")), timeout=90) as sender:
            node.stop(signal.SIGKILL)
            sender.sendall(b"\x0b" + a_message(patient) + b"\x1c\r")
            wait_for(lambda: not intake.listens)
            node.start()
            assert b"MSA|AA|E1" in heard(sender)
        [first, *repeats] = events(node.bootstrap, LAB_REPORTS, f"NORTH|MR|{patient}")
        assert {report.event_id for report in repeats} <= {first.event_id}
        assert intake.stop() == 0
    finally:
        if intake.process and intake.process.poll() is None:
            intake.stop(signal.SIGKILL)


def test_eight_megabytes_without_use_are_in_quarantine_to_the_last_byte(
    intake: Running, kafka: str, patient: str
) -> None:
    head, tail = a_message(patient).split(b"PID|", 1)
    large = head + b"ZZZ|" + os.urandom(3_900_000).hex().encode() + b"\rPIX|" + tail
    with intake.client() as client:
        assert client.send(large).code == "AE"
    kept = [entry for entry in events(kafka, QUARANTINE) if entry.size == len(large)]
    assert [b64decode(entry.raw) for entry in kept] == [large]


def a_drug(patient: str, **changes: str) -> intake_pb2.RecordCareEventRequest:
    fields = {"drug": "daratumumab", "first": "2026-01-06", "dose": "16 mg/kg"} | changes
    return intake_pb2.RecordCareEventRequest(
        patient=care_pb2.PatientId(authority="NORTH", type="MR", id=patient),
        body=care_pb2.CareBody(drug=care_pb2.Drug(**fields)),
    )


def test_a_care_event_is_on_kafka_when_it_is_answered_and_twice_is_once(
    intake: Running, kafka: str, patient: str
) -> None:
    with intake.channel() as channel:
        stub = intake_pb2_grpc.IntakeServiceStub(channel)
        first, second = (stub.RecordCareEvent(a_drug(patient), timeout=30) for _ in range(2))
        assert first == second
        assert first.key == "drug daratumumab 2026-01-06"
        with pytest.raises(grpc.RpcError) as refused:
            stub.RecordCareEvent(a_drug(patient, status="perhaps"), timeout=30)
        [detail] = rpc_status.from_call(refused.value).details
        violations = error_details_pb2.BadRequest()
        detail.Unpack(violations)
        assert [violation.field for violation in violations.field_violations] == ["body.drug.status"]
        assert "perhaps" not in str(violations) + refused.value.details()
        feeds = stub.FeedStatus(intake_pb2.FeedStatusRequest(), timeout=30)
        assert (feeds.storing, [feed.sender for feed in feeds.feeds]) == (True, ["north-lab"])
    recorded = events(kafka, CARE_EVENTS, f"NORTH|MR|{patient}")
    assert {str(event.event_id) for event in recorded} == {first.event_id}
    assert str(recorded[0].body.last) == "2026-01-06"


def test_a_file_goes_the_same_way(intake: Running, kafka: str, patient: str) -> None:
    whole = a_message(patient, "1") + a_message(patient, "2") + a_message("", "3")
    draft = intake.folder / "incoming" / ".draft"
    draft.write_bytes(whole.replace(b"\r", b"\n"))
    draft.rename(intake.folder / "incoming" / "Planted.hl7")
    report = intake.folder / "done" / "Planted.hl7.report.json"
    wait_for((intake.folder / "done" / "Planted.hl7").exists)
    assert json.loads(report.read_text()) == {
        "messages": 3,
        "outcomes": {"published": 2, "quarantined": 1},
        "reasons": {"no_patient_id": 1},
    }
    reports = events(kafka, LAB_REPORTS, f"NORTH|MR|{patient}")
    assert [str(report.observations[0].value.number) for report in reports] == ["1", "2"]
    assert "Planted" not in intake.log


def by_hand(intake: Running) -> intake_pb2_grpc.IntakeServiceStub:
    """The service, for as long as its channel is kept: it closes with the process."""
    return intake_pb2_grpc.IntakeServiceStub(intake.channel())


def test_quarantined_then_the_profile_written_then_driven_again_by_two_processes(
    tmp_path: Path, kafka: str, patient: str
) -> None:
    here = Running(tmp_path / "here", kafka)
    there = Running(tmp_path / "there", kafka, database=here.database)
    here.profile.unlink()
    here.start()
    try:
        with here.client() as client:
            assert client.send(a_message(patient)).code == "AR"
        assert events(kafka, LAB_REPORTS, f"NORTH|MR|{patient}") == []
        [item] = by_hand(here).ListQuarantine(intake_pb2.ListQuarantineRequest(), timeout=30).items
        assert (item.reason, item.state) == ("unknown_sender", "open")
        shown = by_hand(here).GetQuarantined(intake_pb2.GetQuarantinedRequest(event_id=item.event_id), timeout=30)
        assert shown.raw == a_message(patient)
        here.stop()
        here.profile.write_text(PROFILE)
        here.start()
        there.start()
        asked = [intake_pb2.RedriveRequest(event_id=item.event_id, actor="dr-a", request_id=f"r{n}") for n in range(4)]
        calls = [by_hand(one).Redrive.future(asked[n], timeout=60) for n, one in enumerate((here, there, here, there))]
        answers = [call.result() for call in calls]
        assert {(answer.outcome, answer.reports, len(answer.still_open)) for answer in answers} == {("published", 1, 0)}
        assert {answer.item.resolution for answer in answers} == {"redriven"}
        reports = events(kafka, LAB_REPORTS, f"NORTH|MR|{patient}")
        assert len({LAB_REPORTS.encode(report) for report in reports}) == 1, "every repeat is the same to the byte"
        assert str(reports[0].observations[0].value.number) == "42.35"
        assert not by_hand(there).ListQuarantine(intake_pb2.ListQuarantineRequest(), timeout=30).items
        with there.client() as client:
            assert client.send(a_message(patient)).code == "AA"
        assert len(events(kafka, LAB_REPORTS, f"NORTH|MR|{patient}")) == len(reports), "what was driven counts as seen"
        assert patient not in here.log + there.log
        assert (here.stop(), there.stop()) == (0, 0)
    finally:
        for one in (here, there):
            if one.process and one.process.poll() is None:
                one.stop(signal.SIGKILL)


def test_a_code_mapped_at_one_process_is_read_so_by_the_other(tmp_path: Path, kafka: str, patient: str) -> None:
    here = Running(tmp_path / "here", kafka)
    there = Running(tmp_path / "there", kafka, database=here.database)
    local = a_message(patient).replace(b"34694-0^VEGF^LN", b"VEG^VEGF^L")
    try:
        here.start()
        there.start()
        with there.client() as client:
            assert client.send(local).code == "AA"
        [code] = by_hand(here).ListUnmappedCodes(intake_pb2.ListUnmappedCodesRequest(), timeout=30).codes
        assert (code.sender, code.code, code.system, code.count) == ("north-lab", "VEG", "L", 1)
        asked = intake_pb2.MapCodeRequest(
            sender="north-lab", code="VEG", system="L", analyte="VEGF", actor="dr-a", reason="Their list of tests."
        )
        answer = by_hand(here).MapCode(asked, timeout=30)
        wait_for(lambda: not by_hand(there).ListUnmappedCodes(intake_pb2.ListUnmappedCodesRequest(), timeout=30).codes)
        with there.client() as client:
            assert client.send(local).code == "AA"
        before, after = events(kafka, LAB_REPORTS, f"NORTH|MR|{patient}")
        assert [report.observations[0].analyte for report in (before, after)] == [None, "VEGF"]
        assert before.observations[0].version == after.observations[0].version
        assert after.translation == answer.translation > before.translation
        here.stop(signal.SIGKILL)
        here.start()
        assert by_hand(here).ListMappings(intake_pb2.ListMappingsRequest(), timeout=30).mappings == [answer.mapping]
    finally:
        for one in (here, there):
            if one.process and one.process.poll() is None:
                one.stop(signal.SIGKILL)


def test_with_kafka_away_nothing_is_driven_and_nothing_is_lost(
    tmp_path: Path, private_kafka: Callable[[], LocalKafka], patient: str
) -> None:
    node = private_kafka()
    intake = Running(tmp_path / "intake", node.bootstrap)
    intake.profile.unlink()
    intake.start()
    try:
        with intake.client() as client:
            assert client.send(a_message(patient)).code == "AR"
        intake.stop()
        intake.profile.write_text(PROFILE)
        intake.start()
        [item] = by_hand(intake).ListQuarantine(intake_pb2.ListQuarantineRequest(), timeout=30).items
        node.stop(signal.SIGKILL)
        asked = intake_pb2.RedriveRequest(event_id=item.event_id, actor="dr-a")
        for call in (
            lambda: by_hand(intake).Redrive(asked, timeout=10),
            lambda: by_hand(intake).GetQuarantined(
                intake_pb2.GetQuarantinedRequest(event_id=item.event_id), timeout=10
            ),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                call()
            assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
        assert list(by_hand(intake).ListQuarantine(intake_pb2.ListQuarantineRequest(), timeout=30).items) == [item]
        node.start()
        wait_for(lambda: intake.serving)
        assert by_hand(intake).Redrive(asked, timeout=60).item.resolution == "redriven"
        assert len(events(node.bootstrap, LAB_REPORTS, f"NORTH|MR|{patient}")) == 1
    finally:
        if intake.process and intake.process.poll() is None:
            intake.stop(signal.SIGKILL)


def test_a_database_that_was_not_migrated_is_named_in_a_sentence(tmp_path: Path) -> None:
    environment = os.environ | {"INTAKE_LEDGER": f"sqlite:///{tmp_path}/new.db"}
    ran = subprocess.run(
        [sys.executable, "-m", "services.intake"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 2
    assert "run `python -m services.intake migrate` first" in ran.stderr
