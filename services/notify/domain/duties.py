"""Duty rosters: who holds a duty at a moment, by rotation, with exceptions for single turns."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from services.notify.domain.schedules import DAY, WEEKDAYS, Clock, Strict, Weekday, Window, Zone, instant

There = Callable[[str, datetime], bool]
"""Whether a person is there at a moment, not away."""


class Handover(Strict):
    """When a turn begins: every day at ``time``, or once a week on ``weekday``."""

    time: Clock = time(8)
    weekday: Weekday = "monday"


class Hours(Window):
    """A duty that is held at some hours only; ``weekdays`` are those on which a stretch begins."""

    weekdays: tuple[Weekday, ...] = Field(default=WEEKDAYS, min_length=1)

    def held(self, at: datetime, zone: ZoneInfo) -> bool:
        around = self.around(at, zone)
        return around is not None and WEEKDAYS[around[0].weekday()] in self.weekdays


class Override(Strict):
    """Somebody else has the duty for a while. Half-open; times without an offset are local times of the duty."""

    person: str
    start: datetime = Field(alias="from")
    end: datetime = Field(alias="to")

    def bounds(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        return _moment(self.start, zone), _moment(self.end, zone)


def _moment(at: datetime, zone: ZoneInfo) -> datetime:
    return at if at.tzinfo else instant(at.date(), at.time(), zone)


class Duty(Strict):
    """Members take turns in their order. ``starts`` is the day on which the first member's first turn begins."""

    members: tuple[str, ...] = Field(min_length=1)
    period: Literal["day", "week"] = "week"
    handover: Handover = Handover()
    starts: date
    hours: Hours | None = None
    zone: Zone | None = None
    overrides: tuple[Override, ...] = ()

    @model_validator(mode="after")
    def _starts_with_a_handover(self) -> Duty:
        if self.period == "week" and WEEKDAYS[self.starts.weekday()] != self.handover.weekday:
            raise ValueError(
                f"starts is a {WEEKDAYS[self.starts.weekday()]}, but turns begin on a {self.handover.weekday}: "
                f"give the {self.handover.weekday} on which the first member's first turn begins"
            )
        return self

    def holder(self, at: datetime, zone: ZoneInfo, there: There) -> str | None:
        """Who has it at ``at``: an override, else the first member from the one whose turn it is who is there.

        None outside its hours, and when nobody is there.
        """
        for entry in self.overrides:
            begins, ends = entry.bounds(zone)
            if begins <= at < ends:
                return entry.person
        if self.hours and not self.hours.held(at, zone):
            return None
        turn = self._turn(at, zone)
        return next((person for person in self._from(turn) if there(person, at)), None)

    def _turn(self, at: datetime, zone: ZoneInfo) -> int:
        """Number of the turn, 0 the one that began on ``starts``; negative before it."""
        day = at.astimezone(zone).date()
        if at < instant(day, self.handover.time, zone):
            day -= DAY
        days = (day - self.starts).days
        return days // 7 if self.period == "week" else days

    def _from(self, turn: int) -> tuple[str, ...]:
        first = turn % len(self.members)
        return (*self.members[first:], *self.members[:first])
