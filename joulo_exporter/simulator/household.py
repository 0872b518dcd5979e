"""A household with chargers, as the vendor's API would see it at any moment.

All that it says follows from the scenario (with its seed), the start and the moment: how often and in what
order it is asked changes nothing.
"""

import math
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
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
            _Timeline(timeline(self._scenario, charger, self._start_seconds, begins_charging=index == 0))
            for index, charger in enumerate(self._chargers)
        ]

    def chargers_at(self, moment_seconds: float) -> list[Charger]:
        """Return the chargers at a moment, with their sessions in progress."""
        synced, shown = self._synced(moment_seconds), []
        for charger, planned in zip(self._chargers, self._timelines, strict=True):
            live = None
            for session in planned.started(moment_seconds)[-1:]:
                if moment_seconds < _ENDED(session):
                    kwh = _wh_at(session, synced) // WH_PER_HUNDREDTH
                    live = LiveSession(session.id, session.started_at_seconds, kwh, session.id_tag)
            shown.append(
                msgspec.structs.replace(
                    charger.record,
                    status=charger.busy_status if live else "online",
                    charging=live is not None,
                    session=live,
                    meter_wh=self._meters_at_start[charger.record.id] + planned.wh_until(synced),
                    meter_at_seconds=synced,
                )
            )
        return shown

    def sessions_at(self, moment_seconds: float, page: slice = slice(None)) -> list[Session]:
        """Return sessions at a moment, newest first; all, or those at some positions."""
        return [self._seen(session, moment_seconds) for session in self._started(moment_seconds)[page]]

    @cached_property
    def _history(self) -> list[Session]:
        return history_of(self._scenario, self._chargers, self._start_seconds)

    @cached_property
    def _meters_at_start(self) -> Counter[str]:
        """The meter readings when the history ended, in Wh, by charger."""
        meters_wh = Counter({charger.record.id: charger.first_meter_wh for charger in self._chargers})
        for session in self._history:
            meters_wh[session.charger_id] += _wh(session)
        return meters_wh

    def _synced(self, moment_seconds: float) -> int:
        """Return when the vendor last took over what the chargers measure."""
        step = self._scenario.cadence.sync_s
        return math.floor(moment_seconds) // step * step

    def _started(self, moment_seconds: float) -> list[Session]:
        """Return the sessions that have started by a moment, newest first."""
        live = [session for planned in self._timelines for session in planned.started(moment_seconds)]
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


class _Timeline:
    """Sessions of one charger after the start, planned as far as they have been needed."""

    def __init__(self, plan: Iterator[Session]) -> None:
        self._plan = plan
        self._sessions: list[Session] = []
        self._wh_before = [0]
        """Energy of all sessions before the one at the same index, and at the end that of all."""

    def started(self, moment_seconds: float) -> list[Session]:
        """Return the sessions that have started by a moment, oldest first."""
        while not self._sessions or _STARTED(self._sessions[-1]) <= moment_seconds:
            self._sessions.append(next(self._plan))
            self._wh_before.append(self._wh_before[-1] + _wh(self._sessions[-1]))
        return self._sessions[: bisect_right(self._sessions, moment_seconds, key=_STARTED)]

    def wh_until(self, moment_seconds: int) -> int:
        """Return the energy delivered from the first session up to a moment, in Wh."""
        sessions = self.started(moment_seconds)
        return self._wh_before[len(sessions) - 1] + _wh_at(sessions[-1], moment_seconds) if sessions else 0


def _wh(session: Session) -> int:
    return (session.kwh_hundredths or 0) * WH_PER_HUNDREDTH


def _wh_at(session: Session, moment_seconds: int) -> int:
    """Return the energy of a planned session until a moment, in Wh; it grows evenly."""
    start: int = _STARTED(session)
    end: int = _ENDED(session)
    return (
        _wh(session) if moment_seconds >= end else max(0, _wh(session) * (moment_seconds - start) // (end - start))
    )
