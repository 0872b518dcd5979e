"""A household with chargers, as the vendor's API would see it at any moment.

All that it says follows from the scenario (with its seed), the start and the moment: how often and in what
order it is asked changes nothing.
"""

import math
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from functools import cached_property
from operator import attrgetter

import msgspec

from joulo_exporter.models.charger import Charger, LiveSession
from joulo_exporter.models.session import Session
from joulo_exporter.simulator.plan import (
    NEWEST_FIRST,
    WH_PER_HUNDREDTH,
    Scenario,
    charger_of,
    history_of,
    timeline,
)

_STARTED, _ENDED = attrgetter("started_at_seconds"), attrgetter("ended_at_seconds")


class Household:
    """Chargers, their past and their present.

    Args:
        scenario: size, history, cadence and seed; the default is two chargers with 18 months of history.
        clock: gives Unix seconds. It is read here once, for the start; later only by the server.
        start_seconds: the start of a household that goes on, Unix seconds; now if ``None``.
    """

    def __init__(
        self,
        scenario: Scenario | None = None,
        clock: Callable[[], float] = time.time,
        start_seconds: int | None = None,
    ) -> None:
        self.clock = clock
        self._scenario = scenario or Scenario()
        self._start_seconds = math.floor(clock()) if start_seconds is None else start_seconds
        self._chargers = [charger_of(self._scenario, index) for index in range(self._scenario.chargers)]
        self._timelines = [
            timeline(self._scenario, charger, self._start_seconds, begins_charging=index == 0)
            for index, charger in enumerate(self._chargers)
        ]
        self._planned: list[list[Session]] = [[] for _ in self._chargers]
        """Sessions after the start, of each charger, as far as they have been needed."""

    def chargers_at(self, moment_seconds: float) -> list[Charger]:
        """Return the chargers at a moment, with their sessions in progress."""
        synced, live = self._synced(moment_seconds), {}
        meters_wh = Counter({charger.record.id: charger.first_meter_wh for charger in self._chargers})
        for session in self._started(moment_seconds):
            wh = _wh_at(session, synced)
            meters_wh[session.charger_id] += wh
            if moment_seconds < _ENDED(session):
                live[session.charger_id] = LiveSession(
                    session.id, session.started_at_seconds, wh // WH_PER_HUNDREDTH, session.id_tag
                )
        return [
            msgspec.structs.replace(
                charger.record,
                status=charger.busy_status if charger.record.id in live else "online",
                charging=charger.record.id in live,
                session=live.get(charger.record.id),
                meter_wh=meters_wh[charger.record.id],
                meter_at_seconds=synced,
            )
            for charger in self._chargers
        ]

    def sessions_at(self, moment_seconds: float, page: slice = slice(None)) -> list[Session]:
        """Return sessions at a moment, newest first; all, or those at some positions."""
        return [self._seen(session, moment_seconds) for session in self._started(moment_seconds)[page]]

    @cached_property
    def _history(self) -> list[Session]:
        return history_of(self._scenario, self._chargers, self._start_seconds)

    def _synced(self, moment_seconds: float) -> int:
        """Return when the vendor last took over what the chargers measure."""
        step = self._scenario.cadence.sync_s
        return math.floor(moment_seconds) // step * step

    def _started(self, moment_seconds: float) -> list[Session]:
        """Return the sessions that have started by a moment, newest first."""
        live: list[Session] = []
        for timeline_of_charger, planned in zip(self._timelines, self._planned, strict=True):
            while not planned or _STARTED(planned[-1]) <= moment_seconds:
                planned.append(next(timeline_of_charger))
            live += planned[: bisect_right(planned, moment_seconds, key=_STARTED)]
        return sorted(live, key=NEWEST_FIRST, reverse=True) + self._history

    def _seen(self, session: Session, moment_seconds: float) -> Session:
        """Return a session as the API shows it at a moment."""
        if moment_seconds < _ENDED(session):
            so_far = _wh_at(session, self._synced(moment_seconds)) // WH_PER_HUNDREDTH
            return msgspec.structs.replace(
                session, ended_at_seconds=None, kwh_hundredths=so_far, credits_hundredths=None, status="charging"
            )
        if moment_seconds < _ENDED(session) + self._scenario.cadence.credits_delay_s:
            return msgspec.structs.replace(session, credits_hundredths=None)
        return session


def _wh_at(session: Session, moment_seconds: int) -> int:
    """Return the energy of a planned session until a moment, in Wh; it grows evenly."""
    wh = (session.kwh_hundredths or 0) * WH_PER_HUNDREDTH
    start, end = _STARTED(session), _ENDED(session)
    return wh if moment_seconds >= end else max(0, wh * (moment_seconds - start) // (end - start))
