"""One module per command of ``refrain``."""
