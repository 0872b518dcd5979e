"""Which page of ``/sessions`` comes next: pure.

Pages run from the newest session to the oldest and shift while they are read: a new session pushes the
others down, a withdrawn one pulls them up. Consecutive pages therefore overlap by a record that could be
read, and a page that does not connect with what this walk has seen is asked for again further up. Each walk
has a number, its generation, which marks every session that it lists.
"""

from __future__ import annotations

import msgspec

PAGE_SIZE = 100
"""Sessions a page; the most that the API gives at once."""

_OVERLAP = 1
_MOST_FRUITLESS = 3
"""Pages in a row without a new session: one that does not connect, the one above it, and that one again."""


class Walk(msgspec.Struct, frozen=True, gc=False):
    """How far the history has been read."""

    generation: int = 0
    offset: int | None = None
    """Where the next page begins; ``None`` when there is nothing to walk."""
    full: bool = False
    """Whether the walk goes to the very end (first import, resync), or only to what is known (an absence)."""
    complete: bool = False
    """Whether every session is in the ledger."""
    clean: bool = True
    """Whether every record of this walk could be read; otherwise a missing one proves nothing."""
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


class Page(msgspec.Struct, frozen=True, gc=False):
    """What a page says about the walk; counts are of sessions on it, as known before it was stored."""

    offset: int
    size: int
    malformed: int
    full_size: int
    """How many records a page has that is not the last one."""
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
    def new(self) -> int:
        """Return how many sessions this walk had not seen."""
        return self.size - self.malformed - self.in_this_walk


def begin_head(walk: Walk, now_seconds: float, resync_interval_s: float) -> Walk:
    """Return the walk under which the newest page is asked for now; a first import or resync begins here."""
    walk = msgspec.structs.replace(walk, head_at_seconds=now_seconds)
    if walk.offset is not None:
        return walk
    first = walk.generation == 0 or not walk.complete
    due = walk.finished_at_seconds is None or now_seconds - walk.finished_at_seconds >= resync_interval_s
    clock_went_back = walk.finished_at_seconds is not None and walk.finished_at_seconds > now_seconds
    if first or due or clock_went_back:
        return _new_walk(walk, now_seconds, full=True)
    return walk


def after_head(walk: Walk, page: Page, now_seconds: float) -> Walk:
    """Return the walk after the newest page has come."""
    if walk.offset is None:
        return _after_refresh(walk, page, now_seconds)
    has_begun = walk.offset > 0 or walk.fruitless > 0
    if has_begun and not page.in_this_walk and not page.is_last:
        return _again(walk, page, now_seconds)
    if walk.offset == 0:
        return after_page(_forgetting_completeness(walk, page), page, now_seconds)
    clean = walk.clean and not page.malformed
    return msgspec.structs.replace(walk, offset=walk.offset + page.new, clean=clean)


def after_page(walk: Walk, page: Page, now_seconds: float) -> Walk:
    """Return the walk after the page at its offset has come."""
    walk = msgspec.structs.replace(walk, clean=walk.clean and not page.malformed)
    if not page.connects:
        return _step_back(walk, page)
    if page.is_last or (not walk.full and page.in_earlier_walks):
        return _finished(walk, now_seconds)
    fruitless = 0 if page.new > 0 else walk.fruitless + 1
    same_page_again = page.offset > 0 and fruitless == 1 and page.malformed == 0
    if same_page_again or fruitless >= _MOST_FRUITLESS:
        return _give_up(walk)  # no walk comes to an end that way
    return msgspec.structs.replace(walk, offset=_next_offset(page), fruitless=fruitless)


def _again(walk: Walk, page: Page, now_seconds: float) -> Walk:
    """Return a walk that begins with the newest page, which has too many new sessions to connect with this one.

    It is a full one: it must not end at the sessions of this walk, which may not reach down to what is known.
    """
    again = _new_walk(_forgetting_completeness(walk, page), now_seconds, full=True)
    return msgspec.structs.replace(again, offset=_next_offset(page), clean=not page.malformed)


def _after_refresh(walk: Walk, page: Page, now_seconds: float) -> Walk:
    walk = _forgetting_completeness(walk, page)
    if walk.complete or page.in_this_walk or page.in_earlier_walks or page.is_last:
        return walk
    gap = _new_walk(walk, now_seconds, full=False)
    return msgspec.structs.replace(gap, offset=_next_offset(page), clean=not page.malformed)


def _forgetting_completeness(walk: Walk, page: Page) -> Walk:
    """Return the walk after the newest page, which after a long absence may not reach down to what is known.

    Until the sessions between are read, totals are not complete.
    """
    reaches_down = page.in_this_walk > 0 or page.in_earlier_walks > 0 or page.is_last
    return msgspec.structs.replace(walk, complete=walk.complete and reaches_down)


def _new_walk(walk: Walk, now_seconds: float, *, full: bool) -> Walk:
    return msgspec.structs.replace(
        walk,
        generation=walk.generation + 1,
        offset=0,
        full=full,
        clean=True,
        fruitless=0,
        started_at_seconds=now_seconds,
    )


def _next_offset(page: Page) -> int:
    """Return where the next page begins: of the overlap, at least one record could be read on this page."""
    return page.offset + max(1, page.size - page.malformed - _OVERLAP)


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
    return msgspec.structs.replace(after, finished_at_seconds=now_seconds, finished_generation=walk.generation)
