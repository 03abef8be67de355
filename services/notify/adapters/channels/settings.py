"""What the roster says about a channel, checked by its type; secrets are read from files or the environment."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from services.notify.adapters.channels.apprise import Apprise, read_urls
from services.notify.adapters.channels.channel import Channel
from services.notify.adapters.channels.smtp import Security, Smtp
from services.notify.adapters.channels.webhook import Webhook
from services.notify.domain.words import Detail

Environment = Mapping[str, str]


class ChannelSettings(BaseModel, ABC):
    """Of every type."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    timeout_seconds: float = Field(default=10.0, gt=0, le=60)
    """For each step with the server: connecting, an answer."""
    parallel: int = Field(default=4, ge=1, le=64)
    """Messages on their way at the same time, per replica."""
    down_after_failures: int = Field(default=5, ge=1)
    """The channel counts as down after so many failures in a row ... POLICY, UNV."""
    down_after_seconds: float = Field(default=60.0, ge=0)
    """... over so long. POLICY, UNV."""

    @abstractmethod
    def build(self, name: str, detail: Detail, environment: Environment) -> Channel:
        """The channel; ValueError in a sentence without the secret, OSError for a ``ca_file`` that cannot be read."""


class SmtpSettings(ChannelSettings):
    host: str = Field(min_length=1)
    port: int = Field(default=587, ge=1, le=65535)
    security: Security = "starttls"
    ca_file: Path | None = None
    """PEM of the authority that the server's certificate comes from; the system's authorities without it."""
    sender: str = Field(min_length=3)
    user: str = ""
    password_file: Path | None = None
    password_env: str = ""

    def build(self, name: str, detail: Detail, environment: Environment) -> Channel:
        password = secret("password", self.password_file, self.password_env, environment) if self.user else ""
        return Smtp(
            name, self.host, self.sender, port=self.port, security=self.security, user=self.user, password=password,
            ca_file=self.ca_file, detail=detail, timeout_seconds=self.timeout_seconds,
        )  # fmt: skip


class WebhookSettings(ChannelSettings):
    secret_file: Path | None = None
    secret_env: str = ""
    """``whsec_…``; one per line while a secret is being changed."""
    plain_http: bool = False
    """Allow http:// to other machines too: inside a network that encrypts by itself."""
    ca_file: Path | None = None

    def build(self, name: str, detail: Detail, environment: Environment) -> Channel:
        secrets = secret("secret", self.secret_file, self.secret_env, environment).split()
        return Webhook(
            name, secrets, plain_http=self.plain_http, ca_file=self.ca_file, detail=detail,
            timeout_seconds=self.timeout_seconds,
        )  # fmt: skip


class AppriseSettings(ChannelSettings):
    url_file: Path | None = None
    url_env: str = ""
    """One URL, ``{address}`` in it is replaced; or lines of an address and its URL."""

    def build(self, name: str, detail: Detail, environment: Environment) -> Channel:
        return Apprise(name, read_urls(secret("url", self.url_file, self.url_env, environment)), detail=detail)


def secret(what: str, file: Path | None, variable: str, environment: Environment) -> str:
    """The text of a file or an environment variable. ValueError unless there is exactly one, with something in it."""
    if (file is None) == (not variable):
        raise ValueError(f"give either {what}_file or {what}_env")
    try:
        text = file.read_text(encoding="utf-8") if file is not None else environment.get(variable, "")
    except OSError as error:
        raise ValueError(
            f"{what}_file cannot be read ({type(error).__name__}): correct it or its permissions"
        ) from None
    except UnicodeDecodeError:
        raise ValueError(f"{what}_file is not text in UTF-8: correct it") from None
    if not text.strip():
        where = f"{what}_file is empty" if file is not None else f"the environment variable {variable} is not set"
        raise ValueError(f"{where}: put the secret there")
    return text.strip()
