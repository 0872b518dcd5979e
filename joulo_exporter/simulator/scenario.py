"""What a simulated household is like: its size, its history and the pace of its sessions."""

from __future__ import annotations

import random

import msgspec

DAY_S = 86_400
MOST_CHARGERS = 50
SHORTEST_SLOT_S = 60
"""Room that each session of the history needs on its charger."""


class Cadence(msgspec.Struct, frozen=True, kw_only=True):
    """How sessions follow each other after the start.

    The live part is a time-lapse: a real session takes a night, a person watches for five minutes.
    Energy arrives ``time_lapse`` times as fast as the charger's power would bring it, so that with the
    defaults a session of two minutes brings 2 to 4 kWh, and the power computed from the meter readings
    looks like that of a fast charger (74 or 110 kW). All timestamps are real.
    """

    session_s: tuple[float, float] = (100, 200)
    """Shortest and longest session; the true duration is a whole number of seconds, at least 1."""
    pause_s: tuple[float, float] = (20, 60)
    """Shortest and longest pause between two sessions on a charger."""
    credits_delay_s: float = 20
    """Time from a session's end to its ERE credits."""
    sync_s: int = 5
    """Step in which meter readings and the energy of live sessions advance; the vendor's own is 900."""
    time_lapse: float = 10

    def __post_init__(self) -> None:
        """Refuse what cannot be lived.

        Raises:
            ValueError: a range is upside down or negative, or a step is not positive.
        """
        if not 1 <= self.session_s[0] <= self.session_s[1]:
            raise ValueError("session_s must be a range from 1 s up, shortest first")
        if not 0 <= self.pause_s[0] <= self.pause_s[1]:
            raise ValueError("pause_s must be a range from 0 s up, shortest first")
        if self.sync_s < 1 or self.credits_delay_s < 0 or self.time_lapse <= 0:
            raise ValueError("sync_s must be at least 1, credits_delay_s at least 0, time_lapse above 0")


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a household is computed from, besides its start and the clock."""

    seed: int = 1
    chargers: int = 2
    history_days: int = 548
    """Length of the history before the start: a year and a half."""
    history_sessions: int | None = None
    """Exact number of sessions in the history; ``None`` for what such a household plausibly has."""
    cadence: Cadence = Cadence()

    def __post_init__(self) -> None:
        """Refuse what cannot be generated.

        Raises:
            ValueError: too few or too many chargers, or more sessions than fit in the history.
        """
        if not 1 <= self.chargers <= MOST_CHARGERS:
            raise ValueError(f"chargers must be 1 to {MOST_CHARGERS}")
        if self.history_days < 0:
            raise ValueError("history_days must be 0 or more")
        # Chargers differ in weight: twice the room of a fair share is enough for the busiest one.
        room = self.history_days * DAY_S * self.chargers // (2 * SHORTEST_SLOT_S)
        if not 0 <= (self.history_sessions or 0) <= room:
            raise ValueError(f"history_sessions must be 0 to {room} for this history and these chargers")


def stream(seed: int, *names: object) -> random.Random:
    """Return the random numbers that belong to ``names``: the same on every machine, and independent."""
    return random.Random("/".join(map(str, (seed, *names))))  # noqa: S311 (plausible, not secret)


def uuid_from(numbers: random.Random) -> str:
    """Return a UUID of version 4, drawn from ``numbers``; far quicker than :mod:`uuid` for long histories."""
    digits = f"{numbers.getrandbits(122):031x}"
    variant = "89ab"[int(digits[0], 16)]
    return f"{digits[1:9]}-{digits[9:13]}-4{digits[13:16]}-{variant}{digits[16:19]}-{digits[19:31]}"
