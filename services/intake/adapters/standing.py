"""How the feeds stand since this process started: every count of a message happens here, in metrics and for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from services.intake import metrics
from services.intake.domain.agreement import agreement
from services.intake.domain.profile import Profile
from services.intake.domain.translation import Translation

UNKNOWN = "unknown"
"""Label of every sender that no profile knows, so that labels stay bounded."""
NOT_STORED = "not_stored"
OUTCOMES = ("published", "duplicate", "ignored", "quarantined", NOT_STORED)


@dataclass(slots=True)
class FeedStanding:
    """One sender. ``outcomes`` counts messages; ``warnings`` are sentences."""

    sender: str
    profile_hash: str = ""
    last_message_at: datetime | None = None
    outcomes: Counter[str] = field(default_factory=Counter)
    warnings: tuple[str, ...] = ()


class Standing:
    """Counts what became of each message. ``fallback`` is the profile for senders that have none of their own."""

    def __init__(self, profiles: Iterable[Profile], fallback: Profile | None) -> None:
        profiles = tuple(profiles)
        self._feeds = {profile.sender: FeedStanding(profile.sender, profile.hash) for profile in profiles}
        self._feeds[UNKNOWN] = FeedStanding(UNKNOWN)
        self._not_here_yet = {profile.sender: profile.not_here_yet for profile in profiles}
        self._fallback = fallback.sender if fallback else None
        if fallback:
            self._feeds[fallback.sender] = FeedStanding(fallback.sender, fallback.hash)
        for sender in self._feeds:
            for outcome in OUTCOMES:
                metrics.MESSAGES.labels(sender, outcome)

    def read_with(self, profiles: Iterable[Profile]) -> None:
        """Shows the profiles as they read now, with what people mapped."""
        for profile in profiles:
            self._feeds[profile.sender].profile_hash = profile.hash

    def feeds(self) -> list[FeedStanding]:
        """Every known sender by name; the unknown and the permissive ones only when something came from them."""
        for feed in self._feeds.values():
            feed.warnings = tuple(self._warnings(feed))
        optional = {UNKNOWN, self._fallback}
        return [feed for name, feed in sorted(self._feeds.items()) if name not in optional or feed.outcomes]

    def stored(self, translation: Translation) -> None:
        """Counts a message whose outcome is durable."""
        feed = self._feeds.get(translation.sender, self._feeds[UNKNOWN])
        self._message(feed, translation.outcome, translation.received_at)
        if translation.outcome == "quarantined" and translation.reason and not translation.quarantined:
            metrics.QUARANTINED.labels(feed.sender, translation.reason).inc()
        for part in translation.quarantined:
            metrics.QUARANTINED.labels(feed.sender, part.reason).inc()
        for code in translation.quality:
            metrics.QUALITY.labels(feed.sender, code).inc()
        for observation in (each for report in translation.reports for each in report.observations):
            metrics.RANGES.labels(feed.sender, observation.range.kind).inc()
            if (compared := agreement(observation)) is not None:
                metrics.FLAGS.labels(feed.sender, compared).inc()
            for code in observation.quality:
                metrics.QUALITY.labels(feed.sender, code).inc()

    def not_stored(self, translation: Translation) -> None:
        """Counts a message that Kafka did not take: it will come again."""
        feed = self._feeds.get(translation.sender, self._feeds[UNKNOWN])
        self._message(feed, NOT_STORED, translation.received_at)

    def _message(self, feed: FeedStanding, outcome: str, at: datetime) -> None:
        feed.outcomes[outcome] += 1
        feed.last_message_at = at
        metrics.MESSAGES.labels(feed.sender, outcome).inc()
        metrics.LAST_MESSAGE.labels(feed.sender).set(at.timestamp())

    def _warnings(self, feed: FeedStanding) -> Iterable[str]:
        yield from self._not_here_yet.get(feed.sender, ())
        if feed.sender == self._fallback:
            yield "Senders without a profile are read by the permissive one: zone UTC, every processing id."
        if feed.sender == UNKNOWN and feed.outcomes:
            yield "Messages came whose sender has no profile; they are in quarantine."


def count_framing(kinds: Mapping[str, int]) -> None:
    """What was odd on the wire."""
    for kind, number in kinds.items():
        metrics.FRAMING.labels(kind).inc(number)
