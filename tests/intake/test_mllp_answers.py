"""From a frame to its answer, with a door that a test opens and shuts: what is published, remembered and said."""

from __future__ import annotations

import asyncio
import logging
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY, generate_latest
from sqlalchemy.exc import OperationalError

from refrain.contracts.topics import LAB_REPORTS, QUARANTINE
from services.intake import app as app_module
from services.intake.adapters import memory
from services.intake.adapters.mllp_feed import Silence
from services.intake.domain.framing import Frame
from services.intake.domain.profile import Profile, load_profile, permissive
from tests.intake.house import PROFILE, House, a_frame, a_message

PLANTED = ("Plantedname", "Plantedfirst", "0007311234", "19570203", "4711.25", "PLANTEDCOMMENT")

MakeHouse = Callable[..., House]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[MakeHouse]:
    url = f"sqlite:///{tmp_path}/intake.db"
    memory.upgrade(url)
    made: list[House] = []

    def make(profile: str = PROFILE, fallback: Profile | None = None) -> House:
        made.append(House(url, load_profile(profile), fallback))
        return made[-1]

    yield make
    for one in made:
        one.close()


def msa(answer: str) -> str:
    return next(segment for segment in answer.split("\r") if segment.startswith("MSA"))


async def test_the_answer_waits_for_kafka(house: MakeHouse) -> None:
    h = house()
    h.door.gate.clear()
    answering = asyncio.create_task(h.send(a_message()))
    await asyncio.sleep(0.1)
    assert not answering.done()
    h.door.gate.set()
    assert msa(await answering) == "MSA|AA|E1"
    [report] = h.door.reports
    assert report.patient.key == "NORTH|MR|0007311234"
    assert h.door.records[0].key == b"NORTH|MR|0007311234"


async def test_a_body_that_was_published_is_a_duplicate_under_any_control_id(house: MakeHouse) -> None:
    h = house()
    assert msa(await h.send(a_message())) == "MSA|AA|E1"
    assert msa(await h.send(a_message(control="E2"))) == "MSA|AA|E2"
    assert len(h.door.records) == 1
    assert h.outcomes() == {"north-lab": {"published": 1, "duplicate": 1}}


async def test_on_a_wiped_log_the_same_body_is_published_again(house: MakeHouse) -> None:
    h = house()
    await h.send(a_message())
    h.door.log_id = "log-2"
    await h.send(a_message())
    assert [r.event_id for r in h.door.reports] == [h.door.reports[0].event_id] * 2


async def test_while_kafka_is_away_not_even_a_known_body_is_called_a_duplicate(house: MakeHouse) -> None:
    h = house()
    await h.send(a_message())
    h.door.storing, h.door.away = False, True
    with pytest.raises(Silence):
        await h.send(a_message())
    assert h.outcomes() == {"north-lab": {"published": 1, "not_stored": 1}}


async def test_nothing_stored_is_silence_and_nothing_is_remembered(house: MakeHouse) -> None:
    h = house()
    h.door.away = True
    with pytest.raises(Silence):
        await h.send(a_message())
    h.door.away = False
    assert msa(await h.send(a_message())) == "MSA|AA|E1"
    assert len(h.door.reports) == 1


async def test_a_sender_that_queues_on_it_hears_207(house: MakeHouse) -> None:
    h = house(PROFILE + "acks: {unavailable: AE}\n")
    h.door.away = True
    answer = await h.send(a_message())
    assert msa(answer) == "MSA|AE|E1"
    assert "207^" in answer


async def test_a_message_without_use_is_kept_with_its_bytes_and_comes_again_as_the_same_entry(house: MakeHouse) -> None:
    h = house()
    message = a_message(pid3="")
    assert msa(await h.send(message)).startswith("MSA|AE|E1")
    assert msa(await h.send(message)).startswith("MSA|AE|E1")
    first, second = h.door.quarantined
    assert first.event_id == second.event_id
    assert (first.reason, first.place, first.whole_message) == ("no_patient_id", "PID[1]-3", True)
    assert b64decode(first.raw or "") == message
    assert (first.hash, first.size) == (sha256(message).hexdigest(), len(message))
    assert h.outcomes() == {"north-lab": {"quarantined": 2}}
    assert [item.reason for item in h.memory.work_list.page()] == ["no_patient_id"]


