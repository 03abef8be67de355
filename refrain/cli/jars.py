"""Apache Kafka as Maven artifacts: fetched once through jgo, checked against pinned hashes, kept in a cache.

``kafka-jars.json`` is the lock: every artifact of one Kafka version with its SHA-256. Nothing is resolved at
run time, so the same bytes start everywhere, and a machine that has them needs no network.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from jgo.maven import MavenContext

from refrain.cli.problems import CannotStart

NEEDED_BYTES = 200 * 1024 * 1024
"""Room for the jars (about 45 MB) and their staging copy, with reserve."""
PARALLEL_DOWNLOADS = 4
TIMEOUT_SECONDS = 60

Progress = Callable[[int, int], None]
"""Called with jars done and jars in all."""


def quiet(_done: int, _total: int) -> None:
    """Shows nothing."""


@dataclass(frozen=True, slots=True)
class Release:
    """One Kafka version and the hash of each of its artifacts (``group:artifact:version``)."""

    version: str
    jars: Mapping[str, str]


@cache
def pinned() -> Release:
    """The Kafka version that this version of Refrain runs with."""
    lock = json.loads(files("refrain.cli").joinpath("kafka-jars.json").read_text())
    return Release(lock["kafka"], lock["jars"])


def cache_directory() -> Path:
    """``$REFRAIN_CACHE``, else ``refrain`` in the user's cache directory."""
    if chosen := os.environ.get("REFRAIN_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "refrain"


def classpath(progress: Progress = quiet) -> list[Path]:
    """Paths of all jars, fetched if they are not there yet. CannotStart says why it could not be done."""
    release = pinned()
    home = cache_directory() / f"kafka-{release.version}"
    paths = {artifact: home / _file_name(artifact) for artifact in release.jars}
    missing = [artifact for artifact, path in paths.items() if not path.exists()]
    if missing:
        _fetch(missing, paths, release, progress)
    return list(paths.values())


def _file_name(artifact: str) -> str:
    _, name, version = artifact.split(":")
    return f"{name}-{version}.jar"


def _fetch(missing: list[str], paths: Mapping[str, Path], release: Release, progress: Progress) -> None:
    home = next(iter(paths.values())).parent
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise CannotStart(
            f"Cannot write to {home} ({problem.strerror}). Set REFRAIN_CACHE to a directory you may write to."
        ) from problem
    if shutil.disk_usage(home).free < NEEDED_BYTES:
        raise CannotStart(
            f"Less than {NEEDED_BYTES >> 20} MB are free at {home}, where the jars of Apache Kafka are kept. "
            "Free some space, or set REFRAIN_CACHE to a directory on a larger disk."
        )
    progress(0, len(missing))
    with tempfile.TemporaryDirectory(dir=home) as staging, ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
        context = MavenContext(repo_cache=Path(staging), timeout=TIMEOUT_SECONDS)
        running = [
            pool.submit(_fetch_one, context, artifact, release.jars[artifact], paths[artifact]) for artifact in missing
        ]
        try:
            for done, future in enumerate(as_completed(running), start=1):
                future.result()
                progress(done, len(missing))
        finally:
            pool.shutdown(cancel_futures=True)


def _fetch_one(context: MavenContext, artifact: str, expected: str, destination: Path) -> None:
    """Download into the staging directory, check, then move: a half jar is never seen under its final name."""
    group, name, version = artifact.split(":")
    try:
        staged = Path(context.project(group, name).at_version(version).artifact().resolve())
    except (OSError, RuntimeError) as problem:
        raise CannotStart(
            f"Could not download {artifact} for Apache Kafka. Check the network (and the proxy settings), then run the "
            f"command again: what is there already is kept. Or point KAFKA_BOOTSTRAP_SERVERS at a running cluster."
        ) from problem
    if sha256(staged.read_bytes()).hexdigest() != expected:
        raise CannotStart(
            f"The downloaded {artifact} is not the artifact that Refrain was built against (its SHA-256 differs). "
            "Nothing was started. Run the command again; if it happens twice, something between here and the "
            "repository changes files."
        )
    os.replace(staged, destination)
