"""The history of sessions, read page by page from ``/sessions``.

A *walk* is one pass through the pages, from the newest session to the oldest. Pages shift while they are read: a
new session pushes the others down, a withdrawn one pulls them up. Consecutive pages therefore overlap by a record
that could be read, and where a page does not connect with those already seen, the walk goes back up. Each walk has
a number, its generation, which marks every session that it lists.

The API's pages may be smaller than asked for, whatever ``limit`` it states, and shrink during a walk. So only an
empty page below a page without new sessions is the end of the history.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from joulo_exporter.ledger.database import AccountTables
from joulo_exporter.ledger.sessions import (
    IN_ANOTHER_ACCOUNT,
    StoredSession,
    listed,
    save_session,
    select_sessions,
    sessions_where,
    unlinked_chargers,
    vanished,
)
from joulo_exporter.models.session import UNKNOWN_CHARGER, Session, SessionPage
from joulo_exporter.models.wire import ApiResponse

PAGE_SIZE = 100
"""Sessions a page; the most that the API gives at once."""

_OVERLAP = 1
_MOST_FRUITLESS = 4
"""Pages in a row without a new session after which the walk ends, or begins anew: one more than one that does not
connect, the one above it, and their overlap."""

_SOUGHT_S = 28 * 86_400.0
"""Seconds for which a session that does not become final is looked for; then it is left to the resync."""

_SOUGHT_GROWTH = 1.02
"""A session that is not final is looked for again each time that its wait has grown by 2 %: at each refresh for
the first eight hours, every half hour after a day. One that never becomes final costs ever fewer walks."""

_NEWS_S = 86_400.0
"""Greatest age, in seconds, of an end that is news."""

FEW_MISSING = 10
_FEW_MISSING_SHARE = 0.1
"""A walk that misses more sessions than this number, and than this share of all, is not believed at once."""

_LISTING_LAG_S = 86_400.0
"""A session that ``/chargers`` showed in the last day may still be on its way into ``/sessions``."""


class Walk(msgspec.Struct, frozen=True, gc=False):
    """Progress of reading the history; the names of its fields are stored in the ledger."""

    generation: int = 0
    offset: int | None = None
    """Where the next page begins; ``None`` when no walk is under way."""
    full: bool = False
    """Whether the walk goes to the very end (first import, resync), or to known sessions (after an absence)."""
    down_to_seconds: float | None = None
    """For a walk that looks for sessions which are not final, the earliest of their starts."""
    page_size: int = 0
    """Records on the largest page of this walk."""
    complete: bool = False
    """Whether every session is in the ledger."""
    lost: tuple[int, ...] = ()
    """Checksums of unreadable records that this walk has met below the newest page."""
    fruitless: int = 0
    """Pages in a row that brought this walk no further."""
    repeats: int = 0
    """Pages in a row that connected, showed nothing new, and began with the same session, whatever the offset.

    An empty page below the first such page ends the history.
    """
    first_id: str | None = None
    """The first session of this walk's last page."""
    head_at_seconds: float = 0.0
    """When the newest page was asked for last."""
    newest_was_last: bool = False
    """Whether no other page has been asked for since then."""
    sought_at_seconds: float = 0.0
    """When it was last decided whether to look for sessions that are not final."""
    started_at_seconds: float = 0.0
    finished_at_seconds: float | None = None
    """When a full walk reached the end last."""
    finished_generation: int = 0
    """Number of that walk. A walk that was given up does not count: sessions it has not listed may well exist."""
    finished_lost: tuple[int, ...] = ()
    """``lost`` of that walk."""
    newest_lost: tuple[int, ...] = ()
    """Checksums of the newest page's unreadable records."""
    corrections_since_seconds: float | None = None
    """Time of the first page of which the ledger notes later corrections."""

    @property
    def asked_offset(self) -> int:
        """Return how many sessions are above the page that is asked for; 0 for the newest page."""
        return 0 if self.newest_was_last else self.offset or 0

    @property
    def unreadable(self) -> int:
        """Return how many records of the history could not be read, as far as is known now."""
        return len({*self.finished_lost, *self.newest_lost})

    def moved(self, moved: Callable[[float], float]) -> Walk:
        """Return the walk with its wall-clock moments moved by a function."""
        names = (name for name in self.__struct_fields__ if name.endswith(("_at_seconds", "_since_seconds")))
        known = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return replace(self, **{name: moved(moment) for name, moment in known.items()})


