"""``python -m services.flagging [worker | migrate]``: settings, then adapters, then the app."""

from __future__ import annotations

from refrain.runtime.engine import run
from services.flagging.app import SERVICE, build_app
from services.flagging.settings import Settings

if __name__ == "__main__":
    run(SERVICE, Settings, build_app)
