"""A library that repeats itself does not fill the disk, and never hides a line of ours."""

from __future__ import annotations

import logging

from refrain.runtime.logging import Seldom


def a_line(logger: str, place: int, text: str = "Unable to update metadata") -> logging.LogRecord:
    return logging.LogRecord(logger, logging.ERROR, "conn.py", place, text, (), None)


def test_one_place_of_a_library_speaks_once_in_a_while() -> None:
    at = 100.0
    seldom = Seldom(10.0, lambda: at)
    assert seldom.filter(a_line("aiokafka.conn", 7))
    assert not seldom.filter(a_line("aiokafka.conn", 7, "Unable to reach node 2"))
    assert seldom.filter(a_line("aiokafka.conn", 8))
    at = 110.0
    assert seldom.filter(a_line("aiokafka.conn", 7))


def test_our_own_lines_always_come_through() -> None:
    seldom = Seldom(10.0, lambda: 0.0)
    assert all(seldom.filter(a_line("refrain.runtime.worker", 7)) for _ in range(3))
    assert all(seldom.filter(a_line("services.intake.app", 7)) for _ in range(3))
