"""How a process lives: streams, ledger, publishing, health, metrics, logs."""
