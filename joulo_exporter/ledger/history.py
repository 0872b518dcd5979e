"""The history of sessions, read page by page from ``/sessions``.

A *walk* is one pass through the pages, from the newest session to the oldest. Pages shift while they are read: a
new session pushes the others down, a withdrawn one pulls them up. Consecutive pages therefore overlap by a record
that could be read, and a page that does not connect with what this walk has seen is asked for again further up.
Each walk has a number, its generation, which marks every session that it lists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.ledger.sessions import StoredSession, listed, save_session, select_sessions, sessions_by_id

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping

    from joulo_exporter.models import ApiResponse, Session, SessionPage

PAGE_SIZE = 100
"""Sessions a page; the most that the API gives at once."""

_OVERLAP = 1
_MOST_FRUITLESS = 3
"""Pages in a row without a new session: one that does not connect, the one above it, and that one again."""

_FEW_MISSING = 10
_FEW_MISSING_SHARE = 0.1
"""A walk that has not listed more than so many sessions, and this share of all, is not believed at once."""

_NEWS_S = 86_400.0
"""An end that was longer ago is history."""

_LISTING_LAG_S = 86_400.0
"""A session that ``/chargers`` showed in the last day may still be on its way into ``/sessions``."""


class Walk(msgspec.Struct, frozen=True, gc=False):
    """Progress of reading the history; the names of its fields are stored in the ledger."""

    generation: int = 0
    offset: int | None = None
    """Where the next page begins; ``None`` when there is nothing to walk."""
    full: bool = False
    """Whether the walk goes to the very end (first import, resync), or only to what is known (an absence)."""
    complete: bool = False
    """Whether every session is in the ledger."""
    lost: tuple[int, ...] = ()
    """Checksums of the records of this walk that could not be read: each may be a session that seems to miss."""
    fruitless: int = 0
    """Pages in a row that brought this walk no further."""
    head_at_seconds: float = 0.0
    """When the newest page was asked for last."""
    started_at_seconds: float = 0.0
    finished_at_seconds: float | None = None
    """When a full walk reached the end last."""
    finished_generation: int = 0
    """Number of that walk. One that was given up is none: what it has not listed may well exist."""
    doubtful: bool = False
    """Whether that walk has not listed so many sessions that it takes another one to believe it."""
    finished_lost: tuple[int, ...] = ()
    """Checksums of the records of that walk that could not be read."""
    newest_lost: tuple[int, ...] = ()
    """The same of the newest page."""
    corrections_since_seconds: float | None = None
    """When the first page came of which the ledger notes later corrections."""

    @property
    def unreadable(self) -> int:
        """Return how many records of the history could not be read, as far as is known now."""
        return len({*self.finished_lost, *self.newest_lost})


class PageRequest(msgspec.Struct, frozen=True, gc=False):
    """The page to ask for, and the walk that it belongs to."""

    walk: Walk
    offset: int = 0
    """Sessions above the page; 0 for the newest page."""


class Page(msgspec.Struct, frozen=True, gc=False):
    """A page that has come; counts are of sessions on it, as known before it was stored."""

    offset: int
    size: int
    malformed: int
    lost: tuple[int, ...]
    full_size: int
    """Records on a page that is not the last one."""
    in_this_walk: int
    in_earlier_walks: int

    @property
    def is_last(self) -> bool:
        """Return whether the history ends on this page."""
        return self.size < self.full_size

    @property
    def connects(self) -> bool:
        """Return whether nothing can lie unseen between this page and what the walk has seen."""
        return self.offset == 0 or self.in_this_walk > 0

    @property
    def reaches_known(self) -> bool:
        """Return whether nothing can lie unseen between this page and what is known, of whichever walk."""
        return self.in_this_walk > 0 or self.in_earlier_walks > 0 or self.is_last

    @property
    def new(self) -> int:
        """Return how many sessions this walk had not seen."""
        return self.size - self.malformed - self.in_this_walk

    @property
    def next_offset(self) -> int:
        """Return where the next page begins: of the overlap, at least one record could be read on this page."""
        return self.offset + max(1, self.size - self.malformed - _OVERLAP)


# Which page comes next: pure ----------------------------------------------------------------------


def next_page(walk: Walk, now_seconds: float, *, interval_s: float, resync_interval_s: float) -> PageRequest:
    """Return the page to ask for now: the newest each interval, and older ones in between during a walk.

    Args:
        walk: how far the history has been read.
        now_seconds: wall-clock time.
        interval_s: seconds from one request for the newest page to the next.
        resync_interval_s: seconds from the end of one full walk to the begin of the next.
    """
    since_newest_s = now_seconds - walk.head_at_seconds
    if walk.offset and 0 <= since_newest_s < interval_s:
        return PageRequest(walk, walk.offset)
    walk = msgspec.structs.replace(walk, head_at_seconds=now_seconds)
    since_walk_s = -1.0 if walk.finished_at_seconds is None else now_seconds - walk.finished_at_seconds
    is_fresh = walk.generation > 0 and walk.complete and 0 <= since_walk_s < resync_interval_s
    if walk.offset is None and not is_fresh:  # nor is one that has ended in the future: the clock went back
        walk = _new_walk(walk, now_seconds, full=True)
    return PageRequest(walk)


def after_newest_page(walk: Walk, page: Page, now_seconds: float) -> Walk:
    """Return the walk after the newest page has come.

    After a long absence it may not reach down to what is known. Until the sessions between are read, totals are
    not complete.
    """
    mended = {*walk.newest_lost} - {*page.lost}
    known = msgspec.structs.replace(
        walk,
        complete=walk.complete and page.reaches_known,
        newest_lost=page.lost,
        lost=tuple(checksum for checksum in walk.lost if checksum not in mended),
        finished_lost=tuple(checksum for checksum in walk.finished_lost if checksum not in mended),
    )
    if walk.offset is None:
        gap = not known.complete and not page.reaches_known
        return _new_walk(known, now_seconds, full=False, newest=page) if gap else known
    has_begun = walk.offset > 0 or walk.fruitless > 0
    if has_begun and not page.in_this_walk and not page.is_last:
        # Too many new sessions to connect with this walk. The next one is full: it must not end at the sessions of
        # this one, which may not reach down to what is known.
        return _new_walk(known, now_seconds, full=True, newest=page)
    if walk.offset == 0:
        return after_page(known, page, now_seconds)
    return msgspec.structs.replace(known, offset=walk.offset + page.new, lost=_with_lost(known, page))


def after_page(walk: Walk, page: Page, now_seconds: float) -> Walk:
    """Return the walk after the page at its offset has come."""
    walk = msgspec.structs.replace(walk, lost=_with_lost(walk, page))
    if not page.connects:
        return _step_back(walk, page)
    if page.is_last or (not walk.full and page.in_earlier_walks):
        return _finished(walk, now_seconds)
    fruitless = 0 if page.new > 0 else walk.fruitless + 1
    same_page_again = page.offset > 0 and fruitless == 1 and page.malformed == 0
    if same_page_again or fruitless >= _MOST_FRUITLESS:
        return _give_up(walk)  # no walk comes to an end that way
    return msgspec.structs.replace(walk, offset=page.next_offset, fruitless=fruitless)


def _new_walk(walk: Walk, now_seconds: float, *, full: bool, newest: Page | None = None) -> Walk:
    """Return a walk that begins with the newest page, or goes on from it when it has come already."""
    return msgspec.structs.replace(
        walk,
        generation=walk.generation + 1,
        offset=0 if newest is None else newest.next_offset,
        full=full,
        lost=() if newest is None else newest.lost,
        fruitless=0,
        started_at_seconds=now_seconds,
    )


def _with_lost(walk: Walk, page: Page) -> tuple[int, ...]:
    return tuple(dict.fromkeys((*walk.lost, *page.lost)))


def _step_back(walk: Walk, page: Page) -> Walk:
    if walk.fruitless + 1 >= _MOST_FRUITLESS:
        return _give_up(walk)
    offset = max(0, page.offset - page.full_size + _OVERLAP)
    return msgspec.structs.replace(walk, offset=offset, fruitless=walk.fruitless + 1)


def _give_up(walk: Walk) -> Walk:
    """Begin anew with the next regular refresh, not sooner: whatever goes on there, haste does not help."""
    return msgspec.structs.replace(walk, offset=None, fruitless=0)


def _finished(walk: Walk, now_seconds: float) -> Walk:
    after = msgspec.structs.replace(walk, offset=None, complete=True, fruitless=0)
    if not walk.full:
        return after
    return msgspec.structs.replace(
        after, finished_at_seconds=now_seconds, finished_generation=walk.generation, finished_lost=walk.lost
    )


# Pages in the ledger ------------------------------------------------------------------------------


def load_walk(connection: sqlite3.Connection, account: int) -> Walk:
    """Return how far the history has been read."""
    row = connection.execute("SELECT walk FROM walks WHERE account = ?", (account,)).fetchone()
    return Walk() if row is None else msgspec.json.decode(row[0], type=Walk)


def save_walk(connection: sqlite3.Connection, account: int, walk: Walk) -> None:
    """Keep how far the history has been read."""
    connection.execute("INSERT OR REPLACE INTO walks VALUES (?, ?)", (account, msgspec.json.encode(walk)))


def begin_walk(connection: sqlite3.Connection, account: int, walk: Walk, now_seconds: float) -> Walk:
    """Return, and keep, a whole walk that begins before its time."""
    begun = _new_walk(walk, now_seconds, full=True)
    save_walk(connection, account, begun)
    return begun


def moved_walk(walk: Walk, moved: Callable[[float], float]) -> Walk:
    """Return the walk with its moments moved along with the wall clock."""
    finished, since = walk.finished_at_seconds, walk.corrections_since_seconds
    return msgspec.structs.replace(
        walk,
        head_at_seconds=moved(walk.head_at_seconds),
        started_at_seconds=moved(walk.started_at_seconds),
        finished_at_seconds=None if finished is None else moved(finished),
        corrections_since_seconds=None if since is None else moved(since),
    )


def record_page(
    connection: sqlite3.Connection,
    account: int,
    response: ApiResponse[SessionPage],
    request: PageRequest,
    now_seconds: float,
) -> Walk:
    """Store a page of ``/sessions``; return the walk after it.

    Args:
        connection: within a transaction.
        account: the account's number.
        response: the page.
        request: its request.
        now_seconds: wall-clock time.
    """
    walk = request.walk
    former = sessions_by_id(connection, account, [session.id for session in response.content.sessions])
    page = _page(response, request, former)
    advance = after_newest_page if request.offset == 0 else after_page
    after = advance(walk, page, now_seconds)
    for session in response.content.sessions:
        old = former.get(session.id)
        # Where a walk begins with this page, the page is part of it: the next one must connect with it. A page
        # that does not connect is part of none, else the sessions above it would count as seen.
        generation = after.generation if page.connects else old.generation if old else 0
        news = _is_news(session, old, walk, now_seconds)
        new = listed(
            old,
            session,
            generation=generation,
            now_seconds=now_seconds,
            learned_at_seconds=now_seconds if news else None,
        )
        save_session(connection, account, old, new)
    if after.corrections_since_seconds is None:
        after = msgspec.structs.replace(after, corrections_since_seconds=now_seconds)
    if after.finished_generation != walk.finished_generation:
        doubtful = not _withdraw_missing(connection, account, after, walk.finished_generation)
        after = msgspec.structs.replace(after, doubtful=doubtful)
    save_walk(connection, account, after)
    return after


def _page(response: ApiResponse[SessionPage], request: PageRequest, former: Mapping[str, StoredSession]) -> Page:
    generation = request.walk.generation
    return Page(
        offset=request.offset,
        size=len(response.content.sessions) + len(response.malformed),
        malformed=len(response.malformed),
        lost=response.lost,
        full_size=min(PAGE_SIZE, response.content.limit or PAGE_SIZE),
        in_this_walk=sum(stored.generation == generation for stored in former.values()),
        in_earlier_walks=sum(0 < stored.generation < generation for stored in former.values()),
    )


def _is_news(session: Session, old: StoredSession | None, walk: Walk, now_seconds: float) -> bool:
    """Return whether an end that is listed now is worth a message: nobody wants one for each of the past years.

    The first import brings history, but for sessions that were seen in progress; a long absence brings the ends of
    a day at most.
    """
    if session.ended_at_seconds is None or now_seconds - session.ended_at_seconds > _NEWS_S:
        return False
    return walk.finished_at_seconds is not None or old is not None


def _withdraw_missing(connection: sqlite3.Connection, account: int, walk: Walk, former_generation: int) -> bool:
    """Mark the sessions that a whole walk has not listed.

    A walk that lists no session at all proves nothing about the many that were there. One that misses many may
    have ended with a page that the API cut short: it is believed when the next one says so too. A record that
    could not be read may be any of the missing sessions, so that each has to be missing from two walks then.
    Sessions that another account has by now are no doubt: their charger has moved there.

    Args:
        connection: within a transaction.
        account: the account's number.
        walk: the one that has come to its end.
        former_generation: number of the whole walk before it; 0 if there was none.

    Returns:
        Whether the walk was believed.
    """
    seen_any = connection.execute(
        "SELECT 1 FROM sessions WHERE account = ? AND generation = ? LIMIT 1", (account, walk.generation)
    ).fetchone()
    missing = select_sessions(
        connection,
        "account = ? AND generation < ? AND withdrawn = 0 AND (live_at IS NULL OR live_at < ?)",
        (
            account,
            former_generation if walk.lost else walk.generation,
            walk.started_at_seconds - _LISTING_LAG_S,
        ),
    )
    moved = {session_id for session_id in missing if _has_moved(connection, account, session_id)}
    (counted,) = connection.execute("SELECT SUM(entries) FROM totals WHERE account = ?", (account,)).fetchone()
    too_many = len(missing) - len(moved) > max(_FEW_MISSING, _FEW_MISSING_SHARE * (counted or 0))
    believed = walk.doubtful or seen_any is None or not too_many
    for stored in missing.values():
        if stored.id in moved or (believed and seen_any):
            save_session(connection, account, stored, msgspec.structs.replace(stored, withdrawn=True))
    return believed


def _has_moved(connection: sqlite3.Connection, account: int, session_id: str) -> bool:
    """Return whether another account of the ledger has the session."""
    row = connection.execute(
        "SELECT 1 FROM sessions WHERE account IN (SELECT id FROM accounts WHERE id != ?) AND id = ? "
        "AND withdrawn = 0 LIMIT 1",
        (account, session_id),
    ).fetchone()
    return row is not None
