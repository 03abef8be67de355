"""What travels between services: events, topics, derived ids, and how an alert lives."""
