"""LOINC codes at intake: the check digit, and the codes that need a word of care (clinical.md 4.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SHAPE = re.compile(r"[0-9]{1,7}-[0-9]")

DEPRECATED: Mapping[str, str] = {
    "40844-3": "deprecated code of the free light chain ratio, read as SFLC_R (LN-2, VT)",
}
"""Accepted with a note: code to sentence."""

NEVER_MAPPED: Mapping[str, str] = {
    "51435-6": "sources disagree on the meaning of this code: local mapping only (LN-3, SEC)",
    "34366-5": "sources disagree on the meaning of this code: local mapping only (LN-3, SEC)",
}
"""Well-formed codes that no catalogue entry may claim: code to sentence."""

FORBIDDEN_SPECIMEN: Mapping[str, frozenset[str]] = {
    "26464-8": frozenset({"CSF"}),
}
"""Codes outside the catalogue that contradict a specimen: leukocytes of blood on CSF (LN-4, UNV)."""


def check_digit_ok(code: str) -> bool:
    """Whether a text is a LOINC code with a right check digit (LN-1; CALC, VT).

    Luhn mod 10 over the digits before the hyphen, doubling every second digit from the right. A code that
    fails is never guessed. Any text may be given; what has not the shape of a code is False.
    """
    if not _SHAPE.fullmatch(code):
        return False
    digits, check = code.split("-")
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (2 if place % 2 == 0 else 1)
        total += number - 9 if number > 9 else number
    return (10 - total % 10) % 10 == int(check)