class Outcome(msgspec.Struct, frozen=True):
    """Consequences of a stored API response for the refreshes that follow."""

    session_ended: bool = False
    walk: Walk | None = None
    """After a page of ``/sessions``, how far the history has been read."""
    missing: int = 0
    """Sessions that a walk which has just ended did not list."""
    withdrawn: bool = True
    """Whether they are withdrawn; if many are missing at once, another walk has to miss each of them, too."""


class _Page(msgspec.Struct, frozen=True, gc=False):
    """A page that has arrived, and its sessions as the ledger had them before."""

    offset: int
    size: int
    readable: int
    """Sessions; the other records could not be read, or were duplicates."""
    lost: tuple[int, ...]
    first_id: str | None
    earliest_start_seconds: float
    """Earliest start of the sessions on it; infinite if none is known."""
    known: Mapping[str, StoredSession]
    """The sessions on it that the ledger had, by id."""

    @property
    def generations(self) -> list[int]:
        """Return, for each known session, the number of the walk that listed it last."""
        return [abs(stored.generation) for stored in self.known.values()]

    def connects(self, walk: Walk) -> bool:
        """Return whether no session can lie unseen between this page and those that the walk has seen."""
        return self.offset == 0 or walk.generation in self.generations

    def new(self, walk: Walk) -> int:
        """Return how many sessions the walk had not seen."""
        return self.readable - self.generations.count(walk.generation)

    @property
    def reaches_known(self) -> bool:
        """Return whether no session can lie unseen between this page and those known from any walk."""
        return any(self.generations) or self.size == 0

    @property
    def next_offset(self) -> int:
        """Return where the next page begins: it overlaps this page by at least one record that could be read.

        A page with a single such record has no overlap; it is read again once an empty page below shows the end.
        """
        return self.offset + (self.readable - _OVERLAP if self.readable > _OVERLAP else max(1, self.size))


# Which page comes next: pure ----------------------------------------------------------------------


def next_page(walk: Walk, now_seconds: float, *, interval_s: float, resync_interval_s: float) -> Walk:
    """Return the walk that asks for a page now: the newest each interval, and older ones in between.

    A walk advances even if each API response takes longer than the interval: the newest page is then not asked for
    twice in a row. ``resync_interval_s`` is the time from the end of one full walk to the start of the next.
    """
    since_newest_s = now_seconds - walk.head_at_seconds
    if walk.offset and (walk.newest_was_last or 0 <= since_newest_s < interval_s):
        return replace(walk, newest_was_last=False)
    walk = replace(walk, head_at_seconds=now_seconds, newest_was_last=True)
    since_walk_s = math.inf if walk.finished_at_seconds is None else now_seconds - walk.finished_at_seconds
    is_fresh = walk.complete and 0 <= since_walk_s < resync_interval_s
    if walk.offset is None and not is_fresh:  # an end in the future is not fresh either: the clock went back
        walk = new_walk(walk, now_seconds, full=True)
    return walk


def new_walk(walk: Walk, now_seconds: float, *, full: bool, down_to_seconds: float | None = None) -> Walk:
    """Return a walk that begins with the newest page."""
    return replace(
        walk,
        generation=walk.generation + 1,
        offset=0,
        full=full,
        down_to_seconds=down_to_seconds,
        page_size=0,
        lost=(),
        fruitless=0,
        repeats=0,
        first_id=None,
        started_at_seconds=now_seconds,
        corrections_since_seconds=walk.corrections_since_seconds or now_seconds,
    )


