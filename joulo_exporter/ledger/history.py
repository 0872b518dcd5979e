"""How answers of ``/chargers`` and ``/sessions`` change the sessions of an account."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.ledger import walk as walks
from joulo_exporter.ledger.entry import Entry, listed, seen_live, vanished
from joulo_exporter.ledger.labels import pin_label
from joulo_exporter.ledger.sessions import Change, entries, save, select, still_open
from joulo_exporter.models.book import Meter

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from joulo_exporter.ledger.walk import Walk
    from joulo_exporter.models import Answer, Charger, LiveSession, Session

_FEW_MISSING = 10
_FEW_MISSING_SHARE = 0.1
"""A walk that has not listed more than so many sessions, and this share of all, is not believed at once."""

_NEWS_S = 86_400.0
"""An end that was longer ago is history."""

_LISTING_LAG_S = 86_400.0
"""A session that ``/chargers`` showed in the last day may still be on its way into ``/sessions``."""


def load_walk(connection: sqlite3.Connection, account: int) -> Walk:
    """Return how far the history has been read."""
    row = connection.execute("SELECT walk FROM walks WHERE account = ?", (account,)).fetchone()
    return walks.Walk() if row is None else msgspec.json.decode(row[0], type=walks.Walk)


def save_walk(connection: sqlite3.Connection, account: int, walk: Walk) -> None:
    """Keep how far the history has been read."""
    connection.execute("INSERT OR REPLACE INTO walks VALUES (?, ?)", (account, msgspec.json.encode(walk)))


class Known(msgspec.Struct, frozen=True):
    """What is known of an account's chargers before an answer."""

    labels: Mapping[str, str]
    meters: Mapping[str, Meter]


class ChargersNews(msgspec.Struct):
    """What an answer of ``/chargers`` has changed."""

    session_ended: bool = False
    change: Change = Change.NONE
    meters: dict[str, Meter] = {}
    """Readings that are new, by charger id."""


def record_chargers(
    connection: sqlite3.Connection,
    account: int,
    chargers: Iterable[Charger],
    configured_labels: Mapping[str, str],
    known: Known,
    now_seconds: float,
) -> ChargersNews:
    """Take over sessions in progress, and end those that a charger of the answer no longer shows.

    A charger that is not in the answer changes nothing.
    """
    news = ChargersNews()
    in_progress = still_open(connection, account)
    for charger in chargers:
        if charger.id not in known.labels:
            slug = configured_labels.get(charger.id) or charger.slug
            pin_label(connection, account, charger.id, slug=slug, name=charger.nickname)
            news.change = Change.SESSIONS
        if in_progress:
            _end_others(connection, account, charger, in_progress, news)
        if charger.session is not None:
            _continue(connection, account, charger.id, charger.session, in_progress, news, now_seconds)
        meter = _read_meter(charger, known.meters.get(charger.id))
        if meter is not None:
            news.meters[charger.id] = meter
    _save_meters(connection, account, news.meters)
    return news


def _end_others(
    connection: sqlite3.Connection,
    account: int,
    charger: Charger,
    in_progress: dict[str, Entry],
    news: ChargersNews,
) -> None:
    session_id = charger.session.id if charger.session is not None else None
    gone = [entry for entry in in_progress.values() if entry.charger_id == charger.id and entry.id != session_id]
    for entry in gone:
        del in_progress[entry.id]
        news.change = max(news.change, save(connection, account, entry, vanished(entry)))
        news.session_ended = True


def _continue(
    connection: sqlite3.Connection,
    account: int,
    charger_id: str,
    session: LiveSession,
    in_progress: dict[str, Entry],
    news: ChargersNews,
    now_seconds: float,
) -> None:
    old = in_progress.get(session.id) or entries(connection, account, [session.id]).get(session.id)
    new = seen_live(old, charger_id, session, now_seconds)
    in_progress[session.id] = new
    news.change = max(news.change, save(connection, account, old, new))


def _read_meter(charger: Charger, known: Meter | None) -> Meter | None:
    """Return a reading, and the one before it, if it is news; an older one than what is known is not."""
    wh, at_seconds = charger.meter_wh, charger.meter_at_seconds
    if wh is None or at_seconds is None:
        return None
    if known is None:
        return Meter(wh, at_seconds)
    if at_seconds > known.at_seconds:
        return Meter(wh, at_seconds, known.wh, known.at_seconds)
    if at_seconds == known.at_seconds and wh != known.wh:
        return Meter(wh, at_seconds, known.former_wh, known.former_at_seconds)
    return None


def _save_meters(connection: sqlite3.Connection, account: int, meters: Mapping[str, Meter]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO meters (account, charger_id, wh, at, former_wh, former_at) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        [(account, charger_id, *msgspec.structs.astuple(meter)) for charger_id, meter in meters.items()],
    )


