"""AlertService over real gRPC, on both databases: answers, refusals, idempotence, pages, changes as they come."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from refrain.api.events.v1.people_pb2 import Actor, PatientId
from refrain.api.notify.v1 import alerts_pb2 as api
from refrain.api.notify.v1 import alerts_pb2_grpc
from refrain.contracts.events import AlertClosed
from refrain.contracts.topics import ALERT_ACTIONS
from refrain.runtime.grpc_server import GrpcServer
from services.notify.adapters.answers import REMEMBERED, Answers
from services.notify.adapters.delivery_log import DeliveryLog
from services.notify.adapters.grpc_api import NAME, AlertApi
from services.notify.adapters.queries import Queries
from services.notify.adapters.store import Store
from tests.notify.keeping import Clock, a_store, done, issued, take, thread_of
from tests.notify.telling import NOON, PATIENT, a_thread

LEE = Actor(id="m.lee", role="clinician", via="console")
ROY = Actor(id="a.roy", role="clinician", via="console")
Stub = alerts_pb2_grpc.AlertServiceStub


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    opened = a_store(database)
    yield opened
    opened.close()


@asynccontextmanager
async def served(store: Store, clock: Callable[[], Any], dead: tuple[str, ...] = ()) -> AsyncIterator[Stub]:
    api_ = AlertApi(store, Answers(store, clock), lambda _: dead, clock)
    server = GrpcServer([(alerts_pb2_grpc.add_AlertServiceServicer_to_server, api_)], [NAME])
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield Stub(channel)
    finally:
        await server.stop()


def alert_id(number: int = 1) -> str:
    return str(a_thread(number).alert)


def acknowledge(number: int = 1, *, actor: Actor = LEE, **more: Any) -> api.AcknowledgeRequest:
    asked = {"alert_id": alert_id(number), "actor": actor, "reason": "will_act", "request_id": str(uuid4())}
    return api.AcknowledgeRequest(**(asked | more))


def read_back(number: int = 1, **more: Any) -> api.RecordReadBackRequest:
    asked = {
        "alert_id": alert_id(number), "actor": LEE, "by": "ward 4", "name_confirmed": True,
        "identifier_confirmed": True, "result_confirmed": True, "request_id": str(uuid4()),
    }  # fmt: skip
    return api.RecordReadBackRequest(**(asked | more))


def snooze(clock: Clock, number: int = 1, **by: float) -> api.SnoozeRequest:
    until = Timestamp()
    until.FromDatetime(clock() + timedelta(**by))
    return api.SnoozeRequest(alert_id=alert_id(number), actor=LEE, until=until, request_id=str(uuid4()))


async def refused(call: Any) -> tuple[str, str, dict[str, str]]:
    """Status code, and reason and metadata of its ErrorInfo, or the fields of its BadRequest."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    error = raised.value
    status = rpc_status.from_call(error)
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details if status else ():
        detail.Unpack(info)
        detail.Unpack(bad)
    if info.reason:
        assert info.domain == "refrain.notify"
    fields = ",".join(violation.field for violation in bad.field_violations)
    return error.code().name, info.reason or fields, dict(info.metadata)


async def test_an_alert_is_taken_on_read_back_and_then_waits_for_nobody(store: Store, clock: Clock) -> None:
    take(store, issued(), now=clock)
    async with served(store, clock) as stub:
        taken = (await stub.Acknowledge(acknowledge())).alert
        assert (taken.state, taken.waiting, taken.acknowledged_by) == ("acknowledged", True, "m.lee")
        read = (await stub.RecordReadBack(read_back())).alert
        assert (read.state, read.waiting) == ("read_back", False)
        found = await stub.GetAlert(api.GetAlertRequest(alert_id=alert_id()))
    assert [(action.number, action.type, action.actor) for action in found.actions] == [
        (1, "acknowledged", "m.lee"),
        (2, "read_back", "m.lee"),
    ]
    event = ALERT_ACTIONS.decode(found.actions[0].event.json)
    assert (event.actor.via, event.body.reason) == ("console", "will_act")
    assert found.alert == read


