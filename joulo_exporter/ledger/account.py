"""The ledger of one account: each method is one transaction."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping

import msgspec
from msgspec.structs import asdict, astuple, replace

from joulo_exporter.clock import local_month
from joulo_exporter.errors import ApiError
from joulo_exporter.ledger import history
from joulo_exporter.ledger.book import API_COUNTERS, Book, completeness, held_totals, news_after, read_book
from joulo_exporter.ledger.chargers import (
    Chargers,
    raise_marks,
    read_marks,
    read_meters,
    record_meters,
    served_labels,
)
from joulo_exporter.ledger.database import AccountTables, Database
from joulo_exporter.ledger.history import Outcome, Walk
from joulo_exporter.models.charger import Charger
from joulo_exporter.models.session import MAX_CREDITS_PER_KWH, Energy, SessionPage
from joulo_exporter.models.wire import ENERGY_ALLOWANCE_KWH, UNKNOWN_DURATION_S, ApiResponse

PUBLIC_ACCOUNT = "\tpublic"
"""Name under which public endpoints are kept; the name of a configured account cannot have a tab."""

_LONGEST_ERROR = 300

_SESSIONS_AN_HOUR = 12.0
"""Upper bound of the sessions of one charger in an hour."""

_CONFIRMATIONS = 2
"""API responses that must continue from a total before it is believed, if the chargers cannot explain it."""

_NOTED_MOMENTS = (
    ("endpoints", "requested_at", ""),
    ("endpoints", "succeeded_at", ""),
    ("sessions", "live_at", ""),
    ("sessions", "ended_at", " AND end_is_final = 0"),
    ("sessions", "end_seen_at", ""),
    ("sessions", "corrected_at", ""),
    ("meters", "at", " AND session_id IS NOT NULL"),
)
"""Table and column of each moment taken from this machine's wall clock, and a further SQL condition."""


class ClockJump(msgspec.Struct, frozen=True):
    """A jump of the wall clock, which the monotonic clock did not follow."""

    since_seconds: float
    """Start of this process, by the wall clock before the jump; how the clock was set earlier is not known."""
    until_seconds: float
    """Moment of the jump, by the wall clock before it."""
    jump_s: float

    def moved(self, moment_seconds: float) -> float:
        """Return the moment as the wall clock after the jump would have noted it."""
        noted_since = self.since_seconds <= moment_seconds <= self.until_seconds
        return moment_seconds + self.jump_s if noted_since else moment_seconds


class Pause(msgspec.Struct, frozen=True, gc=False):
    """The last request to an endpoint; kept in the ledger, so that the throttle holds across restarts."""

    requested_at_seconds: float
    """When the request went out: by the wall clock in the ledger, by the monotonic clock in the poller."""
    length_s: float
    """Least time from that request to the next one."""
    failures: int = 0
    """Failures in a row, this request's included; 0 after a success."""


