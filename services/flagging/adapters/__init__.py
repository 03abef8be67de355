"""Whatever of flagging has a socket, a file or a database."""
