"""The reader of HL7 v2's ER7 text: delimiters, segments, fields (feeds.md section 6).

Splits first and unescapes the leaves, so that an escaped delimiter never moves a boundary. Fields, repetitions
and components are positions counted from 1; what is not there reads as ``""``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from services.intake.domain.charset import Decoded, decode
from services.intake.domain.reasons import Rejected

MAX_SEGMENTS = 20_000
"""Segments of one message (feeds.md 4, our choice)."""

DELETED = '""'
"""HL7's "delete what you have": neither empty nor zero."""

_LINE_END = re.compile(r"\r\n|\r|\n")
_BATCH = (b"FHS", b"BHS")
_UTF_16 = ("MSH".encode("utf-16-le"), "MSH".encode("utf-16-be"))
_FHIR = re.compile(rb'\{.{0,2000}?"resourceType"|<[A-Za-z]+ xmlns="http://hl7\.org/fhir"', re.DOTALL)
_HEX = re.compile(r"X((?:[0-9A-Fa-f]{2})+)")


@dataclass(frozen=True, slots=True)
class Delimiters:
    """MSH-1 and MSH-2. ``subcomponent`` is empty when the sender names none."""

    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment. ``number`` counts the segments of this name in the message, from 1."""

    name: str
    number: int
    fields: tuple[str, ...]
    delimiters: Delimiters
    codec: str

    @property
    def place(self) -> str:
        """Where it is, as work lists and answers say it: ``OBX[3]``."""
        return f"{self.name}[{self.number}]"

    def raw(self, field: int) -> str:
        """A field as received, escapes and delimiters included."""
        return self.fields[field] if field < len(self.fields) else ""

    def repetitions(self, field: int) -> tuple[str, ...]:
        """The repetitions of a field as received; none when the field is empty."""
        raw = self.raw(field)
        return tuple(raw.split(self.delimiters.repetition)) if raw else ()

    def components(self, field: int, repetition: int | None = 1) -> tuple[str, ...]:
        """Unescaped components; ``repetition`` None takes the field whole, for fields that do not repeat."""
        raw = self.raw(field) if repetition is None else _nth(self.repetitions(field), repetition)
        return tuple(self.leaf(part) for part in raw.split(self.delimiters.component)) if raw else ()

    def repeated(self, field: int) -> tuple[tuple[str, ...], ...]:
        """The unescaped components of every repetition; none when the field is empty."""
        separator = self.delimiters.component
        return tuple(tuple(map(self.leaf, raw.split(separator))) for raw in self.repetitions(field))

    def text(self, field: int, component: int = 1, subcomponent: int | None = None, repetition: int = 1) -> str:
        """One unescaped leaf; with ``subcomponent`` None the whole component."""
        raw = _nth(_nth(self.repetitions(field), repetition).split(self.delimiters.component), component)
        return self.leaf(raw, subcomponent)

    @property
    def has_bad_escape(self) -> bool:
        """Whether an escape sequence anywhere in it was left as it came."""
        if self.name == "MSH":
            return False
        return any(
            unescape(field, self.delimiters, self.codec)[1] for field in self.fields if self.delimiters.escape in field
        )

    def leaf(self, raw: str, subcomponent: int | None = None) -> str:
        """A component as received, unescaped: one subcomponent of it, or all of it as one text."""
        if subcomponent is not None and self.delimiters.subcomponent:
            raw = _nth(raw.split(self.delimiters.subcomponent), subcomponent)
        elif subcomponent is not None and subcomponent > 1:
            raw = ""
        return unescape(raw, self.delimiters, self.codec)[0]


@dataclass(frozen=True, slots=True)
class Message:
    """A message that could be read; ``segments[0]`` is its MSH."""

    segments: tuple[Segment, ...]
    decoded: Decoded
    quality: tuple[str, ...] = ()

    @property
    def header(self) -> Segment:
        return self.segments[0]

    def first(self, name: str) -> Segment | None:
        """The first segment of a name."""
        return next((segment for segment in self.segments if segment.name == name), None)


def unescape(text: str, delimiters: Delimiters, codec: str) -> tuple[str, bool]:
    """Text without its escape sequences, and whether one of them was left as it came."""
    mark = delimiters.escape
    if mark not in text:
        return text, False
    parts: list[str] = []
    bad = False
    position = 0
    while (start := text.find(mark, position)) >= 0:
        parts.append(text[position:start])
        end = text.find(mark, start + 1)
        plain = _plain(text[start + 1 : end], delimiters, codec) if end >= 0 else None
        if plain is None:
            parts.append(mark)
            bad = True
            position = start + 1
        else:
            parts.append(plain)
            position = end + 1
    parts.append(text[position:])
    return "".join(parts), bad


def _plain(code: str, delimiters: Delimiters, codec: str) -> str | None:
    match code:
        case "F":
            return delimiters.field
        case "S":
            return delimiters.component
        case "T":
            return delimiters.subcomponent or "&"
        case "R":
            return delimiters.repetition
        case "E":
            return delimiters.escape
        case ".br":
            return "\n"
        case "H" | "N":
            return ""
    if digits := _HEX.fullmatch(code):
        try:
            return bytes.fromhex(digits[1]).decode(codec)
        except UnicodeDecodeError:
            return None
    return None


def header_of(raw: bytes) -> Segment | None:
    """The MSH as far as bytes can be read without knowing the character set; None when there is none.

    For choosing a profile and for answering what could not be read; delimiters that are no use are HL7's own.
    """
    line = re.split(rb"[\r\n]", raw.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n \t"), maxsplit=1)[0]
    text = line.decode("latin-1")
    if not text.startswith("MSH") or len(text) < 4 or text[3].isalnum():
        return None
    try:
        delimiters = _delimiters(text)
    except Rejected:
        delimiters = Delimiters(text[3], "^", "~", "\\", "&")
    return _segment(text, 1, delimiters, "latin-1")


def read(raw: bytes, charset: str | None = None) -> Message:
    """Read a message; ``charset`` is the profile's. Rejected, with a header reason, when it cannot be read."""
    start = raw.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n \t")
    header = header_of(raw)
    if header is None and not start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Rejected(_why_no_header(start), "MSH[1]")
    named = header.raw(18).split(header.delimiters.repetition)[0] if header else ""
    decoded = decode(raw, named, charset)
    text = decoded.text.lstrip("\r\n \t")
    delimiters = _delimiters(text)
    lines, joined = _lines(text, delimiters)
    seen: Counter[str] = Counter()
    segments = []
    for line in lines:
        name = line[:3]
        seen[name] += 1
        segments.append(_segment(line, seen[name], delimiters, decoded.codec))
    return Message(tuple(segments), decoded, (*decoded.quality, *(("continued_line",) if joined else ())))


