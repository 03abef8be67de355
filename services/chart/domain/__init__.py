"""What the read model makes of each event, pure, and what the pages show."""
