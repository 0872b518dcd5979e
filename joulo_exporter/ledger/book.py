"""The book of an account: totals per charger and vehicle, held so that no counter falls, and its last sessions.

Sums over sessions are stored, not recomputed: each session updates the table of totals. The book adds the
high-water marks, the highest value that each counter has ever shown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

import msgspec
from msgspec.structs import astuple, replace

from joulo_exporter.clock import local_month, local_time
from joulo_exporter.ledger.chargers import Marks, Meter, raise_marks, read_marks, read_meters, served_labels
from joulo_exporter.ledger.database import AccountTables
from joulo_exporter.ledger.history import load_walk
from joulo_exporter.ledger.sessions import (
    UNDECIDED,
    UNTAGGED,
    StoredSession,
    Totals,
    select_sessions,
    sessions_in_progress,
)
from joulo_exporter.models.charger import UNKNOWN_VEHICLE

NEWS_SHOWN_S = 3600.0
"""Seconds for which a session that has ended is among ``Book.ended``."""

_MOST_NEWS = 200
"""Most sessions in ``Book.ended``: bounds the series of an account after the exporter was away for a day."""

API_COUNTERS = ("meter_wh", "account_kwh", "account_credits", "account_sessions")
"""Series of ``Book.marks``: counters that the API itself states; keys are charger ids, or scopes."""

Months = Mapping[tuple[str, str], Totals]
"""Energy and credits by charger id and month, such as ``2026-06``, in this machine's time zone."""


class Completeness(msgspec.Struct, frozen=True, gc=False):
    """Extent of an account's history in the ledger."""

    complete: bool
    sessions: int
    """Sessions in the ledger, without the withdrawn ones."""
    back_to_seconds: float | None
    """Start of the earliest session."""
    eligibility_known: bool = False
    """Whether the API says which sessions count for ERE."""
    unreadable: int = 0
    """Sessions of the history that cannot be used: without an id, or finished without energy."""
    read_in_full_at_seconds: float | None = None
    """When the history was last read from end to end."""
    corrections_since_seconds: float | None = None
    """Time since which corrections are noted."""


class HeldTotals(msgspec.Struct, frozen=True, gc=False):
    """Totals of a charger or vehicle."""

    marks: list[tuple[str, str]]
    """Series and key of the mark of each figure."""
    truth: Totals
    """The present sums."""
    held: Totals
    """The present sums, with each figure that is below its mark replaced by the mark."""
    excess: Totals
    """Held totals less the true ones."""


class Book(msgspec.Struct, frozen=True, gc=False):
    """The ledger's view of one account at one moment."""

    labels: Mapping[str, str]
    """The ``charger`` label, by charger id."""
    last_sessions: Mapping[str, StoredSession]
    """The finished session that ended last, by charger id."""
    ended: tuple[StoredSession, ...]
    """Every session whose end was news in the last hour, the latest first."""
    id_tags: Mapping[str, str]
    """Tags that sessions in progress have shown so far, by session id."""
    history: Completeness
    persistent: bool
    """Whether the ledger outlives the process."""
    chargers: Mapping[str, HeldTotals] = {}
    """By charger id; none until the history is complete."""
    vehicles: Mapping[str, HeldTotals] = {}
    """By vehicle, ``unknown`` included; none until the history is complete."""
    meters: Mapping[str, Meter] = {}
    """By charger id."""
    marks: Marks = {}
    """High-water marks of counters that the API states, by series and key."""
    months: Months = {}
    """Sums over the sessions that began in each of the last months; none until the history is complete."""
    finished_months: Months = {}
    """Their parts of the sessions that have ended."""

    def excess(self) -> Iterator[tuple[str, int, str]]:
        """Yield (charger or vehicle, hundredths, ``kWh`` or ``credits``) of what is held above the truth."""
        return excesses(self.labels, self.chargers, self.vehicles)


# Reading the book ---------------------------------------------------------------------------------


def read_book(
    tables: AccountTables,
    vehicles: Mapping[str, str],
    now_seconds: float,
    *,
    persistent: bool,
    former: Book | None = None,
) -> Book:
    """Return the account as it is to be served; the totals are held from now on.

    ``former`` is a book of the same chargers and sessions; only energy and readings may have changed since.
    """
    book = former or Book(
        labels=served_labels(tables),
        last_sessions=_last_sessions(tables),
        ended=_recently_ended(tables, now_seconds),
        id_tags={
            each.id: each.id_tag for each in sessions_in_progress(tables).values() if each.id_tag is not None
        },
        history=completeness(tables),
        persistent=persistent,
        meters=read_meters(tables),
        marks=read_marks(tables, API_COUNTERS),
    )
    if former and former.ended:  # news for an hour
        book = replace(former, ended=_recently_ended(tables, now_seconds))
    if not book.history.complete:
        return book
    finished = former.finished_months if former else _finished_months(tables, now_seconds)
    chargers, by_name, risen = held_totals(tables, book.labels, vehicles, book)
    raise_marks(tables, risen)
    months = _month_sums(tables, now_seconds, "sessions_open", "ended_at IS NULL", finished)
    return replace(book, chargers=chargers, vehicles=by_name, months=months, finished_months=finished)


