"""What one replica knows about one channel: how much is under way, and how it fares."""

from __future__ import annotations

from datetime import datetime

from services.notify.adapters.channels import Route
from services.notify.adapters.deliveries import ChannelState
from services.notify.adapters.sending import Sending

SUCCESS_SECONDS = 30.0
"""How often it is noted that a channel works."""


class Lane:
    """What the dispatcher knows about one channel."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.sending = Sending(route.channel.name, route.settings.timeout_seconds)
        self.under_way = 0
        self.leasing = False
        self.down = False
        self.probed_at: datetime | None = None
        self.known: ChannelState | None = None
        self.failing = False
        """Whether this replica saw a failure since the last success that it noted."""

    @property
    def free(self) -> int:
        return self.route.settings.parallel - self.under_way

    def is_down(self, now: datetime) -> bool:
        """Failed so often in a row, over so long."""
        settings, known = self.route.settings, self.known
        if known is None or known.down_since is None or known.failures < settings.down_after_failures:
            return False
        return (now - known.down_since).total_seconds() >= settings.down_after_seconds

    def is_news(self, now: datetime) -> bool:
        """Whether a success is worth a transaction: it ends a row of failures, or the last one was a while ago."""
        known = self.known
        if self.failing or known is None or known.failures or known.last_success is None:
            return True
        return (now - known.last_success).total_seconds() >= SUCCESS_SECONDS

    def may_probe(self, now: datetime, every_seconds: float) -> bool:
        """While the channel is down: whether it is time to try it."""
        return self.probed_at is None or (now - self.probed_at).total_seconds() >= every_seconds
