"""The supervisor: what dies comes back and is told, what is stopped is gone."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from refrain.cli.home import SOCKET_PATH_LIMIT, Home
from refrain.cli.supervision import ProcessState, Program, Supervisor, render, supervised_by

SLEEPER = (sys.executable, "-c", "import time; time.sleep(600)")
PATIENCE_SECONDS = 30


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    home = Home(tmp_path / ".refrain")
    home.make()
    supervisor = Supervisor(home)
    supervisor.start([Program("sleeper", SLEEPER, {"MADE_UP": 'a "quoted" 100 % value, with commas'}, priority=10)])
    yield supervisor
    supervisor.stop_everything()
    assert supervised_by(home) == []


def wait_for(supervisor: Supervisor, wanted: Callable[[ProcessState], bool]) -> ProcessState:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        [process] = supervisor.processes()
        if wanted(process):
            return process
        time.sleep(0.1)
    raise AssertionError(f"it stayed {process}")


def test_a_process_that_dies_is_started_again_and_told(supervisor: Supervisor) -> None:
    supervisor.start_process("sleeper")
    first = wait_for(supervisor, lambda process: process.running)
    assert first.pid is not None
    assert first.deaths == 0
    os.kill(first.pid, signal.SIGKILL)
    second = wait_for(supervisor, lambda process: process.running and process.pid != first.pid)
    assert second.deaths == 1
    assert "SIGKILL" in second.last_end


def test_the_environment_arrives_as_it_was_given(supervisor: Supervisor) -> None:
    supervisor.start_process("sleeper")
    process = wait_for(supervisor, lambda process: process.running)
    assert psutil.Process(process.pid).environ()["MADE_UP"] == 'a "quoted" 100 % value, with commas'


def test_starting_twice_and_stopping_twice_is_harmless(supervisor: Supervisor) -> None:
    supervisor.start_process("sleeper")
    supervisor.start_process("sleeper")
    supervisor.stop_process("sleeper")
    supervisor.stop_process("sleeper")
    assert wait_for(supervisor, lambda process: process.state == "STOPPED").deaths == 0


def test_children_of_a_killed_supervisor_are_found_and_ended(tmp_path: Path) -> None:
    home = Home(tmp_path / ".refrain")
    home.make()
    supervisor = Supervisor(home)
    supervisor.start([Program("sleeper", SLEEPER, {}, priority=10)])
    supervisor.start_process("sleeper")
    process = wait_for(supervisor, lambda process: process.running)
    os.kill(int((home.path / "supervisord.pid").read_text()), signal.SIGKILL)
    end = time.monotonic() + PATIENCE_SECONDS
    while supervisor.is_running() and time.monotonic() < end:
        time.sleep(0.05)
    assert psutil.pid_exists(process.pid or 0)
    assert len(supervisor.stop_everything()) == 1
    assert supervised_by(home) == []


def test_stopping_what_never_ran_is_harmless(tmp_path: Path) -> None:
    supervisor = Supervisor(Home(tmp_path))
    assert supervisor.processes() == []
    assert supervisor.stop_everything() == []


def test_a_deep_directory_gets_a_socket_path_that_fits(tmp_path: Path) -> None:
    deep = Home(tmp_path / ("d" * 60) / ("e" * 60))
    assert len(os.fsencode(deep.supervisor_socket)) <= SOCKET_PATH_LIMIT
    assert deep.supervisor_socket != Home(tmp_path / ("d" * 60) / ("f" * 60)).supervisor_socket


def test_the_mark_is_on_every_program(tmp_path: Path) -> None:
    home = Home(tmp_path)
    programs = [Program(name, ("true",), {}, priority=1) for name in ("one", "two")]
    assert render(home, programs).count(f'REFRAIN_SUPERVISED_BY="{home.path}"') == 2
