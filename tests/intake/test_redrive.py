"""Driven again: published with the ids it would have had, harmless when repeated, and never lost on the way."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from services.intake.adapters import memory
from services.intake.adapters.publisher import NotStored
from services.intake.adapters.raw_messages import Away
from services.intake.adapters.redrive import Redriven, Refused
from services.intake.adapters.tables import Act
from services.intake.adapters.work_list import Item
from services.intake.domain.framing import Frame
from services.intake.domain.profile import load_profile
from tests.intake.house import NOW, PROFILE, Door, House, a_frame, a_message

LATER = datetime(2026, 4, 2, 9, tzinfo=UTC)
NO_NUMBER = PROFILE.replace("types: [MR]", "types: [XX]")
IGNORING = PROFILE + "ignore: [ORU^R01]\n"
GOOD, WITHOUT_CODE = "NM|34694-0^VEGF^LN||42|pg/mL|0-160|N|||F", "NM|||7|g/L||N|||F"
LOCAL = "NM|PETNEW^New lesion^L||Y||||||F"
SCAN = "NM|PETLES^Lesion^L|liver|4.1||||||F"

MakeHouse = Callable[..., House]


@pytest.fixture
async def house(url: str) -> AsyncIterator[MakeHouse]:
    """Makes intakes on one database and one Kafka, each with a profile of its own (None: nobody is known)."""
    memory.upgrade(url)
    door = Door()
    made: list[House] = []

    def make(profile: str | None = PROFILE) -> House:
        made.append(House(url, load_profile(profile) if profile else None, door=door))
        return made[-1]

    yield make
    for one in made:
        one.close()


def act(request: str = "", actor: str = "dr-a") -> Act:
    return Act(actor, LATER, request)


async def drive(house: House, item: Item, request: str = "") -> Redriven:
    return await house.redriver.redrive(item.event_id, act(request), 30)


def open_entries(house: House) -> list[Item]:
    return house.memory.work_list.page(limit=500)


async def test_once_the_profile_is_there_it_is_published_with_the_ids_it_would_have_had(
    house: MakeHouse, tmp_path: Path
) -> None:
    unknown = house(None)
    await unknown.send(a_message())
    [item] = open_entries(unknown)
    known = house()
    became = await drive(known, item)
    assert (became.translation.outcome, len(became.translation.reports), became.still_open) == ("published", 1, [])
    assert (became.item.resolution, became.item.resolved_by, became.item.resolved_at) == ("redriven", "dr-a", LATER)
    memory.upgrade(f"sqlite:///{tmp_path}/from-the-start.db")
    from_the_start = House(f"sqlite:///{tmp_path}/from-the-start.db", load_profile(PROFILE))
    await from_the_start.send(a_message())
    assert known.door.reports == from_the_start.door.reports
    assert known.door.reports[0].recorded_at == NOW, "when it was received, not when it was driven again"
    from_the_start.close()
    assert known.outcomes() == {}, "a redrive is no message received"
    assert "MSA|AA" in await known.send(a_message(control="E2"))
    assert known.outcomes() == {"north-lab": {"duplicate": 1}}, "and it counts as seen"


async def test_a_message_that_counts_as_seen_is_driven_all_the_same(house: MakeHouse) -> None:
    h = house()
    await h.send(a_message(GOOD, WITHOUT_CODE))
    [item] = open_entries(h)
    h.memory.remember(memory.Stored(h.door.log_id, _body(h), 10**15), NOW)
    became = await drive(h, item)
    assert (became.translation.outcome, len(became.translation.reports)) == ("published", 1)


def _body(house: House) -> str:
    frame = a_frame(a_message(GOOD, WITHOUT_CODE))
    return str(house.intake._translate(frame, "mllp", NOW).transport)


async def test_what_is_still_wrong_stays_open_as_the_same_entry(house: MakeHouse) -> None:
    h = house()
    await h.send(a_message(GOOD, WITHOUT_CODE))
    [item] = open_entries(h)
    became = await drive(h, item)
    assert [one.event_id for one in became.still_open] == [item.event_id]
    assert (became.item.open, became.translation.reason) == (True, None)
    assert [one.event_id for one in open_entries(h)] == [item.event_id]


async def test_a_cause_that_hid_behind_the_first_takes_its_place(house: MakeHouse) -> None:
    unknown = house(None)
    await unknown.send(a_message(pid3=""))
    [item] = open_entries(unknown)
    became = await drive(house(), item)
    assert (became.translation.outcome, became.translation.reason) == ("quarantined", "no_patient_id")
    assert became.item.resolution == "superseded"
    assert [(one.reason, one.sender) for one in open_entries(unknown)] == [("no_patient_id", "north-lab")]
    assert became.still_open == open_entries(unknown)


async def test_a_statement_without_its_scan_is_cured_by_a_mapping(house: MakeHouse) -> None:
    h = house(PROFILE + 'codes: {"PETNEW|L": "attribute:new_lesion"}\n')
    await h.send(a_message(SCAN, LOCAL))
    [item] = open_entries(h)
    assert (item.reason, item.place) == ("attribute_without_result", "OBX[2]")
    h.memory.code_maps.add("north-lab", "PETLES", "L", "PET_LESION", act(), "Their list says so.")
    await h.keeper.refresh()
    became = await drive(h, item)
    assert became.item.resolution == "redriven"
    before, after = h.door.reports
    assert (before.observations[0].analyte, dict(before.observations[0].attributes)) == (None, {})
    assert after.observations[0].analyte == "PET_LESION"
    assert after.observations[0].attributes["new_lesion"] == "Y"
    assert after.translation > before.translation


async def test_what_is_ignored_now_stays_open_for_a_person_to_say_so(house: MakeHouse) -> None:
    await house(None).send(a_message())
    ignoring = house(IGNORING)
    [item] = open_entries(ignoring)
    became = await drive(ignoring, item)
    assert (became.translation.outcome, became.translation.reason) == ("ignored", "ignored_by_profile")
    assert became.item.open
    assert (await ignoring.send(a_message(control="E2"))).count("MSA|AA") == 1


async def test_half_a_message_is_half_a_message_however_often_it_is_driven(house: MakeHouse) -> None:
    h = house()
    half = a_message()[:-8]
    frame = Frame(half, len(half), sha256(half).hexdigest(), incomplete=True)
    await h.intake.take(frame, "files")
    [item] = open_entries(h)
    became = await drive(h, item)
    assert (became.translation.reason, became.item.open) == ("frame_incomplete", True)
    assert h.door.reports == []


async def test_what_a_person_resolved_is_not_driven_unasked(house: MakeHouse) -> None:
    h = house()
    await h.send(a_message(pid3=""))
    [item] = open_entries(h)
    h.memory.work_list.resolve(item.event_id, act(), "not_needed", "")
    with pytest.raises(Refused, match=r"dr-a resolved it \(not_needed\); reopen it"):
        await drive(h, item)
    h.memory.work_list.reopen(item.event_id, act(), "It is needed.")
    assert (await drive(h, item)).item.open


async def test_what_was_too_large_to_keep_cannot_be_driven(house: MakeHouse) -> None:
    h = house()
    await h.intake.receive(Frame(a_message().split(b"\r")[0], 9_000_000, "ab" * 32, too_large=True), "mllp")
    [item] = open_entries(h)
    with pytest.raises(Refused, match="too large to keep"):
        await drive(h, item)


async def test_of_many_results_each_entry_finds_the_bytes_of_the_first(house: MakeHouse) -> None:
    h = house()
    await h.send(a_message(*(f"NM|||{number}|g/L||N|||F" for number in range(300))))
    entries = open_entries(h)
    assert len({item.raw for item in entries}) == 1
    assert len((await drive(h, entries[-1])).still_open) == 300


async def test_while_something_is_away_the_entry_is_as_open_as_it_was(house: MakeHouse, monkeypatch) -> None:
    await house(None).send(a_message())
    h = house()
    [item] = open_entries(h)
    h.door.away = True
    with pytest.raises(Away):
        await drive(h, item)
    monkeypatch.setattr(h.redriver._raw, "fetch", lambda *_: asyncio.sleep(0, a_message()))
    with pytest.raises(NotStored):
        await drive(h, item)
    assert open_entries(h) == [item]
    h.door.away = False

    def away(*_: object) -> None:
        raise OperationalError("update", {}, Exception("away"))

    with monkeypatch.context() as broken:
        broken.setattr(h.memory, "redriven", away)
        with pytest.raises(OperationalError):
            await drive(h, item)
    assert open_entries(h) == [item], "it is on Kafka, and driving it again is harmless"
    assert (await drive(h, item)).item.resolution == "redriven"
    assert len({report.event_id for report in h.door.reports}) == 1


async def test_twice_and_from_two_processes_at_once_changes_nothing_more(house: MakeHouse) -> None:
    await house(None).send(a_message(GOOD, WITHOUT_CODE))
    here, there = house(), house()
    [item] = open_entries(here)
    both = await asyncio.gather(drive(here, item, "r1"), drive(there, item, "r2"))
    settled = here.memory.work_list.page(state="all")
    again = [await drive(one, item, "r3") for one in (here, there)]
    [left] = {tuple(i.event_id for i in one.still_open) for one in (*both, *again)}
    assert [(i.event_id, i.open) for i in here.memory.work_list.page(state="all")] == [
        (i.event_id, i.open) for i in settled
    ]
    assert sorted((i.open, i.event_id) for i in settled) == [(False, item.event_id), (True, *left)]
    assert len({(record.topic.name, record.value) for record in here.door.records}) == 3, "an entry, a report, an entry"


# --- whatever people do, in any order -------------------------------------------------------------------------

PROFILES = (None, PROFILE, NO_NUMBER, IGNORING)
MESSAGES = (a_message(GOOD), a_message(GOOD, WITHOUT_CODE), a_message(WITHOUT_CODE), a_message(GOOD, pid3=""))
WHICH, PROFILE_AT = st.integers(0, 2), st.sampled_from([0, 0, 1, 2, 2, 3])
DRIVE = st.tuples(st.sampled_from(["drive", "drive", "drive_twice", "drive_away"]), PROFILE_AT, WHICH)
STEP = st.one_of(
    DRIVE,
    DRIVE,
    st.tuples(st.just("send"), PROFILE_AT, WHICH),
    st.tuples(st.just("resolve"), st.sampled_from(["not_needed", "sender_resends"]), WHICH),
    st.tuples(st.just("reopen"), st.just(""), WHICH),
)


class Course:
    """Everything that happens to one message, with what must hold after each step."""

    def __init__(self, url: str, message: bytes) -> None:
        self.message = message
        self.door = Door()
        self.houses = [House(url, load_profile(text) if text else None, door=self.door) for text in PROFILES]
        self.numbers = itertools.count()

    async def go(self, steps: list[tuple]) -> None:
        for step in [("send", 0, 0), *steps]:
            await self._step(*step)
            self._nothing_is_lost()
        for house in self.houses:
            house.close()

    async def _step(self, what: str, how: int | str, which: int) -> None:
        house = self.houses[how if isinstance(how, int) else 0]
        entries = self._entries()
        chosen = entries[which % len(entries)] if entries else None
        if what == "send":
            await house.send(self.message)
        elif chosen and what == "resolve":
            house.memory.work_list.resolve(chosen.event_id, self._act(), str(how), "")
        elif chosen and what == "reopen":
            house.memory.work_list.reopen(chosen.event_id, self._act(), "why")
        elif chosen:
            await self._drive(house, chosen, what)

    async def _drive(self, house: House, chosen: Item, what: str) -> None:
        self.door.away = what == "drive_away"
        for repeat in range(2 if what == "drive_twice" else 1):
            before = self._entries()
            try:
                await house.redriver.redrive(chosen.event_id, self._act(), 30)
            except (Refused, Away):
                assert self._entries() == before
            if repeat:
                assert [(i.event_id, i.open) for i in self._entries()] == [(i.event_id, i.open) for i in before]
        self.door.away = False

    def _nothing_is_lost(self) -> None:
        """Each result of the message is published, or decided by a person, or on the open list."""
        published = {observation.segment for report in self.door.reports for observation in report.observations}
        visible = [item for item in self._entries() if item.open or item.decided]
        for place in (f"OBX[{n}]" for n in range(1, self.message.count(b"\rOBX|") + 1)):
            seen = place in published or any(item.whole_message or item.place == place for item in visible)
            assert seen, f"{place} is nowhere"

    def _entries(self) -> list[Item]:
        return self.houses[0].memory.work_list.page(state="all", limit=500)

    def _act(self) -> Act:
        return Act("dr-a", LATER, f"r{next(self.numbers)}")


@settings(max_examples=60, deadline=None)
@given(message=st.sampled_from(MESSAGES), steps=st.lists(STEP, min_size=6, max_size=16))
def test_whatever_people_do_no_result_gets_lost(
    tmp_path_factory: pytest.TempPathFactory, message: bytes, steps: list[tuple]
) -> None:
    url = f"sqlite:///{tmp_path_factory.mktemp('course')}/intake.db"
    memory.upgrade(url)
    asyncio.run(Course(url, message).go(steps))