async def test_of_two_people_at_once_one_wins_and_the_other_is_told(database: str, clock: Clock) -> None:
    """Two replicas, two people each, one alert."""
    stores = [a_store(database), a_store(database)]
    take(stores[0], issued(), now=clock)
    async with served(stores[0], clock) as here, served(stores[1], clock) as there:
        people = [Actor(id=f"person-{number}", role="clinician", via="console") for number in range(8)]
        calls = [
            asyncio.ensure_future((here, there)[n % 2].Acknowledge(acknowledge(actor=one)))
            for n, one in enumerate(people)
        ]
        results = await asyncio.gather(*calls, return_exceptions=True)
        won = [place for place, result in enumerate(results) if not isinstance(result, BaseException)]
        assert len(won) == 1
        winner = people[won[0]].id
        for place, call in enumerate(calls):
            if place != won[0]:
                code, reason, about = await refused(call)
                assert (code, reason, about["by"]) == ("FAILED_PRECONDITION", "ALREADY_ACKNOWLEDGED", winner)
                assert about["at"] == clock().isoformat()
    assert done(stores[0]) == ["acknowledged"]
    assert thread_of(stores[0]).acknowledged_by == winner
    for store in stores:
        store.close()


async def test_the_same_request_again_gives_the_same_answer_and_does_nothing(store: Store, clock: Clock) -> None:
    take(store, issued(), now=clock)
    request = acknowledge()
    async with served(store, clock) as stub:
        first = await stub.Acknowledge(request)
        await stub.RecordReadBack(read_back())
        clock.passes(minutes=5)
        assert await stub.Acknowledge(request) == first
        other = api.AcknowledgeRequest()
        other.CopyFrom(request)
        other.comment = "something else"
        assert await refused(stub.Acknowledge(other)) == ("INVALID_ARGUMENT", "request_id", {})
        assert await refused(stub.RecordReadBack(read_back(request_id=request.request_id))) == (
            "INVALID_ARGUMENT", "request_id", {},
        )  # fmt: skip
    assert done(store) == ["acknowledged", "read_back"]


async def test_the_same_request_at_the_same_time_is_done_once(store: Store, clock: Clock) -> None:
    take(store, issued(), now=clock)
    request = acknowledge()
    async with served(store, clock) as stub:
        answers = await asyncio.gather(*(stub.Acknowledge(request) for _ in range(6)))
    assert all(answer == answers[0] for answer in answers)
    assert done(store) == ["acknowledged"]


