"""What a result is: OBX-3 to an analyte, or to a statement beside one (feeds.md 12, clinical.md 4.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from refrain.clinical import specimens
from refrain.clinical.analytes import CATALOGUE, Analyte, by_loinc
from refrain.clinical.loinc import DEPRECATED, check_digit_ok
from services.intake.domain.er7 import Segment
from services.intake.domain.profile import ATTRIBUTE_PREFIX
from services.intake.domain.reasons import Rejected

_LOINC_SYSTEMS = frozenset(
    {"LN", "LOINC", "HTTP://LOINC.ORG", "2.16.840.1.113883.6.1", "URN:OID:2.16.840.1.113883.6.1"}
)


@dataclass(frozen=True, slots=True)
class Triplet:
    """One coding of OBX-3 as received."""

    code: str
    name: str
    system: str

    @property
    def claims_loinc(self) -> bool:
        return self.system.upper() in _LOINC_SYSTEMS

    @property
    def key(self) -> str:
        """As the profile's code map writes it."""
        return f"{self.code}|{self.system}"


@dataclass(frozen=True, slots=True)
class Code:
    """What OBX-3 means; at most one of ``analyte`` and ``attribute`` is set."""

    received: Triplet
    analyte: Analyte | None
    attribute: str | None
    quality: tuple[str, ...]

    def on(self, specimen: str) -> Code:
        """The same code for a result on this specimen; held unmapped when the two contradict each other (LN-4)."""
        loinc = self.received.code if self.received.claims_loinc else ""
        if specimens.agrees(self.analyte, loinc, specimen):
            return self
        return Code(self.received, None, None, (*self.quality, "code_specimen_conflict"))


def code_of(obx: Segment, code_map: Mapping[str, str]) -> Code:
    """Read OBX-3. Whichever coding is LOINC with a right check digit, else the sender's own through its map.

    Rejected (``code_missing``) when OBX-3 says nothing. A code that leads nowhere is ``code_unmapped``.
    """
    triplets = _triplets(obx)
    if not triplets:
        raise Rejected("code_missing", obx.place)
    quality = []
    if any(triplet.claims_loinc and not check_digit_ok(triplet.code) for triplet in triplets):
        quality.append("loinc_check_digit")
    sound = [triplet for triplet in triplets if triplet.claims_loinc and check_digit_ok(triplet.code)]
    received = (sound or triplets)[0]
    for triplet in sound:
        if (analyte := by_loinc(triplet.code)) is not None:
            deprecated = ("loinc_deprecated",) if triplet.code in DEPRECATED else ()
            return Code(triplet, analyte, None, (*quality, *deprecated))
    target = next((code_map[triplet.key] for triplet in triplets if triplet.key in code_map), None)
    if target is None:
        return Code(received, None, None, (*quality, "code_unmapped"))
    if target.startswith(ATTRIBUTE_PREFIX):
        return Code(received, None, target.removeprefix(ATTRIBUTE_PREFIX), tuple(quality))
    return Code(received, CATALOGUE.get(target) or by_loinc(target), None, tuple(quality))


def _triplets(obx: Segment) -> list[Triplet]:
    parts = [part.strip() for part in obx.components(3)]
    parts += [""] * (6 - len(parts))
    found = [Triplet(parts[at] or parts[at + 1], parts[at + 1], parts[at + 2]) for at in (0, 3)]
    return [triplet for triplet in found if triplet.code]
