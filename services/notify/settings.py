"""What notify is told from outside: NOTIFY_… in the environment, read once in ``__main__``."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from refrain.runtime.grpc_clients import ClientTls
from refrain.runtime.settings import WorkerSettings
from services.notify.domain.roster import Roster, load


class Settings(WorkerSettings):
    """By default with a SQLite database in the working directory. There is no default for whom to tell."""

    model_config = SettingsConfigDict(env_prefix="NOTIFY_")

    ledger: str = "sqlite:///notify.db"
    roster: Path = Field(description="YAML of people, channels, duties and chains; read at the start")
    console_url: str = Field(default="", description="where people open an alert; messages link there")
    chart: str = Field(default="", description="host:port of chart's gRPC; empty: messages go without the course")
    http_port: int = Field(default=0, description="CDS Hooks")

    @property
    def client_tls(self) -> ClientTls | None:
        """The same files towards other services: one authority signs them all."""
        served = self.tls
        return None if served is None else ClientTls(served.certificate, served.key, served.client_authority)

    def people(self) -> Roster:
        """The roster; OSError when the file cannot be read, RosterError when it cannot be used."""
        return load(self.roster.read_text(encoding="utf-8"))