def completeness(tables: AccountTables) -> Completeness:
    """Return how much of the account's history is in the ledger."""
    walk = load_walk(tables)
    sessions, without_energy, eligibility_known, back_to_seconds = tables.execute(
        "SELECT SUM(entries), SUM(without_energy), SUM(eligibility_known), "
        "(SELECT MIN(started_at) FROM sessions WHERE account = :account AND withdrawn = 0) "
        "FROM totals WHERE account = :account"
    ).fetchone()
    return Completeness(
        complete=walk.complete,
        sessions=sessions or 0,
        back_to_seconds=back_to_seconds,
        eligibility_known=bool(eligibility_known),
        unreadable=walk.unreadable + (without_energy or 0),
        read_in_full_at_seconds=walk.finished_at_seconds,
        corrections_since_seconds=walk.corrections_since_seconds,
    )


def _last_sessions(tables: AccountTables) -> dict[str, StoredSession]:
    sessions = select_sessions(
        tables,
        """id IN (
             SELECT (SELECT id FROM sessions
                     WHERE account = :account AND charger_id = c.charger_id
                       AND ended_at IS NOT NULL AND withdrawn = 0
                     ORDER BY ended_at DESC, started_at DESC, id LIMIT 1)
             FROM (SELECT DISTINCT charger_id FROM totals WHERE account = :account AND entries > 0) c)""",
    )
    return {session.charger_id: session for session in sessions.values()}


def _recently_ended(tables: AccountTables, now_seconds: float) -> tuple[StoredSession, ...]:
    """Return the sessions whose end was news in the last hour; one that goes on after all stays among them.

    An end that a fast clock has dated in the future is left out: it would stay news until that time has come.
    """
    sessions = select_sessions(
        tables,
        """end_seen_at > :since AND end_seen_at <= :now AND withdrawn = 0
           ORDER BY end_seen_at DESC, id LIMIT :most""",
        index="sessions_by_news",
        since=now_seconds - NEWS_SHOWN_S,
        now=now_seconds,
        most=_MOST_NEWS,
    )
    return tuple(sessions.values())


def news_after(tables: AccountTables, now_seconds: float) -> frozenset[str]:
    """Return the ids of sessions whose end a fast clock has dated in the future."""
    future = "end_seen_at > :now"
    return frozenset(select_sessions(tables, future, index="sessions_by_news", now=now_seconds))


# Months: the present sums, which are never held as counters are -----------------------------------


def _finished_months(tables: AccountTables, now_seconds: float) -> Months:
    """Return the sums over the sessions that have ended."""
    now = local_time(now_seconds)
    first = datetime(now.year - 1, now.month, 1).astimezone().timestamp()
    is_known, is_unknown = (f"ended_at IS NOT NULL AND started_at {start}" for start in (">= :first", "IS NULL"))
    known = _month_sums(tables, now_seconds, "sessions_by_start", is_known, {}, first=first)
    return _month_sums(tables, now_seconds, "sessions_by_start", is_unknown, known)


def _month_sums(
    tables: AccountTables, now_seconds: float, index: str, condition: str, others: Months, **values: object
) -> Months:
    """Add the sums over sessions to others, for the months since the same month of last year."""
    this_month = local_month(now_seconds)
    first_month = f"{int(this_month[:4]) - 1:04}{this_month[4:]}"
    # The index is named: by the primary key, SQLite would read every session of the account.
    rows = tables.execute(
        f"""SELECT charger_id,
              strftime('%Y-%m', CAST(COALESCE(started_at, live_at, ended_at, 0) AS INTEGER),
                'unixepoch', 'localtime'),
              COALESCE(SUM(kwh_hundredths), 0), COALESCE(SUM(credits_hundredths), 0)
            FROM sessions INDEXED BY {index}
            WHERE account = :account AND withdrawn = 0 AND {condition}
            GROUP BY 1, 2""",  # noqa: S608 -- of ours
        **values,
    )
    sums = dict(others)
    for charger_id, month, *figures in rows:
        if first_month <= month <= this_month:
            sums[charger_id, month] = others.get((charger_id, month), Totals()) + Totals(*figures)
    return sums


# Totals held at their high-water marks -------------------------------------------------------------


_SERIES = {kind: [f"{kind}_{figure}" for figure in Totals.__struct_fields__] for kind in ("charger", "vehicle")}


