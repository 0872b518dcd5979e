"""What reports read of the ledger: sessions, totals as they are served, tags, and how complete all that is."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.ledger.endpoints import load_endpoints
from joulo_exporter.ledger.history import load_walk
from joulo_exporter.ledger.labels import pinned_labels
from joulo_exporter.ledger.totals import Marks, by_charger, by_vehicle, totals_by_tag, vehicle_definition
from joulo_exporter.models import Charger
from joulo_exporter.models.book import Totals

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping

    from joulo_exporter.ledger.endpoints import EndpointRecord

_TOTALS = Totals.__struct_fields__

_SESSION_COLUMNS = (
    "s.id, s.charger_id, s.charger_nickname, s.started_at, s.ended_at, s.kwh_hundredths, "
    "s.credits_hundredths, s.id_tag, s.live_at"
)


class RecordedSession(msgspec.Struct, frozen=True, gc=False):
    """A session of the ledger that was not withdrawn; ``None`` is a value that the API has not given."""

    id: str
    charger_id: str
    charger_nickname: str | None
    started_at_seconds: float | None
    ended_at_seconds: float | None
    """``None`` while it is in progress."""
    kwh_hundredths: int | None
    credits_hundredths: int | None
    id_tag: str | None
    live_at_seconds: float | None
    """When ``/chargers`` showed it in progress last."""
    next_start_seconds: float | None
    """Of a session in progress: when the charger's next one began, which shows that this one is over."""

    @property
    def began_seconds(self) -> float:
        """Return when it began, or what is nearest to that of what is known."""
        moments = (self.started_at_seconds, self.live_at_seconds, self.ended_at_seconds)
        return next((moment for moment in moments if moment is not None), 0.0)


class Completeness(msgspec.Struct, frozen=True, gc=False):
    """How much of an account's history the ledger has."""

    complete: bool
    sessions: int
    """In the ledger, without the withdrawn ones."""
    back_to_seconds: float | None
    """Start of the earliest of them."""
    read_in_full_at_seconds: float | None
    """When the whole history was read from end to end last."""


class TagUse(msgspec.Struct, frozen=True, gc=False):
    """What was charged with one spelling of an RFID tag; ``None`` for sessions without a tag."""

    tag: str | None
    sessions: int
    """Finished ones."""
    kwh_hundredths: int
    last_use_seconds: float | None


