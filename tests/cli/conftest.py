"""Lets the tests of this folder import what they share: :mod:`demo_outcomes`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
