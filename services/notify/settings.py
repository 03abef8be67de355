"""What notify is told from outside: NOTIFY_… in the environment, read once in ``__main__``."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from refrain.runtime.grpc_clients import ClientTls
from refrain.runtime.settings import WorkerSettings
from services.notify.adapters.cds_auth import is_loopback
from services.notify.domain.roster import Roster, load


class Settings(WorkerSettings):
    """By default with a SQLite database in the working directory. There is no default for whom to tell."""

    model_config = SettingsConfigDict(env_prefix="NOTIFY_")

    ledger: str = "sqlite:///notify.db"
    roster: Path = Field(description="YAML of people, channels, duties and chains; read at the start")
    console_url: str = Field(default="", description="where people open an alert; messages link there")
    chart: str = Field(default="", description="host:port of chart's gRPC; empty: messages go without the course")
    http_port: int = Field(default=0, description="CDS Hooks")
    cds_url: str = Field(default="", description="where EHRs reach CDS Hooks, https://host: the audience of their JWTs")
    cds_clients: Path | None = Field(
        default=None, description="YAML of trusted CDS clients: name, iss, jwks_file|jwks_url"
    )
    cds_open: bool = Field(default=False, description="without trusted clients: programs of this machine may ask")
    cds_systems: dict[str, str] = Field(default={}, description='JSON, {"identifier system": "authority"}')
    cds_match_by_type: bool = Field(
        default=False, description="numbers of an unknown system match by type and value; for sites of one authority"
    )
    cds_tiers: tuple[str, ...] = Field(default=("P1", "P2"), description="JSON; whose alerts become cards")
    cds_origins: tuple[str, ...] = Field(default=(), description="JSON; origins of browsers that may call")

    @property
    def client_tls(self) -> ClientTls | None:
        """The same files towards other services: one authority signs them all."""
        served = self.tls
        return None if served is None else ClientTls(served.certificate, served.key, served.client_authority)

    @model_validator(mode="after")
    def _cds_fits_together(self) -> Self:
        if self.cds_clients is not None and not self.cds_url:
            raise ValueError("trusted CDS clients need NOTIFY_CDS_URL: their tokens say whom they are for")
        if self.cds_open and not is_loopback(self.address):
            raise ValueError("NOTIFY_CDS_OPEN is for a service that listens on this machine alone")
        if not set(self.cds_tiers) <= {"P1", "P2", "P3", "DQ"}:
            raise ValueError("NOTIFY_CDS_TIERS knows P1, P2, P3 and DQ")
        return self

    def people(self) -> Roster:
        """The roster; OSError when the file cannot be read, RosterError when it cannot be used."""
        return load(self.roster.read_text(encoding="utf-8"))
