"""An MLLP client: sends one message, waits for its answer, reads the code."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from services.intake.domain.framing import Framer, wrap

ANSWER_SECONDS = 40.0
"""Longer than intake holds an answer while Kafka is away (20 s), so that silence means silence."""
CHUNK_BYTES = 65_536
POSITIVE = frozenset({"AA", "CA"})


class Unanswered(Exception):
    """No answer came: nothing is known about the message. The text says how the connection ended."""


@dataclass(frozen=True, slots=True)
class Answer:
    """MSA-1, and the error texts (never values) that came with it."""

    code: str
    causes: tuple[str, ...]

    @property
    def positive(self) -> bool:
        return self.code in POSITIVE


class MllpClient:
    """One connection, one message at a time. A lost connection is opened again at the next message."""

    def __init__(self, host: str, port: int, *, timeout_seconds: float = ANSWER_SECONDS) -> None:
        self._address = (host, port)
        self._timeout = timeout_seconds
        self._socket: socket.socket | None = None
        self._framer = Framer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def send(self, message: bytes) -> Answer:
        """Send one message (without its frame) and wait. Unanswered when none comes; OSError when nobody listens."""
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=self._timeout)
            self._framer = Framer()
        try:
            self._socket.sendall(wrap(message))
            while True:
                data = self._socket.recv(CHUNK_BYTES)
                if not data:
                    raise Unanswered("the connection was closed without an answer")
                if frames := self._framer.feed(data):
                    return read_answer(frames[0].payload)
        except (OSError, Unanswered) as problem:
            self.close()
            if isinstance(problem, TimeoutError):
                raise Unanswered(f"no answer within {self._timeout:.0f} seconds") from problem
            if isinstance(problem, OSError):
                raise Unanswered("the connection broke before the answer") from problem
            raise


def read_answer(payload: bytes) -> Answer:
    """Code and causes of an acknowledgement: ERR-3 and ERR-5 where there are ERR segments, else MSA-3."""
    segments = [part.split("|") for part in re.split(r"[\r\n]+", payload.decode("utf-8", "replace")) if part]
    msa = next((segment for segment in segments if segment[0] == "MSA"), ["MSA", ""])
    causes = [
        f"{_first(segment, 5) or _first(segment, 3)} at {segment[2] if len(segment) > 2 else ''}".removesuffix(" at ")
        for segment in segments
        if segment[0] == "ERR"
    ]
    if not causes and _first(msa, 3):
        causes = [_first(msa, 3)]
    return Answer(_first(msa, 1) or "?", tuple(causes))


def _first(segment: list[str], field: int) -> str:
    return segment[field].split("^")[0] if len(segment) > field else ""
