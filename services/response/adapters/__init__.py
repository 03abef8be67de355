"""Whatever of response has a socket, a file or a database."""
