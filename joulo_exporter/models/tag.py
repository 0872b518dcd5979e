"""RFID tags: one spelling for comparison, and what of them may be shown."""

from __future__ import annotations

import hashlib
from typing import Literal

IdTagMode = Literal["show", "hash", "hide"]

UNKNOWN_VEHICLE = "unknown"
"""The ``vehicle`` of sessions whose tag is absent or not in the configuration."""

_IGNORED = str.maketrans("", "", " :\t-")


def normal_tag(tag: str) -> str:
    """Return the tag as it is compared: upper case, without blanks, colons and dashes."""
    return tag.translate(_IGNORED).upper()


def shown_tag(tag: str | None, mode: IdTagMode) -> str:
    """Return what a label may show of a tag; an empty string for no tag.

    ``hash`` gives the first 16 hexadecimal digits of the SHA-256 of the compared spelling: equal tags
    stay equal, and the digits open no charger.
    """
    if not tag or mode == "hide":
        return ""
    if mode == "hash":
        return hashlib.sha256(normal_tag(tag).encode()).hexdigest()[:16]
    return tag
