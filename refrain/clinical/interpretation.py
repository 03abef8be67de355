"""Interpretation codes of HL7 table 0078 with their groups (clinical.md 5.1; HL7-INT, VT)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Literal

Group = Literal["normality", "off scale", "size of change", "direction of change", "detection", "expectation"]

GROUPS: Mapping[str, Group] = {
    "N": "normality", "L": "normality", "H": "normality", "LU": "normality", "HU": "normality", "LL": "normality",
    "HH": "normality", "A": "normality", "AA": "normality",
    "<": "off scale", ">": "off scale",
    "U": "size of change", "D": "size of change",
    "B": "direction of change", "W": "direction of change",
    "POS": "detection", "NEG": "detection", "IND": "detection",
    "EXP": "expectation", "UNE": "expectation",
}  # fmt: skip
"""Every code that Refrain may send, and its group: a result carries at most one code of each (INT-1)."""

CRITICAL: frozenset[str] = frozenset({"LL", "HH", "AA"})
"""Of a laboratory they are never downgraded (INT-5)."""

LOW: frozenset[str] = frozenset({"L", "LU", "LL"})
ABNORMAL: frozenset[str] = LOW | {"H", "HU", "HH", "A", "AA"}

_SEVERITY = {"N": 0, "L": 1, "H": 1, "A": 1, "LU": 2, "HU": 2, "LL": 3, "HH": 3, "AA": 3}
_READ_AS = {"L<": "LU", "H>": "HU"}
_ONLY_NOTED = frozenset({"QCF", "AC", "TOX"})


@dataclass(frozen=True, slots=True)
class ReadFlag:
    """A laboratory flag as Refrain understands it."""

    code: str | None
    """A code of ``GROUPS``; None when it says nothing about the result, or nothing that is known."""
    note: str | None = None
    """``deprecated_flag`` or ``unknown_flag``."""


def read_flag(received: str) -> ReadFlag | None:
    """Read one repetition of OBX-8, deprecated codes included; None when it is empty. Never sent back as such."""
    code = received.strip()
    if code in ("", '""'):
        return None
    if code in GROUPS:
        return ReadFlag(code)
    if code in _READ_AS:
        return ReadFlag(_READ_AS[code], "deprecated_flag")
    return ReadFlag(None, "deprecated_flag" if code in _ONLY_NOTED else "unknown_flag")


def violations(codes: Iterable[str]) -> tuple[str, ...]:
    """What is wrong with a set of codes: unknown ones, and groups with more than one. Empty when it is legal."""
    distinct = sorted(set(codes))
    wrong = [f"{code}: not a code that is sent" for code in distinct if code not in GROUPS]
    for group in dict.fromkeys(GROUPS.values()):
        members = [code for code in distinct if GROUPS.get(code) == group]
        if len(members) > 1:
            wrong.append(f"{' and '.join(members)}: at most one of the group {group}")
    return tuple(wrong)


def severity(code: str) -> int:
    """0 normal, 1 abnormal, 2 significant, 3 critical; -1 for codes that say nothing about normality."""
    return _SEVERITY.get(code, -1)


def more_severe(ours: str | None, laboratory: str | None) -> str | None:
    """The normality code that counts for alerting (INT-5); ours when both are equally severe."""
    if ours is None or laboratory is None:
        return ours or laboratory
    return laboratory if severity(laboratory) > severity(ours) else ours


def for_alerting(ours: Iterable[str], received: Iterable[str]) -> str | None:
    """The normality code that counts for alerting (INT-5): ours, or a flag as received that is more severe."""
    own = next((code for code in sorted(ours) if GROUPS.get(code) == "normality"), None)
    flags = (read_flag(text) for text in received)
    theirs = (flag.code for flag in flags if flag and flag.code and GROUPS[flag.code] == "normality")
    return reduce(more_severe, sorted(theirs), own)


def nominal_codes(result: Literal["POS", "NEG", "IND"]) -> tuple[str, ...]:
    """The codes of a nominal result (R-11, R-13): POS is abnormal, NEG normal, IND neither."""
    return {"POS": ("A", "POS"), "NEG": ("N", "NEG"), "IND": ("IND",)}[result]
