"""Specimens: received codes and words to the closed list of clinical.md 3.1, and what may be assumed.

Plain plasma is read as ``PLASMA_EDTA``, the only plasma of the list. Serum and plasma split series but do not
contradict a code, because most codes cover both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from refrain.clinical.analytes import Analyte
from refrain.clinical.loinc import FORBIDDEN_SPECIMEN
from refrain.clinical.notation import word

SpecimenSource = Literal["stated", "assumed", "unknown"]
UNKNOWN = "UNKNOWN"

_WRITTEN: Mapping[str, tuple[str, ...]] = {
    "SERUM": ("ser", "serum", "sr", "blood serum", "serum specimen"),
    "PLASMA_EDTA": (
        "plas", "plasma", "plasma_edta", "plasma edta", "edta plasma", "ppp", "plasma, edta", "plasma specimen",
    ),
    "URINE": (
        "ur", "urine", "urn", "urc", "urt", "random urine", "spot urine", "urine, random", "urine specimen",
        "urine clean catch",
    ),
    "URINE_24H": (
        "urine_24h", "ur24h", "u24h", "u24", "24h urine", "24-h urine", "24 h urine", "24 hour urine", "24-hour urine",
        "urine 24h", "urine 24 h", "urine, 24 hour",
    ),
    "CSF": ("csf", "cerebrospinal fluid", "cerebral spinal fluid", "liquor", "spinal fluid"),
    "BLOOD": (
        "blood", "bld", "bldv", "bldc", "blda", "blood venous", "blood capillary", "blood arterial", "whole blood",
        "wb", "venous blood", "capillary blood", "arterial blood",
    ),
    "MARROW": ("mar", "marrow", "bone marrow", "bm", "bmar", "bone marrow aspirate", "bone marrow specimen"),
    "IMAGE": ("image", "img", "scan", "pet", "pet-ct", "pet/ct", "imaging"),
}  # fmt: skip
_BY_WORD = {text: code for code, texts in _WRITTEN.items() for text in (code.casefold(), *texts)}
SPECIMENS: frozenset[str] = frozenset((*_WRITTEN, UNKNOWN))

_MATERIAL = {"SERUM": "blood liquid", "PLASMA_EDTA": "blood liquid", "URINE": "urine", "URINE_24H": "urine"}


def read_specimen(text: str) -> str:
    """The code of clinical.md 3.1 for a HL7 table 0487 or 0070 code or a common word; else ``UNKNOWN``."""
    return _BY_WORD.get(word(text), UNKNOWN)


def settle(analyte: Analyte | None, stated: str) -> tuple[str, SpecimenSource]:
    """Which specimen counts, and how it is known (answers 18).

    ``stated`` is the received text or a code. Nothing stated (or ``UNKNOWN``): the only specimen of the
    analyte's entry is assumed. A text that is not in the table is unknown, and nothing is assumed over it.
    """
    code = read_specimen(stated)
    if code != UNKNOWN:
        return code, "stated"
    if stated.strip() in ("", UNKNOWN) and analyte and len(analyte.specimens) == 1:
        return analyte.specimens[0], "assumed"
    return UNKNOWN, "unknown"


def agrees(analyte: Analyte | None, loinc: str, specimen: str) -> bool:
    """Whether code and specimen can belong together (LN-4); an unknown specimen contradicts nothing.

    A 24-hour quantity on untimed urine does not agree; serum on plasma does.
    """
    if specimen == UNKNOWN:
        return True
    if specimen in FORBIDDEN_SPECIMEN.get(loinc, frozenset()):
        return False
    if analyte is None or specimen in analyte.specimens:
        return True
    if analyte.specimens == ("URINE_24H",):
        return False
    return _MATERIAL.get(specimen, specimen) in {_MATERIAL.get(known, known) for known in analyte.specimens}
