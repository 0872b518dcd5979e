"""The ledger as commands read it: sessions, totals as they are served, tags, and how complete all that is.

Reports read a file that an exporter may be writing meanwhile. ``check`` writes too, where no exporter runs.
"""

import contextlib
import heapq
import math
import os
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import msgspec

from joulo_exporter.errors import LedgerDamagedError, LedgerError, LedgerLockedError, LedgerVersionError
from joulo_exporter.ledger.account import EndpointRecord, load_endpoints
from joulo_exporter.ledger.book import (
    HeldTotals,
    by_charger,
    count_sessions,
    held_totals,
    totals_by_tag,
)
from joulo_exporter.ledger.chargers import read_marks, served_labels
from joulo_exporter.ledger.database import AccountTables, Database, as_ledger_error
from joulo_exporter.ledger.history import load_walk
from joulo_exporter.ledger.migrations import MIGRATIONS, applied_migrations
from joulo_exporter.ledger.sessions import COLUMN_NAMES, StoredSession, Totals
from joulo_exporter.ledger.storage import FILE_NAME, LOCK_NAME
from joulo_exporter.models.charger import Charger

_DAMAGED = (
    "the exporter puts it aside when it starts, and reads the history anew; if there is a backup, restore it first"
)
_RESTART = "restart the exporter, which puts it aside and reads the history anew, or restore a backup"
_OTHER_USER = "run this as the exporter's user, and with its --storage.path"

_CANNOT_WRITE = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}

_READ_AS = {
    "counts_for_ere": "NULLIF(counts_for_ere, -1)",
    "first_kwh_hundredths": "CASE WHEN corrected_at IS NOT NULL THEN first_kwh_hundredths END",
}
"""Columns that are not read as they are stored."""

_SESSIONS = f"""SELECT {", ".join(_READ_AS.get(name, name) for name in COLUMN_NAMES)},
    CASE WHEN ended_at IS NULL THEN (
      SELECT n.started_at FROM sessions n
      WHERE n.account = s.account AND n.charger_id = s.charger_id AND n.started_at > s.started_at
        AND n.withdrawn = 0 ORDER BY n.started_at LIMIT 1) END
  FROM sessions s WHERE account = :account AND withdrawn = 0"""  # noqa: S608 -- names of ours


class RecordedSession(StoredSession, frozen=True, gc=False):
    """A session of the ledger that was not withdrawn; ``None`` is a value that the API has not given."""

    next_start_seconds: float | None = None
    """Of a session in progress: when the charger's next one began, which shows that this one is over."""

    @property
    def began_seconds(self) -> float:
        """Return when it began, or the known time that is nearest to that."""
        moments = (self.started_at_seconds, self.live_at_seconds, self.ended_at_seconds)
        return next((moment for moment in moments if moment is not None), 0.0)


class Completeness(msgspec.Struct, frozen=True, gc=False):
    """Extent of an account's history in the ledger."""

    complete: bool
    sessions: int
    """In the ledger, without the withdrawn ones."""
    back_to_seconds: float | None
    """Start of the earliest of them."""
    read_in_full_at_seconds: float | None
    """When the whole history was read from end to end last."""
    unreadable: int = 0
    """Sessions of the history that cannot be used: without an id, or finished without energy."""
    corrections_since_seconds: float | None = None
    """From when on corrections are noted."""


class TagUse(msgspec.Struct, frozen=True, gc=False):
    """Sessions and energy of one spelling of an RFID tag; ``None`` for sessions without a tag."""

    tag: str | None
    sessions: int
    """Finished ones."""
    kwh_hundredths: int
    last_use_seconds: float | None


