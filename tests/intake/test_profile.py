"""Sender profiles: what is checked on load, which one a message belongs to, and the one of the demo."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest

from refrain.clinical.analytes import CATALOGUE
from services.intake.adapters.standing import Standing
from services.intake.domain.profile import Profile, ProfileError, choose, load_profile, permissive

MINIMAL = "sender: a\nzone: UTC\n"


def test_section_16_loads_with_what_it_says(north: Profile) -> None:
    assert (north.sender, north.zone, north.patient.types) == ("north-lab", "Europe/Berlin", ("MR", "PI"))
    assert north.codes["KAP|L"] == "36916-5"
    assert north.units["THOU/uL"] == "10*3/uL"
    assert north.silence_alarm is not None
    assert north.silence_alarm.minutes == 90


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sender: a\n", "zone: Field required"),
        (MINIMAL + "zoen: UTC\n", "zoen: Extra inputs are not permitted"),
        (MINIMAL + "acks: {quarantaine: AA}\n", "acks.quarantaine"),
        ("sender: a\nzone: Europe/Nowhere\n", "zone is not an IANA time zone"),
        ("sender: a\nzone: ''\n", "zone is not an IANA time zone"),
        (MINIMAL + "charset: 8859/99\n", "charset is not one that Refrain knows"),
        (MINIMAL + "codes: {'KAP|L': 36916-6}\n", "which is no analyte of the catalogue"),
        (MINIMAL + "codes: {'KAP|L': 2345-8}\n", "which is no analyte of the catalogue"),
        (MINIMAL + "codes: {KAP: SFLC_K}\n", "is not written CODE|SYSTEM"),
        (MINIMAL + "codes: {'X|L': attribute:colour}\n", "which is no analyte of the catalogue"),
        (MINIMAL + "acks: {codes: {made_up: AA}}\n", "causes that do not exist: made_up"),
        (MINIMAL + "versions_by: status\n", "not supported yet"),
        (MINIMAL + "collected_at: []\n", "collected_at"),
        ("[1, 2]", "a profile is a mapping"),
        ("a: [", "not YAML"),
        ("", "a profile is a mapping"),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    with pytest.raises(ProfileError) as fault:
        load_profile(text)
    assert said in str(fault.value)


def test_the_hash_is_of_what_the_profile_says() -> None:
    assert load_profile(MINIMAL).hash == load_profile("zone: 'UTC'\n\nsender: a  # a comment\n").hash
    assert load_profile(MINIMAL).hash != load_profile(MINIMAL + "charset: UTF-8\n").hash
    assert load_profile(MINIMAL).hash.startswith("sha256:")


def test_the_translation_number_grows_with_the_revision() -> None:
    first, second = load_profile(MINIMAL), load_profile(MINIMAL + "revision: 2\n")
    assert second.translation > first.translation > 0


def test_permissive_takes_every_processing_id() -> None:
    found = [permissive().processing_of(said) for said in ("P", "T", "D", "N", "")]
    assert found == ["live", "test", "training", "live", "live"]
    assert load_profile(MINIMAL).processing_of("N") is None


def test_the_strictest_profile_that_fits_is_chosen(north: Profile) -> None:
    facility = load_profile("sender: b\nzone: UTC\nmatch: {facility: NORTH}\n")
    anybody = load_profile("sender: c\nzone: UTC\n")
    profiles = [anybody, facility, north]
    certificate = "CN=lab.north.example"
    here: dict[str, Any] = {"listener": "lab-mllp", "application": "LAB", "facility": "NORTH"}
    assert choose(profiles, **here, certificate=certificate) is north
    assert choose(profiles, **here) is facility
    assert choose(profiles, application="LAB", facility="SOUTH") is anybody
    assert choose([north, facility], application="LAB", facility="SOUTH") is None


def test_the_demo_s_profile_declares_what_has_no_loinc() -> None:
    text = files("services.intake").joinpath("profiles/case-report.yaml").read_text(encoding="utf-8")
    profile = load_profile(text)
    local = {code for code, entry in CATALOGUE.items() if not entry.loinc}
    assert {"PET_LESION", "BM_FLOW", "CSF_PANDY", "UFLC_K", "UFLC_L", "UFLC_R"} <= local & set(profile.codes.values())
    attributes = {target for target in profile.codes.values() if target.startswith("attribute:")}
    assert len(attributes) == 5
    assert choose([profile], application="CASE-LIS", facility="CASE-LAB") is profile


def test_what_may_be_written_down_and_does_nothing_yet_is_said() -> None:
    plain = Profile(sender="x", zone="UTC")
    assert plain.not_here_yet == ()
    asking = load_profile(
        "{sender: x, zone: UTC, match: {certificate: CN=x}, silence_alarm: {minutes: 90}, acks: {batch: single}}"
    )
    assert [sentence.split(" ")[0] for sentence in asking.not_here_yet] == [
        "match.certificate",
        "silence_alarm",
        "acks.batch",
    ]
    (feed,) = Standing([asking], None).feeds()
    assert feed.warnings == asking.not_here_yet
