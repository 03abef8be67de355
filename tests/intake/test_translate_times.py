"""HL7 times as intervals, zones and the hours that happen twice or never; age at collection."""

from __future__ import annotations

from datetime import UTC, date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.intake.domain.times import age_in_days, read_time

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "start", "end", "precision"),
    [
        ("2026", "2026-01-01T00:00:00+01:00", "2027-01-01T00:00:00+01:00", "year"),
        ("202602", "2026-02-01T00:00:00+01:00", "2026-03-01T00:00:00+01:00", "month"),
        ("202612", "2026-12-01T00:00:00+01:00", "2027-01-01T00:00:00+01:00", "month"),
        ("20260329", "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00", "day"),
        ("2026031408", "2026-03-14T08:00:00+01:00", "2026-03-14T09:00:00+01:00", "hour"),
        ("202603140859", "2026-03-14T08:59:00+01:00", "2026-03-14T09:00:00+01:00", "minute"),
        ("20260714080059", "2026-07-14T08:00:59+02:00", "2026-07-14T08:01:00+02:00", "second"),
        ("20260314080000.5", "2026-03-14T08:00:00.500000+01:00", "2026-03-14T08:00:00.600000+01:00", "fraction"),
        ("20260314080000-0500", "2026-03-14T08:00:00-05:00", "2026-03-14T08:00:01-05:00", "second"),
        ("20260314+0000", "2026-03-14T00:00:00+00:00", "2026-03-15T00:00:00+00:00", "day"),
        (" 20240229 ", "2024-02-29T00:00:00+01:00", "2024-03-01T00:00:00+01:00", "day"),
    ],
)
def test_a_time_is_as_wide_as_its_precision(text: str, start: str, end: str, precision: str) -> None:
    moment = read_time(text, BERLIN)
    assert moment is not None
    assert (moment.start.isoformat(), moment.end.isoformat(), moment.precision) == (start, end, precision)
    assert moment.quality == ()


@pytest.mark.parametrize(
    "text",
    ["", '""', "00000000", "20260229", "2026031424", "20261301", "20260100", "202603140860", "20260314080060",
     "99991231", "00010101", "2026-03-14", "20260314T08", "yesterday", "202", "20263", "20260314080000+9999",
     "２０２６"],
)  # fmt: skip
def test_what_is_no_time(text: str) -> None:
    assert read_time(text, BERLIN) is None


def test_an_hour_that_never_was_covers_both_readings() -> None:
    moment = read_time("20260329023000", BERLIN)
    assert moment is not None
    assert moment.quality == ("nonexistent_local_time",)
    assert moment.start.astimezone(UTC).isoformat() == "2026-03-29T00:30:00+00:00"
    assert moment.end.astimezone(UTC).isoformat() == "2026-03-29T01:30:01+00:00"


def test_a_stated_offset_settles_an_hour_that_happens_twice() -> None:
    moment = read_time("20251026023000+0100", BERLIN)
    assert moment is not None
    assert (moment.quality, moment.end - moment.start) == ((), timedelta(seconds=1))


_DIGITS = st.text("0123456789.+-", max_size=24)
_LIKELY = st.builds(
    lambda moment, cut, zone: moment.strftime("%Y%m%d%H%M%S")[:cut] + zone,
    st.datetimes(), st.sampled_from([4, 6, 8, 10, 12, 14]), st.sampled_from(["", "+0100", "-1200", "+1400", "+0530"]),
)  # fmt: skip


@settings(max_examples=100)
@given(_DIGITS | _LIKELY, st.sampled_from(["UTC", "Europe/Berlin", "Africa/Monrovia", "Pacific/Apia", "Asia/Kolkata"]))
def test_any_text_is_an_interval_or_no_time(text: str, zone: str) -> None:
    moment = read_time(text, ZoneInfo(zone))
    if moment is not None:
        assert moment.start < moment.end
        for end in (moment.start, moment.end):
            offset = end.utcoffset()
            assert offset is not None
            assert offset % timedelta(minutes=1) == timedelta(0)


@pytest.mark.parametrize(
    ("birth", "days"),
    [
        ("20260301", (13, 14)),
        ("20260301000000", (13, 14)),
        ("20260314", (0, 1)),
        ("2025", (73, 438)),
        ("20270101", None),
        ("", None),
    ],
)
def test_age_at_collection_is_an_interval_of_days(birth: str, days: tuple[int, int] | None) -> None:
    on = date(2026, 3, 14)
    assert age_in_days(read_time(birth, BERLIN), on, on) == days
