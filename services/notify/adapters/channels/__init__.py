"""The ways of reaching people: the list of types, and the channels of one roster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    problems = list(setting_problems(roster))
    built: dict[str, Route] = {}
    for name, declared in roster.channels.items():
        try:
            settings = CHANNELS[declared.type].model_validate(declared.settings)
            built[name] = Route(settings.build(name, declared.detail, environment), settings)
        except ValidationError:
            continue  # said above
        except ValueError as error:
            problems.append(f"channels.{name}: {error}")
        except OSError:
            problems.append(f"channels.{name}: ca_file is no readable PEM of an authority: correct it")
    if problems:
        raise ChannelsUnusable(tuple(problems))
    return built


def setting_problems(roster: Roster) -> Iterator[str]:
    """What is wrong with the channels' settings as they are written; secrets are not looked for."""
    for name, declared in roster.channels.items():
        try:
            CHANNELS[declared.type].model_validate(declared.settings)
        except ValidationError as error:
            for fault in error.errors(include_url=False, include_context=False, include_input=False):
                yield f"{'.'.join(map(str, ('channels', name, *fault['loc'])))}: {fault['msg']}"


__all__ = ["CHANNELS", "Channel", "ChannelsUnusable", "DeliveryFailed", "Route", "build_channels", "setting_problems"]
