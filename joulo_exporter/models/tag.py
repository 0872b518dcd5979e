"""RFID tags: one spelling for comparison, the vehicle that has it, and what of it may be shown."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

IdTagMode = Literal["show", "hash", "hide"]

UNKNOWN_VEHICLE = "unknown"
"""The ``vehicle`` of sessions whose tag is absent or not in the configuration."""

_IGNORED = str.maketrans("", "", " :\t-")


def normal_tag(tag: str) -> str:
    """Return the tag as it is compared: upper case, without blanks, colons and dashes."""
    return tag.translate(_IGNORED).upper()


def shown_tag(tag: str | None, mode: IdTagMode) -> str:
    """Return the text that a label may show of a tag; an empty one for no tag.

    ``hash`` gives the first 16 hexadecimal digits of the SHA-256 of the compared spelling: equal tags
    stay equal, and the digits open no charger.
    """
    if not tag or mode == "hide":
        return ""
    if mode == "hash":
        return hashlib.sha256(normal_tag(tag).encode()).hexdigest()[:16]
    return tag


class Tags(msgspec.Struct, frozen=True):
    """RFID tags as the configuration names and shows them."""

    vehicles: Mapping[str, str]
    """Vehicle by tag in the compared spelling."""
    mode: IdTagMode

    def vehicle(self, tag: str | None) -> str:
        """Return the vehicle of a tag; ``unknown`` for none, or one that is not in the configuration."""
        return self.vehicles.get(normal_tag(tag), UNKNOWN_VEHICLE) if tag else UNKNOWN_VEHICLE

    def shown(self, tag: str | None) -> str:
        """Return the text that a label may show of a tag."""
        return shown_tag(tag, self.mode)
