"""The ledger's tables, as named migrations; each is applied and recorded in one transaction.

A migration that has been released is never changed: another one follows it. The names are stored, so that they
stay too.
"""

import sqlite3

MIGRATIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "0001_accounts_sessions_totals",
        (
            "CREATE TABLE accounts (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
            # pause_* and requested_at are the throttle; body is the last API response, served after a restart.
            """CREATE TABLE endpoints (
                account INTEGER NOT NULL, endpoint TEXT NOT NULL,
                requested_at REAL, pause_s REAL NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0,
                up INTEGER, error TEXT, succeeded_at REAL, body BLOB, malformed INTEGER NOT NULL DEFAULT 0,
                PRIMARY KEY (account, endpoint)) WITHOUT ROWID""",
            """CREATE TABLE requests (
                account INTEGER NOT NULL, endpoint TEXT NOT NULL, code TEXT NOT NULL, count INTEGER NOT NULL,
                PRIMARY KEY (account, endpoint, code)) WITHOUT ROWID""",
            """CREATE TABLE chargers (
                account INTEGER NOT NULL, charger_id TEXT NOT NULL, label TEXT NOT NULL,
                PRIMARY KEY (account, charger_id), UNIQUE (account, label)) WITHOUT ROWID""",
            """CREATE TABLE meters (
                account INTEGER NOT NULL, charger_id TEXT NOT NULL, wh REAL NOT NULL, at REAL NOT NULL,
                former_wh REAL, former_at REAL,
                PRIMARY KEY (account, charger_id)) WITHOUT ROWID""",
            """CREATE TABLE sessions (
                account INTEGER NOT NULL, id TEXT NOT NULL, charger_id TEXT NOT NULL, charger_nickname TEXT,
                started_at REAL, ended_at REAL, end_is_final INTEGER NOT NULL,
                kwh_hundredths INTEGER, credits_hundredths INTEGER, id_tag TEXT,
                live_at REAL, end_seen_at REAL, generation INTEGER NOT NULL, withdrawn INTEGER NOT NULL,
                PRIMARY KEY (account, id)) WITHOUT ROWID""",
            "CREATE INDEX sessions_by_end ON sessions (account, charger_id, ended_at)",
            "CREATE INDEX sessions_by_start ON sessions (account, started_at)",
            """CREATE INDEX sessions_open ON sessions (account, charger_id)
                WHERE ended_at IS NULL AND live_at IS NOT NULL""",
            """CREATE TABLE totals (
                account INTEGER NOT NULL, charger_id TEXT NOT NULL, tag TEXT NOT NULL,
                kwh_hundredths INTEGER NOT NULL, credits_hundredths INTEGER NOT NULL,
                sessions INTEGER NOT NULL, duration_ms INTEGER NOT NULL, entries INTEGER NOT NULL,
                PRIMARY KEY (account, charger_id, tag)) WITHOUT ROWID""",
            # The highest value that each counter has shown: it holds when the API corrects downwards.
            """CREATE TABLE marks (
                account INTEGER NOT NULL, series TEXT NOT NULL, key TEXT NOT NULL, value NUMERIC NOT NULL,
                PRIMARY KEY (account, series, key)) WITHOUT ROWID""",
            """CREATE TABLE walks (account INTEGER PRIMARY KEY, walk BLOB NOT NULL)""",
        ),
    ),
    (
        "0002_ends_that_were_news",
        ("CREATE INDEX sessions_by_news ON sessions (account, end_seen_at) WHERE end_seen_at IS NOT NULL",),
    ),
    (
        # Out of endpoints, whose row is written twice a refresh; its column body stays, and stays empty.
        "0003_answers_apart",
        (
            """CREATE TABLE answers (
                account INTEGER NOT NULL, endpoint TEXT NOT NULL, body BLOB NOT NULL,
                PRIMARY KEY (account, endpoint)) WITHOUT ROWID""",
            "INSERT INTO answers SELECT account, endpoint, body FROM endpoints WHERE body IS NOT NULL",
            "UPDATE endpoints SET body = NULL",
        ),
    ),
    (
        # A refresh writes fewer pages: a response beside its index, for a long row in an index is spread over
        # pages of its own; and the count of the usual outcome along with that outcome.
        "0004_refreshes_write_less",
        (
            """CREATE TABLE last_answers (
                account INTEGER NOT NULL, endpoint TEXT NOT NULL, body BLOB NOT NULL,
                PRIMARY KEY (account, endpoint))""",
            "INSERT INTO last_answers SELECT account, endpoint, body FROM answers",
            "DROP TABLE answers",
            "ALTER TABLE endpoints ADD COLUMN succeeded INTEGER NOT NULL DEFAULT 0",
            """UPDATE endpoints SET succeeded = COALESCE((SELECT count FROM requests
                WHERE requests.account = endpoints.account AND requests.endpoint = endpoints.endpoint
                  AND requests.code = '200'), 0)""",
            "DELETE FROM requests WHERE code = '200'",
        ),
    ),
    (
        # Each refresh writes live_at of the sessions in progress; as part of the condition it had them taken out
        # of the index and put in again.
        "0005_open_sessions_stay_in_their_index",
        (
            "DROP INDEX sessions_open",
            "CREATE INDEX sessions_open ON sessions (account, charger_id) WHERE ended_at IS NULL",
        ),
    ),
    (
        "0006_fields_that_cannot_be_used",
        (
            """CREATE TABLE malformed_fields (
                account INTEGER NOT NULL, endpoint TEXT NOT NULL, field TEXT NOT NULL, count INTEGER NOT NULL,
                PRIMARY KEY (account, endpoint, field)) WITHOUT ROWID""",
        ),
    ),
    (
        "0007_sessions_without_energy",
        ("ALTER TABLE totals ADD COLUMN without_energy INTEGER NOT NULL DEFAULT 0",),
    ),
    (
        # Of the totals that the API states: when the mark rose, and a higher value that waits to be confirmed.
        "0008_candidates",
        (
            """CREATE TABLE candidates (
                account INTEGER NOT NULL, series TEXT NOT NULL, key TEXT NOT NULL, risen_at REAL NOT NULL,
                value NUMERIC, at REAL, confirmations INTEGER NOT NULL DEFAULT 0,
                PRIMARY KEY (account, series, key)) WITHOUT ROWID""",
        ),
    ),
    (
        # A session that has ended before counts as it did: its tag is decided.
        "0009_tags_that_come_late",
        ("ALTER TABLE sessions ADD COLUMN awaits_tag INTEGER NOT NULL DEFAULT 0",),
    ),
    (
        # linked: whether the last /chargers shows the charger, with which slug and nickname. moved_to: the charger
        # under which one of its sessions was listed again. seen_with: the chargers of its name that were linked
        # together with it, one a line. walks_due: whole walks to begin at once; null before.
        "0010_chargers_linked_anew",
        (
            "ALTER TABLE chargers ADD COLUMN linked INTEGER NOT NULL DEFAULT 1",
            "ALTER TABLE chargers ADD COLUMN slug TEXT",
            "ALTER TABLE chargers ADD COLUMN nickname TEXT",
            "ALTER TABLE chargers ADD COLUMN moved_to TEXT",
            "ALTER TABLE chargers ADD COLUMN seen_with TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE chargers ADD COLUMN walks_due INTEGER",
        ),
    ),
    (
        # A reading that falls or leaps waits for the next one; where there is no meter, a session's energy serves.
        "0011_meter_readings_in_doubt",
        (
            "ALTER TABLE meters ADD COLUMN doubted_wh REAL",
            "ALTER TABLE meters ADD COLUMN doubted_at REAL",
            "ALTER TABLE meters ADD COLUMN session_id TEXT",
        ),
    ),
    (
        # An end that /sessions has not listed is as wrong as this machine's clock: durations count without it.
        "0012_durations_of_final_ends",
        (
            """UPDATE totals SET duration_ms = duration_ms - (
                SELECT COALESCE(SUM(MAX(0, CAST(ROUND((ended_at - started_at) * 1000) AS INTEGER))), 0)
                FROM sessions s
                WHERE s.account = totals.account AND s.charger_id = totals.charger_id
                  AND s.ended_at IS NOT NULL AND s.started_at IS NOT NULL
                  AND s.end_is_final = 0 AND s.withdrawn = 0
                  AND UPPER(REPLACE(REPLACE(REPLACE(REPLACE(COALESCE(s.id_tag, ''), ' ', ''), ':', ''),
                    char(9), ''), '-', '')) = totals.tag)""",
        ),
    ),
    (
        # Eligible energy is not served until a resync has listed the older sessions again: its parts, one after
        # the other, would look like a rise.
        "0013_energy_that_counts_for_ere",
        (
            "ALTER TABLE sessions ADD COLUMN counts_for_ere INTEGER DEFAULT -1",
            "CREATE INDEX sessions_unread_for_ere ON sessions (account) WHERE counts_for_ere = -1",
            "ALTER TABLE totals ADD COLUMN eligible_kwh_hundredths INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE totals ADD COLUMN eligibility_known INTEGER NOT NULL DEFAULT 0",
        ),
    ),
    (
        # Both null for a session that was never corrected, and for what happened before the ledger noted it.
        "0014_corrections",
        (
            "ALTER TABLE sessions ADD COLUMN corrected_at REAL",
            "ALTER TABLE sessions ADD COLUMN first_kwh_hundredths INTEGER",
        ),
    ),
    (
        "0015_sessions_that_are_not_final",
        ("CREATE INDEX sessions_not_final ON sessions (account, started_at) WHERE end_is_final = 0",),
    ),
)


def applied_migrations(connection: sqlite3.Connection) -> set[str]:
    """Return the names of the migrations that the database has; none for an empty one."""
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'migrations'").fetchone() is None:
        return set()
    return {name for (name,) in connection.execute("SELECT name FROM migrations")}


def migrate(connection: sqlite3.Connection) -> None:
    """Apply the migrations that the database does not have yet."""
    connection.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY) WITHOUT ROWID")
    applied = applied_migrations(connection)
    for name, statements in MIGRATIONS:
        if name in applied:
            continue
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements:
                connection.execute(statement)
            connection.execute("INSERT INTO migrations VALUES (?)", (name,))
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
