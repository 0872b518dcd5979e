"""A household with chargers, as the vendor's API would see it at any moment.

All that it says follows from the scenario (with its seed), the start and the moment: how often and in what
order it is asked changes nothing.
"""

import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cached_property
from operator import attrgetter

from joulo_exporter.models.charger import Charger, LiveSession
from joulo_exporter.models.energy import Energy, Month
from joulo_exporter.models.session import Session
from joulo_exporter.simulator.scenario import (
    DAY_S,
    WH_PER_HUNDREDTH,
    PlannedSession,
    Scenario,
    SimulatedCharger,
    chargers_of,
    credits_hundredths,
)
from joulo_exporter.simulator.sessions import Timeline, history_of

_NEWEST_FIRST = attrgetter("started_at_seconds", "id")
_SUMS = ("kwh_hundredths", "kwh_all_hundredths", "credits_hundredths", "sessions", "sessions_all")
"""Fields of ``Energy`` and of ``Month``; those without ``all`` are of eligible sessions."""


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
        self.scenario = scenario or Scenario()
        self.clock = clock
        self.start_seconds = math.floor(clock()) if start_seconds is None else start_seconds
        self._chargers = chargers_of(self.scenario)
        self._nicknames = {charger.id: charger.nickname for charger in self._chargers}
        self._timelines = {
            charger.id: Timeline(self.scenario, charger, self.start_seconds, begins_charging=index == 0)
            for index, charger in enumerate(self._chargers)
        }

    def chargers_at(self, moment_seconds: float) -> list[Charger]:
        """Return the chargers at a moment, with their sessions in progress."""
        return [self._charger(charger, moment_seconds) for charger in self._chargers]

    def sessions_at(self, moment_seconds: float, page: slice = slice(None)) -> list[Session]:
        """Return sessions at a moment, newest first; all, or those at some positions."""
        return [self._seen(session, moment_seconds) for session in self._started(moment_seconds)[page]]

    def energy_at(self, moment_seconds: float) -> Energy:
        """Return the totals at a moment: of all sessions, those in progress with their energy so far."""
        return _energy_of(self.sessions_at(moment_seconds))

    @cached_property
    def _history(self) -> list[PlannedSession]:
        return history_of(self.scenario, self._chargers, self.start_seconds)

    @cached_property
    def _wh_at_start(self) -> dict[str, int]:
        """The meter readings when the history ended, by charger."""
        readings = {charger.id: charger.first_meter_wh for charger in self._chargers}
        for session in self._history:
            readings[session.charger_id] += session.wh_at()
        return readings

    def _synced(self, moment_seconds: float) -> int:
        """Return when the vendor last took over what the chargers measure."""
        step = self.scenario.cadence.sync_s
        return math.floor(moment_seconds) // step * step

    def _started(self, moment_seconds: float) -> list[PlannedSession]:
        """Return the sessions that have started by a moment, newest first."""
        live = [session for each in self._timelines.values() for session in each.started_until(moment_seconds)]
        live.sort(key=_NEWEST_FIRST, reverse=True)
        return live + self._history

    def _seen(self, session: PlannedSession, moment_seconds: float) -> Session:
        """Return a session as the API shows it at a moment."""
        end = session.ended_at_seconds
        ended = moment_seconds >= end
        calculated = moment_seconds >= end + self.scenario.cadence.credits_delay_s
        kwh = session.wh_at(moment_seconds if ended else self._synced(moment_seconds)) // WH_PER_HUNDREDTH
        return Session(
            id=session.id,
            charger_id=session.charger_id,
            started_at_seconds=session.started_at_seconds,
            charger_nickname=self._nicknames[session.charger_id],
            ended_at_seconds=end if ended else None,
            kwh_hundredths=kwh,
            credits_hundredths=credits_hundredths(kwh) if calculated and session.counts_for_ere else None,
            id_tag=session.id_tag,
            status="completed" if ended else "charging",
            counts_for_ere=session.counts_for_ere,
        )

    def _charger(self, charger: SimulatedCharger, moment_seconds: float) -> Charger:
        session = self._in_progress(charger.id, moment_seconds)
        synced = self._synced(moment_seconds)
        return Charger(
            id=charger.id,
            slug=charger.slug,
            nickname=charger.nickname,
            connection_type=charger.connection_type,
            status=charger.busy_status if session else "online",
            mid_certified=charger.mid_certified,
            charging=session is not None,
            session=session,
            meter_wh=self._wh_at_start[charger.id] + self._timelines[charger.id].wh_until(synced),
            meter_at_seconds=synced,
        )

    def _in_progress(self, charger_id: str, moment_seconds: float) -> LiveSession | None:
        for planned in self._timelines[charger_id].started_until(moment_seconds)[-1:]:
            seen = self._seen(planned, moment_seconds)
            if seen.ended_at_seconds is None:
                return LiveSession(
                    id=seen.id,
                    started_at_seconds=seen.started_at_seconds,
                    kwh_hundredths=seen.kwh_hundredths,
                    id_tag=seen.id_tag,
                )
        return None


def _energy_of(sessions: Iterable[Session]) -> Energy:
    """Return totals and months, newest month first; a session belongs to the month in which it started."""
    months: defaultdict[str, Counter[str]] = defaultdict(Counter)
    days: dict[int, str] = {}
    for session in sessions:
        day = int((session.started_at_seconds or 0.0) // DAY_S)
        if day not in days:
            days[day] = datetime.fromtimestamp(day * DAY_S, UTC).strftime("%Y-%m")
        kwh, sums = session.kwh_hundredths or 0, months[days[day]]
        sums["kwh_all_hundredths"] += kwh
        sums["sessions_all"] += 1
        if session.counts_for_ere:
            sums["kwh_hundredths"] += kwh
            sums["sessions"] += 1
            sums["credits_hundredths"] += session.credits_hundredths or 0
    by_month = tuple(
        Month(month=month, **{name: sums[name] for name in _SUMS})
        for month, sums in sorted(months.items(), reverse=True)
    )
    return Energy(**{name: sum(sums[name] for sums in months.values()) for name in _SUMS}, months=by_month)
