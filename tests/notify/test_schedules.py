"""Local times as instants: quiet hours over clock changes, digests, working days, turns of duty."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.duties import Duty
from services.notify.domain.schedules import Calendar, Digest, Quiet, instant, span

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
CHANGES = {
    "Berlin, spring": (BERLIN, datetime(2026, 3, 29, 1, tzinfo=UTC)),
    "Berlin, autumn": (BERLIN, datetime(2026, 10, 25, 1, tzinfo=UTC)),
    "New York, spring": (NEW_YORK, datetime(2026, 3, 8, 7, tzinfo=UTC)),
    "New York, autumn": (NEW_YORK, datetime(2026, 11, 1, 6, tzinfo=UTC)),
}
"""The moment at which the clocks of a zone are changed."""

clocks = st.integers(0, 24 * 4 - 1).map(lambda quarter: time(quarter // 4, quarter % 4 * 15))
minutes_around = st.integers(-36 * 60, 36 * 60)


def wall(at: datetime, zone: ZoneInfo) -> time:
    return at.astimezone(zone).time()


def inside(clock: time, start: time, end: time) -> bool:
    """By the wall clock alone, however often it shows that time."""
    return start <= clock < end if start < end else clock >= start or clock < end


def shown_twice(at: datetime, zone: ZoneInfo) -> bool:
    local = at.astimezone(zone)
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


@pytest.mark.parametrize("change", CHANGES)
@given(start=clocks, end=clocks, minutes=minutes_around)
def test_quiet_hours_follow_the_wall_clock_over_every_change(change: str, start: time, end: time, minutes: int) -> None:
    zone, moment = CHANGES[change]
    if start == end:
        return
    quiet = Quiet.model_validate({"from": start, "to": end})
    at = moment + timedelta(minutes=minutes)
    around = quiet.around(at, zone)
    if not shown_twice(at, zone):
        assert (around is not None) == inside(wall(at, zone), start, end)
    elif inside(wall(at, zone), start, end):
        assert around is not None  # in doubt people sleep on
    if around is None:
        return
    _, ends = around
    assert at < ends <= at + timedelta(hours=49)
    assert quiet.around(ends, zone) is None
    gap = wall(ends, zone) != end
    assert not gap or wall(ends - timedelta(seconds=1), zone) < end < wall(ends, zone)
    step = (ends - at) / 7
    assert {quiet.around(at + step * number, zone) for number in range(7)} == {around}


@pytest.mark.parametrize("change", CHANGES)
@given(clock=clocks, days=st.integers(-2, 2))
def test_an_instant_shows_its_wall_clock_or_the_end_of_the_gap(change: str, clock: time, days: int) -> None:
    zone, moment = CHANGES[change]
    day = moment.astimezone(zone).date() + timedelta(days=days)
    first, second = instant(day, clock, zone), instant(day, clock, zone, later=True)
    assert first <= second <= first + timedelta(hours=1)
    if wall(first, zone) == clock:
        assert wall(second, zone) == clock
    else:
        assert first == second == moment


def test_a_time_that_does_not_exist_is_the_end_of_the_gap() -> None:
    assert instant(date(2026, 3, 29), time(2, 30), BERLIN) == datetime(2026, 3, 29, 1, tzinfo=UTC)


def test_quiet_hours_that_end_in_the_doubled_hour_end_with_its_second_half() -> None:
    quiet = Quiet.model_validate({"from": "22:00", "to": "02:30"})
    at = datetime(2026, 10, 25, 0, 45, tzinfo=UTC)  # 02:45 the first time
    assert quiet.around(at, BERLIN) == (date(2026, 10, 24), datetime(2026, 10, 25, 1, 30, tzinfo=UTC))


@pytest.mark.parametrize("change", CHANGES)
@given(clock=clocks, minutes=minutes_around, weekday=st.sampled_from(["saturday", "sunday", "monday"]))
def test_the_next_digest_is_the_first_of_its_kind(change: str, clock: time, minutes: int, weekday: Any) -> None:
    zone, moment = CHANGES[change]
    at = moment + timedelta(minutes=minutes)
    digest = Digest(weekday=weekday, time=clock)
    following = digest.following(at, zone)
    assert at <= following <= at + timedelta(days=7, hours=2)
    assert following.astimezone(zone).strftime("%A").lower() == weekday
    assert digest.following(following, zone) == following
    assert digest.following(at - timedelta(seconds=1), zone) <= following


HOSPITAL = Calendar(zone="Europe/Berlin", holidays=frozenset({date(2026, 4, 3), date(2026, 4, 6)}))


@pytest.mark.parametrize(
    ("start", "end"),
    [
        pytest.param("2026-03-10T16:00+01:00", "2026-03-12T16:00+01:00", id="in the week"),
        pytest.param("2026-03-13T16:00+01:00", "2026-03-17T16:00+01:00", id="over a weekend"),
        pytest.param("2026-03-14T16:00+01:00", "2026-03-18T00:00+01:00", id="from a Saturday: Monday and Tuesday"),
        pytest.param("2026-03-27T16:00+01:00", "2026-03-31T16:00+02:00", id="over the change of the clocks"),
        pytest.param("2026-04-02T09:00+02:00", "2026-04-08T09:00+02:00", id="over Easter"),
    ],
)
def test_two_working_days(start: str, end: str) -> None:
    assert span("2 working days").after(datetime.fromisoformat(start), HOSPITAL) == datetime.fromisoformat(end)


@given(minutes=st.integers(0, 60 * 24 * 400), days=st.integers(0, 9))
def test_more_working_days_are_never_sooner(minutes: int, days: int) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    assert at <= HOSPITAL.add(at, days) < HOSPITAL.add(at, days + 1)
    assert HOSPITAL.add(at, days) <= HOSPITAL.add(at + timedelta(hours=7), days)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90 s", timedelta(seconds=90)), ("15 min", timedelta(minutes=15)), ("24h", timedelta(days=1)),
        ("7 days", timedelta(days=7)), ("1 working day", timedelta(days=1)),
    ],
)  # fmt: skip
def test_a_span_is_read_as_people_write_it(text: str, length: timedelta) -> None:
    assert span(text).nominal == length
    assert span(str(span(text))) == span(text)


@pytest.mark.parametrize("text", ["15", "15 m", "a day", "-5 min", "1.5 h", ""])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        span(text)


WEEKLY: dict[str, Any] = {
    "members": ["ana", "ben", "cho"], "period": "week", "handover": {"weekday": "monday", "time": "08:00"},
    "starts": date(2026, 1, 5),
}  # fmt: skip


def holder(duty: Duty, local: str, away: frozenset[str] = frozenset()) -> str | None:
    at = datetime.fromisoformat(local).replace(tzinfo=BERLIN).astimezone(UTC)
    return duty.holder(at, BERLIN, lambda person, _: person not in away)


@pytest.mark.parametrize(
    ("local", "person"),
    [
        ("2026-01-05T08:00", "ana"), ("2026-01-12T07:59", "ana"), ("2026-01-12T08:00", "ben"),
        ("2026-01-26T08:00", "ana"), ("2025-12-29T09:00", "cho"), ("2026-03-30T07:59", "cho"),
        ("2026-03-30T08:00", "ana"),
    ],
)  # fmt: skip
def test_a_weekly_duty_is_handed_over_by_the_wall_clock(local: str, person: str) -> None:
    assert holder(Duty.model_validate(WEEKLY), local) == person


def test_whoever_is_away_is_skipped_and_nobody_is_nobody() -> None:
    duty = Duty.model_validate(WEEKLY)
    assert holder(duty, "2026-01-06T10:00", frozenset({"ana"})) == "ben"
    assert holder(duty, "2026-01-06T10:00", frozenset({"ana", "ben", "cho"})) is None


def test_an_exception_holds_from_its_start_to_just_before_its_end() -> None:
    swap = {"person": "cho", "from": "2026-01-07T08:00", "to": "2026-01-08T08:00"}
    duty = Duty.model_validate(WEEKLY | {"overrides": [swap]})
    assert [holder(duty, f"2026-01-0{day}T08:00") for day in (6, 7, 8)] == ["ana", "cho", "ana"]


def test_a_duty_by_day_is_held_at_its_hours_only() -> None:
    hours = {"from": "07:00", "to": "19:00", "weekdays": ["monday", "tuesday"]}
    duty = Duty.model_validate(WEEKLY | {"period": "day", "handover": {"time": "07:00"}, "hours": hours})
    times = ("2026-01-05T06:59", "2026-01-05T07:00", "2026-01-06T18:59", "2026-01-06T19:00", "2026-01-07T12:00")
    assert [holder(duty, local) for local in times] == [None, "ana", "ben", None, None]


@pytest.mark.parametrize("change", CHANGES)
@given(clock=clocks)
def test_a_daily_duty_changes_hands_once_a_day_over_every_change(change: str, clock: time) -> None:
    zone, moment = CHANGES[change]
    day = moment.astimezone(zone).date()
    duty = Duty(members=("a", "b", "c", "d", "e"), period="day", handover={"time": clock}, starts=day)
    begins = instant(day, clock, zone)
    seen = [
        duty.holder(begins + timedelta(minutes=10 * step), zone, lambda *_: True) for step in range(-6 * 20, 6 * 20)
    ]
    assert seen == sorted(seen, key=lambda one: "eab".index(one or ""))
    assert seen.index("a") == 6 * 20
