"""The console: pages made on the server, who may see them, and who has seen what."""
