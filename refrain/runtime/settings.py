"""What every engine is told from outside; each one adds its prefix (FLAGGING_, RESPONSE_, RELAPSE_)."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from refrain.contracts.site import SiteSettings
from refrain.runtime.grpc_server import Tls


class WorkerSettings(BaseSettings):
    """Read once, in ``__main__``. Port 0 lets the system choose; ``ports_file`` then says which."""

    model_config = SettingsConfigDict(extra="ignore", hide_input_in_errors=True)

    kafka_broker: str = Field(default="127.0.0.1:9092", description="bootstrap servers, comma separated")
    ledger: str = Field(description="SQLAlchemy URL: sqlite:///… or postgresql://…")
    group: str = Field(default="", description="consumer group; the service's name when empty")
    address: str = "127.0.0.1"
    grpc_port: int = 0
    metrics_port: int = 0
    ports_file: Path | None = None
    site_file: Path | None = Field(default=None, description="YAML of refrain.contracts.site.SiteSettings")
    loglevel: str = "INFO"
    batch: int = Field(default=200, description="most records decided and committed at once")
    within_seconds: float = Field(default=0.02, description="how long a batch may wait for more")
    patience_seconds: float = Field(default=45.0, description="retry SQL or Kafka this long, then exit")
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_client_authority: Path | None = None

    @property
    def tls(self) -> Tls | None:
        """Mutual TLS when all three files are given; ValueError when only some are."""
        match (self.tls_certificate, self.tls_key, self.tls_client_authority):
            case (None, None, None):
                return None
            case (Path() as certificate, Path() as key, Path() as authority):
                return Tls(certificate, key, authority)
        raise ValueError("mutual TLS needs certificate, key and client authority together")

    def site(self) -> SiteSettings:
        """The site's own settings, validated; the defaults of the contract without a file."""
        if self.site_file is None:
            return SiteSettings()
        return SiteSettings.model_validate(yaml.safe_load(self.site_file.read_text()) or {})
