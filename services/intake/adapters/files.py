"""A watched folder: what is renamed into ``incoming/`` goes the way of any message, at least once.

``incoming/`` → ``processing/`` → ``done/`` (every message durable) or ``failed/`` (nothing to read in it), with a
report of counts beside. A file that was in work when the process died is taken again; a resend is harmless.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from hashlib import sha256
from itertools import chain, count
from pathlib import Path

from watchfiles import awatch

from services.intake import metrics
from services.intake.adapters.publisher import NotStored
from services.intake.domain.file_messages import frames_of_file
from services.intake.domain.framing import MAX_MESSAGE_BYTES, Frame
from services.intake.domain.translation import Translation

log = logging.getLogger(__name__)

MAX_FILE_BYTES = 256 * 1024 * 1024
"""A file is read whole; a larger one is an archive, and those are not taken (feeds.md 14)."""
RETRY_SECONDS = 5.0
LISTENER = "files"
ROOMS = ("incoming", "processing", "done", "failed")

Take = Callable[[Frame, str], Awaitable[Translation]]
"""What became of a message, once it is durable; NotStored."""


class FileFeed:
    """Watches one folder, one file after the other, oldest name first."""

    def __init__(self, folder: Path, take: Take, *, max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._rooms = {name: folder / name for name in ROOMS}
        self._take = take
        self._max = max_message_bytes
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Makes the folders, takes what is there, then watches. OSError when a folder cannot be made."""
        for room in self._rooms.values():
            room.mkdir(parents=True, exist_ok=True)
        self._task = asyncio.create_task(self._watch(), name="files")

    async def stop(self) -> None:
        """Ends after the message in work; a file that is not finished stays in ``processing/``."""
        self._stopping.set()
        if self._task is not None:
            await self._task

    async def _watch(self) -> None:
        changes = awatch(self._rooms["incoming"], stop_event=self._stopping, yield_on_timeout=True)
        await self._take_all()
        async for _ in changes:
            await self._take_all()

    async def _take_all(self) -> None:
        for path in [*_files(self._rooms["processing"]), *_files(self._rooms["incoming"])]:
            if self._stopping.is_set():
                return
            try:
                await self._file(self._held(path))
            except Exception as error:  # noqa: BLE001 - the edge of the file: the others go on, it is tried again
                metrics.FILES.labels("unreadable").inc()
                log.error("a file cannot be handled", extra=_about(path) | {"reason": type(error).__name__})

    def _held(self, path: Path) -> Path:
        """The file in ``processing/``, under a name of its own there."""
        room = self._rooms["processing"]
        return path if path.parent == room else path.rename(_free(room, path.name))

    async def _file(self, path: Path) -> None:
        data = await asyncio.to_thread(_content, path)
        if data is None:
            self._finish(path, "failed", {"messages": 0, "reason": "file_too_large"})
            return
        frames = list(frames_of_file(data, self._max))
        if not frames:
            self._finish(path, "failed", {"messages": 0, "reason": "no_message"})
            return
        outcomes: Counter[str] = Counter()
        reasons: Counter[str] = Counter()
        for frame in frames:
            became = await self._durably(frame)
            if became is None:
                return
            outcomes[became.outcome] += 1
            reasons.update([became.reason] if became.reason else [])
            reasons.update(part.reason for part in became.quarantined if part.reason != became.reason)
        counts = {"messages": len(frames), "outcomes": dict(outcomes), "reasons": dict(reasons)}
        self._finish(path, "done", counts)

    async def _durably(self, frame: Frame) -> Translation | None:
        """Tries until Kafka has it; None when we stop first."""
        while not self._stopping.is_set():
            try:
                return await self._take(frame, LISTENER)
            except NotStored:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(RETRY_SECONDS):
                        await self._stopping.wait()
        return None

    def _finish(self, path: Path, room: str, report: dict[str, object]) -> None:
        target = _free(self._rooms[room], path.name)
        target.with_name(f"{target.name}.report.json").write_text(json.dumps(report, indent=1) + "\n")
        path.rename(target)
        metrics.FILES.labels(room).inc()
        log.info("a file is finished", extra=_about(path) | {"outcome": room, "count": report["messages"]})


def _content(path: Path) -> bytes | None:
    """None when the file is too large to be read whole."""
    return None if path.stat().st_size > MAX_FILE_BYTES else path.read_bytes()


def _free(room: Path, name: str) -> Path:
    """A path in the room that is not taken: a second file of one name must not replace the first."""
    names = chain([name], (f"{name}.{number}" for number in count(2)))
    return next(path for each in names if not (path := room / each).exists())


def _files(room: Path) -> list[Path]:
    """Names that begin with a dot are still being written."""
    return sorted(path for path in room.iterdir() if path.is_file() and not path.name.startswith("."))


def _about(path: Path) -> dict[str, object]:
    """A file's name may hold a patient: logs name it by its hash."""
    return {"hash": sha256(path.name.encode()).hexdigest()}
