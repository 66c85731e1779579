"""`python -m lab`: see `command_line`.

The one thing to notice: charts take a second to load, and Ctrl-C is an ordinary answer in that second, too.
"""

import sys

if __name__ == "__main__":
    try:
        from lab.command_line import main

        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
