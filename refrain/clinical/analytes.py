"""The analyte catalogue: what Refrain knows how to judge. Adding one is an entry on a page of ``catalogue/``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from refrain.clinical.catalogue import chemistry_and_counts, fluids_and_marrow, proteins
from refrain.clinical.catalogue.entry import Analyte, Better, PublishedInterval, Verification

__all__ = ["CATALOGUE", "Analyte", "Better", "PublishedInterval", "Verification", "by_loinc"]

CATALOGUE: Mapping[str, Analyte] = MappingProxyType(
    {entry.code: entry for page in (proteins.PAGE, fluids_and_marrow.PAGE, chemistry_and_counts.PAGE) for entry in page}
)
"""By code in capitals, in the order of the pages."""

_BY_LOINC = {code: entry for entry in CATALOGUE.values() for code in entry.loinc}


def by_loinc(code: str) -> Analyte | None:
    """The entry that claims a LOINC code, alternates and deprecated ones included; None when unmapped.

    The check digit is not looked at here: a failing code is in no entry, so it is None as well (LN-1).
    """
    return _BY_LOINC.get(code)
