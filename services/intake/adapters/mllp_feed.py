"""The MLLP listener: messages in, answers in the same order; silence and a closed connection when nothing is stored.

It listens only while it is told to: a door that cannot store what comes in is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence

from services.intake.domain.framing import MAX_MESSAGE_BYTES, Frame, Framer, wrap

log = logging.getLogger(__name__)

IDLE_SECONDS = 60.0
"""Longest silence inside a frame (feeds.md 4)."""
FRAME_END_SECONDS = 0.2
"""After FS and then nothing for so long, the frame is complete without its CR (feeds.md 4)."""
MAX_CONNECTIONS = 1_000
"""Of one listener (feeds.md 4, our choice)."""
GRACE_SECONDS = 25.0
"""How long a stop waits for messages in flight; longer than one is held while Kafka is away."""
CHUNK_BYTES = 65_536
FRAMING = b"\x0b\x1c"
"""VT and FS: a header field that held one comes back without it, because it would end the answer early."""
BACKLOG = 256
REBIND_SECONDS = 1.0


class Silence(Exception):
    """The message gets no answer and the connection is closed: its sender sends it again."""


Receive = Callable[[Frame, str], Awaitable[Sequence[bytes]]]
"""Takes a frame and the listener's name; its answers (often one, none when none is wanted) once everything is stored,
or Silence."""


class MllpFeed:
    """One listener. ``count`` is told what was odd: the framer's counters, ``connection_refused``, ``silence``."""

    def __init__(
        self,
        receive: Receive,
        count: Callable[[Mapping[str, int]], None],
        *,
        name: str,
        host: str,
        port: int,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        idle_seconds: float = IDLE_SECONDS,
        max_connections: int = MAX_CONNECTIONS,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self._receive = receive
        self._count = count
        self._name = name
        self._max_message_bytes = max_message_bytes
        self._idle = idle_seconds
        self._max_connections = max_connections
        self._grace = grace_seconds
        self._socket: socket.socket | None = _reserve(host, port)
        self._host = host
        self.port: int = self._socket.getsockname()[1]
        """The bound port, also when 0 was asked for; the same however often the door closes."""
        self._server: asyncio.Server | None = None
        self._open = False
        self._changed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._connections)

    async def start(self) -> None:
        """Starts to listen whenever :meth:`admit` allows it."""
        self._keeper = asyncio.create_task(self._keep_door(), name=f"mllp-{self._name}")

    def admit(self, open_: bool) -> None:
        """Opens or closes the door for new connections; those that are open stay."""
        self._open = open_
        self._changed.set()

    async def stop(self) -> None:
        """Closes the door; messages that came completely are stored and answered, then every connection closes."""
        self._stopping.set()
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        self._close_door()
        if self._socket is not None:
            self._socket.close()
        if self._connections:
            _, late = await asyncio.wait(self._connections, timeout=self._grace)
            for connection in late:
                connection.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _keep_door(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if not self._open:
                self._close_door()
            elif self._server is None:
                await self._open_door()

    async def _open_door(self) -> None:
        try:
            door = self._socket or _reserve(self._host, self.port)
            self._socket = None
            self._server = await asyncio.start_server(self._accept, sock=door, backlog=BACKLOG)
            log.info("listening", extra={"listener": self._name, "port": self.port})
        except OSError as error:
            log.error("cannot listen", extra={"listener": self._name, "port": self.port, "reason": error.errno})
            await asyncio.sleep(REBIND_SECONDS)
            self._changed.set()

    def _close_door(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
            log.info("not listening", extra={"listener": self._name, "port": self.port})

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if len(self._connections) >= self._max_connections or task is None or self._stopping.is_set():
            self._count({"connection_refused": 1})
            writer.close()
            return
        self._connections.add(task)
        framer = Framer(self._max_message_bytes)
        try:
            await self._converse(reader, writer, framer)
        except Silence:
            self._count({"silence": 1})
        except OSError:
            self._count({"connection_lost": 1})
        except Exception as error:  # noqa: BLE001 - the edge of the connection; the text may quote a message
            log.error("a connection failed", extra={"listener": self._name, "reason": type(error).__name__})
            self._count({"connection_failed": 1})
        finally:
            self._tell(framer)
            self._connections.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, framer: Framer) -> None:
        ended = False
        while not ended and (framer.inside or not self._stopping.is_set()):
            data = await self._read(reader, framer)
            if data:
                frames = framer.feed(data)
            elif data is None and framer.awaits_end:
                frames = framer.flush_idle()
            else:
                frames, ended = framer.close(), True
            self._tell(framer)
            for frame in frames:
                answers = await self._receive(frame, self._name)
                if answers:
                    writer.write(b"".join(wrap(answer.translate(None, FRAMING)) for answer in answers))
                    async with asyncio.timeout(self._idle):
                        await writer.drain()

    async def _read(self, reader: asyncio.StreamReader, framer: Framer) -> bytes | None:
        """What comes next; ``b""`` when the stream ended or we stop, None when patience did."""
        patience = FRAME_END_SECONDS if framer.awaits_end else self._idle if framer.inside else None
        read = asyncio.ensure_future(reader.read(CHUNK_BYTES))
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({read, stop}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if read.done():
                return read.result()
            return b"" if stop.done() else None
        finally:
            read.cancel()
            stop.cancel()

    def _tell(self, framer: Framer) -> None:
        if framer.counters:
            self._count({str(kind): number for kind, number in framer.counters.items()})
            framer.counters.clear()


def _reserve(host: str, port: int) -> socket.socket:
    """A socket that has its port and does not listen yet. OSError when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    reserved = socket.socket(family, socket.SOCK_STREAM)
    try:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind((host, port))
    except OSError:
        reserved.close()
        raise
    reserved.setblocking(False)
    return reserved
