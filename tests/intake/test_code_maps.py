"""What people say that codes mean: on top of the profile, from the next message on, and every change counts on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from services.intake.adapters import memory
from services.intake.adapters.code_keeper import CodeKeeper
from services.intake.adapters.code_maps import Contradicted
from services.intake.adapters.memory import Memory
from services.intake.adapters.tables import CHANGES, Act
from services.intake.domain.code_map import CodeMap, MappedProfile, faults, mapped_without_people, with_code_map
from services.intake.domain.profile import Profile, load_profile
from tests.intake.house import PROFILE, House, a_message

NOW = datetime(2026, 3, 14, 9, 15, tzinfo=UTC)
DR_A, DR_B = Act("dr-a", NOW, "r1"), Act("dr-b", NOW + timedelta(hours=1), "r2")
KAPPA, LAMBDA = ("north-lab", "KAP", "L"), ("north-lab", "LAM", "L")
UNMAPPED = "NM|KAP^Kappa^L||32.9|mg/L|6.7-22.4|H|||F"


@pytest.fixture
def remembered(url: str) -> Iterator[Memory]:
    memory.upgrade(url)
    opened = Memory(url)
    yield opened
    opened.close()


def test_a_mapping_stands_with_who_when_and_why(remembered: Memory) -> None:
    said = remembered.code_maps.add(*KAPPA, "SFLC_K", DR_A, "Their catalogue of tests says so.")
    assert (said.mapped_by, said.mapped_at, said.reason) == ("dr-a", NOW, "Their catalogue of tests says so.")
    [mapped] = remembered.code_maps.current().values()
    assert mapped.codes == {"KAP|L": "SFLC_K"}
    assert mapped.revision == said.revision == int(NOW.timestamp())
    assert remembered.code_maps.said() == remembered.code_maps.said("north-lab") == [said]
    assert remembered.code_maps.said("south") == []
    with remembered._engine.connect() as connection:
        [row] = connection.execute(select(CHANGES)).mappings().all()
    assert (row["actor"], row["what"], row["subject"], row["request"]) == ("dr-a", "mapped", "north-lab|KAP|L", "r1")
    assert row["why"] == "SFLC_K: Their catalogue of tests says so."


def test_a_code_is_mapped_once_and_a_repeated_request_is_the_same(remembered: Memory) -> None:
    said = remembered.code_maps.add(*KAPPA, "SFLC_K", DR_A, "why")
    assert remembered.code_maps.add(*KAPPA, "SFLC_K", DR_A, "why") == said
    with pytest.raises(Contradicted, match="dr-a mapped this code to SFLC_K; withdraw that mapping first"):
        remembered.code_maps.add(*KAPPA, "SFLC_L", DR_B, "why")
    assert remembered.code_maps.current()["north-lab"].codes == {"KAP|L": "SFLC_K"}


def test_a_withdrawn_mapping_leads_nowhere_and_is_not_forgotten(remembered: Memory) -> None:
    first = remembered.code_maps.add(*KAPPA, "SFLC_L", DR_A, "why")
    gone = remembered.code_maps.withdraw(*KAPPA, DR_B, "The wrong chain.")
    assert remembered.code_maps.withdraw(*KAPPA, DR_B, "The wrong chain.") == gone
    assert (gone.withdrawn_by, gone.withdrawn_reason) == ("dr-b", "The wrong chain.")
    current = remembered.code_maps.current()["north-lab"]
    assert (current.codes, current.revision) == ({}, gone.revision)
    assert gone.revision > first.revision
    with pytest.raises(Contradicted, match="withdrawn already"):
        remembered.code_maps.withdraw(*KAPPA, Act("dr-c", NOW, "r3"), "why")
    assert remembered.code_maps.add(*KAPPA, "SFLC_L", DR_A, "why") == gone, "a late repeat does not map it again"
    right = remembered.code_maps.add(*KAPPA, "SFLC_K", Act("dr-b", NOW, "r4"), "why")
    assert right.revision > gone.revision
    assert [one.analyte for one in remembered.code_maps.said(with_withdrawn=True)] == ["SFLC_K", "SFLC_L"]
    assert remembered.code_maps.said() == [right]


def test_changes_at_once_from_two_processes_get_numbers_of_their_own(url: str) -> None:
    memory.upgrade(url)
    houses = [Memory(url) for _ in range(2)]
    codes = [f"C{n}" for n in range(12)]
    with ThreadPoolExecutor(6) as people:
        changes = [
            people.submit(houses[n % 2].code_maps.add, "north-lab", code, "L", "VEGF", Act("dr", NOW, code), "why")
            for n, code in enumerate(codes)
        ]
        revisions = [change.result().revision for change in changes]
    assert len(set(revisions)) == 12
    assert houses[0].code_maps.current() == houses[1].code_maps.current()
    assert houses[0].code_maps.current()["north-lab"].revision == max(revisions)
    for house in houses:
        house.close()


def test_the_revision_grows_even_over_a_database_that_was_lost(tmp_path) -> None:
    revisions = []
    for number in range(2):
        url = f"sqlite:///{tmp_path}/{number}.db"
        memory.upgrade(url)
        opened = Memory(url)
        for code in ("A", "B", "C"):
            act = Act("dr", NOW + timedelta(minutes=number), code)
            revisions.append(opened.code_maps.add("north-lab", code, "L", "VEGF", act, "why").revision)
        opened.close()
    assert revisions == sorted(set(revisions))


@given(st.lists(st.sampled_from(["profile", "map"]), min_size=1, max_size=12))
def test_the_number_of_a_reading_grows_with_every_change(changes: list[str]) -> None:
    profile, code_map = load_profile(PROFILE), None
    numbers = [profile.translation]
    for change in changes:
        if change == "profile":
            profile = Profile.model_validate(profile.model_dump() | {"revision": profile.revision + 1})
        else:
            code_map = CodeMap((code_map.revision if code_map else 1_770_000_000) + 1, {"KAP|L": "SFLC_K"})
        numbers.append(with_code_map(profile, code_map).translation)
    assert numbers == sorted(set(numbers))
    assert numbers[-1] < 2**53, "a reader of JSON may hold it in a float"


def test_mappings_stand_on_top_of_the_profile_and_change_its_hash() -> None:
    profile = load_profile(PROFILE + 'codes: {"KAP|L": SFLC_K}\n')
    read = with_code_map(profile, CodeMap(5, {"LAM|L": "SFLC_L", "OLD|L": "NO_SUCH_ANALYTE"}))
    assert isinstance(read, MappedProfile)
    assert read.codes == {"KAP|L": "SFLC_K", "LAM|L": "SFLC_L"}
    assert read.hash not in (profile.hash, with_code_map(profile, CodeMap(6, {"LAM|L": "SFLC_L"})).hash)
    assert with_code_map(profile, None) is profile


def test_a_profile_file_cannot_say_what_people_mapped() -> None:
    with pytest.raises(ValidationError):
        Profile.model_validate(load_profile(PROFILE).model_dump() | {"code_map": 3})


@pytest.mark.parametrize(
    ("code", "system", "fields"),
    [
        pytest.param("KAP", "L", [], id="as received"),
        pytest.param("", "L", ["code"], id="no code"),
        pytest.param("A|B", "L", ["code"], id="a bar would be the end of the code"),
        pytest.param("K" * 201, "L", ["code"], id="too long"),
        pytest.param("KAP", " L", ["system"], id="not as received"),
        pytest.param("KAP\n", "L", ["code"], id="a line end"),
    ],
)
def test_what_cannot_be_a_code_names_its_field(code: str, system: str, fields: list[str]) -> None:
    assert sorted({field for field, _ in faults(load_profile(PROFILE), code, system)}) == fields


def test_what_needs_no_person_is_said_in_a_sentence() -> None:
    profile = load_profile(PROFILE + 'codes: {"KAP|L": SFLC_K}\n')
    assert "LOINC of the catalogue" in (mapped_without_people(profile, "34694-0", "LN") or "")
    assert "maps the code to SFLC_K" in (mapped_without_people(profile, "KAP", "L") or "")
    assert mapped_without_people(profile, "34694-0", "L") is None, "only a code that claims to be LOINC is one"
    assert [field for field, _ in faults(None, "KAP", "L")] == ["sender"]


async def test_from_the_next_message_on_and_resent_the_better_reading_wins(url: str) -> None:
    memory.upgrade(url)
    house = House(url, load_profile(PROFILE))
    await house.send(a_message(UNMAPPED))
    await house.send(a_message(UNMAPPED, control="E2"))
    house.memory.code_maps.add(*KAPPA, "SFLC_K", DR_A, "why")
    await house.keeper.refresh()
    await house.send(a_message(UNMAPPED, control="E3"))
    await house.send(a_message(UNMAPPED, control="E4"))
    assert house.outcomes() == {"north-lab": {"published": 2, "duplicate": 2}}
    before, after = house.door.reports
    assert [report.observations[0].analyte for report in (before, after)] == [None, "SFLC_K"]
    assert before.observations[0].version == after.observations[0].version
    assert after.translation > before.translation
    assert after.event_id != before.event_id
    assert house.standing.feeds()[0].profile_hash == after.profile
    house.memory.code_maps.withdraw(*KAPPA, DR_B, "why")
    await house.keeper.refresh()
    await house.send(a_message(UNMAPPED, control="E5"))
    assert house.door.reports[-1].observations[0].analyte is None
    assert house.door.reports[-1].translation > after.translation
    house.close()


async def test_codes_that_lead_nowhere_are_counted_by_sender(url: str) -> None:
    memory.upgrade(url)
    house = House(url, load_profile(PROFILE))
    twice = UNMAPPED, UNMAPPED.replace("||32.9", "|2|31.0"), "NM|LAM^" + "n" * 300 + "\\X00\\^L||110|mg/L||H|||F"
    await house.send(a_message(*twice))
    await house.send(a_message(*twice))
    await house.send(a_message(UNMAPPED.replace("32.9", "30.0").replace("Kappa", "Kappa, free")))
    await house.send(a_message("NM|34694-0^VEGF^LN||42|pg/mL|0-160|N|||F"))
    codes = house.memory.unmapped.all()
    assert [(one.sender, one.code, one.system, one.count) for one in codes] == [
        ("north-lab", "KAP", "L", 3), ("north-lab", "LAM", "L", 1)
    ]  # fmt: skip
    assert (codes[0].name, len(codes[1].name)) == ("Kappa, free", 200)
    assert house.memory.unmapped.all("south") == []
    house.close()


async def test_another_process_follows_and_a_database_that_is_away_changes_nothing(url: str, monkeypatch) -> None:
    memory.upgrade(url)
    here, there = Memory(url), Memory(url)
    heard: asyncio.Queue[dict[str, CodeMap]] = asyncio.Queue()
    keeper = CodeKeeper(here.code_maps, lambda maps: heard.put_nowait(dict(maps)), follow_seconds=0.01)
    following = asyncio.create_task(keeper.follow())
    there.code_maps.add(*KAPPA, "SFLC_K", DR_A, "why")
    assert (await asyncio.wait_for(heard.get(), 20))["north-lab"].codes == {"KAP|L": "SFLC_K"}
    reads, current = asyncio.Event(), here.code_maps.current

    def away() -> dict[str, CodeMap]:
        loop.call_soon_threadsafe(reads.set)
        raise OperationalError("select", {}, Exception("away"))

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(here.code_maps, "current", away)
    await asyncio.wait_for(reads.wait(), 20)
    monkeypatch.setattr(here.code_maps, "current", current)
    there.code_maps.add(*LAMBDA, "SFLC_L", DR_B, "why")
    assert (await asyncio.wait_for(heard.get(), 20))["north-lab"].codes == {"KAP|L": "SFLC_K", "LAM|L": "SFLC_L"}
    assert heard.empty(), "only what changed is applied"
    following.cancel()
    here.close()
    there.close()
