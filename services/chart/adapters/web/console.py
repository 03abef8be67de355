"""What every page reaches through ``request.app.state.console``: built once, in ``__main__``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from jinja2 import Environment

from refrain.contracts.site import SiteSettings
from services.chart.adapters.web.audit import Audit
from services.chart.adapters.web.clients import Clients
from services.chart.adapters.web.sessions import Sessions
from services.chart.adapters.web.tokens import Tokens
from services.chart.adapters.web.users import Users
from services.chart.settings import Settings

if TYPE_CHECKING:
    from services.chart.adapters.read_model import ReadModel
    from services.chart.adapters.web.provider import Provider


@dataclass(frozen=True)
class Console:
    """Everything a page may use."""

    settings: Settings
    read_model: ReadModel
    clients: Clients
    users: Users
    sessions: Sessions
    tokens: Tokens
    audit: Audit
    templates: Environment
    zone: ZoneInfo
    now: Callable[[], datetime]
    site: SiteSettings = field(default_factory=SiteSettings)
    """What the site decides for itself: washouts, days until a repeat is due."""
    behind_since: Callable[[], datetime | None] = lambda: None
    """Up to when everything is shown that Kafka has; None while that is as good as now."""
    provider: Provider | None = None
    """Where people sign in, when it is not (only) here."""
