"""The server: one answer as a log, five transports that move a reader's cursor along it."""
