"""The exporter under a wall clock that a test sets: ``python stepped_clock.py FILE ARGUMENT...``.

The file holds the seconds by which the clock is fast; without one it is right.
"""

import runpy
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    _offset, _true_time = Path(sys.argv.pop(1)), time.time

    def _wall_clock() -> float:
        return _true_time() + (float(_offset.read_text()) if _offset.exists() else 0.0)

    time.time = _wall_clock
    runpy.run_module("joulo_exporter", run_name="__main__", alter_sys=True)
