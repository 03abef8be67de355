"""What relapse is told from outside: RELAPSE_… in the environment, read once in ``__main__``."""

from __future__ import annotations

from pydantic_settings import SettingsConfigDict

from refrain.runtime.settings import WorkerSettings


class Settings(WorkerSettings):
    """The settings of every engine, by default with a SQLite ledger in the working directory."""

    model_config = SettingsConfigDict(env_prefix="RELAPSE_")

    ledger: str = "sqlite:///relapse.db"
