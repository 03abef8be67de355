"""What every page has in common: escaping, times in the site's zone, files that may be kept for good."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from jinja2 import UndefinedError

from services.chart.adapters.web.render import age, build_templates, fingerprint, static

AT = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)


def shown(template: str, **context: object) -> str:
    return build_templates(ZoneInfo("Europe/Berlin")).from_string(template).render(**context)


def test_everything_is_escaped() -> None:
    assert shown('<p title="{{ text }}">{{ text }}</p>', text='"><script>') == (
        '<p title="&#34;&gt;&lt;script&gt;">&#34;&gt;&lt;script&gt;</p>'
    )


def test_a_name_that_nobody_gave_is_a_defect_not_a_blank() -> None:
    with pytest.raises(UndefinedError):
        shown("{{ value }}")


def test_times_are_shown_in_the_sites_zone_and_machines_read_them_whole() -> None:
    assert shown("{{ at | moment }}", at=AT) == '<time datetime="2026-07-01T22:30:00+00:00">2026-07-02 00:30</time>'
    assert shown("{{ at | day }}", at=AT) == '<time datetime="2026-07-01T22:30:00+00:00">2026-07-02</time>'


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        ({"seconds": 59}, "under a minute"),
        ({"seconds": 60}, "1 min"),
        ({"minutes": 119}, "119 min"),
        ({"hours": 2}, "2 h"),
        ({"hours": 47, "minutes": 59}, "47 h"),
        ({"hours": 48}, "2 days"),
        ({"hours": -3}, "in 3 h"),
    ],
)
def test_an_age_is_never_rounded_up(ago: dict[str, float], words: str) -> None:
    assert age(AT - timedelta(**ago), AT) == words


def test_the_address_of_a_file_changes_with_it() -> None:
    assert static("console.css") == f"/static/console.css?v={fingerprint('console.css')}"
    with pytest.raises(OSError, match="nothing"):
        static("nothing.css")
    with pytest.raises(OSError, match="settings"):
        fingerprint("../../../settings.py")
