"""What a handler returns when the response has gone out already, or goes out without it."""

from aiohttp import web


class Sent(web.StreamResponse):
    """Nothing of it is left to aiohttp."""

    prepared = False
    """Whether it has gone out."""
    keep_alive = True

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    @property
    def body_length(self) -> int:
        """Bytes, for the access log."""
        return self._size

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing is left to be prepared."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to be written."""
