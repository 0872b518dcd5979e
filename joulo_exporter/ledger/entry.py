"""One session in the ledger, and how each sighting of it changes the entry: pure functions.

The latest observation counts, from whichever endpoint it comes; a null never wipes out a known value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from joulo_exporter.models.tag import normal_tag

if TYPE_CHECKING:
    from joulo_exporter.models import LiveSession, Session

Value = TypeVar("Value")

UNTAGGED = ""
"""Tag of energy that was charged without one."""

UNDECIDED = "-"
"""Tag of a session in progress that has shown none yet: it may still, so no vehicle gets its energy.

No true tag is spelled that way: ``normal_tag`` takes dashes out.
"""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A session with all that either endpoint has told of it."""

    id: str
    charger_id: str
    charger_nickname: str | None = None
    started_at_seconds: float | None = None
    ended_at_seconds: float | None = None
    """From ``/sessions``, else the last time that ``/chargers`` showed it; ``None`` while in progress."""
    end_is_final: bool = False
    """Whether the end comes from ``/sessions``."""
    kwh_hundredths: int | None = None
    credits_hundredths: int | None = None
    id_tag: str | None = None
    live_at_seconds: float | None = None
    """When ``/chargers`` showed it last; ``None`` if it never did."""
    end_seen_at_seconds: float | None = None
    """When ``/sessions`` first listed the end, as news; set once, whatever happens to it later."""
    generation: int = 0
    """The latest walk through the history that listed it; 0 if ``/sessions`` never did."""
    withdrawn: bool = False


class Contribution(msgspec.Struct, frozen=True, gc=False):
    """What an entry adds to the totals of its charger and tag."""

    charger_id: str
    tag: str
    kwh_hundredths: int
    credits_hundredths: int
    sessions: int
    """1 for a finished session."""
    duration_ms: int
    """Of a finished session."""


def contribution(entry: Entry) -> Contribution | None:
    """Return what the entry adds to the totals; nothing once it was withdrawn."""
    if entry.withdrawn:
        return None
    finished = entry.ended_at_seconds is not None
    return Contribution(
        charger_id=entry.charger_id,
        tag=_tag_key(entry, finished=finished),
        kwh_hundredths=entry.kwh_hundredths or 0,
        credits_hundredths=entry.credits_hundredths or 0,
        sessions=int(finished),
        duration_ms=_duration_ms(entry),
    )


def listed(old: Entry | None, session: Session, *, generation: int, learned_at_seconds: float | None) -> Entry:
    """Return the entry after ``/sessions`` listed the session.

    Args:
        old: the entry so far.
        session: what the answer says.
        generation: number of the walk that the page belongs to.
        learned_at_seconds: the time to note for an end that is listed for the first time; ``None`` when that is
            no news.
    """
    old = old or Entry(session.id, session.charger_id)
    final = session.ended_at_seconds is not None
    ended_at_seconds = session.ended_at_seconds if final else old.ended_at_seconds
    news = final and not old.end_is_final and old.end_seen_at_seconds is None
    return msgspec.structs.replace(
        old,
        charger_id=session.charger_id,
        charger_nickname=session.charger_nickname or old.charger_nickname,
        started_at_seconds=session.started_at_seconds,
        ended_at_seconds=ended_at_seconds,
        end_is_final=final or old.end_is_final,
        kwh_hundredths=_latest(session.kwh_hundredths, old.kwh_hundredths),
        credits_hundredths=_latest(session.credits_hundredths, old.credits_hundredths),
        id_tag=session.id_tag or old.id_tag,
        end_seen_at_seconds=learned_at_seconds if news else old.end_seen_at_seconds,
        generation=generation,
        withdrawn=False,
    )


def seen_live(old: Entry | None, charger_id: str, live: LiveSession, now_seconds: float) -> Entry:
    """Return the entry after ``/chargers`` showed the session: it is in progress, even if it had ended."""
    old = old or Entry(live.id, charger_id)
    return msgspec.structs.replace(
        old,
        charger_id=charger_id,
        started_at_seconds=_latest(live.started_at_seconds, old.started_at_seconds),
        ended_at_seconds=None,
        end_is_final=False,
        kwh_hundredths=_latest(live.kwh_hundredths, old.kwh_hundredths),
        id_tag=live.id_tag or old.id_tag,
        live_at_seconds=now_seconds,
        withdrawn=False,
    )


def vanished(old: Entry) -> Entry:
    """Return the entry after ``/chargers`` showed its charger without the session: it has ended.

    The end is the last time it was seen, which is never later than the true end: a duration can then
    only grow when ``/sessions`` makes it final.
    """
    return msgspec.structs.replace(old, ended_at_seconds=old.live_at_seconds, end_is_final=False)


def _latest(new: Value | None, old: Value | None) -> Value | None:
    return old if new is None else new


def _tag_key(entry: Entry, *, finished: bool) -> str:
    if entry.id_tag:
        return normal_tag(entry.id_tag) or UNTAGGED
    return UNTAGGED if finished else UNDECIDED


def _duration_ms(entry: Entry) -> int:
    if entry.ended_at_seconds is None or entry.started_at_seconds is None:
        return 0
    return max(0, round((entry.ended_at_seconds - entry.started_at_seconds) * 1000))
