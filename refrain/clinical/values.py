"""What a laboratory can send as a value, and how its text is read (feeds.md section 10)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

ValueKind = Literal["quantity", "censored", "ordinal", "titre", "text", "missing"]
Comparator = Literal["<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Value:
    """One received value. ``text`` is always what came; the other fields are what could be read from it."""

    kind: ValueKind
    text: str
    comparator: Comparator | None = None
    number: Decimal | None = None
    """In the received unit. For a censored value the bound, which is never the value itself."""
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
