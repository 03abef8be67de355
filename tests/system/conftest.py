"""Lets the tests of this folder import what they share: :mod:`engines_on_kafka`, and the drawn stories."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "story")]
