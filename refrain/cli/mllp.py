"""An MLLP client: sends one message, waits for its answer, reads the code."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from services.intake.domain.er7 import header_of
from services.intake.domain.framing import Framer, wrap

ANSWER_SECONDS = 40.0
"""Longer than intake holds an answer while Kafka is away (20 s), so that silence means silence."""
CHUNK_BYTES = 65_536
POSITIVE = frozenset({"AA", "CA"})


class Unanswered(Exception):
    """No answer came: nothing is known about the message. The text says how the connection ended."""


@dataclass(frozen=True, slots=True)
class Answer:
    """MSA-1, the error texts (never values) that came with it, and MSA-2: which message it answers."""

    code: str
    causes: tuple[str, ...]
    control_id: str = ""

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
        """Send one message (without its frame) and wait for the answer that names it.

        Unanswered when none comes; OSError when nobody listens. Answers to earlier messages are passed over: a
        second one may follow a commit answer, and one may come that was not wanted.
        """
        connection = self._connected()
        try:
            connection.sendall(wrap(message))
            return self._answer(connection, _control_id(message))
        except (OSError, Unanswered) as problem:
            self.close()
            if isinstance(problem, TimeoutError):
                raise Unanswered(f"no answer within {self._timeout:.0f} seconds") from problem
            if isinstance(problem, OSError):
                raise Unanswered("the connection broke before the answer") from problem
            raise

    def post(self, message: bytes) -> None:
        """Send one message that wants no answer. OSError when nobody listens or the connection breaks."""
        try:
            self._connected().sendall(wrap(message))
        except OSError:
            self.close()
            raise

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=self._timeout)
            self._framer = Framer()
        return self._socket

    def _answer(self, connection: socket.socket, control_id: str) -> Answer:
        while True:
            data = connection.recv(CHUNK_BYTES)
            if not data:
                raise Unanswered("the connection was closed without an answer")
            for frame in self._framer.feed(data):
                answer = read_answer(frame.payload)
                if not control_id or answer.control_id.strip() in ("", control_id):
                    return answer


def wants_answer(message: bytes) -> bool:
    """Whether MSH-15 and MSH-16 ask for an answer (feeds.md section 5)."""
    header = header_of(message)
    return header is None or header.raw(15).strip() != "NE" or header.raw(16).strip() not in ("", "NE")


def _control_id(message: bytes) -> str:
    """MSH-10, by which its answer is known; empty for one that character sets may change on the way."""
    header = header_of(message)
    control_id = header.raw(10).strip() if header else ""
    return control_id if control_id.isascii() else ""


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
    return Answer(_first(msa, 1) or "?", tuple(causes), msa[2] if len(msa) > 2 else "")


def _first(segment: list[str], field: int) -> str:
    return segment[field].split("^")[0] if len(segment) > field else ""
