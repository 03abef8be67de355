"""Local times of a hospital as instants: quiet hours, digests, spans and working days, right over clock changes.

A local time that does not exist (spring) is the first moment after the gap. One that exists twice (autumn) begins what
it begins at its first occurrence, and ends what it ends at its second: a quiet night is never broken up by the clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAY = timedelta(days=1)


class Strict(BaseModel):
    """Base of everything in the roster: frozen, unknown keys refused, contents never in an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True)


@cache
def zone_of(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _known_zone(name: str) -> str:
    try:
        zone_of(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("there is no such time zone: use a name like Europe/Berlin") from None
    return name


def _clock(value: Any) -> Any:
    if isinstance(value, int):
        raise ValueError('YAML reads this as a number: write the time in quotes, like "22:00"')
    return value


def _local(value: time) -> time:
    if value.tzinfo:
        raise ValueError("times are local times of the zone: write no offset")
    return value


Zone = Annotated[str, AfterValidator(_known_zone)]
Clock = Annotated[time, BeforeValidator(_clock), AfterValidator(_local)]


def instant(day: date, clock: time, zone: ZoneInfo, *, later: bool = False) -> datetime:
    """The moment, in UTC, at which a wall clock of the zone shows this; ``later``: the second of two occurrences."""
    local = datetime.combine(day, clock.replace(fold=int(later)), zone)
    moment = local.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return moment
    return _end_of_gap(local, zone)


def _end_of_gap(local: datetime, zone: ZoneInfo) -> datetime:
    """The moment a clock jumped over ``local``, which does not exist: found by halving, to the second."""
    before, after = sorted(local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    old = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        before, after = (middle, after) if middle.astimezone(zone).utcoffset() == old else (before, middle)
    return after


class Window(Strict):
    """A stretch of every day, over midnight when ``to`` is not after ``from``. Half-open."""

    start: Clock = Field(alias="from")
    end: Clock = Field(alias="to")

    @model_validator(mode="after")
    def _has_an_outside(self) -> Window:
        if self.start == self.end:
            raise ValueError("from and to are the same time, which would be all day: give two times")
        return self

    def around(self, at: datetime, zone: ZoneInfo) -> tuple[date, datetime] | None:
        """The day on which the stretch around ``at`` began and the moment it ends; None outside."""
        today = at.astimezone(zone).date()
        found: tuple[date, datetime] | None = None
        for day in (today - DAY, today, today + DAY):
            begins = instant(day, self.start, zone)
            ends = instant(day if self.start < self.end else day + DAY, self.end, zone, later=True)
            if begins <= (found[1] if found else at) < ends:  # two that touch in a doubled hour are one
                found = (found[0] if found else day), ends
        return found


class Quiet(Window):
    """When a person is not disturbed, save by a P1. Zone: the person's, else the roster's."""

    zone: Zone | None = None


class Away(Strict):
    """Days, the last one included, on which a person is not there."""

    first: date = Field(alias="from")
    last: date = Field(alias="to")

    @model_validator(mode="after")
    def _forwards(self) -> Away:
        if self.last < self.first:
            raise ValueError("to lies before from: swap them")
        return self

    def covers(self, at: datetime, zone: ZoneInfo) -> bool:
        return self.first <= at.astimezone(zone).date() <= self.last


class Digest(Strict):
    """The hour of the week at which what can wait goes out."""

    weekday: Weekday = "monday"
    time: Clock

    def following(self, at: datetime, zone: ZoneInfo) -> datetime:
        """The first digest at or after ``at``."""
        day = at.astimezone(zone).date()
        day += DAY * ((WEEKDAYS.index(self.weekday) - day.weekday()) % 7)
        moment = instant(day, self.time, zone)
        return moment if moment >= at else instant(day + 7 * DAY, self.time, zone)


class Calendar(Strict):
    """The site's working days, in its zone."""

    zone: Zone
    working_days: tuple[Weekday, ...] = Field(default=WEEKDAYS[:5], min_length=1)
    holidays: frozenset[date] = frozenset()

    def works(self, day: date) -> bool:
        return WEEKDAYS[day.weekday()] in self.working_days and day not in self.holidays

    def _from(self, day: date) -> Iterator[date]:
        while True:
            if self.works(day):
                yield day
            day += DAY

    def add(self, start: datetime, days: int) -> datetime:
        """The same time of day so many working days later; what comes on a day off counts from the next morning."""
        zone = zone_of(self.zone)
        local = start.astimezone(zone)
        clock = local.time() if self.works(local.date()) else time()
        ahead = self._from(local.date())
        day = next(ahead)
        for _ in range(days):
            day = next(ahead)
        return max(start, instant(day, clock, zone))


_SPAN = re.compile(r"(?P<amount>\d{1,5}) ?(?P<unit>s|min|h|d|days?|working days?)")
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "working day": 86_400}


class Span(Strict):
    """A duration as a site writes it: ``15 min``, ``24 h``, ``7 d``, ``2 working days``."""

    amount: int
    unit: Literal["s", "min", "h", "d", "working day"]

    @model_validator(mode="before")
    @classmethod
    def _written(cls, value: Any) -> Any:
        if isinstance(value, dict | Span):
            return value
        if not (found := _SPAN.fullmatch(str(value).strip())):
            raise ValueError("is no duration: write a number and a unit, like 15 min, 24 h, 7 d or 2 working days")
        unit = found["unit"].removesuffix("s") if len(found["unit"]) > 1 else found["unit"]
        return {"amount": int(found["amount"]), "unit": "d" if unit == "day" else unit}

    @property
    def nominal(self) -> timedelta:
        """Its length for comparisons; a working day counts as a day."""
        return timedelta(seconds=self.amount * _SECONDS[self.unit])

    def after(self, start: datetime, calendar: Calendar) -> datetime:
        """The moment so much later."""
        if self.unit == "working day":
            return calendar.add(start, self.amount)
        return start + self.nominal

    def __str__(self) -> str:
        return f"{self.amount} {self.unit}{'s' if self.unit == 'working day' and self.amount != 1 else ''}"


def span(text: str) -> Span:
    return Span.model_validate(text)
