"""`python -m clients` as people write it first: it prints the text as it came.

The one thing to notice: one function is missing. To be run in a process of its own, with the arguments of
`python -m clients`.
"""

import sys
from unittest.mock import patch

from clients.command_line import main

if __name__ == "__main__":
    # Wrong: print(chunk.text). Whoever writes the answer then writes to the terminal, control characters included.
    with patch("clients.command_line.safe", str):
        sys.exit(main())
