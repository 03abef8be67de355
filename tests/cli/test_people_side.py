"""The local stack's people: they can sign in, the roster knows them, and what they are told arrives in a mailbox."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import UUID

import pytest
from sqlalchemy import text

from refrain.cli.home import Home
from refrain.cli.mailbox import Mailbox, make_secret
from refrain.cli.people import PASSWORDS, PEOPLE, create_people
from refrain.cli.programs import programs
from refrain.runtime.database import open_database, upgrade
from services.chart.adapters.web.users import Refused, Users
from services.notify.adapters.channels.channel import DeliveryFailed
from services.notify.adapters.channels.webhook import Webhook
from services.notify.domain.roster import load
from services.notify.domain.words import Text

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
KEY = UUID(int=7)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.make()
    return home


@pytest.fixture
def database(home: Home) -> str:
    url = f"sqlite:///{home.ledgers / 'chart.db'}"
    upgrade(url, "chart", "services.chart.adapters:migrations")
    return url


def test_one_of_each_role_can_sign_in_with_the_password_that_was_told(home: Home, database: str) -> None:
    made = create_people(database, home)
    assert made.keys() == PEOPLE.keys()
    engine = open_database(database, "chart")
    users = Users(engine)
    for person, password in made.items():
        user = users.with_password(person, password, "127.0.0.1", NOW)
        assert (user.role, user.must_change) == (PEOPLE[person][1], False)
    with pytest.raises(Refused):
        users.with_password("viewer", made["clinician"], "127.0.0.1", NOW)
    engine.dispose()


def test_people_who_are_there_keep_their_passwords(home: Home, database: str) -> None:
    made = create_people(database, home)
    assert create_people(database, home) == {}
    assert home.recall(PASSWORDS) == made


def test_the_passwords_are_for_their_owner_only_and_the_database_has_none_of_them(home: Home, database: str) -> None:
    made = create_people(database, home)
    assert stat.S_IMODE((home.path / f"{PASSWORDS}.json").stat().st_mode) == 0o600
    engine = open_database(database, "chart")
    with engine.connect() as connection:
        stored = " ".join(map(str, connection.execute(text("select * from users"))))
    engine.dispose()
    assert not any(password in stored for password in made.values())


def test_the_roster_of_the_stack_can_be_used_and_knows_everybody_who_answers(home: Home) -> None:
    programs(home, "127.0.0.1:9092", 1)
    roster = load(home.roster.read_text())
    assert roster.recipients("P1", None, 0, NOW) == ("clinician",)
    assert roster.recipients("DQ", None, 0, NOW) == ("laboratory",)
    assert {"clinician", "laboratory", "administrator"} <= roster.people.keys() & PEOPLE.keys()
    assert roster.channels["mailbox"].detail == "none"
    assert roster.channels["mailbox"].settings["secret_file"] == str(home.mailbox_secret)


# --- the mailbox ---


@pytest.fixture
def secret(home: Home) -> str:
    make_secret(home.mailbox_secret)
    return home.mailbox_secret.read_text().strip()


@pytest.fixture
def mailbox(home: Home, secret: str) -> Iterator[str]:
    server = Mailbox(0, home.mailbox, secret)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def message() -> Text:
    link = "http://127.0.0.1/alerts/7"
    return Text(subject="A critical result", body=f"Look: <{link}>", link=link, urgency="P1", alerts=(KEY,))


def read(address: str) -> str:
    with urlopen(f"{address}/", timeout=10) as answer:
        return str(answer.read().decode())


def test_what_notify_sends_is_shown_and_a_repeat_is_the_same_message(mailbox: str, secret: str) -> None:
    channel = Webhook("mailbox", [secret])
    channel.send(message(), f"{mailbox}/clinician", KEY)
    channel.send(message(), f"{mailbox}/clinician", KEY)
    shown = read(mailbox)
    assert "1 messages" in shown
    assert "to <b>clinician</b>, P1" in shown
    assert "Look: &lt;http://127.0.0.1/alerts/7&gt;" in shown


def test_what_is_not_signed_with_the_secret_is_refused(mailbox: str, secret: str, tmp_path: Path) -> None:
    make_secret(tmp_path / "other")
    other = (tmp_path / "other").read_text().strip()
    assert other != secret
    with pytest.raises(DeliveryFailed) as refused:
        Webhook("mailbox", [other]).send(message(), f"{mailbox}/clinician", KEY)
    assert refused.value.reason == "auth"
    with pytest.raises(HTTPError):
        urlopen(Request(f"{mailbox}/clinician", data=b"{}"), timeout=10)
    assert "0 messages" in read(mailbox)


def test_the_secret_is_for_its_owner_only_and_stays(home: Home, secret: str) -> None:
    assert stat.S_IMODE(home.mailbox_secret.stat().st_mode) == 0o600
    make_secret(home.mailbox_secret)
    assert home.mailbox_secret.read_text().strip() == secret


def test_as_a_process_it_says_its_port_and_ends_when_told(home: Home, secret: str) -> None:
    assert secret
    ports = home.ports / "mailbox.json"
    settings = {
        "MAILBOX_FOLDER": str(home.mailbox), "MAILBOX_SECRET_FILE": str(home.mailbox_secret),
        "MAILBOX_PORTS_FILE": str(ports), "MAILBOX_HTTP_PORT": "0",
    }  # fmt: skip
    process = subprocess.Popen([sys.executable, "-m", "refrain.cli.mailbox"], env=os.environ | settings)
    try:
        while not ports.exists():
            assert process.poll() is None, "it ended before it listened"
            threading.Event().wait(0.05)
        assert "0 messages" in read(f"http://127.0.0.1:{json.loads(ports.read_text())['http']}")
    finally:
        process.terminate()
    assert process.wait(30) == 0
