"""What people added to a sender's code map while intake runs, on top of the sender's profile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import Field

from refrain.clinical.analytes import by_loinc
from services.intake.domain.codes import Triplet
from services.intake.domain.profile import TRANSLATOR_REVISION, TRANSLATORS_PER_PROFILE, Profile, is_target

CODE_CHARACTERS = 200
"""Longest code, system and name that the list of unmapped codes keeps; a longer code cannot be mapped (our choice)."""


@dataclass(frozen=True, slots=True)
class CodeMap:
    """The mappings of one sender that stand. ``revision`` grows with each of their changes, a withdrawal included."""

    revision: int
    codes: Mapping[str, str] = field(default_factory=dict)
    """``CODE|SYSTEM`` to what a profile's code map may lead to."""


class MappedProfile(Profile):
    """A profile as its file says it, with the mappings of people on top."""

    code_map: int = Field(ge=1)
    """Revision of the mappings."""

    @property
    def translation(self) -> int:
        """Grows with the profile's revision, with every mapping made or withdrawn, and with the translator's."""
        return translation_number(self, self.code_map)


def translation_number(profile: Profile, code_map: int) -> int:
    """Number of the reading by a profile with the mappings of this revision."""
    return (profile.revision + code_map) * TRANSLATORS_PER_PROFILE + TRANSLATOR_REVISION


def with_code_map(profile: Profile, code_map: CodeMap | None) -> Profile:
    """The profile that reads the sender's messages. A mapping whose analyte left the catalogue leads nowhere."""
    if code_map is None:
        return profile
    standing = {key: target for key, target in code_map.codes.items() if is_target(target)}
    content = profile.model_dump() | {"codes": {**profile.codes, **standing}, "code_map": code_map.revision}
    return MappedProfile.model_validate(content)


def leading_nowhere(code_map: CodeMap) -> int:
    """How many mappings have a target that the catalogue no longer has."""
    return sum(not is_target(target) for target in code_map.codes.values())


def faults(profile: Profile | None, code: str, system: str) -> Iterator[tuple[str, str]]:
    """Fields that cannot be mapped so, and why. ``profile`` None: no profile has the sender's name."""
    if profile is None:
        yield "sender", "no profile has this name"
    if not code:
        yield "code", "required"
    for name, text in (("code", code), ("system", system)):
        if len(text) > CODE_CHARACTERS or "|" in text or not text.isprintable() or text != text.strip():
            yield name, f"at most {CODE_CHARACTERS} printable characters as received, without |"


def mapped_without_people(profile: Profile, code: str, system: str) -> str | None:
    """A sentence when the code leads somewhere already, whatever people say; None when it does not."""
    triplet = Triplet(code, "", system)
    if triplet.claims_loinc and by_loinc(code) is not None:
        return "The code is a LOINC of the catalogue and needs no mapping."
    if target := profile.codes.get(triplet.key):
        return f"The file of the profile {profile.sender} maps the code to {target}: change it there."
    return None


def newer(before: int, now_seconds: int) -> int:
    """The next revision. It follows the clock, so that it grows even over a database that was lost."""
    return max(before + 1, now_seconds)


@dataclass(frozen=True, slots=True)
class Sighting:
    """A code that led nowhere, in one message: how often, under which name."""

    sender: str
    code: str
    system: str
    name: str
    count: int


def sightings(sender: str, unmapped: Iterable[tuple[str, str, str]]) -> tuple[Sighting, ...]:
    """The codes of one message that led nowhere, each once; ``unmapped`` are code, system and name of its results."""
    names: dict[tuple[str, str], str] = {}
    counts: dict[tuple[str, str], int] = {}
    for code, system, name in unmapped:
        key = (_kept(code), _kept(system))
        names[key] = _kept(name)
        counts[key] = counts.get(key, 0) + 1
    return tuple(Sighting(sender, *key, names[key], counts[key]) for key in sorted(counts))


def _kept(text: str) -> str:
    """The text as a column takes it: a long one is cut and says so, what does not print is a space."""
    text = "".join(character if character.isprintable() else " " for character in text)
    return text if len(text) <= CODE_CHARACTERS else text[: CODE_CHARACTERS - 1] + "…"