def held_totals(
    tables: AccountTables, charger_ids: Iterable[str], vehicles: Mapping[str, str], former: Book | None = None
) -> tuple[dict[str, HeldTotals], dict[str, HeldTotals], Marks]:
    """Return the totals of chargers, and of all vehicles, and the marks that they exceed; nothing is written.

    ``former`` may have the previous totals of the same chargers and vehicles, to which their marks were raised.
    """
    known_chargers, known_vehicles = (former.chargers, former.vehicles) if former else ({}, {})
    values = {} if known_vehicles else read_marks(tables)
    risen: dict[tuple[str, str], float] = {}

    def held(kind: str, name: str, truth: Totals, known: HeldTotals | None) -> HeldTotals:
        if known is not None and known.truth == truth:
            return known
        if known is not None:
            marks, shown = known.marks, astuple(known.held)
        else:
            key = name if kind == "charger" else _definition(name, vehicles)
            marks = [(series, key) for series in _SERIES[kind]]
            shown = tuple(int(values.get(mark, 0)) for mark in marks)
        now = Totals(*map(max, shown, astuple(truth)))
        figures = zip(marks, astuple(now), shown, strict=True)
        risen.update({mark: value for mark, value, before in figures if value > before})
        return HeldTotals(marks, truth, now, excess=now - truth)

    rows = totals_by_tag(tables)
    sums = by_charger(rows)
    chargers = {
        each: held("charger", each, sums.get(each, Totals()), known_chargers.get(each)) for each in charger_ids
    }
    by_name = {
        name: held("vehicle", name, truth, known_vehicles.get(name))
        for name, truth in by_vehicle(rows, vehicles).items()
    }
    return chargers, by_name, risen


def excesses(
    labels: Mapping[str, str], chargers: Mapping[str, HeldTotals], vehicles: Mapping[str, HeldTotals]
) -> Iterator[tuple[str, int, str]]:
    """Yield (charger or vehicle, hundredths, ``kWh`` or ``credits``) of what is held above the truth."""
    named = [(labels.get(key, key), totals) for key, totals in chargers.items()]
    for name, totals in (*named, *vehicles.items()):
        for value, unit in ((totals.excess.kwh_hundredths, "kWh"), (totals.excess.credits_hundredths, "credits")):
            if value:
                yield name, value, unit


# Sums ---------------------------------------------------------------------------------------------


def totals_by_tag(tables: AccountTables) -> list[tuple[str, str, Totals]]:
    """Return (charger id, tag, totals) for every pair that has sessions; the totals are the present sums."""
    columns = ", ".join(Totals.__struct_fields__)
    rows = tables.execute(
        f"SELECT charger_id, tag, {columns} FROM totals WHERE account = :account AND entries > 0"  # noqa: S608
    )
    return [(charger_id, tag, Totals(*figures)) for charger_id, tag, *figures in rows]


def by_charger(rows: Iterable[tuple[str, str, Totals]]) -> dict[str, Totals]:
    """Return the totals of each charger id."""
    return _summed((charger_id, totals) for charger_id, _, totals in rows)


def by_vehicle(rows: Iterable[tuple[str, str, Totals]], vehicles: Mapping[str, str]) -> dict[str, Totals]:
    """Return the totals of each vehicle of the configuration, and of ``unknown``, zeros included.

    The energy of a session whose tag may still come is in none of them until its vehicle is known.
    """
    summed = _summed(
        (vehicle, totals) for _, tag, totals in rows if (vehicle := vehicle_of(tag, vehicles)) is not None
    )
    return {name: summed.get(name, Totals()) for name in sorted({UNKNOWN_VEHICLE, *vehicles.values()})}


def vehicle_of(tag: str, vehicles: Mapping[str, str]) -> str | None:
    """Return the vehicle that gets the energy of a tag as totals spell it; ``None`` while that is undecided."""
    known = UNKNOWN_VEHICLE if tag == UNTAGGED else vehicles.get(tag, UNKNOWN_VEHICLE)
    return None if tag == UNDECIDED else known


def _definition(vehicle: str, vehicles: Mapping[str, str]) -> str:
    """Return a key for the vehicle's marks: its name, a slash, and a digest of its tags.

    With other tags, its counters count something else. Held at its former marks, ``unknown`` would keep the energy
    of a tag that now belongs to a vehicle, and the sum over all vehicles would count it twice.
    """
    counts_the_rest = vehicle == UNKNOWN_VEHICLE  # the tags that no other vehicle has
    tags = sorted(tag for tag, name in vehicles.items() if (name == vehicle) != counts_the_rest)
    return f"{vehicle}/{hashlib.sha256(msgspec.json.encode(tags)).hexdigest()[:12]}"


def _summed(pairs: Iterable[tuple[str, Totals]]) -> dict[str, Totals]:
    sums: dict[str, Totals] = {}
    for key, totals in pairs:
        sums[key] = sums[key] + totals if key in sums else totals
    return sums
