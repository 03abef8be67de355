"""What is wrong with a roster, in sentences: the place, what is wrong there, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from pydantic import ValidationError

from refrain.contracts.events import Tier
from services.notify.domain.chains import DEFAULTS, ChainKey
from services.notify.domain.people import TIERS
from services.notify.domain.schedules import zone_of

if TYPE_CHECKING:
    from services.notify.domain.roster import Roster

_WORDS = {
    "missing": "is missing: add it",
    "extra_forbidden": "is not a setting of the roster: remove it or correct its name",
    "too_short": "is empty: name at least one",
    "string_too_short": "is empty: write something",
    "model_type": "must be a mapping of settings",
    "dict_type": "must be a mapping",
    "tuple_type": "must be a list",
}


def sentences(error: ValidationError) -> Iterator[str]:
    """One for each fault that pydantic found; without the contents."""
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        said = _WORDS.get(fault["type"])
        yield f"{_place(fault['loc'])}: {said or fault['msg'].removeprefix('Value error, ')}"


def _place(loc: Sequence[str | int]) -> str:
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "the roster"


def problems(roster: Roster) -> Iterator[str]:
    """Everything that only shows when the parts of the document are compared."""
    yield from _people(roster)
    yield from _duties(roster)
    for key in DEFAULTS:
        yield from _chain(roster, key)
    yield from _fallback(roster)
    for tier, seconds in roster.settle_seconds.items():
        if not 0 <= seconds <= 600:
            yield f"settle_seconds.{tier}: {seconds} is not between 0 and 600: give seconds"


def _people(roster: Roster) -> Iterator[str]:
    for name, person in roster.people.items():
        if name in roster.duties:
            yield f"people.{name}: there is a duty of the same name: rename one of the two"
        seen: set[str] = set()
        for place, one in enumerate(person.channels):
            where = f"people.{name}.channels[{place}].channel"
            if one.channel not in roster.channels:
                yield f"{where}: there is no channel {one.channel!r}: add it under channels or correct the name"
            if one.channel in seen:
                yield f"{where}: {one.channel!r} is listed twice: define a second channel for the second address"
            seen.add(one.channel)


def _duties(roster: Roster) -> Iterator[str]:
    for name, duty in roster.duties.items():
        for place, member in enumerate(duty.members):
            if member not in roster.people:
                yield f"duties.{name}.members[{place}]: {_no_person(member)}"
        zone = zone_of(duty.zone or roster.zone)
        for place, entry in enumerate(duty.overrides):
            where = f"duties.{name}.overrides[{place}]"
            begins, ends = entry.bounds(zone)
            if entry.person not in roster.people:
                yield f"{where}.person: {_no_person(entry.person)}"
            elif roster.people[entry.person].away_within(begins, ends, roster.zone):
                yield f"{where}: {entry.person} is away then: choose another or correct people.{entry.person}.away"
            if ends <= begins:
                yield f"{where}: to is not after from: correct the times"


def _no_person(name: str) -> str:
    return f"there is no person {name!r}: add them under people or correct the name"


def _chain(roster: Roster, key: ChainKey) -> Iterator[str]:
    chain, tier = roster.chains.of(key), _tier(key)
    for number, level in enumerate(chain.levels):
        for place, entry in enumerate(level.to):
            yield from _entry(roster, f"chains.{key}.levels[{number}].to[{place}]", entry, tier)
    yield from _times(roster, key)


def _tier(key: ChainKey) -> Tier:
    return "P2" if key == "P2_24" or key == "P2_72" else key


def _entry(roster: Roster, where: str, entry: str, tier: Tier) -> Iterator[str]:
    if entry not in roster.people and entry not in roster.duties:
        yield f"{where}: there is no person and no duty {entry!r}: add it or correct the name"
        return
    for person in _behind(roster, entry):
        if person not in roster.people:
            continue  # said where the duty is
        if not roster.belongs(person, tier):
            yield f"{where}: {person} is not of the laboratory, and data quality never goes to the ward: remove them"
        elif not any(tier in one.tiers for one in roster.people[person].channels):
            yield f"{where}: {person} has no channel for {tier}: add {tier} to the tiers of one of their channels"


def _behind(roster: Roster, entry: str) -> tuple[str, ...]:
    """The person, or everybody who may hold the duty."""
    if duty := roster.duties.get(entry):
        return tuple(dict.fromkeys((*duty.members, *(one.person for one in duty.overrides))))
    return (entry,)


def _times(roster: Roster, key: ChainKey) -> Iterator[str]:
    chain, where = roster.chains.of(key), f"chains.{key}"
    after = [level.after.nominal for level in chain.levels]
    if after[0]:
        yield f"{where}.levels[0].after: the first level is told at once: remove it"
    for number, (earlier, later) in enumerate(pairwise(after), 1):
        if later <= earlier:
            yield f"{where}.levels[{number}].after: is not later than the level before it: give a longer time"
    if key == "P3" and len(after) > 1:
        yield f"{where}.levels[1]: nobody waits for an answer to a P3, so nothing is escalated: remove it"
    if chain.resend and len(after) > 1 and not after[0] < chain.resend.nominal < after[1]:
        yield f"{where}.resend: must lie between the first and the second level: correct it"
    if key in ("P1", "P3") and chain.snooze_max.amount:
        yield f"{where}.snooze_max: a {key} is never snoozed: remove it"
    if key not in ("P1", "P3") and chain.snooze_max.unit == "working day":
        yield f"{where}.snooze_max: is a time without pauses: give it in hours or days"
    for name in ("remind", "read_back", "give_up"):
        if not getattr(chain, name).amount:
            yield f"{where}.{name}: must be longer than nothing: give a time like 30 min"
    if chain.resend and not chain.resend.amount:
        yield f"{where}.resend: must be longer than nothing: give a time like 15 min, or remove it"


def _fallback(roster: Roster) -> Iterator[str]:
    for team in ("clinical", "laboratory"):
        tiers = [tier for tier in TIERS if (tier == "DQ") == (team == "laboratory")]
        for place, name in enumerate(getattr(roster.fallback, team)):
            where = f"fallback.{team}[{place}]"
            if name not in roster.people:
                yield f"{where}: {_no_person(name)}; a duty will not do, since nobody may have it"
            elif team == "laboratory" and roster.people[name].team != team:
                yield f"{where}: {name} is not of the laboratory, and data quality never goes to the ward: name another"
            elif bare := [tier for tier in tiers if not any(tier in one.tiers for one in roster.people[name].channels)]:
                yield f"{where}: {name} has no channel for {', '.join(bare)}: whoever is told last needs one for each"
