"""The command line without Kafka: help that teaches, files in, JSON out, and sentences instead of tracebacks."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from refrain.cli import questions
from refrain.cli.commands.record import BODIES
from refrain.cli.demo.case import PATIENT, case
from refrain.cli.demo.messages import messages
from refrain.cli.main import app
from refrain.cli.mllp import MllpClient, Unanswered, read_answer
from refrain.contracts.events import CareEvent
from services.intake.domain.framing import Framer, wrap

COMMANDS = ("up", "status", "logs", "down", "demo", "send", "translate", "record", "assess", "explain")
MESSAGE = (
    "MSH|^~\\&|LAB|WEST|REFRAIN||20260314091501+0100||ORU^R01^ORU_R01|{number}|P|2.5.1\r"
    "PID|1||0012345^^^WEST^MR||INVENTED^NAME||19700101|F\r"
    "OBR|1|P1|F{number}|PANEL^Panel^L|||20260314080000+0100\r"
    "OBX|1|NM|2465-3^IgG^LN||11.2|g/L|8.6-17.4||||F\r"
)
run = CliRunner().invoke


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFRAIN_HOME", str(tmp_path / ".refrain"))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_is_for(command: str) -> None:
    shown = run(app, [command, "--help"])
    assert shown.exit_code == 0
    assert len(shown.output.split()) > 40


def test_the_whole_help_names_every_command() -> None:
    shown = run(app, ["--help"]).output
    assert [command for command in COMMANDS if command not in shown] == []


@pytest.mark.parametrize("command", ["status", "logs"])
def test_without_a_stack_the_way_on_is_named(command: str) -> None:
    shown = run(app, [command])
    assert shown.exit_code == 1
    assert "refrain" in shown.output


def test_down_without_a_stack_is_harmless() -> None:
    assert run(app, ["down", "--wipe"]).exit_code == 0


# --- translate ---


def listed(*arguments: str) -> list[dict[str, object]]:
    shown = run(app, ["translate", *arguments])
    assert shown.exit_code == 0, shown.output
    return [json.loads(line) for line in shown.stdout.splitlines()]


@pytest.mark.parametrize(
    ("end", "framed"), [("\r", False), ("\n", False), ("\r\n", False), ("\r", True)], ids=["CR", "LF", "CRLF", "MLLP"]
)
def test_translate_reads_many_messages_of_one_file(tmp_path: Path, end: str, framed: bool) -> None:
    path = tmp_path / "a.hl7"
    texts = [MESSAGE.format(number=number).replace("\r", end).encode() for number in (1, 2)]
    path.write_bytes(b"".join(wrap(text) if framed else text for text in texts))
    found = listed(str(path))
    assert [(one["source"], one["ack"], one["outcome"]) for one in found] == [
        (f"{path}#0", "AA", "published"),
        (f"{path}#1", "AA", "published"),
    ]


def test_a_body_that_came_before_is_a_duplicate_whatever_its_control_id(tmp_path: Path) -> None:
    path = tmp_path / "a.hl7"
    path.write_text(MESSAGE.format(number=1), newline="")
    again = tmp_path / "b.hl7"
    again.write_text(MESSAGE.format(number=1).replace("ORU_R01|1|", "ORU_R01|2|"), newline="")
    assert [one["outcome"] for one in listed(str(path), str(again))] == ["published", "duplicate"]


def test_a_quarantined_body_is_never_a_duplicate(tmp_path: Path) -> None:
    path = tmp_path / "a.hl7"
    path.write_text(MESSAGE.format(number=1).replace("0012345^^^WEST^MR", ""), newline="")
    found = listed(str(path), str(path))
    assert [(one["ack"], one["outcome"], one["reason"]) for one in found] == [
        ("AE", "quarantined", "no_patient_id")
    ] * 2


def test_a_message_over_the_limit_is_refused_framed_or_not(tmp_path: Path) -> None:
    large = MESSAGE.format(number=1).encode() + b"NTE|1||" + b"x" * (8 * 1024 * 1024)
    paths = [tmp_path / "plain.hl7", tmp_path / "framed.hl7"]
    paths[0].write_bytes(large)
    paths[1].write_bytes(wrap(large))
    assert [(one["ack"], one["reason"]) for one in listed(*map(str, paths))] == [("AR", "too_large")] * 2


def test_a_profile_that_comes_along_is_named_without_its_path(tmp_path: Path) -> None:
    path = tmp_path / "case.hl7"
    path.write_bytes(messages(case(), case().moments[0])[0])
    [found] = listed(str(path), "--profile", "case-report")
    [report] = found["reports"]  # type: ignore[misc]
    assert report["patient"] == PATIENT.model_dump()
    assert report["sender"] == "case-report"


def test_a_profile_that_does_not_exist_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.hl7"
    path.write_text(MESSAGE)
    shown = run(app, ["translate", str(path), "--profile", "nobody"])
    assert (shown.exit_code, "There is no profile nobody" in shown.output) == (1, True)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"sender: x\nzone: Mars/Olympus\n", "zone is not an IANA time zone"),
        (b"sender: [\n", "not YAML, line 2"),
        (b"\xff\xfe", "not a text in UTF-8"),
        (b"sender: x\nzone: UTC\ncolour: red\n", "colour: Extra inputs are not permitted"),
        (None, "cannot be read: Is a directory"),
    ],
)
def test_a_profile_that_is_none_is_a_sentence(tmp_path: Path, content: bytes | None, says: str) -> None:
    message = tmp_path / "a.hl7"
    message.write_text(MESSAGE)
    profile = tmp_path / "profile.yaml"
    if content is None:
        profile.mkdir()
    else:
        profile.write_bytes(content)
    shown = run(app, ["translate", str(message), "--profile", str(profile)])
    assert (shown.exit_code, says in " ".join(shown.stderr.split())) == (1, True)


def test_what_cannot_be_used_is_listed_with_its_place_and_said_in_words(tmp_path: Path) -> None:
    path = tmp_path / "a[1].hl7"
    broken = MESSAGE.format(number=2).replace("0012345^^^WEST^MR", "")
    path.write_bytes(wrap(broken.encode()) + wrap(MESSAGE.format(number=1).encode())[:-30])
    shown = run(app, ["translate", str(path)])
    assert shown.exit_code == 0
    found = [json.loads(line) for line in shown.stdout.splitlines()]
    assert [(one["ack"], one["quarantined"]) for one in found] == [
        ("AE", [{"place": "PID[1]-3", "reason": "no_patient_id"}]),
        ("AR", [{"place": "MSH[1]", "reason": "frame_incomplete"}]),
    ]
    words = " ".join(shown.stderr.split())
    assert "a[1].hl7#0: no_patient_id at PID[1]-3. No identifier of a type that the profile names." in words
    assert "a[1].hl7#1: frame_incomplete at MSH[1]. The file breaks off inside the message." in words


@pytest.mark.parametrize("content", [b"", b"\r\n \n"])
def test_a_file_without_a_message_leaves_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.hl7"
    path.write_bytes(content)
    shown = run(app, ["translate", str(path)])
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert "there is no message in it" in shown.stderr


# --- send ---


@pytest.fixture
def door() -> Iterator[tuple[str, list[str]]]:
    """A listener that answers each message with the next code of a list; an empty code closes the connection."""
    codes: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                framer = Framer()
                while data := connection.recv(65_536):
                    for frame in framer.feed(data):
                        if not (code := codes.pop(0)):
                            break
                        control_id = frame.payload.split(b"|")[9].decode() if b"|P|" in frame.payload else ""
                        for one in code.split():
                            answer = f"MSH|^~\\&|R\rMSA|{one}|{control_id}\rERR||PID^1|101^Missing|E|cause"
                            connection.sendall(wrap(answer.encode()))
                    else:
                        continue
                    break

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"127.0.0.1:{listener.getsockname()[1]}", codes
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(timeout=10)


@pytest.fixture
def three(tmp_path: Path) -> str:
    path = tmp_path / "three.hl7"
    path.write_text("".join(MESSAGE.format(number=number) for number in range(3)), newline="")
    return str(path)


def test_send_sums_up_what_was_answered(door: tuple[str, list[str]], three: str) -> None:
    to, codes = door
    codes += ["AA", "CA", "AA"]
    shown = run(app, ["send", three, "--to", to])
    assert shown.exit_code == 0
    assert "3 messages" in shown.output


@pytest.mark.parametrize("code", ["AE", "AR", "CE", "CR"])
def test_one_message_that_was_not_taken_is_exit_code_1(door: tuple[str, list[str]], three: str, code: str) -> None:
    to, codes = door
    codes += ["AA", code, "AA"]
    shown = run(app, ["send", three, "--to", to])
    assert shown.exit_code == 1
    assert f"three.hl7#1: {code} cause at PID^1" in shown.output


def test_a_connection_closed_without_an_answer_is_counted_and_the_rest_is_sent(
    door: tuple[str, list[str]], three: str
) -> None:
    to, codes = door
    codes += ["AA", "", "AA"]
    shown = run(app, ["send", three, "--to", to])
    assert shown.exit_code == 1
    assert "no answer" in shown.output
    assert codes == []


def test_nobody_there_is_a_sentence(three: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        shown = run(app, ["send", three, "--to", f"127.0.0.1:{unused.getsockname()[1]}"])
    assert (shown.exit_code, "Nobody listens" in shown.output) == (1, True)


@pytest.mark.parametrize("to", ["localhost", ":2575", "localhost:", "localhost:70000", "localhost:0", "localhost:²"])
def test_an_address_without_a_usable_port_is_a_sentence(three: str, to: str) -> None:
    shown = run(app, ["send", three, "--to", to])
    assert (shown.exit_code, "HOST:PORT" in shown.output) == (1, True)


def test_a_second_answer_is_not_taken_for_that_of_the_next_message(door: tuple[str, list[str]], three: str) -> None:
    to, codes = door
    codes += ["CA AE", "CA AE", "CA AE"]
    shown = run(app, ["send", three, "--to", to])
    assert (shown.exit_code, "AE" in shown.output) == (0, False)


def test_a_message_that_wants_no_answer_is_not_waited_for(door: tuple[str, list[str]], tmp_path: Path) -> None:
    to, codes = door
    path = tmp_path / "quiet.hl7"
    quiet = MESSAGE.format(number=1).replace("|2.5.1\r", "|2.5.1|||NE|NE\r")
    path.write_text(quiet + MESSAGE.format(number=2), newline="")
    codes += ["AE", "AA"]
    shown = run(app, ["send", str(path), "--to", to])
    assert (shown.exit_code, "no answer wanted" in shown.output) == (0, True)


def test_half_a_message_is_not_sent_as_a_whole_one(door: tuple[str, list[str]], tmp_path: Path) -> None:
    to, codes = door
    path = tmp_path / "half.hl7"
    path.write_bytes(wrap(MESSAGE.format(number=1).encode()) + wrap(MESSAGE.format(number=2).encode())[:-30])
    codes += ["AA", "AA"]
    shown = run(app, ["send", str(path), "--to", to])
    assert (shown.exit_code, codes) == (1, ["AA"])
    assert "half.hl7#1: the file breaks off" in shown.output


def test_a_message_that_mllp_cannot_carry_is_not_sent(door: tuple[str, list[str]], tmp_path: Path) -> None:
    to, codes = door
    path = tmp_path / "odd.hl7"
    path.write_text(MESSAGE.format(number=1) + "NTE|1||a\x0bb\r" + MESSAGE.format(number=2), newline="")
    codes += ["AA", "AA"]
    shown = run(app, ["send", str(path), "--to", to])
    assert (shown.exit_code, codes) == (1, ["AA"])
    assert "odd.hl7#0: it holds the control characters" in shown.output


def test_a_file_without_a_message_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "[empty].hl7"
    path.write_bytes(b"\r\n")
    shown = run(app, ["send", str(path), "--to", "127.0.0.1:1"])
    assert (shown.exit_code, "[empty].hl7: there is no message in it" in shown.output) == (1, True)


def test_silence_is_not_an_answer(door: tuple[str, list[str]]) -> None:
    to, codes = door
    codes.append("")
    host, port = to.split(":")
    with MllpClient(host, int(port)) as client, pytest.raises(Unanswered):
        client.send(b"MSH|^~\\&|")


@pytest.mark.parametrize(
    ("payload", "code", "causes"),
    [
        (b"MSH|^~\\&|R\rMSA|AA|1\r", "AA", ()),
        (b"MSH|^~\\&|R\rMSA|AR|1|version\r", "AR", ("version",)),
        (b"MSH|^~\\&|R\rMSA|AE|1\rERR||OBX^3|102^Data|E|bad_time^^R\r", "AE", ("bad_time at OBX^3",)),
        (b"nonsense", "?", ()),
    ],
)
def test_an_answer_is_read(payload: bytes, code: str, causes: tuple[str, ...]) -> None:
    answer = read_answer(payload)
    assert (answer.code, answer.causes) == (code, causes)
    assert answer.positive == (code == "AA")


# --- record and explain ---


def test_the_help_of_record_names_every_type_and_field() -> None:
    shown = run(app, ["record", "--help"]).output
    fields = {name for model in BODIES.values() for name in model.model_fields if name != "type"}
    assert [word for word in {*BODIES, *fields} if word not in shown] == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["dose"], "TYPE is one of"),
        (["drug", "drug=x", "first=2025-01-06"], "--patient wants three parts"),
        (["drug", "colour=red", "--patient", "W|MR|1"], "drug takes FIELD=VALUE"),
        (["drug", "drug=x", "first=tomorrow", "last=2025-01-06", "--patient", "W|MR|1"], "cannot use drug.first"),
        (["drug", "drug=x", "--patient", "W|MR|1"], "cannot use drug.first (missing)"),
        (["drug", "drug=x", "first=2025-01-06", "--patient", "W|MR|1"], "No intake runs here"),
        (["drug", "drug=x", "first=2025-01-06", "--patient", "W|MR|1", "--known-from", "now"], "cannot use known_from"),
        (["clinical_finding", "on=2025-01-06", "symptoms={oedema", "--patient", "W|MR|1"], "symptoms is no JSON"),
        (["transplant", "on=2025-05-06", "--patient", "W|MR|1"], "No intake runs here"),
        (
            ["transplant", "on=2025-05-06", "--patient", "W|MR|1", "--to", "127.0.0.1:1"],
            "No intake answers at 127.0.0.1:1",
        ),
    ],
)
def test_what_is_wrong_with_a_care_event_is_a_sentence(arguments: list[str], says: str) -> None:
    shown = run(app, ["record", *arguments])
    assert shown.exit_code == 1
    assert says in " ".join(shown.output.split())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"not json", "is no JSON, line 1"),
        (b"\xff\xfe\x00", "is no JSON"),
        (b"{}", "holds no list"),
        (b"[]", "holds no list"),
        (b"[1]", "[0]: a care event needs its patient"),
        (
            b'[{"body": {"type": "drug"}, "patient": {"authority": "W", "type": "MR", "id": "1"}}]',
            "drug.drug (missing)",
        ),
        (b'[{"body": {"type": "dose"}, "patient": {"authority": "W", "type": "MR", "id": "1"}}]', "cannot use body"),
        (b'[{"body": "drug", "patient": {}}]', "[0]: a care event needs"),
    ],
)
def test_what_is_wrong_with_a_file_of_care_events_is_a_sentence(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "care.json"
    path.write_bytes(content)
    shown = run(app, ["record", "--file", str(path)])
    assert (shown.exit_code, says in " ".join(shown.output.split())) == (1, True), shown.output


@pytest.mark.parametrize("by_file", [False, True])
def test_what_is_recorded_reaches_the_request(monkeypatch, tmp_path: Path, by_file: bool) -> None:
    sent: list[CareEvent] = []
    monkeypatch.setattr(questions, "record", lambda _, events: sent.extend(events) or [])
    path = tmp_path / "care.json"
    path.write_text(json.dumps([{
        "patient": {"authority": "W", "type": "MR", "id": "1"}, "key": "k", "withdrawn": True, "request": "2",
        "known_from": "2025-01-07T00:00:00Z", "body": {"type": "drug", "drug": "x", "first": "2025-01-06"},
    }]))  # fmt: skip
    words = ["drug", "drug=x", "first=2025-01-06", "--patient", "W|MR|1", "--key", "k", "--withdraw", "--again", "2",
             "--known-from", "2025-01-07T00:00:00Z"]  # fmt: skip
    shown = run(app, ["record", *(["--file", str(path)] if by_file else words), "--to", "127.0.0.1:1"])
    assert shown.exit_code == 0, shown.output
    [event] = sent
    request = questions.care_request(event)
    assert (request.key, request.withdrawn, request.request_id) == ("k", True, "2")
    assert (request.body.drug.first, request.body.drug.last) == ("2025-01-06", "2025-01-06")
    assert request.known_from.ToJsonString() == "2025-01-07T00:00:00Z"


def test_explain_wants_an_id() -> None:
    shown = run(app, ["explain", "0012345"])
    assert (shown.exit_code, "ids are UUIDs" in shown.output) == (1, True)


# --- assess ---


def test_assess_prints_one_object_and_a_sentence_for_what_is_no_timeline(tmp_path: Path) -> None:
    path = tmp_path / "timeline.json"
    path.write_text(json.dumps(case().document))
    whole = json.loads(run(app, ["assess", str(path)]).output)
    early = json.loads(run(app, ["assess", str(path), "--until", "2025-02-03"]).output)
    assert set(whole) == {"flags", "course", "alerts", "quality"}
    assert len(early["flags"]) < len(whole["flags"])
    path.write_text("{")
    assert "is not JSON" in run(app, ["assess", str(path)]).output
    path.write_text("{}")
    assert run(app, ["assess", str(path)]).exit_code == 1
