"""Corrections that the vendor or the owner makes, as data that a household applies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET, UnsetType

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from joulo_exporter.simulator.session import PlannedSession


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """Other values for a session; what is not given stays as it was.

    Corrected energy brings the credits that belong to it, unless those are corrected too.
    """

    kwh_hundredths: int | UnsetType = UNSET
    credits_hundredths: int | UnsetType | None = UNSET
    """``None`` takes them back: not calculated yet."""
    ended_at_seconds: float | UnsetType | None = UNSET
    """Unix seconds; ``None`` makes the session one in progress again."""


class NewMeter(msgspec.Struct, frozen=True, kw_only=True):
    """Another meter in a charger, which counts on from its own reading."""

    at_seconds: float
    """When it was fitted, Unix seconds."""
    reading_wh: int = 0


class Edits(msgspec.Struct, frozen=True, kw_only=True):
    """All corrections in force; an empty one is the household as it was computed."""

    corrected: Mapping[str, Correction] = {}
    """By session id."""
    withdrawn: AbstractSet[str] = frozenset()
    """Ids of sessions that are in no answer any more."""
    added: tuple[PlannedSession, ...] = ()
    """Sessions that arrive late: from their start on in all but ``/chargers``."""
    nicknames: Mapping[str, str | None] = {}
    """By charger id; ``None`` for a charger that lost its name."""
    removed: Mapping[str, float] = {}
    """By charger id the moment of its removal, Unix seconds: it then is no longer listed, its session in
    progress ends, and its past sessions stay."""
    meters: Mapping[str, NewMeter] = {}
    """By charger id."""