class LedgerReader:
    """The ledger at one moment: every method reads that moment, whatever the exporter writes meanwhile.

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

    @property
    def accounts(self) -> tuple[str, ...]:
        """Return the names of the accounts; an empty one is the single account without a name."""
        return tuple(self._accounts)

    def keep_to(self, accounts: Collection[str]) -> list[str]:
        """Leave out the other accounts, and return their names; with none of them in the ledger, all stay.

        An account that got another name is in the ledger twice, with the same sessions: sums must not have both.
        """
        kept = {name: number for name, number in self._accounts.items() if name in accounts}
        left_out = [name for name in self._accounts if kept and name not in kept]
        self._accounts = kept or self._accounts
        return left_out

    def _tables(self, account: str) -> AccountTables:
        """Return the rows of an account; none of one that the ledger does not know."""
        return AccountTables(self._connection, self._accounts.get(account, 0))

    def endpoints(self, account: str) -> dict[str, EndpointRecord]:
        """Return the record of each endpoint that was ever asked for an account."""
        return load_endpoints(self._tables(account))

    def completeness(self, account: str) -> Completeness:
        """Return how much of the account's history is there."""
        walk = load_walk(self._tables(account))
        sessions, without_energy, back_to_seconds = count_sessions(self._tables(account))
        return Completeness(
            complete=walk.complete,
            sessions=sessions,
            back_to_seconds=back_to_seconds,
            read_in_full_at_seconds=walk.finished_at_seconds,
            unreadable=walk.unreadable + without_energy,
            corrections_since_seconds=walk.corrections_since_seconds,
        )

    def labels(self, account: str) -> dict[str, str]:
        """Return the ``charger`` label of each charger id."""
        return served_labels(self._tables(account))

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
        values = {
            "charger_id": charger_id,
            "from": -math.inf if from_seconds is None else from_seconds,
            "to": math.inf if to_seconds is None else to_seconds,
        }
        of_charger = "" if charger_id is None else "AND charger_id = :charger_id "
        # Sorting by an expression keeps the index by start out where the one by charger reads far less.
        start = "started_at" if charger_id is None else "+started_at"
        known = f"started_at >= :from AND started_at < :to {of_charger}ORDER BY {start}, id"
        seen = "COALESCE(live_at, ended_at, 0)"
        unknown = f"started_at IS NULL AND {seen} >= :from AND {seen} < :to {of_charger}ORDER BY {seen}, id"
        ordered = (
            (RecordedSession(*row) for row in self._tables(account).execute(f"{_SESSIONS} AND {span}", **values))
            for span in (known, unknown)
        )
        return heapq.merge(*ordered, key=lambda session: session.began_seconds)

    def tag_uses(self, account: str) -> list[TagUse]:
        """Return sessions and energy of each spelling of each tag."""
        rows = self._tables(account).execute(
            """SELECT NULLIF(id_tag, ''), SUM(ended_at IS NOT NULL), SUM(COALESCE(kwh_hundredths, 0)),
                      MAX(COALESCE(ended_at, live_at, started_at))
               FROM sessions WHERE account = :account AND withdrawn = 0 GROUP BY 1"""
        )
        return [TagUse(*row) for row in rows]

    def held_totals(
        self, account: str, vehicles: Mapping[str, str]
    ) -> tuple[dict[str, Totals], dict[str, Totals]]:
        """Return the totals by charger id and by vehicle as they are served: held where the truth has fallen."""
        held = self._held(account, vehicles)
        chargers, by_name = (
            {each.name: each.held for each in held if each.kind == kind} for kind in ("charger", "vehicle")
        )
        return chargers, by_name

    def _held(self, account: str, vehicles: Mapping[str, str]) -> list[HeldTotals]:
        tables = self._tables(account)
        charger_ids = dict.fromkeys((*self.labels(account), *by_charger(totals_by_tag(tables))))
        return held_totals(tables, charger_ids, vehicles, read_marks(tables))

    def excess(self, account: str, vehicles: Mapping[str, str]) -> tuple[str, ...]:
        """Return each counter that is held above the truth as people read it, such as ``oprit: 12.50 kWh``."""
        if not self.completeness(account).complete:
            return ()
        labels = self.labels(account)
        return tuple(
            f"{labels.get(each.name, each.name)}: {value / 100:.2f} {unit}"
            for each in self._held(account, vehicles)
            for value, unit in (
                (each.excess.kwh_hundredths, "kWh"),
                (each.excess.credits_hundredths, "ERE credits"),
            )
            if value
        )

    def last_chargers(self, account: str) -> tuple[Charger, ...]:
        """Return the chargers of the last API response; nothing if there was none that can be read."""
        query = "SELECT body FROM last_answers WHERE account = :account AND endpoint = 'chargers'"
        row = self._tables(account).execute(query).fetchone()
        try:
            return () if row is None or row[0] is None else msgspec.json.decode(row[0], type=tuple[Charger, ...])
        except msgspec.MsgspecError:
            return ()


# The file, read only --------------------------------------------------------------------------------


