"""One observation read: value, unit, range, repair and plausibility together, so that all readers agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from refrain.clinical.analytes import Analyte
from refrain.clinical.immunofixation import Band, read_band
from refrain.clinical.interval import Range
from refrain.clinical.notation import plain
from refrain.clinical.numbers import PLAIN_STYLE, NumberStyle
from refrain.clinical.plausibility import absurd_range, implausible
from refrain.clinical.quality import QUALITY
from refrain.clinical.ranges import read_range
from refrain.clinical.repairs import Repair, propose
from refrain.clinical.units import UNITLESS, conversion, to_canonical
from refrain.clinical.values import Quantity, Value, read_value

__all__ = ["QUALITY", "Reading", "read_result"]

IMMUNOFIXATION = frozenset({"IFE_S", "IFE_U"})
_ORDINAL_OF = {"POS": "positive", "NEG": "negative", "IND": "indeterminate"}


@dataclass(frozen=True, slots=True)
class Reading:
    """What one observation says. Raw text is in ``value`` and ``range``; nothing replaces it (G-6)."""

    value: Value
    canonical: Quantity | None
    """The received number taken literally, in the analyte's unit; for a censored value its bound."""
    repaired: Repair | None
    range: Range
    """Limits in the received unit; a rejected range is ``unparsed`` and holds no limit."""
    quality: tuple[str, ...]
    """Sorted keys of ``QUALITY``."""
    band: Band | None = None
    """Immunofixation only."""


def read_result(
    analyte: Analyte | None,
    value_type: str,
    value_components: Sequence[str],
    unit_text: str,
    range_components: Sequence[str],
    *,
    style: NumberStyle = PLAIN_STYLE,
    unit_aliases: Mapping[str, str] | None = None,
    separators: Sequence[str] = (),
    range_words: Mapping[str, str] | None = None,
    missing_words: Mapping[str, str] | None = None,
    further_repetitions: Sequence[Sequence[str]] = (),
) -> Reading:
    """Read OBX-2, -5, -6 and -7 of one observation; ``analyte`` None when its code is unmapped. Never raises.

    A repair is tried before a value is called implausible (answers 25). ``further_repetitions`` of OBX-5 belong to
    the same answer; only immunofixation uses them. The other options are the sender's own.
    """
    value, quality = read_value(
        value_type, value_components, unit_raw=unit_text, style=style, missing_words=missing_words,
        unit_aliases=unit_aliases,
    )  # fmt: skip
    band = None
    if analyte is not None and analyte.code in IMMUNOFIXATION:
        band = read_band([value_components, *further_repetitions])
        value, quality = _with_band(value, quality, band, (value_components, *further_repetitions))
    received = read_range(
        range_components, style=style, separators=separators, words=range_words, unit_aliases=unit_aliases
    )
    value = _with_meant_unit(value, analyte)
    received = _in_one_unit(received, value)
    canonical, repaired, found = None, None, list(quality)
    if analyte is not None and not analyte.nominal and value.kind in ("quantity", "censored"):
        repaired, codes = propose(analyte, value, received)
        canonical = _literal(value, analyte, repaired)
        found.extend(codes if repaired else _unrepaired(analyte, value, canonical))
    elif analyte is None and value.kind in ("quantity", "censored") and _unknown_unit(value):
        found.append("unit_unknown")
    if repaired is None and analyte is not None and absurd_range(analyte, received, received.unit or value.unit):
        received = Range("unparsed", received.text, reason="absurd")
        found.append("range_rejected")
    elif received.kind == "unparsed":
        found.append("range_unparsed")
    return Reading(value, canonical, repaired, received, tuple(sorted(set(found))), band)


def _with_band(
    value: Value, quality: tuple[str, ...], band: Band, repetitions: Sequence[Sequence[str]]
) -> tuple[Value, tuple[str, ...]]:
    text = "~".join("^".join(repetition) for repetition in repetitions)
    if value.kind == "missing" and band.result is None:
        return replace(value, text=text), quality
    ordinal = _ORDINAL_OF.get(band.result or "")
    kind = Value("ordinal", text, ordinal=ordinal) if ordinal else Value("text", text)
    return replace(kind, unit_raw=value.unit_raw), band.quality


def _with_meant_unit(value: Value, analyte: Analyte | None) -> Value:
    """A missing unit of a nominal, ratio or SUV analyte is its canonical unit (answers 18)."""
    if analyte is None or analyte.unit not in UNITLESS or value.unit is not None or value.kind == "missing":
        return value
    return value if plain(value.unit_raw) not in ("", '""') else replace(value, unit=analyte.unit)


def _in_one_unit(received: Range, value: Value) -> Range:
    """A unit inside the range must be the one beside the value (feeds.md 11); else the range is not read."""
    came = value.unit is not None or plain(value.unit_raw) not in ("", '""')
    if received.unit is not None and came and received.unit != value.unit and value.kind != "missing":
        return Range("unparsed", received.text, reason="unit")
    return received


def _literal(value: Value, analyte: Analyte, repaired: Repair | None) -> Quantity | None:
    """The received number in the canonical unit; a unit listed for repairs only counts beside its repair."""
    if value.number is None:
        return None
    only = analyte.repair_only_units.get(value.unit or "")
    if repaired is not None and only is not None:
        return Quantity(only.apply(value.number), analyte.unit)
    return to_canonical(value.number, value.unit, analyte)


def _unknown_unit(value: Value) -> bool:
    return value.unit is None and plain(value.unit_raw) not in ("", '""')


def _unrepaired(analyte: Analyte, value: Value, canonical: Quantity | None) -> list[str]:
    """What is wrong with a number that no repair explains."""
    if canonical is not None:
        return ["implausible_value"] if implausible(analyte, canonical.number, value.comparator) else []
    if value.unit is not None:
        return [] if conversion(value.unit, analyte) else ["unit_not_listed"]
    return ["unit_unknown"] if _unknown_unit(value) else ["unit_missing"]
