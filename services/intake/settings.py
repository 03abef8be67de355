"""What an operator sets, as ``INTAKE_…`` in the environment; read once, in ``__main__``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

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
