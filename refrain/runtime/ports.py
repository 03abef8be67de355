"""Tells others where a process listens: ports may be chosen by the system."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path


def write_ports(path: Path | None, ports: Mapping[str, int]) -> None:
    """Write the bound ports as one JSON object, all at once, so that a reader never sees half of it."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(dict(ports)) + "\n")
    draft.replace(path)
