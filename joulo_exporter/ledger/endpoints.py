"""What the ledger keeps of each endpoint: the throttle, the last outcome, the last good answer, the counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.schedule import Pause

if TYPE_CHECKING:
    import sqlite3

PUBLIC_ACCOUNT = "\tpublic"
"""The name under which public endpoints are kept; no account of a configuration can have a tab in its name."""

_LONGEST_ERROR = 300


class EndpointRecord(msgspec.Struct, frozen=True, gc=False):
    """One endpoint of one account."""

    pause: Pause | None = None
    up: bool | None = None
    """Whether the last refresh succeeded; ``None`` before the first one."""
    error: str | None = None
    """Why it did not; one line."""
    succeeded_at_seconds: float | None = None
    body: bytes | None = None
    """The last good answer, in our own encoding."""
    malformed: int = 0
    """Records that could not be read, ever."""
    requests: tuple[tuple[str, int], ...] = ()
    """Requests ever made, by code."""


def load_endpoints(connection: sqlite3.Connection, account: int) -> dict[str, EndpointRecord]:
    """Return the endpoints that were ever asked."""
    failed: dict[str, list[tuple[str, int]]] = {}
    for endpoint, code, count in connection.execute(
        "SELECT endpoint, code, count FROM requests WHERE account = ? ORDER BY endpoint, code", (account,)
    ):
        failed.setdefault(endpoint, []).append((code, count))
    rows = connection.execute(
        "SELECT endpoint, requested_at, pause_s, failures, up, error, succeeded_at, last_answers.body, malformed, "
        "succeeded FROM endpoints LEFT JOIN last_answers USING (account, endpoint) WHERE account = ?",
        (account,),
    )
    return {
        endpoint: EndpointRecord(
            pause=None if requested_at is None else Pause(requested_at, pause_s, failures),
            up=None if up is None else bool(up),
            error=error,
            succeeded_at_seconds=succeeded_at,
            body=body,
            malformed=malformed,
            requests=tuple(_counts(succeeded, failed.get(endpoint, []))),
        )
        for endpoint, requested_at, pause_s, failures, up, error, succeeded_at, body, malformed, succeeded in rows
    }


def save_request(connection: sqlite3.Connection, account: int, endpoint: str, pause: Pause) -> None:
    """Note that a request is about to go out, before it does: a crash right after must not repeat it."""
    connection.execute(
        """INSERT INTO endpoints (account, endpoint, requested_at, pause_s, failures) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (account, endpoint) DO UPDATE SET requested_at = excluded.requested_at,
             pause_s = excluded.pause_s, failures = excluded.failures""",
        (account, endpoint, pause.requested_at_seconds, pause.length_s, pause.failures),
    )


def _counts(succeeded: int, failed: list[tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted([("200", succeeded), *failed]) if succeeded else failed


def count_failure(connection: sqlite3.Connection, account: int, endpoint: str, code: str) -> None:
    """Count a request that failed, by its outcome."""
    connection.execute(
        """INSERT INTO requests VALUES (?, ?, ?, 1)
           ON CONFLICT (account, endpoint, code) DO UPDATE SET count = count + 1""",
        (account, endpoint, code),
    )


def save_success(
    connection: sqlite3.Connection, account: int, endpoint: str, pause: Pause, *, at_seconds: float, malformed: int
) -> None:
    """Note, and count, a refresh that succeeded."""
    connection.execute(
        """INSERT INTO endpoints
             (account, endpoint, requested_at, pause_s, failures, up, succeeded_at, malformed, succeeded)
           VALUES (?, ?, ?, ?, ?, 1, ?, ?, 1)
           ON CONFLICT (account, endpoint) DO UPDATE SET requested_at = excluded.requested_at,
             pause_s = excluded.pause_s, failures = excluded.failures, up = 1, error = NULL,
             succeeded_at = excluded.succeeded_at, malformed = malformed + excluded.malformed,
             succeeded = succeeded + 1""",
        (
            account, endpoint, pause.requested_at_seconds, pause.length_s, pause.failures, at_seconds, malformed,
        ),
    )  # fmt: skip


def save_answer(connection: sqlite3.Connection, account: int, endpoint: str, body: bytes) -> None:
    """Keep the last good answer; one that is as before is not written again."""
    connection.execute(
        """INSERT INTO last_answers VALUES (?, ?, ?)
           ON CONFLICT (account, endpoint) DO UPDATE SET body = excluded.body WHERE body != excluded.body""",
        (account, endpoint, body),
    )


def save_failure(connection: sqlite3.Connection, account: int, endpoint: str, error: str) -> None:
    """Note a refresh that failed; the last good answer stays."""
    connection.execute(
        "UPDATE endpoints SET up = 0, error = ? WHERE account = ? AND endpoint = ?",
        (error[:_LONGEST_ERROR], account, endpoint),
    )