def record_page(
    connection: sqlite3.Connection,
    account: int,
    answer: Answer[Session],
    walk: Walk,
    *,
    offset: int,
    now_seconds: float,
) -> Walk:
    """Store a page of ``/sessions``; return the walk after it.

    Args:
        connection: within a transaction.
        account: the account's number.
        answer: the page.
        walk: the walk under which it was asked for.
        offset: where it begins; 0 for the newest page.
        now_seconds: wall-clock time.
    """
    former = entries(connection, account, [session.id for session in answer.records])
    page = _page(answer, offset, former, walk.generation)
    advance = walks.after_head if offset == 0 else walks.after_page
    after = advance(walk, page, now_seconds)
    for session in answer.records:
        old = former.get(session.id)
        # Where a walk begins with this page, the page is part of it: the next one must connect with it. One
        # that hangs in the air is part of none, else what lies above it would count as seen.
        generation = after.generation if page.connects else _generation(old)
        news = _is_news(session, old, walk, now_seconds)
        new = listed(old, session, generation=generation, learned_at_seconds=now_seconds if news else None)
        save(connection, account, old, new)
    if after.finished_generation != walk.finished_generation:
        doubtful = not _withdraw_missing(connection, account, after)
        after = msgspec.structs.replace(after, doubtful=doubtful)
    save_walk(connection, account, after)
    return after


def _is_news(session: Session, old: Entry | None, walk: Walk, now_seconds: float) -> bool:
    """Return whether an end that is listed now is worth a message: nobody wants one for each of the past years.

    The first import brings history, but for what was seen in progress; a long absence brings a day at most.
    """
    if session.ended_at_seconds is None or now_seconds - session.ended_at_seconds > _NEWS_S:
        return False
    return walk.finished_at_seconds is not None or old is not None


def pin_unlinked(connection: sqlite3.Connection, account: int, configured_labels: Mapping[str, str]) -> None:
    """Give a label to chargers that only sessions name: they are no longer linked to the account."""
    rows = connection.execute(
        """SELECT charger_id FROM totals t WHERE account = ? AND entries > 0 AND NOT EXISTS
             (SELECT 1 FROM chargers c WHERE c.account = t.account AND c.charger_id = t.charger_id)
           GROUP BY charger_id""",
        (account,),
    ).fetchall()
    for (charger_id,) in rows:
        (nickname,) = connection.execute(
            "SELECT charger_nickname FROM sessions WHERE account = ? AND charger_id = ? "
            "ORDER BY charger_nickname IS NULL, started_at DESC, id LIMIT 1",
            (account, charger_id),
        ).fetchone()
        slug = configured_labels.get(charger_id)
        pin_label(connection, account, charger_id, slug=slug, name=nickname)


def _generation(entry: Entry | None) -> int:
    return 0 if entry is None else entry.generation


def _page(answer: Answer[Session], offset: int, former: Mapping[str, Entry], generation: int) -> walks.Page:
    return walks.Page(
        offset=offset,
        size=answer.size,
        malformed=len(answer.malformed),
        full_size=min(walks.PAGE_SIZE, answer.page_limit or walks.PAGE_SIZE),
        in_this_walk=sum(entry.generation == generation for entry in former.values()),
        in_earlier_walks=sum(0 < entry.generation < generation for entry in former.values()),
    )


def _withdraw_missing(connection: sqlite3.Connection, account: int, walk: Walk) -> bool:
    """Mark the sessions that a whole walk has not listed, if it was read without a fault.

    A walk that lists no session at all proves nothing about the many that were there. One that misses many may
    have ended with a page that the API cut short: it is believed when the next one says so too.

    Returns:
        Whether the walk was believed.
    """
    seen_any = connection.execute(
        "SELECT 1 FROM sessions WHERE account = ? AND generation = ? LIMIT 1", (account, walk.generation)
    ).fetchone()
    if not walk.clean or seen_any is None:
        return True
    missing = select(
        connection,
        "account = ? AND generation < ? AND withdrawn = 0 AND (live_at IS NULL OR live_at < ?)",
        (account, walk.generation, walk.started_at_seconds - _LISTING_LAG_S),
    )
    if not walk.doubtful and len(missing) > max(_FEW_MISSING, _FEW_MISSING_SHARE * _counted(connection, account)):
        return False
    for entry in missing:
        save(connection, account, entry, msgspec.structs.replace(entry, withdrawn=True))
    return True


def _counted(connection: sqlite3.Connection, account: int) -> int:
    """Return how many sessions are in the totals."""
    (count,) = connection.execute("SELECT SUM(entries) FROM totals WHERE account = ?", (account,)).fetchone()
    return count or 0
