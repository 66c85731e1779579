"""`python -m clients` as people write it first: it prints the text as it came.

The one thing to notice: one function is missing. To be run in a process of its own, with the arguments of
`python -m clients`.
"""

import sys
from unittest.mock import patch

from clients.__main__ import main

if __name__ == "__main__":
    # Wrong: print(chunk.text). Whoever writes the answer then writes to the terminal, control characters included.
    with patch("clients.__main__.safe", str):
        sys.exit(main())
