"""The clients: one module for each transport, all of one signature. None of them imports the server.

The one thing to notice: `CLIENTS[name](url)` is an async generator of chunks whatever the name, so a comparison of
transports is a loop over this table.
"""

try:
    from clients.chunk import Client
    from clients.iframe import iframe
    from clients.long_polling import long_polling
    from clients.polling import polling
    from clients.sse import sse
    from clients.websocket import websocket
    from clients.whole import whole
except KeyboardInterrupt:  # `python -m clients` has to import this before any line of its own can run
    raise SystemExit(130) from None

CLIENTS: dict[str, Client] = {
    "polling": polling,
    "long_polling": long_polling,
    "iframe": iframe,
    "sse": sse,
    "websocket": websocket,
    "whole": whole,
}
