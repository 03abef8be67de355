"""The roster: who is there, how each person is reached, who is on duty, and who is told when nobody answers.

One YAML document per site, checked as a whole when it is loaded. An alert is never told to nobody: past the last level
of a chain stands ``fallback``, and the checks see to it that it can be reached.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import cached_property
from hashlib import sha256

import yaml
from pydantic import Field, ValidationError

from refrain.contracts.events import Tier
from refrain.contracts.ids import canonical_json
from services.notify.domain import roster_checks
from services.notify.domain.chains import SETTLE_SECONDS, Chain, Chains, chain_key
from services.notify.domain.duties import Duty
from services.notify.domain.people import Channel, Person, Team
from services.notify.domain.schedules import WEEKDAYS, Calendar, Digest, Span, Strict, Weekday, Zone, zone_of


class RosterError(ValueError):
    """A roster cannot be used. ``problems``: a sentence each, with its place and what to do; never a secret."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Fallback(Strict):
    """Who is told when nobody else can be: they need a channel for whatever may come."""

    clinical: tuple[str, ...] = Field(min_length=1)
    laboratory: tuple[str, ...] = Field(min_length=1)


class Roster(Strict):
    """One site's roster. Use :func:`load`: it also runs the checks that look across the document."""

    zone: Zone
    people: dict[str, Person] = Field(min_length=1)
    channels: dict[str, Channel] = Field(min_length=1)
    duties: dict[str, Duty] = Field(default_factory=dict)
    chains: Chains
    fallback: Fallback
    digest: Digest
    settle_seconds: dict[Tier, int] = Field(default_factory=dict)
    """How long messages wait for others of the same draw; :data:`SETTLE_SECONDS` for tiers that are not named."""
    working_days: tuple[Weekday, ...] = Field(default=WEEKDAYS[:5], min_length=1)
    holidays: frozenset[date] = frozenset()

    @cached_property
    def revision(self) -> str:
        """Hash of the whole document, for logs."""
        return sha256(canonical_json(self.model_dump(mode="json")).encode()).hexdigest()[:16]

    @cached_property
    def calendar(self) -> Calendar:
        return Calendar(zone=self.zone, working_days=self.working_days, holidays=self.holidays)

    def problems(self) -> tuple[str, ...]:
        """What is wrong across the document; empty for a roster that was loaded."""
        return tuple(roster_checks.problems(self))

    def on_duty(self, duty: str, at: datetime) -> str | None:
        """Who has a duty at a moment; None outside its hours, when nobody is there, and for an unknown duty."""
        held = self.duties.get(duty)
        return held.holder(at, zone_of(held.zone or self.zone), self.there) if held else None

    def there(self, person: str, at: datetime) -> bool:
        """Whether somebody of the roster is not away."""
        return person in self.people and self.people[person].there(at, self.zone)

    def duties_of(self, person: str) -> tuple[str, ...]:
        """The duties whose rotation or exceptions name this person."""
        return tuple(
            name
            for name, duty in self.duties.items()
            if person in duty.members or any(entry.person == person for entry in duty.overrides)
        )

    def chain(self, tier: Tier, due_hours: int | None) -> Chain:
        return self.chains.of(chain_key(tier, due_hours))

    def fallback_level(self, tier: Tier, due_hours: int | None) -> int:
        """The level past the chain's last."""
        return len(self.chain(tier, due_hours).levels)

    def reach(self, tier: Tier, due_hours: int | None, level: int, at: datetime) -> tuple[tuple[str, datetime], ...]:
        """Who is to be told at a level when it is told at ``at``, each once, and when each may be disturbed.

        Empty when nobody is on duty and there; never empty from :meth:`fallback_level` on. Where quiet hours hold a
        message until somebody else has the duty, it is theirs; whoever is away by then is not there.
        """
        levels = self.chain(tier, due_hours).levels
        if level >= len(levels):
            return tuple((person, self.free_at(person, tier, at)) for person in self._last_resort(tier, at))
        found: dict[str, datetime] = {}
        for entry in levels[level].to:
            for person, when in self._reached(entry, tier, at):
                found.setdefault(person, when)
        return tuple(found.items())

    def recipients(self, tier: Tier, due_hours: int | None, level: int, at: datetime) -> tuple[str, ...]:
        """The people of :meth:`reach`."""
        return tuple(person for person, _ in self.reach(tier, due_hours, level, at))

    def _reached(self, entry: str, tier: Tier, at: datetime) -> Iterator[tuple[str, datetime]]:
        person = self.on_duty(entry, at) if entry in self.duties else entry
        if person is None or (entry not in self.duties and not self.there(person, at)):
            return
        when = self.free_at(person, tier, at)
        if when > at and entry in self.duties:
            relief = self.on_duty(entry, when) or person
            person, when = relief, self.free_at(relief, tier, when)
        if when == at or self.there(person, when):
            yield person, when

    def _last_resort(self, tier: Tier, at: datetime) -> tuple[str, ...]:
        named = self.fallback.laboratory if tier == "DQ" else self.fallback.clinical
        return tuple(person for person in named if self.there(person, at)) or named

    def belongs(self, person: str, tier: Tier) -> bool:
        """Whether alerts of a tier may be told to somebody: DQ alerts never reach the ward (FAT-4)."""
        team: Team | None = self.people[person].team if person in self.people else None
        return team is not None and (tier != "DQ" or team == "laboratory")

    def channels_of(self, person: str, tier: Tier) -> tuple[str, ...]:
        """Names of a person's channels for a tier, best first; never empty for people of the roster."""
        return tuple(one.channel for one in self.people[person].reached_by(tier))

    def address(self, person: str, channel: str) -> str | None:
        """Where a channel reaches a person; None when it does not."""
        known = self.people.get(person)
        return next((one.address for one in known.channels if one.channel == channel), None) if known else None

    def quiet_until(self, person: str, channel: str, tier: Tier, at: datetime) -> datetime:
        """When a person may be disturbed over a channel: ``at`` itself outside quiet hours, and for every P1."""
        if tier == "P1" or person not in self.people:
            return at
        return self.people[person].quiet_until(channel, at, self.zone)

    def free_at(self, person: str, tier: Tier, at: datetime) -> datetime:
        """:meth:`quiet_until` of the person's best channel."""
        return self.quiet_until(person, self.channels_of(person, tier)[0], tier, at)

    def settled(self, tier: Tier, at: datetime) -> datetime:
        return at + timedelta(seconds=self.settle_seconds.get(tier, SETTLE_SECONDS[tier]))

    def next_digest(self, at: datetime) -> datetime:
        return self.digest.following(at, zone_of(self.zone))

    def later(self, start: datetime, length: Span) -> datetime:
        """``length`` after ``start``, working days by the site's calendar."""
        return length.after(start, self.calendar)


def load(text: str) -> Roster:
    """A roster from YAML; RosterError with a sentence for everything that is wrong with it."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise RosterError((f"the roster is not YAML{where}: check indentation, colons and quotes there",)) from None
    try:
        roster = Roster.model_validate(content)
    except ValidationError as error:
        raise RosterError(tuple(roster_checks.sentences(error))) from None
    if found := roster.problems():
        raise RosterError(found)
    return roster
