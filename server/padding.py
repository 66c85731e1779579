"""Frames of one length, so that TLS tells nothing of the tokens in them.

The one thing to notice: TLS hides what is written, not how much. A record is as long as what was written into it and a
little more, so who sees records go by reads the length of every token. Filling a field would not help: the cursor
beside it grows a digit. So the whole frame is filled, as the last step before the socket.
"""


def padded(frame: bytes, bucket: int) -> bytes:
    """The frame with spaces after its JSON, until it fills a multiple of `bucket` bytes; 0 leaves it as it is.

    Every transport's frame holds one JSON object, and whatever comes after its last brace has no brace. JSON allows
    spaces there (RFC 8259 §2).
    """
    if not bucket:
        return frame
    end = frame.rindex(b"}") + 1
    return frame[:end] + b" " * (-len(frame) % bucket) + frame[end:]