@contextlib.contextmanager
def read_ledger(folder: Path) -> Iterator[LedgerReader]:
    """Open the ledger of a storage path for reading, as it is now, without its lock.

    An exporter may be writing it meanwhile; the file is not changed, and no exporter is kept from starting.

    Raises:
        LedgerError: there is none, it cannot be read, or another version has written it; also from within the
            block, when reading on fails.
    """
    path = folder / FILE_NAME
    try:
        with contextlib.closing(_connected(path)) as connection:
            connection.execute("BEGIN")
            known, applied = dict(MIGRATIONS).keys(), applied_migrations(connection)
            if applied - known:
                newer = f"a newer version of joulo-exporter ({min(applied - known)}); read it with that one"
                raise LedgerVersionError(f"{path} was written by {newer}")
            if known - applied:
                older = "is empty or from an older version of joulo-exporter; start the exporter first"
                raise LedgerError(f"{path} {older}")
            yield LedgerReader(connection)
    except sqlite3.Error as error:
        fault = as_ledger_error(error, path)
        if isinstance(fault, LedgerDamagedError):
            raise LedgerDamagedError(f"{fault}; {_RESTART}") from error
        raise LedgerError(f"{path} cannot be read: {' '.join(str(error).split())}") from error


def _connected(path: Path) -> sqlite3.Connection:
    try:
        exists = path.is_file()
    except OSError as error:
        raise LedgerError(f"{path} cannot be read: {error.strerror}") from error
    if not exists:
        raise LedgerError(
            f"{path} does not exist; start the exporter first, or name its folder with --storage.path"
        )
    address = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=5.0)
    try:
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
    except sqlite3.Error as error:
        connection.close()
        # In a folder that may not be written SQLite cannot make the journal's index. Without a journal nobody
        # writes, and the file alone is the ledger.
        journal = path.with_name(f"{path.name}-wal")
        has_journal = journal.exists() and journal.stat().st_size > 0
        if error.sqlite_errorcode & 0xFF not in _CANNOT_WRITE or has_journal:
            raise
        return sqlite3.connect(f"{address}&immutable=1", uri=True, isolation_level=None)
    return connection


# For check, beside the service ------------------------------------------------------------------------


class CommandLedger(msgspec.Struct, frozen=True):
    """A ledger that a command may write to, and the endpoints of one that it can only read."""

    database: Database
    """In memory, where the ledger of the storage path is not to be written; the caller closes it."""
    note: str | None = None
    """For a person: why it is in memory, and the remedy."""
    endpoints: Mapping[str, Mapping[str, EndpointRecord]] = {}
    """Each account's endpoints, where the ledger can only be read."""


def open_for_command(folder: Path) -> CommandLedger:
    """Open the ledger of a storage path for a command that root may run, or a person, and not the exporter's user.

    No file is made that the exporter's user could not use: where there is no ledger yet, only the folder's owner
    makes it. SQLite's additions to a file that is there belong to the owner of that file, also when root runs it.

    Raises:
        LedgerLockedError: an exporter has it.
    """
    try:
        _require_own(folder)
        return CommandLedger(Database(folder))
    except LedgerLockedError:
        raise
    except LedgerVersionError as error:
        note = str(error)
    except LedgerError as error:
        remedy = _DAMAGED if isinstance(error, LedgerDamagedError) else _OTHER_USER
        note = f"{error}: what is asked now is not written down; {remedy}"
    return CommandLedger(Database(None), note, recorded_endpoints(folder))


def _require_own(folder: Path) -> None:
    """Make sure that there is a ledger in a folder, or that it may be made.

    Raises:
        LedgerError: it may not.
    """
    # Through os.path, which takes a folder that may not be entered for one without them.
    if os.path.exists(folder / FILE_NAME) and os.path.exists(folder / LOCK_NAME):  # noqa: PTH110
        return
    user = os.geteuid()
    try:
        if folder.stat().st_uid != user:
            raise LedgerError(f"{folder} is another user's")
    except FileNotFoundError:
        # A service seldom runs as root, and could not enter what root makes.
        if user == 0:
            raise LedgerError(f"{folder} does not exist, and root does not make it here") from None
    except OSError as error:
        raise LedgerError(f"{folder} cannot be entered ({error.strerror})") from error


def recorded_endpoints(folder: Path) -> Mapping[str, Mapping[str, EndpointRecord]]:
    """Return each account's endpoints as an exporter keeps them; nothing where they cannot be read."""
    try:
        with read_ledger(folder) as reader:
            return {account: reader.endpoints(account) for account in reader.accounts}
    except LedgerError:
        return {}