async def test_a_request_that_was_answered_elsewhere_meanwhile_gets_that_answer(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Committed by another replica between looking for the request and reading the alert."""
    take(store, issued(), now=clock)
    request, look, looks = acknowledge(), Answers._given, []

    def too_early_at_first(*arguments: Any) -> Any:
        looks.append(arguments)
        return None if len(looks) == 2 else look(*arguments)

    monkeypatch.setattr(Answers, "_given", too_early_at_first)
    async with served(store, clock) as stub:
        first = await stub.Acknowledge(request)
        again = await stub.Acknowledge(request)
    assert again == first
    assert len(looks) == 3
    assert done(store) == ["acknowledged"]


async def test_requests_are_forgotten_after_a_while(store: Store, clock: Clock) -> None:
    take(store, issued(), now=clock)
    answers = Answers(store, clock)
    async with served(store, clock) as stub:
        await stub.Acknowledge(acknowledge())
    assert answers.forget() == 0
    clock.passes(seconds=REMEMBERED.total_seconds())
    assert answers.forget() == 1


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        pytest.param(acknowledge(reason="because"), "reason", id="a reason that is not on the list"),
        pytest.param(acknowledge(reason="other"), "comment", id="other without saying what"),
        pytest.param(acknowledge(reason="other", comment="  "), "comment", id="other with blanks"),
        pytest.param(acknowledge(actor=Actor()), "actor.id", id="nobody"),
        pytest.param(acknowledge(alert_id="1"), "alert_id", id="no id of an alert"),
        pytest.param(acknowledge(request_id=""), "request_id", id="no id of the request"),
        pytest.param(acknowledge(comment="x" * 2001), "comment", id="a comment without end"),
        pytest.param(read_back(name_confirmed=False), "name_confirmed", id="the name was not read back"),
        pytest.param(read_back(identifier_confirmed=False), "identifier_confirmed", id="nor the number"),
        pytest.param(read_back(result_confirmed=False), "result_confirmed", id="nor the result"),
        pytest.param(read_back(by=" "), "by", id="read back by nobody"),
        pytest.param(
            api.ReassignRequest(alert_id=alert_id(), actor=LEE, request_id=str(uuid4())), "to", id="to nobody"
        ),
        pytest.param(
            api.SnoozeRequest(alert_id=alert_id(), actor=LEE, request_id=str(uuid4())), "until", id="for no time"
        ),
        pytest.param(api.ListAlertsRequest(page_size=501), "page_size", id="too long a page"),
        pytest.param(api.ListAlertsRequest(page_token="mine"), "page_token", id="a token of somebody else"),
        pytest.param(api.ListAlertsRequest(tiers=["P9"]), "tiers", id="no such tier"),
    ],
)
async def test_what_cannot_be_meant_names_its_field(store: Store, clock: Clock, request_: Any, field: str) -> None:
    take(store, issued(), now=clock)
    async with served(store, clock) as stub:
        call = getattr(stub, type(request_).__name__.removesuffix("Request"))
        assert await refused(call(request_)) == ("INVALID_ARGUMENT", field, {})
    assert done(store) == []


async def test_what_the_state_does_not_allow_says_why(store: Store, clock: Clock) -> None:
    closed = issued(2, fact=AlertClosed, sequence=1, reason="over")
    take(store, issued(1), issued(2), closed, issued(3, tier="P2"), issued(4, processing="test"), now=clock)
    async with served(store, clock) as stub:
        assert (await refused(stub.Acknowledge(acknowledge(2))))[:2] == ("FAILED_PRECONDITION", "ENDED")
        assert (await refused(stub.RecordReadBack(read_back(3))))[:2] == ("FAILED_PRECONDITION", "NOT_CRITICAL")
        assert (await refused(stub.Snooze(snooze(clock, 1, minutes=5))))[:2] == ("FAILED_PRECONDITION", "TOO_LONG")
        assert (await refused(stub.Acknowledge(acknowledge(4))))[:2] == ("FAILED_PRECONDITION", "NOT_LIVE")
        await stub.RecordReadBack(read_back(1))
        code, reason, about = await refused(stub.RecordReadBack(read_back(1)))
        assert (code, reason, about["by"]) == ("FAILED_PRECONDITION", "ALREADY_READ_BACK", "ward 4")
        assert (await refused(stub.Acknowledge(acknowledge(9))))[0] == "NOT_FOUND"
        assert (await refused(stub.GetAlert(api.GetAlertRequest(alert_id=alert_id(9)))))[0] == "NOT_FOUND"


async def test_a_snooze_that_was_made_is_answered_again_though_its_time_has_come(store: Store, clock: Clock) -> None:
    take(store, issued(1, tier="P2"), now=clock)
    async with served(store, clock) as stub:
        request = snooze(clock, minutes=5)
        first = await stub.Snooze(request)
        clock.passes(minutes=6)  # the answer was lost, and whoever asked was away for a while
        assert await stub.Snooze(request) == first
        assert await refused(stub.Snooze(snooze(clock, minutes=-1))) == ("INVALID_ARGUMENT", "until", {})


async def test_an_alert_is_silenced_and_given_to_somebody_else(store: Store, clock: Clock) -> None:
    take(store, issued(1, tier="P2"), now=clock)
    async with served(store, clock) as stub:
        silenced = (await stub.Snooze(snooze(clock, hours=4))).alert
        assert silenced.state == "snoozed"
        assert silenced.snoozed_until.ToDatetime(tzinfo=UTC) == clock() + timedelta(hours=4)
        request = api.ReassignRequest(alert_id=alert_id(), actor=LEE, to="a.roy", request_id=str(uuid4()))
        assert (await stub.Reassign(request)).alert.assigned_to == "a.roy"
        mine = await stub.ListAlerts(api.ListAlertsRequest(assigned_to="a.roy"))
        assert [alert.alert_id for alert in mine.alerts] == [alert_id()]
        stranger = api.ReassignRequest(alert_id=alert_id(), actor=LEE, to="nobody", request_id=str(uuid4()))
        assert await refused(stub.Reassign(stranger)) == ("INVALID_ARGUMENT", "to", {})
    assert "a.roy" in {message.to.person for message in thread_of(store).unsent}


async def test_alerts_come_in_pages_that_miss_and_repeat_nothing(store: Store, clock: Clock) -> None:
    take(store, *(issued(number) for number in range(7)), now=clock)
    async with served(store, clock) as stub:
        await stub.RecordReadBack(read_back(3))
        found, token = [], ""
        while True:
            page = await stub.ListAlerts(api.ListAlertsRequest(waiting_only=True, page_size=2, page_token=token))
            found += [alert.alert_id for alert in page.alerts]
            if not (token := page.next_page_token):
                break
        everything = await stub.ListAlerts(api.ListAlertsRequest(patient=PatientId(**PATIENT.model_dump())))
        nobody = await stub.ListAlerts(api.ListAlertsRequest(patient=PatientId(authority="A", type="MR", id="1")))
    assert sorted(found) == sorted(alert_id(number) for number in (0, 1, 2, 4, 5, 6))
    assert len(everything.alerts) == 7
    assert not nobody.alerts


async def test_a_watcher_hears_of_each_change_and_goes_on_from_its_cursor(database: str, clock: Clock) -> None:
    here, there = a_store(database), a_store(database)
    take(here, issued(1), now=clock)
    async with served(here, clock) as stub:
        listed = await stub.ListAlerts(api.ListAlertsRequest())
        await asyncio.to_thread(take, there, issued(50), now=clock)
        missed = stub.WatchAlerts(api.WatchAlertsRequest(after=listed.cursor))
        assert (await missed.read()).alert.alert_id == alert_id(50)
        missed.cancel()
        watching = stub.WatchAlerts(api.WatchAlertsRequest())
        arriving = asyncio.ensure_future(watching.read())
        number = 1
        while not arriving.done():  # the first ones may come before the stream has begun
            number += 1
            await asyncio.to_thread(take, there, issued(number), now=clock)
            await asyncio.wait({arriving}, timeout=0.3)
        first = await arriving
        assert first.alert.alert_id != alert_id(1)
        await stub.Acknowledge(acknowledge(number))
        while (newer := await watching.read()).alert.state != "acknowledged":
            assert newer.alert.state == "raised"
        assert newer.alert.alert_id == alert_id(number)
        watching.cancel()
        again = stub.WatchAlerts(api.WatchAlertsRequest(after=first.cursor, tiers=["P1"]))
        assert (await again.read()).cursor != first.cursor
        again.cancel()
        for cursor in ("7", "7@another", "x@cluster-1"):
            stream = stub.WatchAlerts(api.WatchAlertsRequest(after=cursor))
            assert await refused(stream.read()) == ("INVALID_ARGUMENT", "after", {})
    here.close()
    there.close()


async def test_people_are_shown_with_their_duties_and_never_with_their_addresses(store: Store, clock: Clock) -> None:
    async with served(store, clock) as stub:
        answer = await stub.ListPeople(api.ListPeopleRequest())
    people = {person.id: person for person in answer.people}
    assert (people["m.lee"].name, list(people["m.lee"].duties), people["m.lee"].on_duty) == (
        "M. Lee",
        ["on_call"],
        True,
    )
    assert not people["a.roy"].on_duty
    assert "hospital.example" not in str(answer)


async def test_channels_are_shown_with_how_they_fare_and_what_waits(store: Store, clock: Clock) -> None:
    take(store, issued(), now=clock)
    DeliveryLog(store).channel_result("pager", False, NOON)
    DeliveryLog(store).channel_result("mail", True, NOON)
    async with served(store, clock, dead=("pager",)) as stub:
        channels = {one.name: one for one in (await stub.ListChannels(api.ListChannelsRequest())).channels}
    assert (channels["pager"].type, channels["pager"].up, channels["pager"].waiting) == ("webhook", False, 1)
    assert channels["pager"].down_since.ToDatetime(tzinfo=UTC) == NOON
    assert (channels["mail"].up, channels["mail"].waiting) == (True, 0)
    assert channels["mail"].last_success_at.ToDatetime(tzinfo=UTC) == NOON


async def test_while_the_database_is_away_callers_are_told_so(store: Store, clock: Clock) -> None:
    take(store, issued(), now=clock)
    with store.writing() as sql:
        sql.exec_driver_sql("alter table thread rename to elsewhere")
    async with served(store, clock) as stub:
        assert (await refused(stub.Acknowledge(acknowledge())))[0] == "UNAVAILABLE"
        assert (await refused(stub.WatchAlerts(api.WatchAlertsRequest(after="0@cluster-1")).read()))[0] == "UNAVAILABLE"
    with store.writing() as sql:
        sql.exec_driver_sql("alter table elsewhere rename to thread")


async def test_no_error_quotes_a_patient(store: Store, clock: Clock) -> None:
    secret = "0007731-SECRET"
    async with served(store, clock) as stub:
        for call in (
            stub.Acknowledge(acknowledge(comment=secret, reason=secret)),
            stub.GetAlert(api.GetAlertRequest(alert_id=secret)),
            stub.ListAlerts(api.ListAlertsRequest(page_token=secret, tiers=[secret])),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call
            status = rpc_status.from_call(raised.value)
            assert secret not in str(raised.value) + str(status)


async def test_what_was_done_is_on_record_word_for_word(store: Store, clock: Clock) -> None:
    take(store, issued(), now=clock)
    async with served(store, clock) as stub:
        await stub.Acknowledge(acknowledge(reason="other", comment="the line was flushed", actor=ROY))
    [action] = Queries(store).actions(a_thread(1).alert)
    said = json.loads(ALERT_ACTIONS.encode(action))
    assert said["body"] == {
        "type": "acknowledged", "reason": "other", "comment": "the line was flushed", "override": True,
    }  # fmt: skip
    assert (said["actor"]["id"], said["at"]) == ("a.roy", "2026-03-10T12:00:00Z")
