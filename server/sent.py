"""What a handler returns when the response has gone out already, or goes out without it."""

from aiohttp import web


class Sent(web.StreamResponse):
    """Nothing of it is left to aiohttp."""

    def __init__(self, size: int, keep_alive: bool = True, status: int = 200) -> None:
        super().__init__(status=status)
        self._size = size
        if not keep_alive:
            self.force_close()

    @property
    def keep_alive(self) -> bool:
        """Whether the connection is good for another request."""
        return super().keep_alive is not False

    @property
    def body_length(self) -> int:
        """Bytes, for the access log."""
        return self._size

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing is left to be prepared."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to be written."""
