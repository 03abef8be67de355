"""What an operator sets, as ``INTAKE_…`` in the environment; read once, in ``__main__``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from refrain.runtime.grpc_server import Tls
from services.intake.adapters.mllp_feed import IDLE_SECONDS, MAX_CONNECTIONS
from services.intake.adapters.publisher import HOLD_SECONDS
from services.intake.domain.framing import MAX_MESSAGE_BYTES

PROFILES = Path(__file__).parent / "profiles"


class Settings(BaseSettings):
    """Defaults are those of a trial on one machine; port 0 takes a free one, and the ports file tells which."""

    model_config = SettingsConfigDict(env_prefix="INTAKE_", hide_input_in_errors=True)

    kafka_broker: str = Field(default="127.0.0.1:9092", description="host:port, several with commas")
    ledger: str = Field(default="sqlite:///.refrain/ledgers/intake.db", description="SQLite or PostgreSQL URL")
    host: str = Field(default="127.0.0.1", description="address of all listeners")
    mllp_port: int = 0
    mllp_name: str = Field(default="mllp", description="name of the listener, as profiles match it")
    grpc_port: int = 0
    metrics_port: int = 0
    ports_file: Path | None = None
    profiles: Path = Field(default=PROFILES, description="folder of sender profiles, one YAML file each")
    unknown_senders: Literal["refuse", "permissive"] = Field(
        default="refuse", description="permissive: read them with the built-in profile, which warns in the status"
    )
    folder: Path | None = Field(default=None, description="watched folder: incoming/, processing/, done/, failed/")
    max_message_bytes: int = MAX_MESSAGE_BYTES
    idle_seconds: float = IDLE_SECONDS
    max_connections: int = MAX_CONNECTIONS
    hold_seconds: float = HOLD_SECONDS
    log_level: str = "INFO"
    tls_certificate: Path | None = Field(default=None, description="PEM; mutual TLS of gRPC needs all three files")
    tls_key: Path | None = None
    tls_client_authority: Path | None = None

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Settings:
        given = [self.tls_certificate, self.tls_key, self.tls_client_authority]
        if any(given) and not all(given):
            raise ValueError("mutual TLS needs tls_certificate, tls_key and tls_client_authority together")
        return self

    @property
    def tls(self) -> Tls | None:
        """Mutual TLS when its files are given."""
        if self.tls_certificate and self.tls_key and self.tls_client_authority:
            return Tls(self.tls_certificate, self.tls_key, self.tls_client_authority)
        return None
