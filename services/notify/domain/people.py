"""People of the roster and the channels that reach them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Literal

from pydantic import Field, model_validator

from refrain.contracts.events import Tier
from services.notify.domain.schedules import Away, Quiet, Strict, Zone, zone_of

Team = Literal["clinical", "laboratory"]
Setting = str | int | float | bool
TIERS: tuple[Tier, ...] = ("P1", "P2", "P3", "DQ")

_SECRET = frozenset(
    {"password", "passwd", "pass", "secret", "token", "key", "auth", "apikey", "credential", "credentials"}
)
_USERINFO = re.compile(r"://[^/\s@]+@")
OWN = ("type", "detail", "settings")


class Channel(Strict):
    """A way to reach people. ``settings`` are those of its type; secrets come from a file or the environment."""

    type: Literal["smtp", "webhook", "apprise"]
    detail: Literal["none", "clinical", "identified"] = "none"
    """What of a patient its texts may carry."""
    settings: dict[str, Setting] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _settings_apart(cls, given: Any) -> Any:
        """In the document the settings stand beside ``type`` and ``detail``."""
        if not isinstance(given, dict) or "settings" in given:
            return given
        rest = {str(name): value for name, value in given.items() if name not in OWN}
        return {name: value for name, value in given.items() if name in OWN} | {"settings": rest}

    @model_validator(mode="after")
    def _no_secret_inline(self) -> Channel:
        for name, value in self.settings.items():
            if _is_secret(self.type, name, value):
                raise ValueError(
                    f"{name} would be a secret in this file: put it into a file or an environment variable and name "
                    f"that as {name}_file or {name}_env"
                )
        return self


def _is_secret(kind: str, name: str, value: Setting) -> bool:
    """By its name, by a user in an address, or because the addresses of apprise carry their credentials."""
    last = re.split(r"[_-]", name.lower())[-1]
    if last in ("file", "env"):
        return False
    secret_url = kind == "apprise" and last in ("url", "urls")
    return last in _SECRET or secret_url or bool(_USERINFO.search(str(value)))


class Reached(Strict):
    """One channel of one person. ``quiet`` replaces the person's; ``tiers`` are those that come this way."""

    channel: str
    address: str = Field(min_length=1)
    tiers: tuple[Tier, ...] = Field(default=TIERS, min_length=1)
    quiet: Quiet | None = None


class Person(Strict):
    """Somebody, or a shared post such as a ward's telephone. The id is the one of the sign-in."""

    name: str = Field(min_length=1)
    team: Team = "clinical"
    channels: tuple[Reached, ...] = Field(min_length=1)
    """In order of preference: the next one is tried when one fails."""
    quiet: Quiet | None = None
    away: tuple[Away, ...] = ()
    zone: Zone | None = None

    def reached_by(self, tier: Tier) -> tuple[Reached, ...]:
        """The channels for a tier, best first; all of them where none is meant for it: better so than not at all."""
        return tuple(one for one in self.channels if tier in one.tiers) or self.channels

    def there(self, at: datetime, site_zone: str) -> bool:
        """Whether they are not away at a moment."""
        zone = zone_of(self.zone or site_zone)
        return not any(away.covers(at, zone) for away in self.away)

    def away_within(self, begins: datetime, ends: datetime, site_zone: str) -> bool:
        """Whether any day of a stretch is one on which they are away."""
        zone = zone_of(self.zone or site_zone)
        first, last = begins.astimezone(zone).date(), ends.astimezone(zone).date()
        return any(away.first <= last and first <= away.last for away in self.away)

    def quiet_until(self, channel: str, at: datetime, site_zone: str) -> datetime:
        """``at`` itself, or the end of the quiet hours that it falls into."""
        own = next((one.quiet for one in self.channels if one.channel == channel), None)
        if not (quiet := own or self.quiet):
            return at
        around = quiet.around(at, zone_of(quiet.zone or self.zone or site_zone))
        return around[1] if around else at
