"""What a page of the work list says while the read model is being rebuilt: never that nothing waits."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from services.chart.adapters.projection import Projection

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "story")]

from drawn_stories import CASE
from records import Feed, records_of

NOTHING = "Nothing waits for an answer here"


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true", "X-Refrain-Live": "1"}])
@pytest.mark.parametrize("path", ["/", "/?view=laboratory"])
def test_a_part_of_the_work_list_says_so_also_when_it_refreshes_itself(
    client_as: Any, chart_engine: Engine, path: str, headers: dict[str, str]
) -> None:
    browser = client_as("administrator")
    assert NOTHING in browser.get(path, headers=headers).text
    projection = Projection(chart_engine)
    Feed(projection.take)(records_of(CASE))
    projection.empty("again", {("alerts.v1", 0): 5})
    said = browser.get(path, headers=headers).text
    assert "The list is being rebuilt" in said
    assert NOTHING not in said
