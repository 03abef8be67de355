"""What a laboratory can send as a value, and how its text is read (feeds.md section 10)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from hashlib import sha256
from typing import Literal

from refrain.clinical import value_words
from refrain.clinical.notation import DASHES, plain
from refrain.clinical.numbers import NumberStyle, leading, whole
from refrain.clinical.unit_names import ucum

__all__ = ["Comparator", "NumberStyle", "Quantity", "Value", "ValueKind", "read_repetitions", "read_value"]

ValueKind = Literal["quantity", "censored", "ordinal", "titre", "text", "missing"]
Comparator = Literal["<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Value:
    """One received value. ``text`` is always what came; the other fields are what could be read from it."""

    kind: ValueKind
    text: str
    comparator: Comparator | None = None
    number: Decimal | None = None
    """In the received unit. For a censored value the bound, which is never the value itself; for a titre the
    denominator."""
    unit_raw: str = ""
    unit: str | None = None
    """UCUM, or None when the unit is unknown or absent."""
    ordinal: str | None = None
    missing: str | None = None
    companion: str | None = None


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number in the canonical UCUM unit of its analyte."""

    number: Decimal
    unit: str


Reading = tuple[Value, tuple[str, ...]]
"""A value and its quality codes."""

_COMPARATORS: Mapping[str, Comparator] = {
    "<": "<", "<=": "<=", ">": ">", ">=": ">=", "≤": "<=", "≥": ">=", "LT": "<", "LE": "<=", "GT": ">", "GE": ">=",
}  # fmt: skip
_COMPARED = re.compile(r"(<=|>=|<|>|≤|≥|(?:LT|LE|GT|GE)(?=[\s0-9.]))\s*", re.IGNORECASE)
_TITRE = re.compile(r"1\s*:\s*(?P<denominator>[0-9]{1,40})")
_PLUSES = re.compile(r"[1-4]\+")
_CODED = frozenset({"CE", "CWE", "CNE"})
_POINTERS = frozenset({"ED", "RP"})
_NEVER_SN = frozenset({"TX", "FT"})


def read_value(
    value_type: str,
    components: Sequence[str],
    *,
    unit_raw: str = "",
    style: NumberStyle = NumberStyle(),  # noqa: B008  # frozen
    missing_words: Mapping[str, str] | None = None,
    unit_aliases: Mapping[str, str] | None = None,
) -> Reading:
    """Read one repetition of OBX-5, given as its unescaped components, and the quality codes of the reading.

    Never raises, whatever the text. ``unit_raw`` is OBX-6 as received; a unit glued to the number counts only
    where OBX-6 is empty or says the same. ``missing_words`` and ``unit_aliases`` are the sender's own.
    """
    parts = _trimmed(components)
    text = "^".join(components)
    value_type = value_type.strip().upper()
    if value_type in _POINTERS:
        return _pointer(value_type, parts), ()
    if value_type in _CODED:
        return _coded(parts, text, missing_words), ()
    if len(parts) > 1 and value_type not in _NEVER_SN:
        value, quality = _structured(parts, text, style)
    else:
        value, quality = _scalar(parts[0] if len(parts) == 1 else text, style, missing_words, unit_aliases)
        value = replace(value, text=text)
    return _with_unit(value, quality, unit_raw, unit_aliases)


def read_repetitions(
    value_type: str,
    repetitions: Sequence[Sequence[str]],
    *,
    unit_raw: str = "",
    style: NumberStyle = NumberStyle(),  # noqa: B008  # frozen
    missing_words: Mapping[str, str] | None = None,
    unit_aliases: Mapping[str, str] | None = None,
) -> tuple[Reading, ...]:
    """Read all repetitions of OBX-5: one result or, where several are numbers, one for each number.

    One number among words keeps the words as its ``companion``. Only words: one result with several answers,
    ordinal when they agree, else text.
    """
    read = [
        read_value(
            value_type,
            repetition,
            unit_raw=unit_raw,
            style=style,
            missing_words=missing_words,
            unit_aliases=unit_aliases,
        )
        for repetition in repetitions or [[""]]
    ]
    if len(read) == 1:
        return (read[0],)
    numbers = [one for one in read if one[0].number is not None]
    if len(numbers) > 1:
        return tuple(numbers)
    if numbers:
        value, quality = numbers[0]
        words = "~".join(other.text for other, _ in read if other is not value and other.text)
        return ((replace(value, companion=words or None), quality),)
    return (_answers([value for value, _ in read]),)


def _answers(values: Sequence[Value]) -> Reading:
    given = [value for value in values if value.missing != "empty"] or list(values[:1])
    text = "~".join(value.text for value in given)
    if len({(value.kind, value.ordinal, value.missing) for value in given}) == 1:
        return replace(given[0], text=text), ()
    return Value("text", text, unit_raw=given[0].unit_raw), ("several_answers",)


def _trimmed(components: Sequence[str]) -> list[str]:
    parts = list(components)
    while len(parts) > 1 and not parts[-1].strip():
        parts.pop()
    return parts or [""]


