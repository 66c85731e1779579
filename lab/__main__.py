"""`python -m lab`: see `command_line`.

The one thing to notice: charts take a second to load, and Ctrl-C is an ordinary answer in that second, too. Libraries
may take an exception in the middle of being loaded for a fault of theirs, so none is raised there.
"""

import os
import signal
import sys
from typing import Any


def leave(*_: Any) -> None:
    """End here and now: nothing has begun."""
    os._exit(130)


if __name__ == "__main__":
    if heard := signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # in the background it is ignored
        signal.signal(signal.SIGINT, leave)
    from lab.command_line import main

    if heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
