"""Text made safe for a terminal.

The one thing to notice: whoever writes the answer writes to your terminal. `ESC ]0;…` would rename the window, and
worse sequences exist, so control characters are shown, not obeyed.
"""

import re

# C0 but tab and newline, DEL, C1, Unicode's line ends, and the marks that reorder text (UAX #9: "Trojan Source").
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def safe(text: str) -> str:
    r"""`text` with each unsafe character written out, such as `\x1b`."""
    return UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
