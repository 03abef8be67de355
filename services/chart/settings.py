"""What chart is told from outside, as ``CHART_…`` in the environment."""

from __future__ import annotations

from pathlib import Path
from string import Formatter
from typing import Self
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from refrain.contracts.events import PatientId
from refrain.runtime.grpc_clients import ClientTls
from refrain.runtime.settings import WorkerSettings
from services.chart.adapters.web.roles import Role

LINK_FIELDS = {"authority", "type", "id"}


class Settings(WorkerSettings):
    """Read once, in ``__main__``."""

    model_config = SettingsConfigDict(env_prefix="CHART_", extra="ignore", hide_input_in_errors=True)

    ledger: str = "sqlite:///chart.db"
    http_port: int = 0
    http_certificate: Path | None = Field(default=None, description="PEM; without it TLS ends at a proxy in front")
    http_key: Path | None = None
    trusted_proxies: str = Field(default="", description="addresses whose X-Forwarded-For is believed, comma separated")
    public_url: str = Field(default="", description="where people reach the console: https://refrain.example.org")
    patient_link: str = Field(default="", description="the hospital's own record: https://…/{authority}/{type}/{id}")

    session_idle_seconds: float = Field(default=15 * 60, gt=0)
    session_hours: float = Field(default=12, gt=0, description="longest session, however busy")
    local_users: bool = Field(default=False, description="people with a password in chart's own database")

    oidc_issuer: str = Field(default="", description="as the provider writes it; discovery is below it")
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr | None = None
    oidc_client_secret_file: Path | None = None
    oidc_scope: str = "openid profile"
    oidc_id_claim: str = Field(default="preferred_username", description="what a person is called in roster and audit")
    oidc_role_claim: str = Field(default="groups", description="a name, or a path of names joined by dots")
    oidc_role_map: dict[str, Role] = Field(
        default={}, description='JSON, {"value of the claim": "role"}; the first that a person has counts'
    )
    oidc_api_audience: str = Field(default="", description="audience of access tokens for /fhir; empty: none are taken")

    fhir_systems: dict[str, str] = Field(
        default={}, description='JSON, {"authority": "URI"}: identifier systems of patients\' numbers in FHIR'
    )

    notify: str = Field(default="", description="gRPC address, host:port; empty: that part is not there")
    intake: str = ""
    flagging: str = ""
    response: str = ""
    relapse: str = ""
    tls_server_authority: Path | None = Field(default=None, description="mutual TLS towards the other services")

    @field_validator("public_url")
    @classmethod
    def _is_an_origin(cls, url: str) -> str:
        """The console is at the root of its host: cookies are bound to the host (``__Host-``)."""
        if not url:
            return url
        parts = urlsplit(url.rstrip("/"))
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query or parts.username:
            raise ValueError("must be http(s)://host[:port] without a path")
        return f"{parts.scheme}://{parts.netloc}"

    @field_validator("trusted_proxies")
    @classmethod
    def _are_named(cls, proxies: str) -> str:
        """Wrong passwords are counted by address: whoever may invent one is never counted."""
        if "*" in proxies:
            raise ValueError("must name the proxies: with * everybody says by themselves where they come from")
        return proxies

    @field_validator("patient_link")
    @classmethod
    def _is_a_link(cls, link: str) -> str:
        if not link:
            return link
        if urlsplit(link).scheme not in ("http", "https"):
            raise ValueError("must start with http:// or https://")
        named = {field for _, field, _, _ in Formatter().parse(link) if field is not None}
        if not named <= LINK_FIELDS or "id" not in named:
            raise ValueError("must name {id}, may name {authority} and {type}, and nothing else")
        return link

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.oidc_issuer:
            if not self.oidc_client_id or not self.public_url:
                raise ValueError("signing in with a provider needs CHART_OIDC_CLIENT_ID and CHART_PUBLIC_URL")
            if self.oidc_api_audience == self.oidc_client_id:
                raise ValueError("CHART_OIDC_API_AUDIENCE is not the client id: an ID token is no access token")
        if (self.http_certificate is None) != (self.http_key is None):
            raise ValueError("CHART_HTTP_CERTIFICATE and CHART_HTTP_KEY belong together")
        return self

    @property
    def https(self) -> bool:
        """Whether people reach the console over TLS, here or at a proxy in front."""
        return self.public_url.startswith("https://") or self.http_certificate is not None

    @property
    def oidc_secret(self) -> str:
        """Of the client; empty for a public client. OSError when the file cannot be read."""
        if self.oidc_client_secret_file is not None:
            return self.oidc_client_secret_file.read_text(encoding="utf-8").strip()
        return self.oidc_client_secret.get_secret_value() if self.oidc_client_secret else ""

    @property
    def clients_tls(self) -> ClientTls | None:
        """Mutual TLS towards the other services; ValueError when its own certificate or key is missing."""
        match (self.tls_certificate, self.tls_key, self.tls_server_authority):
            case (_, _, None):
                return None
            case (Path() as certificate, Path() as key, Path() as authority):
                return ClientTls(certificate, key, authority)
        raise ValueError("mutual TLS towards the other services needs CHART_TLS_CERTIFICATE and CHART_TLS_KEY")

    @property
    def zone(self) -> ZoneInfo:
        """In which times are shown: the site's."""
        return ZoneInfo(self.site().time_zone)

    def link_to(self, patient: PatientId) -> str:
        """The patient in the hospital's own record; empty when no link is set up."""
        parts = {name: quote(getattr(patient, name), safe="") for name in LINK_FIELDS}
        return self.patient_link.format(**parts)
