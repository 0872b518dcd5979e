"""The charger label: chosen once, kept for ever, taken by no two chargers of an account."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

_ID_START = 8


def pinned_labels(connection: sqlite3.Connection, account: int) -> dict[str, str]:
    """Return the labels given so far, by charger id."""
    rows = connection.execute("SELECT charger_id, label FROM chargers WHERE account = ?", (account,))
    return dict(rows.fetchall())


def pin_label(
    connection: sqlite3.Connection,
    account: int,
    charger_id: str,
    *,
    slug: str | None = None,
    name: str | None = None,
) -> None:
    """Give a charger its label, unless it has one: slug, else the name as a slug, else the start of its id."""
    labels = pinned_labels(connection, account)
    if charger_id not in labels:
        wanted = slug or _slug(name or "") or charger_id[:_ID_START]
        _insert(connection, account, charger_id, _free(wanted, charger_id, set(labels.values())))


def apply_configured(connection: sqlite3.Connection, account: int, configured: dict[str, str]) -> None:
    """Let the configuration's ``chargers:`` decide: the only way in which a label changes.

    Entries for chargers that the account does not have wait until it has them.
    """
    labels = pinned_labels(connection, account)
    changing = {
        charger_id: wanted
        for charger_id, wanted in configured.items()
        if charger_id in labels and labels[charger_id] != wanted
    }
    # Together: two chargers may swap their labels, and neither is to get another one at the next start.
    taken = {label for charger_id, label in labels.items() if charger_id not in changing}
    for charger_id in changing:
        connection.execute("DELETE FROM chargers WHERE account = ? AND charger_id = ?", (account, charger_id))
    for charger_id, wanted in changing.items():
        label = _free(wanted, charger_id, taken)
        _insert(connection, account, charger_id, label)
        taken.add(label)


def _insert(connection: sqlite3.Connection, account: int, charger_id: str, label: str) -> None:
    connection.execute("INSERT INTO chargers VALUES (?, ?, ?)", (account, charger_id, label))


def _slug(name: str) -> str:
    from slugify import slugify  # noqa: PLC0415 -- its tables are large, and needed once in the life of a charger

    return slugify(name, max_length=64) if name else ""


def _free(wanted: str, charger_id: str, taken: set[str]) -> str:
    """Return the label; if another charger has it, with the id's start behind it, or the whole id."""
    candidates = (wanted, f"{wanted}-{charger_id[:_ID_START]}", f"{wanted}-{charger_id}")
    return next((label for label in candidates if label not in taken), f"{wanted}-{charger_id}-{len(taken)}")
