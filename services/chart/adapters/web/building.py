"""Builds the console out of settings and a database: for ``__main__`` and for tests alike."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from services.chart.adapters.read_model import ReadModel
from services.chart.adapters.web.audit import Audit
from services.chart.adapters.web.clients import Clients
from services.chart.adapters.web.console import Console
from services.chart.adapters.web.render import build_templates
from services.chart.adapters.web.sessions import Sessions, SessionTimes
from services.chart.adapters.web.tokens import Tokens
from services.chart.adapters.web.users import Users
from services.chart.settings import Settings

if TYPE_CHECKING:
    from services.chart.adapters.web.provider import Provider

SERVICES = ("notify", "intake", "flagging", "response", "relapse")


def build_console(
    settings: Settings, engine: Engine, read_model: ReadModel, now: Callable[[], datetime],
    behind_since: Callable[[], datetime | None] = lambda: None,
) -> Console:  # fmt: skip
    """Connects to nothing yet. ValueError or OSError for settings that cannot be used."""
    times = SessionTimes(timedelta(seconds=settings.session_idle_seconds), timedelta(hours=settings.session_hours))
    zone = settings.zone
    return Console(
        settings=settings,
        read_model=read_model,
        clients=Clients({name: getattr(settings, name) for name in SERVICES}, settings.clients_tls),
        users=Users(engine),
        sessions=Sessions(engine, times),
        tokens=Tokens(engine),
        audit=Audit(engine),
        templates=build_templates(zone),
        zone=zone,
        now=now,
        site=settings.site(),
        behind_since=behind_since,
        provider=_provider(settings, now) if settings.oidc_issuer else None,
    )


def _provider(settings: Settings, now: Callable[[], datetime]) -> Provider:
    """Imported here, for those who have one: the libraries behind it are large, and warn of each other."""
    from services.chart.adapters.web.provider import Provider

    return Provider(settings, now)
