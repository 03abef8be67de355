"""The site settings of a timeline: its ``site_config`` in the keys of clinical.md section 21, its ``catalogue``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ValidationError

from refrain.cli.timeline_parts import Json, TimelineError, an_object
from refrain.contracts.site import SiteSettings

ELSEWHERE = re.compile(r"note|imwg\..*|p1\..*|p2\..*|dq\.ack|m_component_source|alert_on_preliminary")
"""Keys of the same section that other parts read, or that none of the three steps needs."""
DAYS_OF = {
    "washout.daratumumab": "washout_daratumumab_days",
    "washout.bevacizumab": "washout_bevacizumab_days",
    "infection.window": "infection_window_days",
    "dex.window": "dex_window_days",
}
"""Keys whose value is a number of days, perhaps with words: ``180 d``, ``end + 28 d``, ``dose day + 1``."""
RATIO = re.compile(r"\s*>\s*(?P<above>[0-9.]+)\s*,\s*<\s*(?P<below>[0-9.]+)\s*")


def site_of(document: Mapping[str, Json]) -> SiteSettings:
    """The validated settings; :class:`TimelineError` names the keys that cannot be used."""
    given = an_object("site_config", document.get("site_config"))
    settings = dict(part for key, value in given.items() if value is not None for part in _setting(key, value))
    try:
        site = SiteSettings.model_validate(settings | {"catalogue": _catalogue(document.get("catalogue"))})
        ZoneInfo(site.time_zone)
    except ValidationError as error:
        wrong = ", ".join(".".join(map(str, item["loc"])) for item in error.errors(include_input=False))
        raise TimelineError(f"site_config or catalogue: cannot use {wrong} (clinical.md section 21)") from None
    except (ZoneInfoNotFoundError, OSError):
        raise TimelineError("site_config: time_zone is a name such as Europe/Berlin") from None
    return site


def _setting(key: str, value: Json) -> Iterator[tuple[str, Json]]:
    if ELSEWHERE.fullmatch(key):
        return
    if key == "confirm.min_dates":
        if str(value) != "2":
            raise TimelineError("site_config: confirm.min_dates is 2 (CONF-1), and nothing else is built")
        return
    if key in DAYS_OF:
        yield DAYS_OF[key], _days(value)
    elif key in SHAPES:
        yield from SHAPES[key](value)
    else:
        yield key.replace(".", "_"), value


def _catalogue(entries: Json) -> Json:
    """Site intervals; as everywhere in a timeline, ``code`` is the analyte."""
    if not isinstance(entries, list):
        return entries or ()
    return [
        {"analyte" if name == "code" else name: value for name, value in entry.items()}
        if isinstance(entry, dict) and "analyte" not in entry
        else entry
        for entry in entries
    ]


def _days(value: Json) -> Json:
    found = re.search(r"[0-9]+", value) if isinstance(value, str) else None
    return found.group() if found else value


def _ratio(value: Json) -> Iterator[tuple[str, Any]]:
    found = RATIO.fullmatch(str(value))
    if found is None:
        raise TimelineError("site_config: delta.dq_ratio is written '> 10, < 0.1'")
    yield "delta_ratio_above", found["above"]
    yield "delta_ratio_below", found["below"]


def _repeat(value: Json) -> Iterator[tuple[str, Any]]:
    yield "ladder_repeat_days", value.split("-") if isinstance(value, str) else value


def _profile(value: Json) -> Iterator[tuple[str, Any]]:
    """The name of a published list, as clinical.md 4.6 prints it too: ``Houston Methodist``."""
    yield "critical_profile", re.sub(r"[ -]+", "_", value.strip().lower()) if isinstance(value, str) else value


SHAPES: Mapping[str, Callable[[Json], Iterator[tuple[str, Any]]]] = {
    "critical.profile": _profile,
    "critical_profile": _profile,
    "delta.dq_ratio": _ratio,
    "ladder.repeat_days": _repeat,
}
"""Keys whose value has a form of its own."""
