"""Where the local stack keeps everything: one directory, ``.refrain`` here or ``$REFRAIN_HOME``."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

SOCKET_PATH_LIMIT = 100
"""Bytes of a unix socket's path that every platform takes (Linux 108, macOS 104)."""


@dataclass(frozen=True, slots=True)
class Home:
    """The directory and the names inside it. Nothing is created by asking."""

    path: Path

    @classmethod
    def here(cls) -> Home:
        return cls(Path(os.environ.get("REFRAIN_HOME") or ".refrain").absolute())

    @property
    def kafka(self) -> Path:
        return self.path / "kafka"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def ledgers(self) -> Path:
        return self.path / "ledgers"

    @property
    def inbox(self) -> Path:
        """Files put into its ``incoming`` are taken in as if they had been sent."""
        return self.path / "inbox"

    @property
    def mailbox(self) -> Path:
        """What notify would have sent, one file each."""
        return self.path / "mailbox"

    @property
    def mailbox_secret(self) -> Path:
        return self.path / "mailbox.secret"

    @property
    def roster(self) -> Path:
        """Who is told: the roster of the package with this home's mailbox in it."""
        return self.path / "roster.yaml"

    @property
    def ports(self) -> Path:
        """One JSON file per process, written by the process itself when it listens."""
        return self.path / "ports"

    @property
    def targets(self) -> Path:
        """What Prometheus reads to find the processes (file_sd)."""
        return self.path / "prometheus" / "targets.json"

    @property
    def supervisor_config(self) -> Path:
        return self.path / "supervisord.conf"

    @property
    def supervisor_log(self) -> Path:
        return self.logs / "supervisord.log"

    @property
    def supervisor_socket(self) -> Path:
        """Inside the directory, or under the system's temporary one where that path would be too long for a socket."""
        inside = self.path / "supervisor.sock"
        if len(os.fsencode(inside)) <= SOCKET_PATH_LIMIT:
            return inside
        return Path(tempfile.gettempdir()) / f"refrain-{sha256(os.fsencode(self.path)).hexdigest()[:16]}.sock"

    def make(self) -> None:
        for directory in (self.path, self.logs, self.ledgers, self.ports, self.targets.parent):
            directory.mkdir(parents=True, exist_ok=True)
        (self.path / ".gitignore").write_text("*\n")

    def remember(self, name: str, content: Any) -> None:
        """Keep a JSON document beside the stack; readers never see half of it."""
        path = self.path / f"{name}.json"
        path.with_suffix(".tmp").write_text(json.dumps(content, indent=1) + "\n")
        path.with_suffix(".tmp").replace(path)

    def remember_secret(self, name: str, content: Any) -> None:
        """As :meth:`remember`, readable by its owner only from the first byte on."""
        path = self.path / f"{name}.json"
        draft = path.with_suffix(".tmp")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(json.dumps(content, indent=1) + "\n")
        draft.replace(path)

    def recall(self, name: str) -> Any:
        """What was remembered under a name, or None."""
        path = self.path / f"{name}.json"
        return json.loads(path.read_text()) if path.exists() else None

    def ports_of(self, process: str) -> dict[str, int]:
        """Ports by purpose (mllp, grpc, metrics, ...) as the process wrote them; empty while it has not."""
        path = self.ports / f"{process}.json"
        try:
            return {str(name): int(port) for name, port in json.loads(path.read_text()).items()}
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
