"""Chargers of the ledger: an API response of ``/chargers`` written down, and labels."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.ledger.sessions import (
    goes_on,
    save_session,
    seen_live,
    select_sessions,
    sessions_by_id,
    sessions_in_progress,
    vanished,
)
from joulo_exporter.logs import event
from joulo_exporter.models.session import UNKNOWN_CHARGER

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from joulo_exporter.models.charger import Charger
    from joulo_exporter.models.session import SessionPage
    from joulo_exporter.models.wire import ApiResponse

_logger = logging.getLogger(__name__)

_ID_START = 8

_WALKS_TO_WITHDRAW = 2
"""A walk that misses many sessions is believed when the next one misses them too."""


_MOST_NAMESAKES = 50
"""Chargers of one name that are remembered for each of them."""


def record_chargers(
    connection: sqlite3.Connection,
    account: int,
    response: ApiResponse[tuple[Charger, ...]],
    configured_labels: Mapping[str, str],
    now_seconds: float,
) -> tuple[bool, bool]:
    """Store sessions in progress, and end those that a charger of the API response no longer shows.

    A charger that is not in the response ends no session.

    Returns:
        Whether a session has ended; whether anything but energy and readings has changed.
    """
    session_ended = False
    in_progress = sessions_in_progress(connection, account)
    changed = _link(connection, account, response, configured_labels)
    for charger in response.content:
        session = charger.session
        for stored in [stored for stored in in_progress.values() if stored.charger_id == charger.id]:
            if not charger.session_unreadable and (session is None or stored.id != session.id):
                del in_progress[stored.id]
                save_session(connection, account, stored, vanished(stored))
                session_ended = changed = True
        if session is not None:
            old = in_progress.get(session.id) or sessions_by_id(connection, account, [session.id]).get(session.id)
            in_progress[session.id] = seen_live(old, charger.id, session, now_seconds)
            save_session(connection, account, old, in_progress[session.id])
            changed = changed or not goes_on(old, in_progress[session.id])
    if changed:
        take_over(connection, account, configured_labels)
    return session_ended, changed


# Labels: chosen once, kept for ever, taken by no two chargers of an account -------------------------


_IN_ANOTHER_ACCOUNT = """account = ? AND EXISTS (
    SELECT 1 FROM sessions there JOIN chargers c USING (account, charger_id)
    WHERE there.account IN (SELECT id FROM accounts WHERE id != ?)
      AND there.id = sessions.id AND there.withdrawn = 0 AND c.linked)"""
"""Condition for sessions of an account, given twice, that a linked charger of another one has too."""


class _PinnedCharger(msgspec.Struct, frozen=True, gc=False):
    id: str
    label: str
    linked: bool = True
    """Whether the last API response of ``/chargers`` shows it."""
    slug: str | None = None
    nickname: str | None = None
    moved_to: str | None = None
    """The charger under which one of its sessions was listed again."""
    seen_with: str = ""
    """The ids of chargers of its name that were linked together with it, one a line."""


def _pinned_chargers(connection: sqlite3.Connection, account: int) -> dict[str, _PinnedCharger]:
    rows = connection.execute(
        "SELECT charger_id, label, linked, slug, nickname, moved_to, seen_with FROM chargers WHERE account = ?",
        (account,),
    )
    return {row[0]: _PinnedCharger(row[0], row[1], bool(row[2]), *row[3:]) for row in rows}


def served_labels(connection: sqlite3.Connection, account: int) -> dict[str, str]:
    """Return the labels, by charger id, of the chargers that are linked or have a session left."""
    rows = connection.execute(
        """SELECT charger_id, label FROM chargers c WHERE account = ? AND (linked OR EXISTS (
             SELECT 1 FROM totals t
             WHERE t.account = c.account AND t.charger_id = c.charger_id AND entries > 0))""",
        (account,),
    )
    return dict(rows.fetchall())


def pin_unlinked(connection: sqlite3.Connection, account: int, configured_labels: Mapping[str, str]) -> None:
    """Give a label to chargers that only sessions name: they are no longer linked to the account."""
    rows = connection.execute(
        """SELECT charger_id FROM totals t WHERE account = ? AND entries > 0 AND NOT EXISTS
             (SELECT 1 FROM chargers c WHERE c.account = t.account AND c.charger_id = t.charger_id)
           GROUP BY charger_id""",
        (account,),
    ).fetchall()
    pinned = _pinned_chargers(connection, account) if rows else {}
    for (charger_id,) in rows:
        (nickname,) = connection.execute(
            "SELECT charger_nickname FROM sessions WHERE account = ? AND charger_id = ? "
            "ORDER BY charger_nickname IS NULL, started_at DESC, id LIMIT 1",
            (account, charger_id),
        ).fetchone()
        # Sessions whose charger is not known can have nicknames of several.
        nickname = None if charger_id == UNKNOWN_CHARGER else nickname
        unlinked = _PinnedCharger(charger_id, "", linked=False, nickname=nickname)
        _pin_label(connection, account, pinned, unlinked, configured_labels)


def apply_configured_labels(connection: sqlite3.Connection, account: int, configured: Mapping[str, str]) -> None:
    """Let the configuration's ``chargers:`` decide: the only way in which the label of an id changes.

    Entries for chargers that the account does not have wait until it has them.
    """
    pinned = _pinned_chargers(connection, account)
    changing = [pinned[key] for key, label in configured.items() if key in pinned and pinned[key].label != label]
    # Together: two chargers may swap their labels, and neither is to get another one at the next start.
    for charger in changing:
        connection.execute("DELETE FROM chargers WHERE account = ? AND charger_id = ?", (account, charger.id))
        del pinned[charger.id]
    for charger in changing:
        _pin_label(connection, account, pinned, charger, configured)


def take_over(connection: sqlite3.Connection, account: int, configured_labels: Mapping[str, str]) -> None:
    """Let each charger that was linked anew, and has another id since, go on as the charger that it was.

    It has taken the place of a charger that is no longer linked when it has the same slug, nickname or label, and
    the former one has no session left and was never linked together with it, or one of its sessions was listed
    again under the new id. All others follow: their pages may be read again only in days, and meanwhile the energy
    would be in two series.
    """
    pinned = _pinned_chargers(connection, account)
    former_ones = [charger for charger in pinned.values() if not charger.linked]
    with_sessions = served_labels(connection, account) if former_ones else {}
    for former in former_ones:
        for charger in pinned.values():
            if not charger.linked or not _same_charger(former, charger, configured_labels):
                continue
            if former.moved_to != charger.id and charger.id in former.seen_with.split("\n"):
                continue  # two chargers of one name
            if former.moved_to != charger.id and former.id in with_sessions:
                # Sessions may have come back under other ids: whole walks show whether they are withdrawn.
                connection.execute(
                    "UPDATE chargers SET walks_due = ? WHERE account = ? AND charger_id = ? AND walks_due IS NULL",
                    (_WALKS_TO_WITHDRAW, account, former.id),
                )
            else:
                if _merge(connection, account, former, charger, configured_labels):
                    pinned[charger.id] = msgspec.structs.replace(charger, label=former.label)
                break


def withdraw_moved(connection: sqlite3.Connection, account: int, newest: SessionPage) -> None:
    """Withdraw the sessions of chargers that are linked to another account of the ledger by now, and listed there.

    Whether a charger has moved is asked of its last session alone: the history of one that is gone may be long.
    While the newest page of this account lists it, both have the charger.
    """
    accounts = (account, account)
    for charger in [charger for charger in _pinned_chargers(connection, account).values() if not charger.linked]:
        last = connection.execute(
            "SELECT id FROM sessions WHERE account = ? AND charger_id = ? AND withdrawn = 0 "
            "ORDER BY ended_at DESC LIMIT 1",
            (account, charger.id),
        ).fetchone()
        if last is None or any(session.id == last[0] for session in newest.sessions):
            continue
        if select_sessions(connection, _IN_ANOTHER_ACCOUNT + " AND id = ?", (*accounts, *last)):
            of_charger = _IN_ANOTHER_ACCOUNT + " AND charger_id = ? AND withdrawn = 0"
            for stored in select_sessions(connection, of_charger, (*accounts, charger.id)).values():
                save_session(connection, account, stored, msgspec.structs.replace(stored, withdrawn=True))


def take_due_walk(connection: sqlite3.Connection, account: int) -> bool:
    """Return whether a whole walk is to begin at once, and count it as begun."""
    due = connection.execute(
        "UPDATE chargers SET walks_due = walks_due - 1 WHERE account = ? AND walks_due > 0", (account,)
    )
    return due.rowcount > 0


def _same_charger(former: _PinnedCharger, charger: _PinnedCharger, configured_labels: Mapping[str, str]) -> bool:
    return (
        (former.slug is not None and former.slug == charger.slug)
        or (former.nickname is not None and former.nickname == charger.nickname)
        or _wanted_label(charger, configured_labels) == former.label
    )


def _merge(
    connection: sqlite3.Connection,
    account: int,
    former: _PinnedCharger,
    charger: _PinnedCharger,
    configured_labels: Mapping[str, str],
) -> bool:
    """Give the sessions of a former charger to another, and its label if that has shown more energy.

    Labels are exchanged, and the marks of the totals with them: a label that comes back one day goes on from what
    it has shown. Readings stay with their own charger.

    Returns:
        Whether the labels were exchanged.
    """
    ids = {"account": account, "former": former.id, "now": charger.id}
    connection.execute(
        "UPDATE sessions SET charger_id = :now WHERE account = :account AND charger_id = :former", ids
    )
    connection.execute(
        """INSERT INTO totals
             SELECT account, :now, tag, kwh_hundredths, credits_hundredths, sessions, duration_ms, entries,
               without_energy, eligible_kwh_hundredths, eligibility_known
             FROM totals WHERE account = :account AND charger_id = :former
           ON CONFLICT (account, charger_id, tag) DO UPDATE SET
             kwh_hundredths = kwh_hundredths + excluded.kwh_hundredths,
             credits_hundredths = credits_hundredths + excluded.credits_hundredths,
             sessions = sessions + excluded.sessions,
             duration_ms = duration_ms + excluded.duration_ms,
             entries = entries + excluded.entries,
             without_energy = without_energy + excluded.without_energy,
             eligible_kwh_hundredths = eligible_kwh_hundredths + excluded.eligible_kwh_hundredths,
             eligibility_known = eligibility_known + excluded.eligibility_known""",
        ids,
    )
    connection.execute("DELETE FROM totals WHERE account = :account AND charger_id = :former", ids)
    shown = dict(
        connection.execute(
            "SELECT key, value FROM marks WHERE account = :account AND series = 'charger_kwh_hundredths' "
            "AND key IN (:former, :now)",
            ids,
        ).fetchall()
    )
    wanted = _wanted_label(charger, configured_labels)
    if charger.id in configured_labels:
        exchanged = former.label == wanted
    else:
        of_former, of_now = ((shown.get(one.id, 0), one.label == wanted) for one in (former, charger))
        exchanged = of_former > of_now
    if exchanged:
        aside = "\t"  # no id and no label has a tab
        for key, becomes in ((former.id, aside), (charger.id, former.id), (aside, charger.id)):
            connection.execute(
                "UPDATE marks SET key = ? WHERE account = ? AND key = ? AND substr(series, 1, 8) = 'charger_'",
                (becomes, account, key),
            )
        for charger_id, label in ((former.id, aside), (charger.id, former.label), (former.id, charger.label)):
            connection.execute(
                "UPDATE chargers SET label = ? WHERE account = ? AND charger_id = ?", (label, account, charger_id)
            )
        event(_logger, "info", "a charger was linked anew", charger=former.label, id=charger.id, was=former.id)
    return exchanged


def _link(
    connection: sqlite3.Connection,
    account: int,
    response: ApiResponse[tuple[Charger, ...]],
    configured_labels: Mapping[str, str],
) -> bool:
    """Note which chargers are linked, and under which names; return whether that has changed."""
    pinned = _pinned_chargers(connection, account)
    before = dict(pinned)
    shown = {charger.id for charger in response.content}
    namesakes = _namesakes(response.content, pinned)
    for charger in response.content:
        known = pinned.get(charger.id)
        if known is None:
            named = _PinnedCharger(
                charger.id,
                "",
                slug=charger.slug,
                nickname=charger.nickname,
                seen_with="\n".join(sorted(namesakes[charger.id])),
            )
            _pin_label(connection, account, pinned, named, configured_labels)
            continue
        pinned[charger.id] = msgspec.structs.replace(
            known,
            linked=True,
            slug=charger.slug or known.slug,
            nickname=charger.nickname or known.nickname,
            # With both of them linked it was the session alone that moved.
            moved_to=None if known.moved_to in shown else known.moved_to,
            seen_with="\n".join(sorted({*known.seen_with.split("\n"), *namesakes[charger.id]} - {""})),
        )
    if not response.malformed:  # a record that cannot be read may be any charger's
        for charger_id in pinned.keys() - shown:
            pinned[charger_id] = msgspec.structs.replace(pinned[charger_id], linked=False)
    for now in pinned.values():
        if now.id in before and now != before[now.id]:
            connection.execute(
                "UPDATE chargers SET linked = ?, slug = ?, nickname = ?, moved_to = ?, seen_with = ? "
                "WHERE account = ? AND charger_id = ?",
                (now.linked, now.slug, now.nickname, now.moved_to, now.seen_with, account, now.id),
            )
    return pinned != before


def _namesakes(chargers: Iterable[Charger], pinned: Mapping[str, _PinnedCharger]) -> Mapping[str, set[str]]:
    """Return, by charger id, the other chargers with the same slug, nickname or label.

    Of very many with one name a few are enough: what is asked is whether the name tells two chargers apart.
    """
    by_name: dict[str, list[str]] = {}
    names = {
        charger.id: {charger.slug, charger.nickname, pinned[charger.id].label if charger.id in pinned else None}
        for charger in chargers
    }
    for charger_id, own in names.items():
        for name in own - {None}:
            by_name.setdefault(str(name), []).append(charger_id)
    return {
        charger_id: {
            other for name in own - {None} for other in by_name[str(name)][:_MOST_NAMESAKES] if other != charger_id
        }
        for charger_id, own in names.items()
    }


def _wanted_label(charger: _PinnedCharger, configured_labels: Mapping[str, str]) -> str:
    slug = configured_labels.get(charger.id) or charger.slug or _slug(charger.nickname)
    return slug or charger.id[:_ID_START]


def _pin_label(
    connection: sqlite3.Connection,
    account: int,
    pinned: dict[str, _PinnedCharger],
    charger: _PinnedCharger,
    configured_labels: Mapping[str, str],
) -> None:
    """Give a charger the label that it wants; if another charger has it, with the id behind it.

    Args:
        connection: within a transaction.
        account: the account's number.
        pinned: the chargers with a label, by id; this one is added.
        charger: the charger; its label is chosen here.
        configured_labels: the configuration's labels, by charger id.
    """
    wanted = _wanted_label(charger, configured_labels)
    taken = {other.label: other.id for other in pinned.values()}
    candidates = (wanted, f"{wanted}-{charger.id[:_ID_START]}", f"{wanted}-{charger.id}")
    label = next((label for label in candidates if label not in taken), f"{wanted}-{charger.id}-{len(taken)}")
    if label != wanted and charger.id in configured_labels:
        event(
            _logger,
            "warn",
            "a label of chargers: is taken by another charger of the ledger; configure another one for either",
            wanted=wanted,
            charger_id=charger.id,
            taken_by=taken[wanted],
            label=label,
        )
    pinned[charger.id] = msgspec.structs.replace(charger, label=label)
    connection.execute(
        "INSERT INTO chargers (account, charger_id, label, linked, slug, nickname, moved_to, seen_with) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (account, charger.id, label, *msgspec.structs.astuple(charger)[2:]),
    )


def _slug(name: str | None) -> str:
    from slugify import slugify  # noqa: PLC0415 -- its tables are large, and needed once in the life of a charger

    return slugify(name, max_length=64) if name else ""