class Refreshes(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Outcome of the last refresh of one endpoint of one account, and counts over all of them."""

    up: bool | None = None
    """Whether the last refresh succeeded; ``None`` before the first one."""
    error: str | None = None
    succeeded_at_seconds: float | None = None
    malformed: int = 0
    """Records that could not be read, since the ledger began."""
    malformed_fields: Mapping[str, int] = {}
    """Fields that could not be used, since the ledger began, by name."""
    requests: Mapping[str, int] = {}
    """Requests since the ledger began, by code."""


class EndpointRecord(Refreshes, frozen=True, gc=False, kw_only=True):
    """The ledger's record of one endpoint, for a process that begins."""

    pause: Pause | None = None
    body: bytes | None = None
    """The last good API response, in our own encoding."""


class AccountLedger:
    """The ledger's data on one account.

    An API response is dated by its request, whose time is in the pause that is stored with it.

    Args:
        database: the ledger.
        name: the account's name; empty for the single account without a name.
        configured_labels: the configuration's labels, by charger id.
        vehicles: the configuration's vehicles, by tag as ``models.charger.normal_tag`` spells it.
        max_power_kw: mean power that no charger exceeds; bounds the rise of meter readings and of the totals of
            ``/energy``.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        *,
        configured_labels: Mapping[str, str],
        vehicles: Mapping[str, str],
        max_power_kw: float = 50.0,
    ) -> None:
        self._database = database
        self._max_power_kw = max_power_kw
        self._labels = configured_labels
        self._vehicles = vehicles
        self._book: Book | None = None
        """The book read last, with the latest readings, as long as nothing but energy and readings has changed."""
        self._linked: object = None
        """Faults and names in the API response of ``/chargers`` that ``_book`` has."""
        self._read_for: tuple[bool, str] | None = None
        """``name_unlinked`` and month for which ``_book`` was read."""
        self._rollbacks = database.rollbacks
        """Rollbacks of the database before ``_book`` was read: it may have data that was never committed."""
        self._announced: frozenset[str] | None = None
        """Sessions that an earlier process with a fast clock has announced; ``None`` before the first book."""
        with database.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO accounts (name) VALUES (?)", (name,))
            (self._account,) = connection.execute("SELECT id FROM accounts WHERE name = ?", (name,)).fetchone()
            chargers = Chargers(AccountTables(connection, self._account), configured_labels)
            chargers.apply_configured_labels()
            chargers.take_over()

    def load(self) -> tuple[dict[str, EndpointRecord], Walk]:
        """Return the record of each endpoint that was ever asked, and how far the history has been read."""
        with self._tables() as tables:
            return load_endpoints(tables), history.load_walk(tables)

    def begin_request(self, endpoint: str, pause: Pause, walk: Walk | None = None) -> None:
        """Note a request before it goes out, so that a restart after a crash does not repeat it.

        The pause holds even if no outcome is ever noted. ``walk`` has the page of ``/sessions`` that is asked for.
        """
        with self._tables() as tables:
            tables.put("endpoints", {"endpoint": endpoint}, _pause_columns(pause))
            if walk is not None:
                history.save_walk(tables, walk)

    def record_failure(self, endpoint: str, error: ApiError, pause: Pause) -> None:
        """Note a failed request and its error, and count it by code; the last good API response stays."""
        with self._tables() as tables:
            failed = {"up": 0, "error": str(error)[:_LONGEST_ERROR]}
            tables.put("endpoints", {"endpoint": endpoint}, _pause_columns(pause) | failed)
            tables.put("requests", {"endpoint": endpoint, "code": error.code}, count=1)

    def record_chargers(self, response: ApiResponse[tuple[Charger, ...]], pause: Pause) -> Outcome:
        """Store an API response of ``/chargers``."""
        now_seconds = pause.requested_at_seconds
        with self._tables() as tables:
            book = self._book
            meters = dict(book.meters if book else read_meters(tables))
            marks = dict(book.marks if book else read_marks(tables, API_COUNTERS))
            self._save_success(tables, "chargers", pause, response, response.content)
            linked = (response.malformed, [(each.id, each.slug, each.nickname) for each in response.content])
            session_ended, changed = Chargers(tables, self._labels).record(
                response, now_seconds, as_before=book is not None and linked == self._linked
            )
            record_meters(tables, response.content, now_seconds, self._max_power_kw, meters, marks)
        self._linked = linked
        self._book = None if changed or book is None else replace(book, meters=meters, marks=marks)
        return Outcome(session_ended=session_ended)

    def record_page(self, response: ApiResponse[SessionPage], pause: Pause, asked: Walk) -> Outcome:
        """Store the page of ``/sessions`` that a walk has asked for."""
        now_seconds = pause.requested_at_seconds
        with self._tables() as tables:
            book, self._book = self._book, None
            self._save_success(tables, "sessions", pause, response, response.content.estimate)
            written_before = tables.connection.total_changes
            outcome = history.record_page(tables, response, asked, now_seconds)
            # Only the walk: most pages bring nothing new.
            is_unchanged = tables.connection.total_changes == written_before + 1
            if not is_unchanged:
                Chargers(tables, self._labels).take_over()
            known = completeness(tables)
        if is_unchanged and book and book.history.complete == known.complete:
            self._book = replace(book, history=known)
        return outcome

    def record_energy(self, response: ApiResponse[Energy], pause: Pause) -> Outcome:
        """Store an API response of ``/energy``, and raise the marks to those of its totals that are believed."""
        with self._tables() as tables:
            self._believe(tables, response.content, pause.requested_at_seconds)
            self._save_success(tables, "energy", pause, response, response.content)
        self._book = None
        return Outcome()

    def record_response(self, response: ApiResponse[object], pause: Pause, endpoint: str) -> Outcome:
        """Store an API response that is shown as it is, and adds to no total."""
        with self._tables() as tables:
            self._save_success(tables, endpoint, pause, response, response.content)
        return Outcome()

    def settle(self, charger: str | None) -> list[tuple[str, str, float, float]]:
        """Let counters that are held above the truth fall to it.

        ``charger`` is the label of the only charger whose counters fall; ``None`` means all counters of the
        account, whose history must be complete. The counter of a meter follows the meter by itself.

        Returns:
            Of each: the series of its high-water mark; label of the charger, name of the vehicle, or scope; the
            value that was held, and the truth.
        """
        self._book = None
        falls = []
        with self._tables() as tables:
            labels, marks = served_labels(tables), read_marks(tables)
            known = load_endpoints(tables).get("energy")
            energy = msgspec.json.decode(known.body, type=Energy) if known and known.body else Energy()
            truths: dict[tuple[str, str], float | None] = {}
            chargers, vehicles, _ = held_totals(tables, labels, self._vehicles)
            for each in (*chargers.values(), *vehicles.values()):
                truths.update(zip(each.marks, astuple(each.truth), strict=True))
            for (series, key), truth in (truths | _stated(energy)).items():
                mark = marks.get((series, key))
                if truth is None or mark is None or mark <= truth or charger not in {None, labels.get(key)}:
                    continue
                name = labels.get(key) or key.rpartition("/")[0] or key
                falls.append((series, name, mark, truth))
                tables.put("marks", {"series": series, "key": key}, {"value": truth})
        return falls

    def move_moments(self, jump: ClockJump) -> Walk:
        """Shift the moments that this process has noted by the length of the jump; return the walk."""
        self._book = None
        self._announced = frozenset()  # if this clock was slow, that of the earlier process was right
        with self._tables() as tables:
            for table, column, condition in _NOTED_MOMENTS:
                tables.execute(
                    f"UPDATE {table} SET {column} = {column} + :jump_s "  # noqa: S608 -- names of ours
                    f"WHERE account = :account AND {column} BETWEEN :since_seconds AND :until_seconds{condition}",
                    **asdict(jump),
                )
            walk = history.load_walk(tables).moved(jump.moved)
            history.save_walk(tables, walk)
        return walk

    def book(self, *, name_unlinked: bool, now_seconds: float) -> Book:
        """Return the account as it is to be served; from now on no total falls below the one returned.

        ``name_unlinked`` gives labels to chargers that ``/chargers`` does not show. It is right only after the
        first API response of that endpoint, whose slugs take precedence.
        """
        read_for = (name_unlinked, local_month(now_seconds))
        if self._read_for != read_for:
            self._book, self._read_for = None, read_for
        with self._tables() as tables:
            if name_unlinked and self._book is None:
                Chargers(tables, self._labels).pin_unlinked()
            if self._announced is None:
                self._announced = news_after(tables, now_seconds)
            book = read_book(
                tables, self._vehicles, now_seconds, persistent=self._database.persistent, former=self._book
            )
            if self._announced:
                book = replace(book, ended=tuple(each for each in book.ended if each.id not in self._announced))
        self._book = book
        return book

    @contextlib.contextmanager
    def _tables(self) -> Iterator[AccountTables]:
        with self._database.transaction() as connection:
            if self._rollbacks != self._database.rollbacks:
                self._book, self._rollbacks = None, self._database.rollbacks
            yield AccountTables(connection, self._account)

    def _believe(self, tables: AccountTables, energy: Energy, now_seconds: float) -> None:
        """Raise the marks to those totals of an API response that are believed, before the response is noted.

        A total that has risen by more than the chargers can have drawn waits as a candidate, until
        ``_CONFIRMATIONS`` API responses in a row continue from it. A session's energy can come all at once at its
        end, so the time counts from the last rise, for as long as a session lasts. The first total is believed.
        """
        chargers = max(1, len(served_labels(tables)))

        def most_rise(series: str, seconds: float) -> float:
            """Return how much the chargers can raise a total: hundredths of a kWh or of credits, or sessions."""
            hours = seconds / 3600
            if series == "account_sessions":
                return chargers * (_SESSIONS_AN_HOUR * hours + 1)
            kwh = chargers * (self._max_power_kw * hours + ENERGY_ALLOWANCE_KWH)
            return 100 * kwh * (MAX_CREDITS_PER_KWH if series == "account_credits" else 1)

        query = "SELECT MAX(succeeded_at) FROM endpoints WHERE account = :account AND endpoint = 'energy'"
        former_seconds = tables.execute(query).fetchone()[0] or now_seconds
        marks = read_marks(tables)
        rows = tables.execute(
            "SELECT series, key, risen_at, value, at, confirmations FROM candidates WHERE account = :account"
        )
        known = {(series, key): rest for series, key, *rest in rows}
        believed: dict[tuple[str, str], float] = {}
        for key, value in _stated(energy).items():
            if value is None:
                continue
            mark = marks.get(key, value)
            risen_at, candidate, at, confirmations = known.get(key, (former_seconds, None, None, 0))
            since_s = max(0.0, min(now_seconds - risen_at, UNKNOWN_DURATION_S), now_seconds - former_seconds)
            goes_on = candidate is not None and (
                0 <= value - candidate <= most_rise(key[0], max(0.0, now_seconds - at))
            )
            confirmations = confirmations + 1 if goes_on else 0
            waiting = {"value": value, "at": now_seconds, "confirmations": confirmations}
            if value <= mark + most_rise(key[0], since_s) or confirmations >= _CONFIRMATIONS:
                believed[key] = value
                risen_at = now_seconds if value > mark or key not in known else risen_at
                waiting = {"value": None, "at": None, "confirmations": 0}
            tables.put("candidates", {"series": key[0], "key": key[1]}, {"risen_at": risen_at, **waiting})
        raise_marks(tables, believed)

    def _save_success(
        self, tables: AccountTables, endpoint: str, pause: Pause, response: ApiResponse[object], kept: object
    ) -> None:
        """Note and count a successful refresh, dated by its request.

        ``kept`` is the part of the response that is served again after a restart.
        """
        succeeded = {"up": 1, "error": None, "succeeded_at": pause.requested_at_seconds}
        noted = _pause_columns(pause) | succeeded
        tables.put("endpoints", {"endpoint": endpoint}, noted, malformed=len(response.malformed), succeeded=1)
        for fault in response.malformed_fields:
            tables.put("malformed_fields", {"endpoint": endpoint, "field": fault.field}, count=1)
        tables.execute(  # an unchanged body is not written again
            """INSERT INTO last_answers VALUES (:account, :endpoint, :body)
               ON CONFLICT (account, endpoint) DO UPDATE SET body = excluded.body
               WHERE body != excluded.body""",
            endpoint=endpoint,
            body=msgspec.json.encode(kept),
        )


def _stated(energy: Energy) -> dict[tuple[str, str], int | None]:
    """Return the totals of ``/energy`` by the series and key of their marks."""
    return {
        ("account_kwh", "ere"): energy.kwh_hundredths,
        ("account_kwh", "all"): energy.kwh_all_hundredths,
        ("account_credits", ""): energy.credits_hundredths,
        ("account_sessions", "ere"): energy.sessions,
        ("account_sessions", "all"): energy.sessions_all,
    }


# Accounts -----------------------------------------------------------------------------------------


def keep_configured(database: Database, names: Iterable[str]) -> None:
    """Note that the configuration has no other accounts than these, so that no session has moved to another one.

    An account that got another name is in the ledger twice: the chargers and sessions of its former name stay as
    they were when that was last refreshed.
    """
    with database.transaction() as connection:
        connection.execute("UPDATE accounts SET configured = 0")
        connection.executemany("UPDATE accounts SET configured = 1 WHERE name = ?", [(name,) for name in names])


# Endpoints ----------------------------------------------------------------------------------------


def load_endpoints(tables: AccountTables) -> dict[str, EndpointRecord]:
    """Return the record of each endpoint that was ever asked, by name."""
    of_endpoint = "WHERE account = :account AND endpoint = :endpoint"
    requests = f"""SELECT code, count FROM requests {of_endpoint}
        UNION ALL SELECT '200', succeeded FROM endpoints {of_endpoint} AND succeeded > 0 ORDER BY code"""  # noqa: S608
    fields = f"SELECT field, count FROM malformed_fields {of_endpoint} ORDER BY field"  # noqa: S608
    rows = tables.execute(
        "SELECT endpoint, requested_at, pause_s, failures, up, error, succeeded_at, last_answers.body, malformed "
        "FROM endpoints LEFT JOIN last_answers USING (account, endpoint) WHERE account = :account"
    )
    return {
        endpoint: EndpointRecord(
            pause=None if requested_at is None else Pause(requested_at, pause_s, failures),
            up=None if up is None else bool(up),
            error=error,
            succeeded_at_seconds=succeeded_at,
            body=body,
            malformed=malformed,
            malformed_fields=dict(tables.execute(fields, endpoint=endpoint).fetchall()),
            requests=dict(tables.execute(requests, endpoint=endpoint).fetchall()),
        )
        for endpoint, requested_at, pause_s, failures, up, error, succeeded_at, body, malformed in rows
    }


def _pause_columns(pause: Pause) -> dict[str, object]:
    return {"requested_at": pause.requested_at_seconds, "pause_s": pause.length_s, "failures": pause.failures}
