"""What runs: one folder, one service, the same rooms in each."""
