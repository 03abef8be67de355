"""Keeps the processes of the local stack alive: supervisord, its configuration, and the talk with it.

supervisord restarts what dies and stops everything in the reverse order of ``priority``. If it is itself killed, its
children go on without it; they carry a mark in their environment, so that :func:`stop_everything` still finds them.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any
from xmlrpc.client import Fault, ServerProxy

import psutil
from supervisor.xmlrpc import SupervisorTransport

from refrain.cli.home import Home
from refrain.cli.problems import CannotStart

MARK = "REFRAIN_SUPERVISED_BY"
"""Environment variable of every supervised process: the directory of the stack it belongs to."""
STOP_SECONDS = 20
SHUTDOWN_SECONDS = 90.0
UNREACHABLE = (OSError, HTTPException, socket.timeout)


@dataclass(frozen=True, slots=True)
class Program:
    """One process to keep alive. A lower priority starts earlier and stops later."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    priority: int


@dataclass(frozen=True, slots=True)
class ProcessState:
    """How one process does: supervisord's state name, since when, and what happened to it."""

    name: str
    state: str
    pid: int | None
    since: datetime | None
    deaths: int
    """Unexpected ends since the stack was started."""
    last_end: str

    @property
    def running(self) -> bool:
        return self.state == "RUNNING"

    @property
    def stopping(self) -> bool:
        return self.state == "STOPPING"


class Supervisor:
    """The supervisord of one home directory, running or not."""

    def __init__(self, home: Home) -> None:
        self._home = home
        transport = SupervisorTransport(None, None, f"unix://{home.supervisor_socket}")
        self._rpc: Any = ServerProxy("http://127.0.0.1", transport=transport, allow_none=True).supervisor

    def is_running(self) -> bool:
        try:
            return bool(self._rpc.getState()["statename"] == "RUNNING")
        except UNREACHABLE:
            return False

    def start(self, programs: Sequence[Program]) -> None:
        """Start supervisord with these programs, none of them running yet."""
        self._home.supervisor_config.write_text(render(self._home, programs))
        self._home.supervisor_log.unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._home.supervisor_config)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise CannotStart(f"The supervisor of the local stack did not start: {done.stderr.strip()[-300:]}")
        end = time.monotonic() + STOP_SECONDS
        while not self.is_running():
            if time.monotonic() > end:
                raise CannotStart(
                    f"The supervisor of the local stack does not answer; see {self._home.supervisor_log}."
                )
            time.sleep(0.05)

    def start_process(self, name: str) -> None:
        """Start one program without waiting for it; one that runs already stays as it is."""
        try:
            self._rpc.startProcess(name, False)
        except Fault as fault:
            if "ALREADY_STARTED" not in fault.faultString:
                raise CannotStart(f"{name} could not be started: {fault.faultString} (refrain logs {name}).") from fault

    def stop_process(self, name: str) -> None:
        """Stop one program and wait for its end."""
        try:
            self._rpc.stopProcess(name, True)
        except Fault as fault:
            if "NOT_RUNNING" not in fault.faultString:
                raise

    def processes(self) -> list[ProcessState]:
        """All programs in the order they start; empty when supervisord does not run."""
        try:
            found = self._rpc.getAllProcessInfo()
        except UNREACHABLE:
            return []
        deaths = self._deaths()
        return [
            ProcessState(
                name=one["name"], state=one["statename"], pid=one["pid"] or None,
                since=datetime.fromtimestamp(one["start"], UTC) if one["pid"] else None,
                deaths=len(deaths.get(one["name"], [])), last_end=(deaths.get(one["name"]) or [""])[-1],
            )
            for one in found
        ]  # fmt: skip

    def _deaths(self) -> dict[str, list[str]]:
        log = self._home.supervisor_log
        ends: dict[str, list[str]] = {}
        if log.exists():
            for name, how in re.findall(r"exited: (\S+) \((.+); not expected\)", log.read_text()):
                ends.setdefault(name, []).append(how)
        return ends

    def stop_everything(self, *, last: str = "") -> list[str]:
        """Stop all processes together, the one called ``last`` after them, then supervisord and what it lost sight of.

        Returns the processes that had to be ended without a supervisor.
        """
        daemon = self._daemon()
        self._stop_together([process.name for process in self.processes() if process.name != last])
        try:
            self._rpc.shutdown()
        except UNREACHABLE:
            daemon = None
        if daemon is not None:
            try:
                daemon.wait(timeout=SHUTDOWN_SECONDS)
            except psutil.TimeoutExpired:
                daemon.kill()
        left = supervised_by(self._home)
        for process in left:
            process.terminate()
        _, stubborn = psutil.wait_procs(left, timeout=STOP_SECONDS)
        for process in stubborn:
            process.kill()
        psutil.wait_procs(stubborn, timeout=STOP_SECONDS)
        self._home.supervisor_socket.unlink(missing_ok=True)
        return [f"{' '.join(process.info['cmdline'][-2:])} (pid {process.pid})" for process in left]

    def _stop_together(self, names: Sequence[str]) -> None:
        """Ask all at once, so that it takes as long as the slowest; supervisord kills what does not end in time."""
        for name in names:
            try:
                self._rpc.stopProcess(name, False)
            except Fault as fault:
                if "NOT_RUNNING" not in fault.faultString:
                    raise
        end = time.monotonic() + 2 * STOP_SECONDS
        while time.monotonic() < end and any(process.stopping for process in self.processes()):
            time.sleep(0.1)

    def _daemon(self) -> psutil.Process | None:
        try:
            return psutil.Process(int(self._rpc.getPID()))
        except (*UNREACHABLE, psutil.NoSuchProcess):
            return None


