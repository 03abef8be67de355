"""The path by which the tests of notify find what they share."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))  # pytest does not, in its importlib mode
