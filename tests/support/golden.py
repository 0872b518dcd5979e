"""Golden files: texts of which each figure has been calculated by hand."""

import os
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "golden"


def golden(name: str, text: str) -> str:
    """Return a golden text, to compare with one that was made, which takes its place under ``RENEW_GOLDEN``."""
    file = FOLDER / name
    if "RENEW_GOLDEN" in os.environ:
        file.write_bytes(text.encode())
    return file.read_bytes().decode()