def supervised_by(home: Home) -> list[psutil.Process]:
    """Processes that carry this home's mark, whoever their parent is now."""
    return [
        process
        for process in psutil.process_iter(["environ", "cmdline"])
        if (process.info["environ"] or {}).get(MARK) == str(home.path)
    ]


def render(home: Home, programs: Sequence[Program]) -> str:
    """The configuration of supervisord, for a socket that only this user may open."""
    parts = [
        f"[unix_http_server]\nfile={_escape(home.supervisor_socket)}\nchmod=0700\n",
        f"[supervisord]\nlogfile={_escape(home.supervisor_log)}\nlogfile_maxbytes=10MB\nlogfile_backups=1\n"
        f"pidfile={_escape(home.path / 'supervisord.pid')}\nidentifier=refrain\n"
        f"directory={_escape(home.path.parent)}\n",
        "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n",
    ]
    return "\n".join([*parts, *(_render_program(home, program) for program in programs)])


def _render_program(home: Home, program: Program) -> str:
    environment = {**program.environment, MARK: str(home.path)}
    lines = {
        "command": " ".join(_quote(part) for part in program.command),
        "environment": ",".join(f"{name}={_quote_value(value)}" for name, value in sorted(environment.items())),
        "priority": program.priority,
        "autostart": "false",
        "autorestart": "true",
        "startsecs": 1,
        "startretries": 30,
        "stopsignal": "TERM",
        "stopwaitsecs": STOP_SECONDS,
        "stdout_logfile": _escape(home.logs / f"{program.name}.log"),
        "stdout_logfile_maxbytes": "20MB",
        "stdout_logfile_backups": 2,
        "redirect_stderr": "true",
    }
    return f"[program:{program.name}]\n" + "".join(f"{name}={value}\n" for name, value in lines.items())


def _escape(value: object) -> str:
    return str(value).replace("%", "%%")


def _quote_value(value: str) -> str:
    """supervisord reads no escapes here, so the quote that the value does not hold has to do."""
    quote = "'" if '"' in value else '"'
    if quote in value or "\n" in value:
        raise CannotStart("A setting of the local stack holds both kinds of quotes or a line break: change it.")
    return quote + _escape(value) + quote


def _quote(value: str) -> str:
    return '"' + _escape(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
