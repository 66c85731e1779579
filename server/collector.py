"""What Python's collector of cycles may cost: next to nothing, since almost nothing here is a cycle.

The one thing to notice: a full pass looks at every object there is, and with ten thousand readers that is a second in
which nobody gets a token. Objects of a reader live long and are freed by their counts, so there is nothing to be found.
"""

import gc

YOUNG, MIDDLE, OLD = 50_000, 20, 1000
"""So many new objects, and so many passes over those of each age, until the next pass over the next age."""


def calm() -> None:
    """Have the collector leave what there is now alone for good, and look at what comes more seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
