"""The collector of cycles: calm, and still at work."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import gc
from server.collector import MIDDLE, OLD, YOUNG, calm

class Node:
    def __init__(self):
        self.me = self

before = len(gc.get_objects())
calm()
assert gc.get_threshold() == (YOUNG, MIDDLE, OLD)
assert gc.get_freeze_count() > before / 2, "what was there is looked at again and again"
for _ in range(20 * YOUNG):
    Node()
left = sum(isinstance(each, Node) for each in gc.get_objects())
print(left, YOUNG)
"""


def test_cycles_are_collected_though_seldom_and_never_pile_up() -> None:
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, cwd=root, timeout=60)
    assert done.returncode == 0, done.stderr
    left, young = map(int, done.stdout.split())
    assert left <= young
