"""Public samples are collected only where ``SAMPLES`` names their folder."""

from __future__ import annotations

import os

collect_ignore = [] if os.environ.get("SAMPLES") else ["test_public_samples.py"]
