"""The table of topics, the published schemas and the examples agree."""

import json
from pathlib import Path

import jsonschema
import pytest
from pydantic import ValidationError

from refrain.contracts import publish
from refrain.contracts.topics import TOPICS, Topic, inputs_of

EXAMPLES = Path(publish.__file__).parent / "examples"
CASES = [
    pytest.param(topic, path, id=f"{topic.name}/{path.stem}")
    for topic in TOPICS
    for path in sorted((EXAMPLES / topic.name).glob("*.json"))
]


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_every_topic_has_an_example(topic: Topic) -> None:
    assert list((EXAMPLES / topic.name).glob("*.json"))


@pytest.mark.parametrize(("topic", "path"), CASES)
def test_an_example_is_read_and_written_without_loss(topic: Topic, path: Path) -> None:
    text = path.read_bytes()
    assert json.loads(topic.encode(topic.decode(text))) == json.loads(text)


@pytest.mark.parametrize(("topic", "path"), CASES)
def test_an_example_fits_the_published_schema(topic: Topic, path: Path) -> None:
    schema = json.loads((publish.SCHEMAS / f"{topic.name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(json.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(("topic", "path"), CASES)
def test_the_id_of_an_example_is_derived_from_its_content(topic: Topic, path: Path) -> None:
    event = topic.decode(path.read_bytes())
    if hasattr(event, "identified"):
        assert event.identified().event_id == event.event_id


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_an_error_never_shows_the_patient(topic: Topic) -> None:
    with pytest.raises(ValidationError) as caught:
        topic.decode(b'{"fact": "lab_report", "patient": {"authority": "PLANTED-NAME", "type": 7}}')
    assert "PLANTED-NAME" not in str(caught.value)


def test_what_is_derived_from_the_contracts_is_fresh() -> None:
    assert publish.main(check=True) == 0


def test_partition_counts_of_patient_topics_are_equal() -> None:
    assert len({topic.partitions for topic in TOPICS if topic.keyed_by_patient}) == 1


def test_the_engines_read_what_the_table_says() -> None:
    assert [topic.name for topic in inputs_of("response")] == ["care-events.v1", "flagged-reports.v1"]