async def test_one_unusable_result_is_kept_alone_and_the_message_is_not_remembered(house: MakeHouse) -> None:
    h = house()
    message = a_message("NM|34694-0^VEGF^LN||42|pg/mL|0-160|N|||F", "NM|||7|g/L||N|||F")
    answer = await h.send(message)
    assert msa(answer) == "MSA|AA|E1"
    assert "|W|" in answer
    [entry] = h.door.quarantined
    assert (entry.place, entry.whole_message) == ("OBX[2]", False)
    await h.send(message)
    assert h.outcomes() == {"north-lab": {"published": 2}}


async def test_of_many_unusable_results_in_a_long_message_the_first_entry_has_the_bytes(house: MakeHouse) -> None:
    h = house()
    message = a_message(*(f"NM|||{number}|g/L||N|||F" for number in range(300)), pid3="1^^^NORTH^MR")
    assert msa(await h.send(message)).startswith("MSA|AE")
    entries = h.door.quarantined
    assert len({entry.event_id for entry in entries}) == 300
    assert b64decode(entries[0].raw or "") == message
    assert {entry.raw for entry in entries[1:]} == {None}
    assert {entry.hash for entry in entries} == {entries[0].hash}


async def test_an_unknown_sender_is_refused_and_kept(house: MakeHouse) -> None:
    h = house()
    assert msa(await h.send(a_message(application="OTHER"))).startswith("MSA|AR|E1")
    [entry] = h.door.quarantined
    assert (entry.sender, entry.reason) == ("", "unknown_sender")
    assert h.outcomes() == {"unknown": {"quarantined": 1}}


async def test_the_permissive_profile_reads_anybody_and_says_so(house: MakeHouse) -> None:
    h = house(fallback=permissive())
    assert msa(await h.send(a_message(application="OTHER"))) == "MSA|AA|E1"
    [feed] = [feed for feed in h.standing.feeds() if feed.warnings]
    assert feed.sender == "permissive"
    assert feed.outcomes == {"published": 1}


async def test_of_a_message_over_the_limit_hash_and_size_are_kept(house: MakeHouse) -> None:
    h = house()
    frame = Frame(a_message().split(b"\r")[0], 9_000_000, "ab" * 32, too_large=True)
    [answer] = await h.intake.receive(frame, "mllp")
    assert msa(answer.decode()).startswith("MSA|AR|E1")
    [entry] = h.door.quarantined
    assert (entry.reason, entry.hash, entry.size, entry.raw) == ("too_large", "ab" * 32, 9_000_000, None)


async def test_a_report_that_kafka_calls_too_large_goes_to_quarantine(house: MakeHouse) -> None:
    h = house()
    h.door.limits[LAB_REPORTS] = 1000
    assert msa(await h.send(a_message())).startswith("MSA|AR|E1")
    assert h.door.reports == []
    [entry] = h.door.quarantined
    assert (entry.reason, entry.place) == ("too_large", "OBX[1]")
    assert b64decode(entry.raw or "") == a_message()
    assert h.outcomes() == {"north-lab": {"quarantined": 1}}


async def test_only_the_report_that_is_too_large_is_left_out(house: MakeHouse) -> None:
    h = house()
    small = "OBR|2|P101|F201|PAN^Panel^L|||20260314080000+0100|||||||||||||||20260314091400+0100|||F\r"
    message = a_message(*[f"NM|34694-0^VEGF^LN|1.{n}|42|pg/mL|0-160|N|||F" for n in range(9)])
    message += (small + "OBX|1|NM|34694-0^VEGF^LN||42|pg/mL|0-160|N|||F\r").encode()
    h.door.limits[LAB_REPORTS] = 4000
    answer = await h.send(message)
    assert msa(answer) == "MSA|AA|E1"
    assert [report.order.filler for report in h.door.reports] == ["F201"]
    assert {(e.reason, e.whole_message) for e in h.door.quarantined} == {("too_large", False)}
    assert len(h.door.quarantined) == 9


async def test_an_entry_that_is_too_large_with_its_bytes_is_kept_without_them(house: MakeHouse) -> None:
    h = house()
    h.door.limits[QUARANTINE] = 700
    assert msa(await h.send(a_message(pid3=""))).startswith("MSA|AE|E1")
    [entry] = h.door.quarantined
    assert (entry.reason, entry.raw, entry.size) == ("no_patient_id", None, len(a_message(pid3="")))


async def test_without_a_memory_everything_is_published_and_answered(house: MakeHouse, monkeypatch) -> None:
    h = house()

    def away(*_: object) -> None:
        raise OperationalError("select", {}, Exception("disk"))

    monkeypatch.setattr(h.memory, "seen", away)
    monkeypatch.setattr(h.memory, "remember", away)
    assert msa(await h.send(a_message())) == "MSA|AA|E1"
    assert msa(await h.send(a_message())) == "MSA|AA|E1"
    assert len(h.door.reports) == 2