def _with_unit(value: Value, quality: tuple[str, ...], unit_raw: str, aliases: Mapping[str, str] | None) -> Reading:
    """Fill the unit: that of OBX-6, else the one glued to the number; two that differ are no unit."""
    stated = "" if unit_raw.strip() == '""' else unit_raw
    glued = value.unit
    if not plain(stated):
        return replace(value, unit_raw=unit_raw), quality
    unit = ucum(stated, aliases)
    if glued is not None and unit != glued:
        return replace(value, unit_raw=unit_raw, unit=None), (*quality, "unit_conflict")
    return replace(value, unit_raw=unit_raw, unit=unit), quality


def _pointer(value_type: str, parts: Sequence[str]) -> Value:
    """ED and RP: hash, size and type of what came, never the payload itself."""
    payload = "^".join(parts).encode("utf-8", "surrogatepass")
    kind = "/".join(part for part in parts[1:3] if part) or "unknown"
    if value_type == "ED" and len(parts) > 4:
        payload = parts[4].encode("utf-8", "surrogatepass")
        if parts[3].strip().casefold() == "base64":
            try:
                payload = base64.b64decode(payload, validate=True)
            except binascii.Error:
                kind += ", damaged base64"
    return Value("text", f"{value_type} sha256={sha256(payload).hexdigest()} bytes={len(payload)} type={kind}")


def _coded(parts: Sequence[str], text: str, missing_words: Mapping[str, str] | None) -> Value:
    """Coded answers: ordinal or missing through the tables, else text. A code is never parsed as a number."""
    if why := value_words.missing("".join(parts), missing_words):
        return Value("missing", text, missing=why)
    answers = [part for place, part in enumerate(parts) if place in (0, 1, 3, 4) and part.strip()]
    if not answers:
        return Value("missing", text, missing="empty")
    ordinals = {known for answer in answers if (known := value_words.ordinal(answer))}
    if len(ordinals) == 1:
        return Value("ordinal", text, ordinal=ordinals.pop())
    reasons = {why for answer in answers if (why := value_words.missing(answer, missing_words))}
    if len(reasons) == 1 and not ordinals:
        return Value("missing", text, missing=reasons.pop())
    return Value("text", text)


def _structured(parts: Sequence[str], text: str, style: NumberStyle) -> Reading:
    """SN: comparator, number, separator, number."""
    comparator, first, separator, second, *more = [plain(part) for part in (*parts, "", "", "")]
    if any(more) or (comparator not in ("", "=") and comparator.upper() not in _COMPARATORS):
        return Value("text", text), ()
    compared = _COMPARATORS.get(comparator.upper())
    number, other = whole(first, style), whole(second, style)
    if not separator and not second and number is not None:
        return Value("censored" if compared else "quantity", text, compared, number), ()
    if not separator and not second and "," in first:
        return Value("text", text), ("ambiguous_comma",)
    if separator == ":" and number == 1 and other is not None:
        return Value("titre", text, compared, other), ()
    if separator == "+" and not second and not compared and _PLUSES.fullmatch(first + "+"):
        return Value("ordinal", text, ordinal=first + "+"), ()
    if number is not None and other is not None:
        return Value("text", text), ("interval_value",)
    return Value("text", text), ()


def _scalar(
    text: str, style: NumberStyle, missing_words: Mapping[str, str] | None, aliases: Mapping[str, str] | None
) -> Reading:
    if why := value_words.missing(text, missing_words):
        return Value("missing", text, missing=why), ()
    if ordinal := value_words.ordinal(text):
        return Value("ordinal", text, ordinal=ordinal), ()
    body = plain(text)
    compared: Comparator | None = None
    if match := _COMPARED.match(body):
        compared, body = _COMPARATORS[match.group(1).upper()], body[match.end() :]
    if titre := _TITRE.fullmatch(body):
        return Value("titre", text, compared, Decimal(titre["denominator"])), ()
    token = leading(body, style)
    if token is None:
        return Value("text", text), ("uncertain",) if _uncertain(body, style) else ()
    if token.number is None:
        return Value("text", text), ("ambiguous_comma",) if "," in body or style != NumberStyle() else ()
    rest = token.rest.strip()
    unit = ucum(rest, aliases) if rest else None
    if not rest or unit:
        return Value("censored" if compared else "quantity", text, compared, token.number, unit=unit), ()
    return Value("text", text), (_why_no_number(rest, style),)


def _uncertain(body: str, style: NumberStyle) -> bool:
    return body.startswith("?") and leading(body[1:].strip(), style) is not None


def _why_no_number(rest: str, style: NumberStyle) -> str:
    """What follows a number that is not a unit."""
    if rest.startswith("?"):
        return "uncertain"
    if rest[0] in DASHES and leading(rest[1:].strip(), style):
        return "interval_value"
    if rest.startswith(","):
        return "ambiguous_comma"
    return "trailing_text"
