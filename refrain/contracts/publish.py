"""Writes what is derived from the contracts: JSON Schemas and ``docs/flow.md``. With ``--check`` it only compares."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from refrain.contracts.topics import TOPICS, Topic, adapter

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "refrain" / "contracts" / "schemas"
FLOW = ROOT / "docs" / "flow.md"


def schema(topic: Topic) -> str:
    """The JSON Schema of what is written to a topic."""
    document = adapter(topic).json_schema(mode="serialization", by_alias=True)
    return json.dumps({"$comment": f"{topic.name}: {topic.about}", **document}, indent=1, sort_keys=True) + "\n"


def flow() -> str:
    """The table of topics and the picture of who writes and reads them."""
    rows = [
        f"| `{topic.name}` | {topic.about} | {', '.join(topic.written_by)} | {', '.join(topic.read_by) or '—'} | "
        f"{topic.partitions} | {topic.retention.days} days | {dead_letters(topic)} |"
        for topic in TOPICS
    ]
    edges = [f"    {writer} --> {topic.name}" for topic in TOPICS for writer in topic.written_by]
    edges += [f"    {topic.name} --> {reader}" for topic in TOPICS for reader in topic.read_by]
    return "\n".join(
        [
            "# Flow",
            "",
            "Generated from `refrain/contracts/topics.py` by `make generate`; do not edit.",
            "",
            "```mermaid",
            "flowchart LR",
            *edges,
            "```",
            "",
            "| topic | carries | written by | read by | partitions | retention | dead letters |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
            "Every topic but `quarantine.v1` is keyed by the patient (`authority|type|id`, each percent-encoded), so",
            "that one patient stays in one partition of every topic.",
            "",
        ]
    )


def dead_letters(topic: Topic) -> str:
    return ", ".join(f"`{topic.dead_letters(reader)}`" for reader in topic.read_by) or "—"


def main(check: bool) -> int:
    wanted = {SCHEMAS / f"{topic.name}.json": schema(topic) for topic in TOPICS} | {FLOW: flow()}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if check:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is out of date: run 'make generate' and commit it", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path], encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
