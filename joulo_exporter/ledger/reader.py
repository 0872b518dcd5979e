"""The ledger as commands read it while an exporter may write: sessions, totals as they are served, tags."""

import contextlib
import os
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path

import msgspec

from joulo_exporter.errors import LedgerDamagedError, LedgerError
from joulo_exporter.ledger.account import PUBLIC_ACCOUNT, EndpointRecord, load_endpoints
from joulo_exporter.ledger.book import Completeness, HeldTotals, completeness, excesses, held_totals
from joulo_exporter.ledger.chargers import served_labels
from joulo_exporter.ledger.database import AccountTables, as_ledger_error, error_code, missing_migrations
from joulo_exporter.ledger.sessions import COLUMN_NAMES, StoredSession
from joulo_exporter.ledger.storage import FILE_NAME
from joulo_exporter.models.charger import Charger

_OTHER_USER = "; run this as root, or as the exporter's user"

_READ_AS = {"first_kwh_hundredths": "CASE WHEN corrected_at IS NOT NULL THEN first_kwh_hundredths END"}
"""SQL for columns that are not read as they are stored."""

_SESSIONS = f"""SELECT {", ".join(_READ_AS.get(name, name) for name in COLUMN_NAMES)},
    COALESCE(ended_at, (
      SELECT n.started_at FROM sessions n
      WHERE n.account = s.account AND n.charger_id = s.charger_id AND n.started_at > s.started_at
        AND n.withdrawn = 0 ORDER BY n.started_at LIMIT 1))
  FROM sessions s WHERE account = :account AND withdrawn = 0"""  # noqa: S608 -- names of ours


class RecordedSession(StoredSession, frozen=True, gc=False):
    """A session of the ledger that was not withdrawn; ``None`` is a value that the API has not given."""

    over_seconds: float | None = None
    """Its end, or else the start of the charger's next one, which shows that it is over; ``None`` in progress."""

    @property
    def began_seconds(self) -> float:
        """Return its start, or else the known time that is nearest to it."""
        moments = (self.started_at_seconds, self.live_at_seconds, self.ended_at_seconds)
        return next((moment for moment in moments if moment is not None), 0.0)


