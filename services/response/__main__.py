"""``python -m services.response [worker | migrate]``: settings, then adapters, then the app."""

from __future__ import annotations

from refrain.runtime.engine import run
from services.response.app import SERVICE, build_app
from services.response.settings import Settings

if __name__ == "__main__":
    run(SERVICE, Settings, build_app)
