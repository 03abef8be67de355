"""A message as it was received, made readable: one segment a line, control characters visible, the place marked."""

from __future__ import annotations

import re
from dataclasses import dataclass

SHOWN_BYTES = 256 * 1024
"""More of a message is not put on a page; its size says so."""
PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}
"""Control characters as the Unicode control pictures."""
PLACE = re.compile(r"^(?P<segment>[A-Z][A-Z0-9]{2})(?:\[(?P<number>\d+)\])?")


@dataclass(frozen=True, slots=True)
class Line:
    """One segment. ``marked``: the place of the cause is in it."""

    number: int
    text: str
    marked: bool


def lines_of(raw: bytes, place: str = "") -> tuple[Line, ...]:
    """Segments in order; ``place`` as intake says it, for example ``OBX[3]-5`` (the third OBX), empty for none.

    Bytes that are no UTF-8 are shown as ``\\xNN``: nothing is left out and nothing guessed.
    """
    text = raw[:SHOWN_BYTES].decode("utf-8", "backslashreplace")
    parts = [part for part in re.split(r"\r\n|\r|\n", text) if part]
    wanted = PLACE.match(place)
    seen = 0
    lines = []
    for number, part in enumerate(parts, start=1):
        marked = False
        if wanted and part.startswith(wanted["segment"]):
            seen += 1
            marked = wanted["number"] is None or int(wanted["number"]) == seen
        lines.append(Line(number, part.translate(PICTURES), marked))
    return tuple(lines)
