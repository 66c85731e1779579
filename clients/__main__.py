"""`python -m clients`: see `command_line`.

The one thing to notice: all that is imported takes half a second, and Ctrl-C is an ordinary answer in that one, too.
"""

import sys

if __name__ == "__main__":
    try:
        from clients.command_line import main

        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