def _after_newest_page(tables: AccountTables, walk: Walk, page: _Page, now_seconds: float) -> Walk:
    """Return the walk after the newest page has come.

    After a long absence, the page may not reach down to the known sessions. Until those in between are read,
    totals are not complete. An account's very first session is no sign of an absence.
    """
    is_first_ever = page.size == 1 and walk.page_size == 0
    is_complete = walk.complete and (page.reaches_known or is_first_ever)
    # What is unreadable on the newest page is counted there, until it can be read.
    finished_lost = {*walk.finished_lost} - {*walk.newest_lost, *page.lost}
    known = replace(walk, complete=is_complete, newest_lost=page.lost, finished_lost=tuple(finished_lost))
    if walk.offset is None:
        sought_seconds = _sought(tables, walk, page, now_seconds)
        if page.reaches_known:
            known = replace(known, sought_at_seconds=now_seconds)
            if sought_seconds is None:
                return known
        known = new_walk(known, now_seconds, full=False, down_to_seconds=sought_seconds)
    elif (walk.offset > 0 or walk.fruitless > 0) and page.size > 0 and walk.generation not in page.generations:
        # Too many new sessions to connect with this walk. The next walk is full: it must not end at the sessions
        # of this one, which may not reach down to the known sessions.
        known = new_walk(known, now_seconds, full=True)
    elif walk.offset > 0:
        return replace(known, offset=walk.offset + page.new(walk))
    return _after_page(known, page, now_seconds)


def _after_page(walk: Walk, page: _Page, now_seconds: float) -> Walk:
    """Return the walk after the page at its offset has come."""
    walk = replace(walk, lost=tuple({*walk.lost, *page.lost} - {*walk.newest_lost}))
    is_below_the_only_session = page.offset == walk.page_size == 1
    if page.size == 0 and (page.offset == 0 or walk.repeats or is_below_the_only_session):
        return _finished(walk, now_seconds)
    if page.connects(walk):
        deep_enough_seconds = math.inf if walk.down_to_seconds is None else walk.down_to_seconds
        reaches_earlier_walk = any(0 < generation < walk.generation for generation in page.generations)
        if not walk.full and reaches_earlier_walk and page.earliest_start_seconds < deep_enough_seconds:
            return _finished(walk, now_seconds)
        is_fruitless, repeats = page.new(walk) == 0, walk.repeats if page.first_id == walk.first_id else 0
        walk = replace(
            walk,
            offset=page.next_offset,
            fruitless=walk.fruitless + 1 if is_fruitless else 0,
            repeats=repeats + 1 if is_fruitless else 0,
            first_id=page.first_id,
            page_size=max(walk.page_size, page.size),
        )
        if walk.repeats >= _MOST_FRUITLESS and page.size < PAGE_SIZE:
            # The API ignores the offset. A page that is not full has all that it will list, but does not prove
            # that other sessions are gone.
            return _finished(walk, now_seconds, proves_missing=False)
    else:
        above = max(0, page.offset - max(_OVERLAP, walk.page_size - _OVERLAP))
        walk = replace(walk, offset=above, fruitless=walk.fruitless + 1, repeats=0)
    if walk.fruitless >= _MOST_FRUITLESS:
        # Begin anew with the next regular refresh, not sooner: whatever the cause, haste does not help.
        return replace(walk, offset=None)
    return walk


def _finished(walk: Walk, now_seconds: float, *, proves_missing: bool = True) -> Walk:
    after = replace(walk, offset=None, complete=True)
    if not walk.full:
        return after
    return replace(
        after,
        finished_at_seconds=now_seconds,
        finished_generation=walk.generation if proves_missing else walk.finished_generation,
        finished_lost=walk.lost,
    )


# Pages in the ledger ------------------------------------------------------------------------------


def load_walk(tables: AccountTables) -> Walk:
    """Return how far the history has been read."""
    row = tables.execute("SELECT walk FROM walks WHERE account = :account").fetchone()
    return Walk() if row is None else msgspec.json.decode(row[0], type=Walk)


def save_walk(tables: AccountTables, walk: Walk) -> None:
    """Keep how far the history has been read."""
    tables.execute("INSERT OR REPLACE INTO walks VALUES (:account, :walk)", walk=msgspec.json.encode(walk))


