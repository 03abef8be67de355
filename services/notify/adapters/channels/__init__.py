"""The ways of reaching people: the list of types, and the channels of one roster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from services.notify.adapters.channels.channel import Channel, DeliveryFailed
from services.notify.adapters.channels.settings import (
    AppriseSettings,
    ChannelSettings,
    Environment,
    SmtpSettings,
    WebhookSettings,
)
from services.notify.domain.people import Channel as Declared
from services.notify.domain.roster import Roster

CHANNELS: dict[str, type[ChannelSettings]] = {
    "smtp": SmtpSettings,
    "webhook": WebhookSettings,
    "apprise": AppriseSettings,
}


@dataclass(frozen=True, slots=True)
class Route:
    """A channel and how it is to be used."""

    channel: Channel
    settings: ChannelSettings


class ChannelsUnusable(ValueError):
    """Channels of the roster cannot be built. ``problems``: a sentence each, with its place; never a secret."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def build_channels(roster: Roster, environment: Environment) -> Mapping[str, Route]:
    """Every channel of the roster by its name; ChannelsUnusable with all that is wrong. Nothing is connected yet."""
    built: dict[str, Route] = {}
    problems: list[str] = []
    for name, declared in roster.channels.items():
        try:
            built[name] = _route(name, declared, environment)
        except ValidationError as error:
            for fault in error.errors(include_url=False, include_context=False, include_input=False):
                place = ".".join(map(str, ("channels", name, *fault["loc"])))
                problems.append(f"{place}: {fault['msg']}")
        except (ValueError, OSError) as error:  # OSError: a ca_file that cannot be read
            said = str(error) if type(error) is ValueError else "ca_file is no readable PEM of an authority: correct it"
            problems.append(f"channels.{name}: {said}")
    if problems:
        raise ChannelsUnusable(tuple(problems))
    return built


def _route(name: str, declared: Declared, environment: Environment) -> Route:
    settings = CHANNELS[declared.type].model_validate(declared.settings)
    return Route(settings.build(name, declared.detail, environment), settings)


__all__ = ["CHANNELS", "Channel", "ChannelsUnusable", "DeliveryFailed", "Route", "build_channels"]
