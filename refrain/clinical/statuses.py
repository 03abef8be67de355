"""Result statuses: HL7 table 0085 (OBX-11) and what carries over from table 0123 (OBR-25) (feeds.md 9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

StatusClass = Literal["none", "pending", "preliminary", "unknown", "final", "corrected", "unobtainable", "withdrawn"]

RANK: Mapping[StatusClass, int] = {
    "none": 0, "pending": 1, "preliminary": 2, "unknown": 2, "final": 3, "corrected": 4, "unobtainable": 5,
    "withdrawn": 6,
}  # fmt: skip
DEFINITIVE_RANK = 3
"""From here on a version is definitive: it stands above every provisional one, whatever the clock says."""
TAKES_BACK_RANK = 5
"""From here on a version takes the versions issued before it back."""

_CLASSES: Mapping[str, StatusClass] = {
    "O": "none", "N": "none",
    "I": "pending",
    "P": "preliminary", "S": "preliminary", "R": "preliminary",
    "F": "final", "V": "final", "B": "final", "A": "final", "U": "final",
    "C": "corrected",
    "X": "unobtainable",
    "D": "withdrawn", "W": "withdrawn",
}  # fmt: skip
_FROM_ORDER = frozenset("FPCXIR")

FHIR_STATUS: Mapping[str, str] = {
    "I": "registered", "P": "preliminary", "R": "preliminary", "S": "preliminary", "F": "final", "V": "final",
    "U": "final", "A": "amended", "B": "amended", "C": "corrected", "X": "cancelled", "D": "entered-in-error",
    "W": "entered-in-error",
}  # fmt: skip
"""OBX-11 to FHIR Observation.status (clinical.md 5.2; POLICY, UNV); anything else is ``unknown``, O and N are none."""


def classify(code: str) -> tuple[StatusClass, int]:
    """Class and rank of an OBX-11 code. Empty and unknown codes are ``unknown``: never taken for final."""
    status_class = _CLASSES.get(code.strip(), "unknown")
    return status_class, RANK[status_class]


def from_order(obr25: str) -> str:
    """The OBX-11 code that an OBR-25 code stands for; empty when it does not carry over.

    Table 0123 is not 0085: there ``A`` is "some results available" and ``S`` "scheduled".
    """
    code = obr25.strip()
    return code if code in _FROM_ORDER else ""


def definitive(status_class: StatusClass) -> bool:
    """Whether a version of this class stands above every provisional one."""
    return RANK[status_class] >= DEFINITIVE_RANK
