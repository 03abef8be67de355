"""The folder of sender profiles: all or a sentence that names the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.intake.adapters.profiles import load_profiles
from services.intake.domain.profile import ProfileError
from services.intake.settings import Settings

NORTH = "sender: north\nzone: Europe/Berlin\n"


def test_profiles_come_by_sender_and_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(NORTH)
    (tmp_path / "a.yaml").write_text("sender: south\nzone: UTC\n")
    (tmp_path / "notes.txt").write_text("not a profile")
    assert [profile.sender for profile in load_profiles(tmp_path)] == ["north", "south"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param("sender: north\n", "zone", id="no zone"),
        pytest.param(NORTH + "zones: []\n", "zones", id="a key that does not exist"),
        pytest.param(": :", "not YAML", id="no YAML"),
    ],
)
def test_a_faulty_profile_stops_the_start_and_is_named(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "north.yaml").write_text(content)
    with pytest.raises(ProfileError, match=f"^north.yaml: .*{told}"):
        load_profiles(tmp_path)


def test_two_profiles_of_one_sender_are_refused(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(NORTH)
    with pytest.raises(ProfileError, match=r"^b\.yaml: there is another profile of the sender north"):
        load_profiles(tmp_path)


def test_the_profiles_that_come_along_can_be_used() -> None:
    assert "case-report" in [profile.sender for profile in load_profiles(Settings().profiles)]


def test_nobody_without_a_profile_is_read_unless_the_operator_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INTAKE_UNKNOWN_SENDERS", raising=False)
    assert Settings().unknown_senders == "refuse"