class LedgerReader:
    """The ledger at one moment: whatever the exporter writes meanwhile, every method tells of that moment.

    Sums and series names are those of ``AccountLedger``, so that a report equals what is served.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._accounts: dict[str, int] = {
            name: number
            for number, name in connection.execute(
                "SELECT id, name FROM accounts WHERE name != char(9) || 'public' ORDER BY name"
            )
        }

    def endpoints(self, account: str) -> dict[str, EndpointRecord]:
        """Return what is kept of each endpoint that was ever asked for an account."""
        number = self._accounts.get(account)
        return {} if number is None else load_endpoints(self._connection, number)

    @property
    def accounts(self) -> tuple[str, ...]:
        """Return the names of the accounts; an empty one is the single account without a name."""
        return tuple(self._accounts)

    def completeness(self, account: str) -> Completeness:
        """Return how much of the account's history is there; nothing of an account that is not in the ledger."""
        number = self._accounts.get(account)
        if number is None:
            return Completeness(complete=False, sessions=0, back_to_seconds=None, read_in_full_at_seconds=None)
        walk = load_walk(self._connection, number)
        sessions, back_to_seconds = self._connection.execute(
            "SELECT (SELECT SUM(entries) FROM totals WHERE account = :account), "
            "(SELECT MIN(started_at) FROM sessions WHERE account = :account AND withdrawn = 0)",
            {"account": number},
        ).fetchone()
        return Completeness(walk.complete, sessions or 0, back_to_seconds, walk.finished_at_seconds)

    def labels(self, account: str) -> dict[str, str]:
        """Return the ``charger`` label of each charger id."""
        return pinned_labels(self._connection, self._accounts[account])

    def sessions(
        self,
        account: str,
        *,
        from_seconds: float | None = None,
        to_seconds: float | None = None,
        charger_id: str | None = None,
    ) -> Iterator[RecordedSession]:
        """Return the sessions that began in the span, by their beginning; memory does not grow with them.

        Sessions of which no beginning is known, which only ``/chargers`` has shown, count by when they were
        last seen there.

        Args:
            account: its name.
            from_seconds: the first moment of the span.
            to_seconds: the first moment after the span.
            charger_id: only sessions of this charger.
        """
        span: list[str] = []
        values: list[object] = [self._accounts[account]]
        for condition, value in (
            ("s.charger_id = ?", charger_id),
            ("{moment} >= ?", from_seconds),
            ("{moment} < ?", to_seconds),
        ):
            if value is not None:
                span.append(condition)
                values.append(value)
        # Sorting by an expression keeps the index by start out where the one by charger reads far less.
        order = "s.started_at" if charger_id is None else "+s.started_at"
        known = self._select(span, values, moment="s.started_at", also="s.started_at IS NOT NULL", order=order)
        seen = "COALESCE(s.live_at, s.ended_at)"
        unknown = self._select(span, values, moment=seen, also="s.started_at IS NULL", order=seen)
        return heapq.merge(known, unknown, key=lambda session: session.began_seconds)

    def tag_uses(self, account: str) -> list[TagUse]:
        """Return what was charged with each spelling of each tag."""
        rows = self._connection.execute(
            """SELECT NULLIF(id_tag, ''), SUM(ended_at IS NOT NULL), SUM(COALESCE(kwh_hundredths, 0)),
                      MAX(COALESCE(ended_at, live_at, started_at))
               FROM sessions WHERE account = ? AND withdrawn = 0 GROUP BY 1""",
            (self._accounts[account],),
        )
        return [TagUse(*row) for row in rows]

    def held_totals(
        self, account: str, vehicles: Mapping[str, str]
    ) -> tuple[dict[str, Totals], dict[str, Totals]]:
        """Return the totals by charger id and by vehicle as they are served: held where the truth has fallen."""
        number = self._accounts[account]
        rows = totals_by_tag(self._connection, number)
        marks = Marks(self._connection, number).of_series(
            *(f"{series}_{name}" for series in ("charger", "vehicle") for name in _TOTALS)
        )
        chargers = {charger_id: Totals() for charger_id in self.labels(account)} | by_charger(rows)
        return (
            {charger_id: _held(marks, "charger", charger_id, truth) for charger_id, truth in chargers.items()},
            {
                vehicle: _held(marks, "vehicle", vehicle_definition(vehicle, vehicles), truth)
                for vehicle, truth in by_vehicle(rows, vehicles).items()
            },
        )

    def last_chargers(self, account: str) -> tuple[Charger, ...]:
        """Return the last answer of ``/chargers``; nothing if there was none that can be read."""
        row = self._connection.execute(
            "SELECT body FROM last_answers WHERE account = ? AND endpoint = 'chargers'", (self._accounts[account],)
        ).fetchone()
        try:
            return () if row is None or row[0] is None else msgspec.json.decode(row[0], type=tuple[Charger, ...])
        except msgspec.MsgspecError:
            return ()

    def _select(
        self, span: list[str], values: list[object], *, moment: str, also: str, order: str
    ) -> Iterator[RecordedSession]:
        conditions = " AND ".join(
            ("s.account = ?", *(condition.format(moment=moment) for condition in span), "s.withdrawn = 0", also)
        )
        rows = self._connection.execute(
            f"""SELECT {_SESSION_COLUMNS}, CASE WHEN s.ended_at IS NULL THEN (
                  SELECT n.started_at FROM sessions n
                  WHERE n.account = s.account AND n.charger_id = s.charger_id AND n.started_at > s.started_at
                    AND n.withdrawn = 0 ORDER BY n.started_at LIMIT 1) END
                FROM sessions s WHERE {conditions} ORDER BY {order}, s.id""",  # noqa: S608 -- constants of ours
            values,
        )
        return (RecordedSession(*row) for row in rows)


def _held(marks: Mapping[tuple[str, str], float], series: str, key: str, truth: Totals) -> Totals:
    return Totals(
        **{name: max(int(marks.get((f"{series}_{name}", key), 0)), getattr(truth, name)) for name in _TOTALS}
    )
