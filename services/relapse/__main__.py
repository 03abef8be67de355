"""``python -m services.relapse [worker | migrate]``: settings, then adapters, then the app."""

from __future__ import annotations

from refrain.runtime.engine import run
from services.relapse.app import SERVICE, build_app
from services.relapse.settings import Settings

if __name__ == "__main__":
    run(SERVICE, Settings, build_app)