def record_page(
    tables: AccountTables, response: ApiResponse[SessionPage], walk: Walk, now_seconds: float
) -> Outcome:
    """Store the page of ``/sessions`` that the walk has asked for.

    A session that gets another id counts under the new one, and is withdrawn under the former one. Sessions of an
    unknown charger can be those of several chargers.
    """
    sessions = response.content.sessions
    former = sessions_where(tables, "id", [session.id for session in sessions])
    starts = (each.started_at_seconds for each in sessions if each.started_at_seconds is not None)
    page = _Page(
        offset=walk.asked_offset,
        size=len(sessions) + len(response.malformed),
        readable=len(sessions),
        lost=tuple(response.lost),
        first_id=sessions[0].id if sessions else None,
        earliest_start_seconds=min(starts, default=math.inf),
        known=former,
    )
    if page.offset == 0:
        after = _after_newest_page(tables, walk, page, now_seconds)
    else:
        after = _after_page(walk, page, now_seconds)
    connects, after_import = page.connects(walk), walk.finished_at_seconds is not None
    # Sessions that this walk has not listed before, or that have come back.
    known = {each.id for each in former.values() if each.generation >= after.generation and not each.withdrawn}
    fresh = [each for each in sessions if each.id not in known]
    at_start, unlinked = _sessions_by_start(tables, fresh), unlinked_chargers(tables) if fresh else []
    former_ids: dict[str, StoredSession] = {}
    for session in sessions:
        old = former.get(session.id)
        others = [each for each in at_start[session.started_at_seconds] if _is_same(each, session, unlinked)]
        # A walk that begins with this page includes it: the next page must connect with it. A page that does not
        # connect belongs to no walk, or the sessions above it would count as seen.
        generation = after.generation if connects else old.generation if old else 0
        # Nobody wants a message for each session of past years: in the first import, only ends of sessions that
        # were seen in progress are news; after a long absence, only ends of the last day.
        is_recent = session.ended_at_seconds is not None and now_seconds - session.ended_at_seconds <= _NEWS_S
        was_news = any(each.end_is_final or each.end_seen_at_seconds is not None for each in others)
        is_news = is_recent and (old is not None or (after_import and not was_news))
        new = listed(old, session, generation=generation, now_seconds=now_seconds, is_news=is_news)
        save_session(tables, old, new)
        if old is None:
            at_start[session.started_at_seconds].append(new)
        for each in others:
            is_former = old is None or old.withdrawn or each.generation < after.generation
            is_its = each.charger_id in unlinked or each.charger_id == session.charger_id != UNKNOWN_CHARGER
            if is_former and is_its:
                former_ids[each.id] = each
    for session_id in former_ids.keys() - {session.id for session in sessions}:
        save_session(tables, former_ids[session_id], replace(former_ids[session_id], withdrawn=True))
    if page.offset == 0:
        _withdraw_moved(tables, {session.id for session in sessions})
    missing, withdrawn = 0, True
    if after.finished_generation != walk.finished_generation:
        missing, withdrawn = _withdraw_missing(tables, after, walk.finished_generation)
        if after.page_size == 0:  # it proves nothing, so that it is not the first of two walks that miss a session
            after = replace(after, finished_generation=walk.finished_generation)
    save_walk(tables, after)
    return Outcome(walk=after, missing=missing, withdrawn=withdrawn)


def _sessions_by_start(
    tables: AccountTables, new: Iterable[Session]
) -> defaultdict[float | None, list[StoredSession]]:
    """Return the stored sessions that began at the same moment as one of the new sessions."""
    starts = {each.started_at_seconds for each in new} - {None}
    found: defaultdict[float | None, list[StoredSession]] = defaultdict(list)
    for stored in sessions_where(tables, "started_at", starts, index="sessions_by_start").values():
        found[stored.started_at_seconds].append(stored)
    return found


def _is_same(stored: StoredSession, session: Session, unlinked: Collection[str]) -> bool:
    """Return whether a stored session with the start of a listed one is that session under another id.

    Its charger may have been linked anew, which ``/chargers`` may show only later: then all figures have to be the
    same. An end that is not final tells nothing, nor does that of a session which another charger has taken over.
    """
    if session.started_at_seconds is None:
        return False
    same_end = stored.ended_at_seconds == session.ended_at_seconds
    same_energy = stored.kwh_hundredths == session.kwh_hundredths
    if stored.charger_id != session.charger_id and stored.charger_id not in unlinked:
        return same_end and same_energy
    return not stored.end_is_final or stored.generation < 0 or same_end or same_energy


