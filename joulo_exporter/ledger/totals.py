"""Totals per charger and vehicle, and the marks below which no counter falls."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.ledger.entry import UNDECIDED, UNTAGGED
from joulo_exporter.models.book import Totals
from joulo_exporter.models.tag import UNKNOWN_VEHICLE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

_FIELDS = Totals.__struct_fields__


class Marks:
    """The highest value that each counter of an account has shown.

    Args:
        connection: within a transaction.
        account: the account's number.
        known: the marks, where they are known already; read if not.
    """

    def __init__(
        self, connection: sqlite3.Connection, account: int, known: Mapping[tuple[str, str], float] | None = None
    ) -> None:
        self._connection = connection
        self._account = account
        self._values = _read_marks(connection, account) if known is None else known
        self.raised: dict[tuple[str, str], float] = {}

    def hold(self, series: str, key: str, value: float) -> float:
        """Return the value, or the mark if that is higher; a new height is written down by ``save``."""
        mark = self.raised.get((series, key), self._values.get((series, key)))
        if mark is not None and mark >= value:
            return mark
        self.raised[series, key] = value
        return value

    def save(self) -> None:
        """Write the new heights down."""
        _write_marks(self._connection, self._account, self.raised)

    def hold_totals(self, series: str, key: str, totals: Totals) -> Totals:
        """Return the totals with each figure held on its own."""
        held = {name: int(self.hold(f"{series}_{name}", key, getattr(totals, name))) for name in _FIELDS}
        return Totals(**held)

    def of_series(self, *series: str) -> dict[tuple[str, str], float]:
        """Return the marks of these series."""
        return {key: value for key, value in {**self._values, **self.raised}.items() if key[0] in series}


def _write_marks(connection: sqlite3.Connection, account: int, heights: Mapping[tuple[str, str], float]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO marks VALUES (?, ?, ?, ?)",
        [(account, series, key, value) for (series, key), value in heights.items()],
    )


def _read_marks(connection: sqlite3.Connection, account: int) -> dict[tuple[str, str], float]:
    rows = connection.execute("SELECT series, key, value FROM marks WHERE account = ?", (account,))
    return {(series, key): value for series, key, value in rows}


def raised_totals(
    connection: sqlite3.Connection,
    account: int,
    series: str,
    keys: Mapping[str, str],
    *,
    former: Mapping[str, Totals],
    truth: Mapping[str, Totals],
) -> Mapping[str, Totals]:
    """Return totals that were held before, after the truth has changed; what has risen is written down.

    Args:
        connection: within a transaction.
        account: the account's number.
        series: ``charger`` or ``vehicle``.
        keys: of the marks, by charger id or vehicle.
        former: as they were held, which is what the marks are.
        truth: the sums of today.
    """
    held = dict(former)
    heights: dict[tuple[str, str], float] = {}
    for name, before in former.items():
        now = truth.get(name, Totals())
        if now == before:
            continue
        figures = {}
        for field in _FIELDS:
            mark, value = getattr(before, field), getattr(now, field)
            figures[field] = max(mark, value)
            if value > mark:
                heights[f"{series}_{field}", keys[name]] = value
        held[name] = Totals(**figures)
    _write_marks(connection, account, heights)
    return held


def totals_by_tag(connection: sqlite3.Connection, account: int) -> list[tuple[str, str, Totals]]:
    """Return (charger id, tag, totals) for every pair that has sessions; nothing is held here."""
    rows = connection.execute(
        f"SELECT charger_id, tag, {', '.join(_FIELDS)} FROM totals "  # noqa: S608 -- names of ours
        "WHERE account = ? AND entries > 0",
        (account,),
    )
    return [(charger_id, tag, Totals(*figures)) for charger_id, tag, *figures in rows]


def by_charger(rows: Iterable[tuple[str, str, Totals]]) -> dict[str, Totals]:
    """Return the totals of each charger id."""
    return _summed((charger_id, totals) for charger_id, _, totals in rows)


def by_vehicle(rows: Iterable[tuple[str, str, Totals]], vehicles: Mapping[str, str]) -> dict[str, Totals]:
    """Return the totals of each vehicle of the configuration, and of ``unknown``, zeros included.

    Energy of a session in progress that has shown no tag yet is in none of them until its vehicle is known.
    """
    summed = _summed(
        (vehicles.get(tag, UNKNOWN_VEHICLE) if tag != UNTAGGED else UNKNOWN_VEHICLE, totals)
        for _, tag, totals in rows
        if tag != UNDECIDED
    )
    return {name: summed.get(name, Totals()) for name in sorted({UNKNOWN_VEHICLE, *vehicles.values()})}


def vehicle_definition(vehicle: str, vehicles: Mapping[str, str]) -> str:
    """Return a key for the vehicle's marks that changes when the configuration gives it other tags.

    What a vehicle's counters count is then another thing. Held to the former height, ``unknown`` would keep
    the energy of a tag that has got a vehicle, and the sum of all vehicles would have it twice.
    """
    if vehicle == UNKNOWN_VEHICLE:  # counts what no other vehicle does
        tags = sorted(tag for tag, name in vehicles.items() if name != vehicle)
    else:
        tags = sorted(tag for tag, name in vehicles.items() if name == vehicle)
    return f"{vehicle}/{hashlib.sha256(msgspec.json.encode(tags)).hexdigest()[:12]}"


def _summed(pairs: Iterable[tuple[str, Totals]]) -> dict[str, Totals]:
    sums: dict[str, Totals] = {}
    for key, totals in pairs:
        so_far = sums.get(key)
        sums[key] = totals if so_far is None else _sum(so_far, totals)
    return sums


def _sum(one: Totals, other: Totals) -> Totals:
    figures = zip(msgspec.structs.astuple(one), msgspec.structs.astuple(other), strict=True)
    return Totals(*(first + second for first, second in figures))