async def test_a_message_that_breaks_the_translator_is_kept(house: MakeHouse, monkeypatch) -> None:
    def breaks(frame: Frame, *_: object, **__: object) -> None:
        raise RuntimeError(frame.payload.decode())

    monkeypatch.setattr(app_module, "translate_frame", breaks)
    h = house()
    assert msa(await h.send(a_message())).startswith("MSA|AR|E1")
    [entry] = h.door.quarantined
    assert entry.reason == "internal_error"
    assert b64decode(entry.raw or "") == a_message()


async def test_an_ignored_message_is_counted_and_one_not_for_us_is_refused_each_time(house: MakeHouse) -> None:
    h = house(PROFILE + "ignore: [SIU^S12]\n")
    ignored = a_message().replace(b"ORU^R01^ORU_R01", b"SIU^S12")
    other = a_message().replace(b"ORU^R01^ORU_R01", b"MDM^T02")
    assert [msa(await h.send(m))[:6] for m in (ignored, ignored, other, other)] == [
        "MSA|AA",
        "MSA|AA",
        "MSA|AR",
        "MSA|AR",
    ]
    assert h.outcomes() == {"north-lab": {"ignored": 3, "duplicate": 1}}
    assert h.door.records == []


PIECES = [
    b"MSH|^~\\&|LAB|NORTH|",
    b"|ORU^R01|",
    b"\r",
    b"PID|",
    b"OBR|1",
    b"OBX|1|NM|",
    b"|",
    b"^",
    b"\\",
    b"~",
    b"\xff",
    b"\0",
]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=20), st.sampled_from(PIECES)), max_size=30).map(b"".join))
def test_whatever_a_sender_sends_it_is_answered_or_kept(
    tmp_path_factory: pytest.TempPathFactory, payload: bytes
) -> None:
    url = f"sqlite:///{tmp_path_factory.getbasetemp()}/fuzz.db"
    memory.upgrade(url)

    async def receive() -> House:
        h = House(url, load_profile(PROFILE), permissive())
        await h.intake.receive(a_frame(payload), "mllp")
        h.close()
        return h

    h = asyncio.run(receive())
    [outcomes] = h.outcomes().values()
    [outcome] = outcomes
    assert bool(h.door.quarantined) >= (outcome == "quarantined")
    assert "internal_error" not in {entry.reason for entry in h.door.quarantined}


async def test_received_is_the_sum_of_the_outcomes(house: MakeHouse) -> None:
    h = house()
    messages = [a_message(), a_message(), a_message(pid3=""), b"garbage", a_message(application="X"), b""]
    for message in messages:
        await h.send(message)
    assert sum(sum(outcomes.values()) for outcomes in h.outcomes().values()) == len(messages)


async def test_a_patient_never_shows_in_logs_metrics_or_answers(
    house: MakeHouse, monkeypatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    h = house(fallback=permissive())
    said = [await h.send(a_message()), await h.send(a_message()), await h.send(a_message("NM|||4711.25|g/L"))]
    said.append(await h.send(a_message(pid3="^^^0007311234")))
    await h.send(a_message().replace(b"|P|2.5.1", b"|Plantedname|0007311234"))  # the answer repeats MSH-11 and MSH-12
    said.append(await h.send(a_message()[40:]))
    h.door.limits = {LAB_REPORTS: 10, QUARANTINE: 10}
    with pytest.raises(Silence):
        await h.send(a_message(control="E9", pid3="10007311234^^^NORTH^MR"))
    h.door.limits, h.door.away = {}, True
    with pytest.raises(Silence):
        await h.send(a_message(control="E9", pid3="20007311234^^^NORTH^MR"))
    h.door.away = False

    def breaks(frame: Frame, *_: object, **__: object) -> None:
        raise RuntimeError(frame.payload.decode())

    monkeypatch.setattr(app_module, "translate_frame", breaks)
    said.append(await h.send(a_message()))
    shown = "".join(f"{r.getMessage()} {r.__dict__} {r.exc_info}" for r in caplog.records if r.name != "asyncio")
    shown += generate_latest(REGISTRY).decode() + "".join(said) + str(h.standing.feeds()) + "".join(capfd.readouterr())
    shown += str(h.memory.work_list.page())
    assert "no_patient_id" in shown
    assert [name for name in PLANTED if name in shown] == []
