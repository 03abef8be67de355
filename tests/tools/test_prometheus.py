"""A real Prometheus scrapes the local stack by the configuration that is shipped. Needs Debian's prometheus."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from refrain.cli.kafka import free_port
from refrain.cli.programs import READERS, SERVICES

pytestmark = [pytest.mark.tools, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = Path("deploy/prometheus/prometheus.yml")
INSTALL = "Install Prometheus and its promtool: apt-get install --no-install-recommends prometheus"
PATIENCE_SECONDS = 60


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.fail(f"{name} is not here. {INSTALL}", pytrace=False)
    return path


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory laid out like the repository, with the stack up in its ``.refrain``."""
    directory = tmp_path_factory.mktemp("watched")
    (directory / CONFIGURATION).parent.mkdir(parents=True)
    shutil.copy(ROOT / CONFIGURATION, directory / CONFIGURATION)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KAFKA_", "REFRAIN_HOME"))}

    def refrain(*arguments: str) -> None:
        command = [sys.executable, "-m", "refrain.cli.main", *arguments]
        subprocess.run(command, cwd=directory, env=kept, check=True, capture_output=True, timeout=240)

    try:
        refrain("up")
        yield directory
    finally:
        refrain("down", "--wipe")


@pytest.fixture(scope="module")
def prometheus(stack: Path) -> Iterator[str]:
    """Address of a Prometheus that runs the shipped configuration."""
    address = f"127.0.0.1:{free_port()}"
    command = [tool("prometheus"), f"--config.file={CONFIGURATION}", f"--web.listen-address={address}"]
    with (stack / "prometheus.log").open("w") as log:
        process = subprocess.Popen([*command, "--storage.tsdb.path=data"], cwd=stack, stdout=log, stderr=log)
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(30)


def ask(prometheus: str, query: str) -> list[dict[str, Any]]:
    try:
        with urlopen(f"{prometheus}/api/v1/query?{urlencode({'query': query})}", timeout=10) as answer:
            return json.load(answer)["data"]["result"]
    except OSError:  # it has not come up yet
        return []


def test_promtool_accepts_the_configuration() -> None:
    checked = subprocess.run(
        [tool("promtool"), "check", "config", str(ROOT / CONFIGURATION)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_service_is_scraped(prometheus: str) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    services: set[str] = set()
    while services != set(SERVICES):
        assert time.monotonic() < end, f"only {sorted(services)} were up"
        time.sleep(1)
        services = {sample["metric"].get("service", "") for sample in ask(prometheus, "up == 1")}


@pytest.mark.parametrize("service", READERS)
def test_the_lag_of_a_service_can_be_asked_for(prometheus: str, service: str) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := ask(prometheus, f"refrain_{service}_lag_records")):
        assert time.monotonic() < end, "no such metric was scraped"
        time.sleep(1)
    assert {sample["value"][1] for sample in found} == {"0"}
