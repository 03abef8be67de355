"""A patient's course in a few sentences without identifiers, for the message that tells of an alert."""

from __future__ import annotations

from collections.abc import Iterator

from refrain.contracts.events import LineCourse, ResponseAssessed
from services.chart.domain.course_words import AXES, analyte_name, call_of


def course_sentences(assessment: ResponseAssessed, line: int | None) -> tuple[str, ...]:
    """The line that an alert is about (the newest one where it names none): since when, its calls, what is due.

    Empty when nothing was assessed for it. No number, name or date of birth of anybody is in an assessment.
    """
    lines = sorted(assessment.lines, key=lambda one: (one.start, one.line))
    about = [one for one in lines if line is None or one.line == line]
    return tuple(_sentences(about[-1])) if about else ()


def _sentences(line: LineCourse) -> Iterator[str]:
    ended = f", ended {line.end.isoformat()}" if line.end else ""
    yield f"Therapy line {line.line}, first dose {line.first_dose.isoformat()}{ended}."
    for name in sorted(line.axes, key=lambda one: (list(AXES).index(one) if one in AXES else len(AXES), one)):
        yield f"{AXES.get(name, name)}: {call_of(line.axes[name])}."
    due = sorted((check.due_on, analyte_name(check.analyte)) for check in line.rechecks if check.repeated_by is None)
    if due and not line.closed:
        yield f"To be repeated: {', '.join(f'{name} by {day.isoformat()}' for day, name in due)}."