def _why_no_header(start: bytes) -> str:
    """What else it is, for the sender to know."""
    if start.startswith(_BATCH):
        return "batch_not_yet_supported"
    if start.startswith(_UTF_16):
        return "charset_unsupported"
    return "fhir_not_yet_supported" if _FHIR.match(start) else "not_hl7"


def _delimiters(text: str) -> Delimiters:
    if len(text) < 4:
        raise Rejected("bad_delimiters", "MSH[1]-1")
    field = text[3]
    encoding = re.split(r"[\r\n]", text[4:], maxsplit=1)[0].split(field, 1)[0]
    every = field + encoding
    usable = len(set(every)) == len(every) and all(_may_delimit(character) for character in every)
    if not 3 <= len(encoding) <= 5 or not usable:
        raise Rejected("bad_delimiters", "MSH[1]-2")
    return Delimiters(field, *encoding[:4])


def _may_delimit(character: str) -> bool:
    return character.isascii() and character.isprintable() and not character.isalnum() and character != " "


def _segment(line: str, number: int, delimiters: Delimiters, codec: str) -> Segment:
    fields = line.split(delimiters.field)
    if fields[0] == "MSH":
        fields.insert(1, delimiters.field)
    return Segment(line[:3], number, tuple(fields), delimiters, codec)


def _lines(text: str, delimiters: Delimiters) -> tuple[list[str], bool]:
    """Segments; a line that is none was cut off the field before it by a line end, and is joined to it again."""
    begins = re.compile(rf"[A-Z][A-Z0-9]{{2}}(?:{re.escape(delimiters.field)}|$)")
    lines: list[list[str]] = []
    for line in _nonblank(text):
        if begins.match(line):
            lines.append([line])
        else:
            lines[-1].append(line)
        if len(lines) > MAX_SEGMENTS:
            raise Rejected("too_many_segments", "MSH[1]")
    return ["\n".join(parts) for parts in lines], any(len(parts) > 1 for parts in lines)


def _nonblank(text: str) -> Iterator[str]:
    return (line for line in _LINE_END.split(text) if line.strip())


def _nth(parts: tuple[str, ...] | list[str], position: int) -> str:
    return parts[position - 1] if position <= len(parts) else ""
