"""Lets the tests of this folder import what they share: :mod:`drawn_stories`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
