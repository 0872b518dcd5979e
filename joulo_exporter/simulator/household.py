"""A household with chargers, as the vendor's API would see it at any moment.

Every answer follows from the scenario (with its seed), the start, the moment and the edits in force; how
often and in what order it is asked changes nothing. What is computed once is kept only because it cannot
come out differently.
"""

from __future__ import annotations

import math
import time
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar

from msgspec import UNSET, UnsetType

from joulo_exporter.models import Charger, Energy, LiveSession, Session
from joulo_exporter.simulator.chargers import SimulatedCharger, chargers_of
from joulo_exporter.simulator.edits import Correction, Edits
from joulo_exporter.simulator.history import history_of
from joulo_exporter.simulator.scenario import Scenario
from joulo_exporter.simulator.session import credits_hundredths
from joulo_exporter.simulator.timeline import Timeline
from joulo_exporter.simulator.totals import energy_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from joulo_exporter.simulator.query import SessionQuery
    from joulo_exporter.simulator.session import PlannedSession

Value = TypeVar("Value")
_UNCHANGED = Correction()
_NEWEST_FIRST = attrgetter("started_at_seconds", "id")


class Household:
    """Chargers, their past and their present.

    Assign ``edits`` to correct the household from now on; an edit that is taken out again leaves no trace.
    """

    def __init__(self, scenario: Scenario | None = None, clock: Callable[[], float] = time.time) -> None:
        """Start the household now.

        Args:
            scenario: size, history, cadence and seed; the default is two chargers with 18 months of history.
            clock: gives Unix seconds. It is read here once, for the start; later only by the server.
        """
        self.scenario = scenario or Scenario()
        self.clock = clock
        self.start_seconds = math.floor(clock())
        self._chargers = chargers_of(self.scenario)
        self.edits = Edits()
        self._timelines = {
            charger.id: Timeline(self.scenario, charger, self.start_seconds, begins_charging=index == 0)
            for index, charger in enumerate(self._chargers)
        }

    @property
    def edits(self) -> Edits:
        """The corrections in force."""
        return self._edits

    @edits.setter
    def edits(self, edits: Edits) -> None:
        self._edits = edits
        self._nicknames: dict[str, str | None] = {charger.id: charger.nickname for charger in self._chargers}
        self._nicknames.update(edits.nicknames)

    @property
    def charger_ids(self) -> tuple[str, ...]:
        """Ids of all chargers, removed ones too; the driveway's comes first."""
        return tuple(charger.id for charger in self._chargers)

    def chargers_at(self, moment_seconds: float) -> list[Charger]:
        """Return the chargers that are listed at a moment, with their sessions in progress."""
        removed = self.edits.removed
        return [
            self._charger(charger, moment_seconds)
            for charger in self._chargers
            if moment_seconds < removed.get(charger.id, math.inf)
        ]

    def page_at(self, moment_seconds: float, query: SessionQuery) -> list[Session]:
        """Return one page of the sessions at a moment, newest first."""
        sessions = self._started(moment_seconds)
        if not query.takes_all:
            sessions = [
                session for session in sessions if query.takes(session.charger_id, session.started_at_seconds)
            ]
        page = sessions[query.offset : query.offset + query.limit]
        return [self._seen(session, moment_seconds) for session in page]

    def sessions_at(self, moment_seconds: float) -> list[Session]:
        """Return all sessions at a moment, newest first."""
        return [self._seen(session, moment_seconds) for session in self._started(moment_seconds)]

    def energy_at(self, moment_seconds: float) -> Energy:
        """Return the totals at a moment: of all sessions, those in progress with their energy so far."""
        return energy_of(self.sessions_at(moment_seconds))

    @cached_property
    def _history(self) -> list[PlannedSession]:
        return history_of(self.scenario, self._chargers, self.start_seconds)

    @cached_property
    def _wh_at_start(self) -> dict[str, int]:
        """The meter readings when the history ended, by charger."""
        readings = {charger.id: charger.first_meter_wh for charger in self._chargers}
        for session in self._history:
            readings[session.charger_id] += session.wh
        return readings

    def _synced(self, moment_seconds: float) -> int:
        """Return when the vendor last took over what the chargers measure."""
        step = self.scenario.cadence.sync_s
        return math.floor(moment_seconds) // step * step

    def _started(self, moment_seconds: float) -> list[PlannedSession]:
        """Return the sessions that are in the answers at a moment, newest first."""
        live = [session for id_ in self._timelines for session in self._live(id_, moment_seconds)]
        live += [session for session in self.edits.added if session.started_at_seconds <= moment_seconds]
        live.sort(key=_NEWEST_FIRST, reverse=True)
        sessions = live + self._history
        if self.edits.added:
            sessions.sort(key=_NEWEST_FIRST, reverse=True)
        if self.edits.withdrawn:
            sessions = [session for session in sessions if session.id not in self.edits.withdrawn]
        return sessions

    def _live(self, charger_id: str, moment_seconds: float) -> Sequence[PlannedSession]:
        """Return the sessions of a charger since the start, oldest first; none begins after its removal."""
        sessions = self._timelines[charger_id].started_until(moment_seconds)
        removed = self.edits.removed.get(charger_id, math.inf)
        if moment_seconds < removed:
            return sessions
        return [
            session if session.ended_at_seconds <= removed else session.cut(removed)
            for session in sessions
            if session.started_at_seconds < removed
        ]

    def _seen(self, session: PlannedSession, moment_seconds: float) -> Session:
        """Return a session as the API shows it at a moment, corrections applied."""
        correction = self.edits.corrected.get(session.id, _UNCHANGED)
        end = _corrected(correction.ended_at_seconds, session.ended_at_seconds)
        ended = end is not None and moment_seconds >= end
        calculated = end is not None and moment_seconds >= end + self.scenario.cadence.credits_delay_s
        kwh = session.kwh_hundredths if ended else session.kwh_hundredths_at(self._synced(moment_seconds))
        kwh = _corrected(correction.kwh_hundredths, kwh)
        ere = credits_hundredths(kwh) if calculated and session.counts_for_ere else None
        return Session(
            id=session.id,
            charger_id=session.charger_id,
            started_at_seconds=session.started_at_seconds,
            charger_nickname=self._nicknames.get(session.charger_id),
            ended_at_seconds=end if ended else None,
            kwh_hundredths=kwh,
            credits_hundredths=_corrected(correction.credits_hundredths, ere),
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
            nickname=self._nicknames[charger.id],
            connection_type=charger.connection_type,
            status=charger.busy_status if session else "online",
            mid_certified=charger.mid_certified,
            charging=session is not None,
            session=session,
            meter_wh=self._meter_wh(charger.id, synced),
            meter_at_seconds=synced,
        )

    def _in_progress(self, charger_id: str, moment_seconds: float) -> LiveSession | None:
        for planned in self._live(charger_id, moment_seconds)[-1:]:
            seen = self._seen(planned, moment_seconds)
            if seen.ended_at_seconds is None and seen.id not in self.edits.withdrawn:
                return LiveSession(
                    id=seen.id,
                    started_at_seconds=seen.started_at_seconds,
                    kwh_hundredths=seen.kwh_hundredths,
                    id_tag=seen.id_tag,
                )
        return None

    def _meter_wh(self, charger_id: str, synced_seconds: int) -> int:
        timeline = self._timelines[charger_id]
        delivered = timeline.wh_until(synced_seconds)
        meter = self.edits.meters.get(charger_id)
        if meter is None or synced_seconds < meter.at_seconds:
            return self._wh_at_start[charger_id] + delivered
        return meter.reading_wh + delivered - timeline.wh_until(meter.at_seconds)


def _corrected(correction: Value | UnsetType, value: Value) -> Value:
    return value if correction is UNSET else correction