class LedgerReader:
    """The ledger at one moment: every method reads the same state, whatever the exporter writes meanwhile.

    Sums and series names are those of ``AccountLedger``, so that a report equals what is served.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        names = "SELECT name, id FROM accounts WHERE name != ? ORDER BY name"
        self.accounts: dict[str, int] = dict(connection.execute(names, (PUBLIC_ACCOUNT,)))
        """Number of each account in the tables, by name; the single account without a name has an empty one."""

    def keep_to(self, accounts: Collection[str]) -> list[str]:
        """Leave out all other accounts, and return their names; if the ledger has none of these, all stay.

        A renamed account is in the ledger twice, with the same sessions: sums must not count them twice.

        Raises:
            LedgerError: all stay, and some of them have a session in common.
        """
        kept = {name: number for name, number in self.accounts.items() if name in accounts}
        if not kept and self.shared:
            raise LedgerError(
                "several accounts of the ledger have the same sessions, as after a new name of one; "
                "give the --config.file that the exporter runs with"
            )
        left_out = [name for name in self.accounts if kept and name not in kept]
        self.accounts = kept or self.accounts
        return left_out

    @cached_property
    def shared(self) -> Mapping[str, str]:
        """The account in which each session counts that several accounts have, by its id: one that has its end."""
        numbers = ", ".join(map(str, self.accounts.values()))
        # The account is that of the highest value: the first of several that have the end.
        query = f"""SELECT sessions.id, name, MAX(end_is_final - account / 1e9)
            FROM sessions JOIN accounts ON accounts.id = account WHERE withdrawn = 0 AND account IN ({numbers})
            GROUP BY sessions.id HAVING COUNT(*) > 1"""  # noqa: S608 -- numbers of ours
        return {session_id: name for session_id, name, _ in self._connection.execute(query)}

    def _tables(self, account: str) -> AccountTables:
        """Return the rows of an account; there are none if the ledger does not know it."""
        return AccountTables(self._connection, self.accounts.get(account, 0))

    def endpoints(self, account: str) -> dict[str, EndpointRecord]:
        """Return the record of each endpoint of an account, which is empty if it was never asked."""
        return defaultdict(EndpointRecord, load_endpoints(self._tables(account)))

    def completeness(self, account: str) -> Completeness:
        """Return how much of the account's history is in the ledger."""
        return completeness(self._tables(account))

    def labels(self, account: str) -> dict[str, str]:
        """Return the ``charger`` label of each charger id."""
        return served_labels(self._tables(account))

    def sessions(self, account: str) -> list[RecordedSession]:
        """Return the sessions that were not withdrawn, in the order in which they began."""
        sessions = (RecordedSession(*row) for row in self._tables(account).execute(_SESSIONS))
        return sorted(sessions, key=lambda session: (session.began_seconds, session.id))

    def held_totals(self, account: str, vehicles: Mapping[str, str]) -> dict[str, dict[str, HeldTotals]]:
        """Return the served totals of each ``charger`` id that has a label, and of each ``vehicle``."""
        chargers, by_name, _ = held_totals(self._tables(account), self.labels(account), vehicles)
        return {"charger": chargers, "vehicle": by_name}

    def excess(self, account: str, vehicles: Mapping[str, str]) -> Iterator[tuple[str, int, str]]:
        """Yield (charger or vehicle, hundredths, ``kWh`` or ``credits``) of each counter held above the truth."""
        if self.completeness(account).complete:
            held = self.held_totals(account, vehicles)
            yield from excesses(self.labels(account), held["charger"], held["vehicle"])

    def last_chargers(self, account: str) -> tuple[Charger, ...]:
        """Return the chargers of the last API response; none if there is no readable one."""
        body = self.endpoints(account)["chargers"].body
        try:
            return msgspec.json.decode(body, type=tuple[Charger, ...]) if body else ()
        except msgspec.MsgspecError:
            return ()


# The file, read only --------------------------------------------------------------------------------


@contextlib.contextmanager
def read_ledger(folder: Path) -> Iterator[LedgerReader]:
    """Open the ledger of a storage path for reading, as it is now, without its lock.

    An exporter may be writing it meanwhile; the file is not changed, and no exporter is kept from starting.

    Raises:
        LedgerError: the ledger does not exist, cannot be read, or was written by another version; also raised
            within the block, when further reading fails.
    """
    path = folder / FILE_NAME
    try:
        with contextlib.closing(_connected(path)) as connection:
            connection.execute("BEGIN")
            if missing_migrations(connection, path):
                remedy = "is empty or from an older version of joulo-exporter; start the exporter first"
                raise LedgerError(f"{path} {remedy}")
            yield LedgerReader(connection)
    except sqlite3.Error as error:
        fault = as_ledger_error(error, path)
        remedy = _OTHER_USER if error_code(error) == sqlite3.SQLITE_CANTOPEN else ""
        if isinstance(fault, LedgerDamagedError):
            remedy = "; restart the exporter, which puts it aside and reads the history anew, or restore a backup"
        raise type(fault)(f"{fault}{remedy}") from error


def _connected(path: Path) -> sqlite3.Connection:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        remedy = "start the exporter first, or name its folder with --storage.path"
        raise LedgerError(f"{path} does not exist; {remedy}") from None
    except OSError as error:
        raise LedgerError(f"{path} cannot be read ({error.strerror}){_OTHER_USER}") from error
    # In a folder without write permission, SQLite cannot make the journal's index. Without a journal, nobody is
    # writing, and the file alone is the ledger.
    can_write = os.access(path.parent, os.W_OK, effective_ids=True)
    mode = "ro" if can_write or path.with_name(f"{path.name}-wal").exists() else "ro&immutable=1"
    address = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(address, uri=True, isolation_level=None, timeout=5.0)
