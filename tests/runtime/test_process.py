"""What surrounds the work: gRPC errors, health, metrics over HTTP, log lines, ports, settings."""

from __future__ import annotations

import io
import json
import logging
import sys
import urllib.error
import urllib.request
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from prometheus_client import CollectorRegistry, Counter
from pydantic import BaseModel, ConfigDict

from refrain.api.relapse.v1 import relapse_pb2, relapse_pb2_grpc
from refrain.runtime.grpc_server import GrpcServer, InvalidRequest, Unknown, in_thread
from refrain.runtime.health import Progress
from refrain.runtime.logging import JsonLines
from refrain.runtime.ports import write_ports
from refrain.runtime.serve_metrics import MetricsServer
from refrain.runtime.settings import WorkerSettings

NAME = "refrain.api.relapse.v1.RelapseService"
SECRET = "Planted-Name-4711"


class Strict(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    number: int


def sleep_long() -> relapse_pb2.ExplainResponse:
    import time

    time.sleep(3)
    return relapse_pb2.ExplainResponse()


class Servicer(relapse_pb2_grpc.RelapseServiceServicer):
    """Does to each request what its id says."""

    async def Explain(
        self, request: relapse_pb2.ExplainRequest, context: grpc.aio.ServicerContext
    ) -> relapse_pb2.ExplainResponse:
        match request.id:
            case "invalid":
                raise InvalidRequest("id", "no UUID")
            case "model":
                Strict.model_validate({"number": SECRET})
            case "unknown":
                raise Unknown("nobody knows it")
            case "defect":
                raise RuntimeError(SECRET)
            case "slow":
                return await in_thread(context, sleep_long)
        return relapse_pb2.ExplainResponse()


async def call(asked: str, seconds: float = 10) -> grpc.aio.AioRpcError | None:
    server = GrpcServer([(relapse_pb2_grpc.add_RelapseServiceServicer_to_server, Servicer())], [NAME])
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            request = relapse_pb2.ExplainRequest(id=asked)
            await relapse_pb2_grpc.RelapseServiceStub(channel).Explain(request, timeout=seconds)
    except grpc.aio.AioRpcError as error:
        return error
    finally:
        await server.stop()
    return None


@pytest.mark.parametrize(
    ("asked", "code", "fields"),
    [
        ("invalid", "INVALID_ARGUMENT", ["id"]),
        ("model", "INVALID_ARGUMENT", ["number"]),
        ("unknown", "NOT_FOUND", []),
        ("defect", "INTERNAL", []),
    ],
)
async def test_an_error_has_a_status_and_fields_and_no_patient(asked: str, code: str, fields: list[str]) -> None:
    error = await call(asked)
    assert error is not None
    assert error.code().name == code
    assert SECRET not in str(error)
    found = error_details_pb2.BadRequest()
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        detail.Unpack(found)
    assert [violation.field for violation in found.field_violations] == fields


async def test_a_call_ends_at_its_deadline() -> None:
    error = await call("slow", seconds=0.3)
    assert error is not None
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_server_that_makes_no_progress_says_so() -> None:
    server = GrpcServer([], [NAME])
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        states = []
        for serving in (True, False):
            await server.healthy(serving)
            states.append((await stub.Check(health_pb2.HealthCheckRequest(service=NAME))).status)
    await server.stop()
    assert states == [health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING]


async def test_a_port_in_use_is_not_shared() -> None:
    first = GrpcServer([], [NAME])
    await first.start()
    with pytest.raises(RuntimeError):
        GrpcServer([], [NAME], port=first.port)
    await first.stop()


@pytest.mark.parametrize(
    ("address", "warned"), [("0.0.0.0", True), ("[::]", True), ("127.0.0.1", False), ("localhost", False)]
)
async def test_a_server_that_believes_the_whole_network_says_so(
    caplog: pytest.LogCaptureFixture, address: str, warned: bool
) -> None:
    server = GrpcServer([], [NAME], address=address)
    await server.start()
    await server.stop()
    assert ("without mutual TLS" in caplog.text) is warned


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_batch_that_never_ends_is_no_life() -> None:
    clock = Clock()
    progress = Progress(60, clock)
    with progress.batch():
        clock.now = 59
        assert progress.alive
        clock.now = 61
        assert not progress.alive
    assert progress.alive


def test_waiting_records_that_nobody_reads_are_no_life() -> None:
    clock = Clock()
    progress = Progress(60, clock)
    progress.behind(5)
    clock.now = 61
    assert not progress.alive
    with progress.batch():
        pass
    assert progress.alive


def test_nothing_to_do_is_life_for_ever() -> None:
    clock = Clock()
    progress = Progress(60, clock)
    clock.now = 10_000
    assert progress.alive
    progress.behind(0)
    progress.behind(1)
    assert progress.alive


def test_metrics_and_liveness_are_served_on_one_port() -> None:
    registry = CollectorRegistry()
    Counter("refrain_test_things_total", "-", registry=registry).inc(3)
    alive = [True, False]
    server = MetricsServer(lambda: alive.pop(0), registry=registry)
    server.start()
    base = f"http://127.0.0.1:{server.port}"
    assert b"refrain_test_things_total 3.0" in urllib.request.urlopen(f"{base}/metrics", timeout=5).read()
    assert urllib.request.urlopen(f"{base}/live", timeout=5).status == 200
    with pytest.raises(urllib.error.HTTPError, match="503"):
        urllib.request.urlopen(f"{base}/live", timeout=5)
    server.stop()


def test_a_log_line_has_places_and_reasons_and_nothing_else() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines("flagging"))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    try:
        raise ValueError(SECRET)
    except ValueError:
        logger.warning("put aside", extra={"offset": 7, "topic": "t", "patient": SECRET}, exc_info=sys.exc_info())
    line = json.loads(stream.getvalue())
    assert (line["message"], line["offset"], line["service"]) == ("put aside", "7", "flagging")
    assert line["exception"] == "ValueError"
    assert SECRET not in stream.getvalue()


def test_ports_are_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "made" / "flagging.json"
    write_ports(path, {"grpc": 1})
    write_ports(path, {"grpc": 2, "metrics": 3})
    assert json.loads(path.read_text()) == {"grpc": 2, "metrics": 3}
    assert [found.name for found in path.parent.iterdir()] == ["flagging.json"]
    write_ports(None, {"grpc": 1})


def test_site_settings_come_from_yaml_and_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("igg_safety_low: '3.5'\ncritical_profile: starling\n")
    site = WorkerSettings(ledger="sqlite://", site_file=path).site()
    assert (str(site.igg_safety_low), site.critical_profile) == ("3.5", "starling")
    assert site.hash != WorkerSettings(ledger="sqlite://").site().hash
    path.write_text("no_such_key: 1\n")
    with pytest.raises(ValueError, match="no_such_key"):
        WorkerSettings(ledger="sqlite://", site_file=path).site()


def test_mutual_tls_needs_all_its_files(tmp_path: Path) -> None:
    assert WorkerSettings(ledger="sqlite://").tls is None
    with pytest.raises(ValueError, match="together"):
        _ = WorkerSettings(ledger="sqlite://", tls_key=tmp_path / "key.pem").tls