def _sought(tables: AccountTables, walk: Walk, page: _Page, now_seconds: float) -> float | None:
    """Return the earliest start of the sessions below the newest page that are to be looked for now.

    They are in progress, or only ``/chargers`` has shown their end. A session whose start is not known may be
    anywhere.
    """
    horizon_seconds = now_seconds - _SOUGHT_S
    not_final = select_sessions(
        tables,
        "end_is_final = 0 AND withdrawn = 0 AND (started_at IS NULL OR started_at <= :earliest_start)",
        index="sessions_not_final",
        earliest_start=page.earliest_start_seconds,
    )
    starts = []
    for stored in not_final.values():
        started_seconds = stored.started_at_seconds
        waits_since_seconds = stored.ended_at_seconds or started_seconds or stored.live_at_seconds or 0.0
        if (
            stored.id not in page.known
            and waits_since_seconds >= horizon_seconds
            and _wait_has_grown(waits_since_seconds, walk.sought_at_seconds, now_seconds)
        ):
            starts.append(horizon_seconds if started_seconds is None else started_seconds)
    return min(starts, default=None)


def _wait_has_grown(since_seconds: float, former_seconds: float, now_seconds: float) -> bool:
    former_step, step = (
        math.floor(math.log(max(1.0, seconds - since_seconds), _SOUGHT_GROWTH))
        for seconds in (former_seconds, now_seconds)
    )
    return step > former_step


# Sessions that are no longer listed ---------------------------------------------------------------


def _withdraw_moved(tables: AccountTables, newest: Collection[str]) -> None:
    """Withdraw sessions of unlinked chargers, and of the unknown one, that another account has too.

    Only a charger's last session tells whether it has moved: the history of a charger that is gone may be long.
    While the newest page of this account lists that session, both accounts have the charger.
    """
    for charger_id in (*unlinked_chargers(tables), UNKNOWN_CHARGER):
        is_its = "charger_id = :charger_id AND withdrawn = 0"
        last_one = f"{is_its} ORDER BY ended_at DESC LIMIT 1"
        last = select_sessions(tables, last_one, charger_id=charger_id).keys() - newest
        if last and select_sessions(tables, f"id = :id AND {IN_ANOTHER_ACCOUNT}", id=last.pop()):
            moved = select_sessions(tables, f"{is_its} AND {IN_ANOTHER_ACCOUNT}", charger_id=charger_id)
            for stored in moved.values():
                save_session(tables, stored, replace(stored, withdrawn=True))


def _withdraw_missing(tables: AccountTables, walk: Walk, former_generation: int) -> tuple[int, bool]:
    """Withdraw the sessions that a full walk has not listed.

    A walk that misses many may have ended with a page that the API cut short, and an unreadable record may be any
    of the missing sessions: each then has to be missing from two walks. Sessions that another account of the
    configuration has by now are beyond doubt: their charger has moved there. Those of chargers that are no longer
    in ``/chargers`` stay: the API may have dropped the history along with the charger.

    Returns:
        How many sessions are missing; whether all are withdrawn.
    """
    is_missing = "generation < :generation AND withdrawn = 0 AND (live_at IS NULL OR live_at < :listed_by)"
    values: dict[str, Any] = {
        "generation": former_generation if walk.lost or walk.newest_lost else walk.generation,
        "listed_by": walk.started_at_seconds - _LISTING_LAG_S,
    }
    moved = select_sessions(tables, f"{is_missing} AND {IN_ANOTHER_ACCOUNT}", **values)
    missing, unlinked = dict(moved), unlinked_chargers(tables)
    for stored in select_sessions(tables, is_missing, **values).values() if walk.page_size > 0 else ():
        # A session without a start that another charger has taken over may have come back under any id.
        was_taken_over = stored.generation < 0 and stored.started_at_seconds is not None
        if not was_taken_over and (stored.charger_id not in unlinked or stored.generation == 0):
            missing[stored.id] = stored
        elif stored.id not in moved and stored.ended_at_seconds is None and stored.live_at_seconds is not None:
            # Neither endpoint will show its end any more, nor a tag.
            save_session(tables, stored, replace(vanished(stored), awaits_tag=False))
    (counted,) = tables.execute("SELECT SUM(entries) FROM totals WHERE account = :account").fetchone()
    too_many = len(missing) - len(moved) > max(FEW_MISSING, _FEW_MISSING_SHARE * (counted or 0))
    twice = {each.id: each for each in missing.values() if each.generation < former_generation}
    certain = moved | twice if too_many else missing
    for stored in certain.values():
        save_session(tables, stored, replace(stored, withdrawn=True))
    return len(missing), len(certain) == len(missing)
