"""The account's totals, as ``GET /energy`` gives them: sums over what ``GET /sessions`` lists."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from joulo_exporter.models import Energy, Month

if TYPE_CHECKING:
    from collections.abc import Iterable

    from joulo_exporter.models import Session


class _Sum:
    """Running totals of some sessions; what is not eligible for ERE counts in the ``_all`` figures only."""

    __slots__ = ("credits", "kwh", "kwh_all", "sessions", "sessions_all")

    def __init__(self) -> None:
        self.kwh = self.kwh_all = self.credits = self.sessions = self.sessions_all = 0

    def add(self, session: Session) -> None:
        kwh = session.kwh_hundredths or 0
        self.kwh_all += kwh
        self.sessions_all += 1
        if session.counts_for_ere:
            self.kwh += kwh
            self.sessions += 1
            self.credits += session.credits_hundredths or 0

    def month(self, name: str) -> Month:
        return Month(
            month=name,
            kwh_hundredths=self.kwh,
            kwh_all_hundredths=self.kwh_all,
            credits_hundredths=self.credits,
            sessions=self.sessions,
            sessions_all=self.sessions_all,
        )


def energy_of(sessions: Iterable[Session]) -> Energy:
    """Return totals and months, newest month first; a session belongs to the month in which it started."""
    total = _Sum()
    months: defaultdict[str, _Sum] = defaultdict(_Sum)
    days: dict[int, str] = {}
    for session in sessions:
        day = int(session.started_at_seconds // 86_400)
        if day not in days:
            days[day] = datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y-%m")
        months[days[day]].add(session)
        total.add(session)
    return Energy(
        kwh_hundredths=total.kwh,
        kwh_all_hundredths=total.kwh_all,
        credits_hundredths=total.credits,
        sessions=total.sessions,
        sessions_all=total.sessions_all,
        months=tuple(months[name].month(name) for name in sorted(months, reverse=True)),
    )
