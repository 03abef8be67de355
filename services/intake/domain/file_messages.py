"""The messages of a file, in MLLP frames or as text; whatever stands between them is kept as well.

On a wire, what is outside a frame is noise and half a message comes again. In a file it may be all there is of
somebody's result, so nothing of it is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from itertools import pairwise

from services.intake.domain.framing import MAX_MESSAGE_BYTES, MSH_BYTES_KEPT, Frame

_HEADER = rb"(?:\xef\xbb\xbf)?[ \t]*(?:MSH|FHS|BHS)(?=[^A-Za-z0-9])"
_TEXT_START = re.compile(rb"(?:(?<=[\r\n])|\A)" + _HEADER)
_FRAME_START = re.compile(rb"\x0b(?=[\r\n]*" + _HEADER + rb")")
_FRAME_END = re.compile(rb"\x1c(?:[\r\n]+|\Z)")
_LINE_END = re.compile(rb"[\r\n]")


def frames_of_file(data: bytes, max_bytes: int = MAX_MESSAGE_BYTES) -> Iterator[Frame]:
    """The messages of a file in their order; none when there is nothing but blanks in it.

    A frame begins where VT stands before a header (a VT elsewhere is part of a text) and is ``incomplete`` when
    nothing ends it. Text is cut before every line that begins with MSH, FHS or BHS.
    """
    starts = [match.start() for match in _FRAME_START.finditer(data)]
    yield from _texts(data[: starts[0]] if starts else data, max_bytes)
    for start, following in pairwise([*starts, len(data)]):
        piece = data[start + 1 : following]
        end = _FRAME_END.search(piece)
        if end is None:
            yield _frame(piece, max_bytes, incomplete=True)
        else:
            yield _frame(piece[: end.start()], max_bytes)
            yield from _texts(piece[end.end() :], max_bytes)


def _texts(data: bytes, max_bytes: int) -> Iterator[Frame]:
    starts = [match.start() for match in _TEXT_START.finditer(data)]
    if not starts or data[: starts[0]].strip():
        starts.insert(0, 0)
    starts[0] = 0
    for start, following in pairwise([*starts, len(data)]):
        if data[start:following].strip():
            yield _frame(data[start:following], max_bytes)


def _frame(message: bytes, max_bytes: int, *, incomplete: bool = False) -> Frame:
    too_large = len(message) > max_bytes
    kept = _LINE_END.split(message[:MSH_BYTES_KEPT], maxsplit=1)[0] if too_large else message
    return Frame(kept, len(message), sha256(message).hexdigest(), too_large, incomplete and not too_large)
