"""MLLP framing on bytes: whatever way the stream is cut, the same frames come out (feeds.md section 4).

The framer holds one message and nothing else. It has no clock: the caller says when 200 ms passed without a
byte (:meth:`Framer.flush_idle`) and when the stream ended (:meth:`Framer.close`).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

VT = 0x0B
FS = 0x1C
CR = 0x0D

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
"""Largest message that is kept (feeds.md 4, our choice)."""

MSH_BYTES_KEPT = 4096
"""Of a message that is too large, how much of its first segment is kept to answer it."""

_BOUNDARY = re.compile(rb"[\x0b\x1c]")
_LINE_END = re.compile(rb"[\r\n]")

FrameCounter = Literal[
    "junk_before_start", "frame_abandoned", "missing_final_cr", "separator_in_data", "frame_incomplete", "too_large"
]


@dataclass(frozen=True, slots=True)
class Frame:
    """One message without its envelope. Of one that is too large, ``payload`` is only the MSH segment."""

    payload: bytes
    size: int
    """Bytes of the whole message."""
    sha256: str
    """Of the whole message, hexadecimal."""
    too_large: bool = False
    incomplete: bool = False
    """The file ends, or another message begins, before its end. On a wire such a frame is dropped."""


def wrap(payload: bytes) -> bytes:
    """A message in its MLLP envelope."""
    return b"\x0b" + payload + b"\x1c\r"


class Framer:
    """Cuts one connection's bytes into frames; ``counters`` count what was odd about them."""

    def __init__(self, max_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._max = max_bytes
        self._state: Literal["outside", "junk", "inside", "after_fs"] = "outside"
        self._begin()
        self._state = "outside"
        self.counters: Counter[FrameCounter] = Counter()

    @property
    def inside(self) -> bool:
        """Whether a frame has begun and not ended."""
        return self._state in ("inside", "after_fs")

    @property
    def awaits_end(self) -> bool:
        """Whether FS was seen and the next byte decides; then :meth:`flush_idle` is due after 200 ms."""
        return self._state == "after_fs"

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that these bytes complete, in order."""
        frames: list[Frame] = []
        position = 0
        while position < len(data):
            if self._state == "inside":
                position = self._inside(data, position)
            elif self._state == "after_fs":
                position = self._after_fs(data, position, frames)
            else:
                position = self._outside(data, position)
        return frames

    def flush_idle(self) -> list[Frame]:
        """After 200 ms of nothing: a frame whose FS was seen is complete, without its CR."""
        if self._state != "after_fs":
            return []
        self.counters["missing_final_cr"] += 1
        return [self._end()]

    def close(self) -> list[Frame]:
        """End of the stream, or of patience: a frame without FS is dropped and counted."""
        frames = self.flush_idle()
        if self._state == "inside":
            self.counters["frame_incomplete"] += 1
            self._begin()
        self._state = "outside"
        return frames

    def _outside(self, data: bytes, position: int) -> int:
        start = data.find(VT, position)
        if start != position and self._state == "outside":
            self.counters["junk_before_start"] += 1
            self._state = "junk"
        if start < 0:
            return len(data)
        self._begin()
        return start + 1

    def _inside(self, data: bytes, position: int) -> int:
        boundary = _BOUNDARY.search(data, position)
        if boundary is None:
            self._keep(data[position:])
            return len(data)
        self._keep(data[position : boundary.start()])
        if data[boundary.start()] == FS:
            self._state = "after_fs"
        else:
            self.counters["frame_abandoned"] += 1
            self._begin()
        return boundary.end()

    def _after_fs(self, data: bytes, position: int, frames: list[Frame]) -> int:
        if data[position] == CR:
            frames.append(self._end())
            return position + 1
        if data[position] == VT:
            self.counters["missing_final_cr"] += 1
            frames.append(self._end())
            self._begin()
            return position + 1
        self.counters["separator_in_data"] += 1
        self._keep(bytes([FS]))
        self._state = "inside"
        return position

    def _begin(self) -> None:
        self._body = bytearray()
        self._size = 0
        self._digest = sha256()
        self._state = "inside"

    def _keep(self, piece: bytes) -> None:
        self._digest.update(piece)
        self._size += len(piece)
        if self._size <= self._max:
            self._body += piece
        elif len(self._body) < MSH_BYTES_KEPT:
            self._body += piece[: MSH_BYTES_KEPT - len(self._body)]
        else:
            del self._body[MSH_BYTES_KEPT:]

    def _end(self) -> Frame:
        too_large = self._size > self._max
        payload = bytes(self._body)
        if too_large:
            self.counters["too_large"] += 1
            payload = _LINE_END.split(payload[:MSH_BYTES_KEPT], maxsplit=1)[0]
        frame = Frame(payload, self._size, self._digest.hexdigest(), too_large)
        self._begin()
        self._state = "outside"
        return frame
