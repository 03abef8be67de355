"""From the roster to channels that can be used, with sentences where they cannot."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from services.notify.adapters.channels import ChannelsUnusable, build_channels, setting_problems
from services.notify.domain.roster import load
from tests.notify.servers import Authority
from tests.notify.telling import a_roster

SECRET = "whsec_" + base64.b64encode(b"a secret of the tests, 32 bytes!").decode()
MAIL = {"type": "smtp", "host": "mail.hospital.example", "sender": "refrain@hospital.example"}


def problems(environment: dict[str, str] | None = None, **channel: Any) -> tuple[str, ...]:
    with pytest.raises(ChannelsUnusable) as unusable:
        build_channels(a_roster({"pager": channel}), environment or {})
    return unusable.value.problems


def test_each_type_is_built_with_its_secrets(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("mail-secret-4711\n")
    (tmp_path / "urls").write_text("anna json://127.0.0.1/a\n")
    roster = a_roster(
        {
            "mail": MAIL
            | {
                "user": "refrain",
                "password_file": str(tmp_path / "password"),
                "ca_file": str(Authority(tmp_path).file),
            },
            "ehr": {"type": "webhook", "secret_env": "EHR_SECRET", "detail": "identified", "parallel": 9},
            "push": {"type": "apprise", "url_file": str(tmp_path / "urls"), "detail": "clinical"},
        }
    )
    built = build_channels(roster, {"EHR_SECRET": SECRET})
    assert {name: (it.channel.kind, it.channel.name, it.channel.detail) for name, it in built.items()} == {
        "mail": ("smtp", "mail", "none"),
        "ehr": ("webhook", "ehr", "identified"),
        "push": ("apprise", "push", "clinical"),
    }
    assert built["ehr"].settings.parallel == 9
    assert built["mail"].settings.down_after_failures == 5


@pytest.mark.parametrize(
    ("channel", "said"),
    [
        pytest.param({"type": "webhook"}, "give either secret_file or secret_env", id="no secret"),
        pytest.param({"type": "webhook", "secret_env": "NOT_SET"}, "NOT_SET is not set", id="not in the environment"),
        pytest.param({"type": "webhook", "secret_file": "/nowhere/at/all"}, "cannot be read", id="no such file"),
        pytest.param({"type": "apprise", "url_env": "BAD_URL"}, "apprise does not know", id="an unknown service"),
        pytest.param({"type": "webhook", "secret_env": "BAD_SECRET"}, "a webhook secret", id="no base64"),
        pytest.param(MAIL | {"user": "u"}, "password_file or password_env", id="a user without a password"),
        pytest.param(MAIL | {"port": "many"}, "channels.pager.port", id="no number"),
        pytest.param(MAIL | {"prot": 25}, "channels.pager.prot", id="a misspelt setting"),
        pytest.param(MAIL | {"sender": "Refrain <a@b.example>"}, "not one mail address", id="a bad sender"),
        pytest.param({"type": "smtp", "sender": "a@b.example"}, "channels.pager.host", id="no host"),
        pytest.param(MAIL | {"ca_file": "/nowhere/at/all"}, "ca_file", id="no authority"),
        pytest.param(
            MAIL | {"security": "none", "user": "u", "password_env": "BAD_SECRET"}, "encrypted", id="in clear"
        ),
    ],
)
def test_what_cannot_be_used_is_said_without_the_secret(channel: dict[str, Any], said: str) -> None:
    environment = {"BAD_URL": "nothing://t0ken4711", "BAD_SECRET": "t0ken4711!"}
    [problem] = problems(environment, **channel)
    assert problem.startswith("channels.pager")
    assert said in problem
    assert "t0ken4711" not in problem


def test_all_problems_are_said_at_once() -> None:
    with pytest.raises(ChannelsUnusable) as unusable:
        build_channels(a_roster({"a": {"type": "webhook"}, "b": {"type": "apprise"}}), {})
    assert len(unusable.value.problems) == 2


def test_the_example_of_a_roster_names_settings_that_exist() -> None:
    example = Path(__file__).parents[2] / "services" / "notify" / "roster.example.yaml"
    assert list(setting_problems(load(example.read_text(encoding="utf-8")))) == []
