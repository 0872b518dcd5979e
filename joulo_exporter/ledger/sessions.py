"""Sessions in the ledger: how each sighting changes them, their rows, and their contributions to the totals.

The latest observation counts, from whichever endpoint it comes; a null never wipes out a known value, except for
the credits of a session that earns none.
"""

from collections.abc import Iterable
from functools import cache
from operator import add, sub
from typing import Self, TypeVar

import msgspec
from msgspec.structs import asdict, astuple, replace

from joulo_exporter.ledger.database import AccountTables
from joulo_exporter.models.charger import LiveSession, normal_tag
from joulo_exporter.models.session import UNKNOWN_CHARGER, Session

Value = TypeVar("Value")

UNTAGGED = ""
"""Tag of energy that was charged without a tag."""

UNDECIDED = "-"
"""Tag of a session that has shown no tag yet but still may, so that no vehicle gets its energy.

No real tag is spelled that way: ``normal_tag`` removes dashes.
"""

_IN_PROGRESS = ("charging", "active")
"""``status`` of a session in progress in ``/sessions``."""

_TAG_LAG_S = 86_400.0
"""Seconds after a session's end for which its tag may still be on the way."""


class Totals(msgspec.Struct, frozen=True, gc=False):
    """Sums over sessions, as they are served."""

    kwh_hundredths: int = 0
    credits_hundredths: int = 0
    sessions: int = 0
    """Finished sessions."""
    duration_ms: int = 0
    """Duration of the finished sessions."""
    eligible_kwh_hundredths: int = 0
    """Energy of sessions that count for ERE."""

    def __add__(self, other: Self) -> Self:
        # If the other has more fields, only the fields of this class are added.
        return type(self)(*map(add, astuple(self), astuple(other)))

    def __sub__(self, other: Self) -> Self:
        return type(self)(*map(sub, astuple(self), astuple(other)))


class StoredTotals(Totals, frozen=True, gc=False):
    """Sums over sessions; the fields are the columns of the table."""

    entries: int = 0
    """Sessions, those in progress included."""
    without_energy: int = 0
    """Finished sessions whose energy is not known."""
    eligibility_known: int = 0
    """Sessions of which ``/sessions`` says whether they count for ERE."""


class StoredSession(msgspec.Struct, frozen=True, gc=False):
    """A session with everything that either endpoint has shown of it; its fields are the table's columns."""

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
    """Number of the latest walk through the history that listed it; 0 if ``/sessions`` never did.

    It is negative if the charger that it was listed under is gone, and another has taken over its sessions.
    """
    withdrawn: bool = False
    awaits_tag: bool = False
    """Whether it has ended, but its tag may still come: ``/sessions`` has not listed the end twice."""
    counts_for_ere: int | None = None
    """1 or 0."""
    corrected_at_seconds: float | None = None
    """When ``/sessions`` last listed a start, end or energy that differed from the final one."""
    first_kwh_hundredths: int | None = None
    """For a session that was corrected or went on after its energy was final, the first final energy."""

    @property
    def last_known_end_seconds(self) -> float:
        """Return its end; while it has none, when ``/chargers`` showed it last."""
        return self.ended_at_seconds or self.live_at_seconds or 0.0

    @property
    def final_credits_hundredths(self) -> int | None:
        """Return its ERE credits: 0 if it never gets any, for which the API gives null as well."""
        never = self.end_is_final and (self.kwh_hundredths == 0 or self.counts_for_ere == 0)
        return 0 if self.credits_hundredths is None and never else self.credits_hundredths

    @property
    def tag(self) -> str:
        """Return the tag under which totals count it."""
        decided = self.ended_at_seconds is not None and not self.awaits_tag
        return normal_tag(self.id_tag or "") or (UNTAGGED if decided else UNDECIDED)

    @property
    def duration_s(self) -> float | None:
        """Return the time from start to end; ``None`` while it is in progress."""
        start, end = self.started_at_seconds, self.ended_at_seconds
        return None if start is None or end is None else max(0.0, end - start)

    @property
    def totals(self) -> StoredTotals:
        """Return what it adds to the totals, unless it was withdrawn."""
        # No duration counts until the end is final: a provisional end is as wrong as this machine's clock.
        duration_s = (self.duration_s or 0.0) if self.end_is_final else 0.0
        kwh_hundredths = self.kwh_hundredths or 0
        return StoredTotals(
            kwh_hundredths=kwh_hundredths,
            credits_hundredths=self.credits_hundredths or 0,
            sessions=int(self.ended_at_seconds is not None),
            duration_ms=round(duration_s * 1000),
            eligible_kwh_hundredths=kwh_hundredths if self.counts_for_ere == 1 else 0,
            entries=1,
            without_energy=int(self.end_is_final and self.kwh_hundredths is None),
            eligibility_known=int(self.counts_for_ere is not None),
        )


@cache
def columns(record: type[msgspec.Struct]) -> tuple[str, ...]:
    """Return the columns of a table whose rows are such records: the fields, without ``_seconds``."""
    return tuple(name.removesuffix("_seconds") for name in record.__struct_fields__)


def row_of(record: msgspec.Struct) -> dict[str, object]:
    """Return a record as a row of such a table."""
    return dict(zip(columns(type(record)), astuple(record), strict=True))


COLUMN_NAMES = columns(StoredSession)


IN_ANOTHER_ACCOUNT = """EXISTS (
    SELECT 1 FROM sessions there WHERE there.id = sessions.id AND there.withdrawn = 0
      AND there.account IN (SELECT id FROM accounts WHERE id != :account AND configured = 1))"""
"""SQL condition for sessions that another account of the configuration has too."""


# Sightings ----------------------------------------------------------------------------------------


def listed(
    old: StoredSession | None, session: Session, *, generation: int, now_seconds: float, is_news: bool
) -> StoredSession:
    """Return the session after a page of ``/sessions`` listed it; ``generation`` is the number of the walk.

    An end that was listed stays, unless the session is listed as in progress again: ``ended_at`` may be missing
    only because it could not be used. ``is_news`` says whether an end listed for the first time counts as news.
    """
    old = old or StoredSession(session.id, session.charger_id)
    final = session.ended_at_seconds is not None
    resumed = old.end_is_final and not final and session.status in _IN_PROGRESS
    is_news = is_news and final and not old.end_is_final and old.end_seen_at_seconds is None
    # Here a null is no value that is still to come: the API gives it where there are no credits.
    earns_none = final and (session.kwh_hundredths == 0 or session.counts_for_ere is False)
    awaits_tag = old.awaits_tag
    if session.ended_at_seconds is not None:
        awaits_tag = not old.end_is_final and now_seconds - session.ended_at_seconds <= _TAG_LAG_S
    new = replace(
        old,
        charger_id=old.charger_id if session.charger_id == UNKNOWN_CHARGER else session.charger_id,
        charger_nickname=session.charger_nickname or old.charger_nickname,
        started_at_seconds=_latest(session.started_at_seconds, old.started_at_seconds),
        ended_at_seconds=session.ended_at_seconds if final or resumed else old.ended_at_seconds,
        end_is_final=final or (old.end_is_final and not resumed),
        kwh_hundredths=_latest(session.kwh_hundredths, old.kwh_hundredths),
        credits_hundredths=_latest(session.credits_hundredths, None if earns_none else old.credits_hundredths),
        id_tag=session.id_tag or old.id_tag,
        end_seen_at_seconds=now_seconds if is_news else old.end_seen_at_seconds,
        generation=generation,
        withdrawn=False,
        awaits_tag=awaits_tag,
        counts_for_ere=_latest(session.counts_for_ere, old.counts_for_ere),
    )
    return _with_correction(old, new, now_seconds)


def seen_live(old: StoredSession | None, charger_id: str, live: LiveSession, now_seconds: float) -> StoredSession:
    """Return the session after ``/chargers`` showed it: it is in progress, even if it had ended.

    An end that ``/sessions`` has listed stays, unless the session has more energy now: ``/chargers`` lags behind.
    """
    old = old or StoredSession(live.id, charger_id)
    if old.end_is_final and not old.withdrawn and (live.kwh_hundredths or 0) <= (old.kwh_hundredths or 0):
        return replace(old, id_tag=old.id_tag or live.id_tag)
    new = replace(
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
    return _with_correction(old, new, now_seconds)


def vanished(old: StoredSession) -> StoredSession:
    """Return the session after ``/chargers`` showed its charger without it: it has ended.

    Its end is the time when it was last seen, by this machine's clock, until ``/sessions`` gives the final one.
    """
    return replace(old, ended_at_seconds=old.live_at_seconds, end_is_final=False, awaits_tag=True)


def goes_on(old: StoredSession | None, new: StoredSession) -> bool:
    """Return whether only the session's energy, and the time when it was last seen in progress, have changed."""
    if old is None or old.live_at_seconds is None:
        return old == new
    then = replace(old, kwh_hundredths=new.kwh_hundredths, live_at_seconds=new.live_at_seconds)
    return then == new


def _with_correction(old: StoredSession, new: StoredSession, now_seconds: float) -> StoredSession:
    """Return the new state, with the time of the correction if figures that were final have changed.

    A session that goes on after its end counts as corrected only if it then ends with different energy. It may
    only seem to go on, since ``/chargers`` lags behind.
    """
    if old.end_is_final and old.kwh_hundredths is not None:
        if new.end_is_final and not _differs(old, new):
            return new
        first = old.kwh_hundredths if old.first_kwh_hundredths is None else old.first_kwh_hundredths
        new = replace(new, first_kwh_hundredths=first)
    elif old.first_kwh_hundredths in {None, new.kwh_hundredths}:
        return new
    return replace(new, corrected_at_seconds=now_seconds) if new.end_is_final else new


def _differs(old: StoredSession, new: StoredSession) -> bool:
    """Return whether the energy differs, or the start or end by a second or more."""
    moments = ((old.started_at_seconds, new.started_at_seconds), (old.ended_at_seconds, new.ended_at_seconds))
    return old.kwh_hundredths != new.kwh_hundredths or any(
        former is not None and now is not None and abs(now - former) >= 1 for former, now in moments
    )


def _latest(new: Value | None, old: Value | None) -> Value | None:
    return old if new is None else new


# Rows ---------------------------------------------------------------------------------------------


def select_sessions(
    tables: AccountTables, condition: str, *, index: str | None = None, **values: object
) -> dict[str, StoredSession]:
    """Return the sessions that meet an SQL condition, by id; condition and index are constants in the caller."""
    table = "sessions" if index is None else f"sessions INDEXED BY {index}"
    query = f"SELECT {', '.join(COLUMN_NAMES)} FROM {table} WHERE account = :account AND {condition}"  # noqa: S608
    return {row[0]: StoredSession(*row) for row in tables.execute(query, **values)}


def sessions_where(
    tables: AccountTables, column: str, values: Iterable[object], *, index: str | None = None
) -> dict[str, StoredSession]:
    """Return the sessions that have one of these values in a column, by id."""
    wanted = {f"value{position}": value for position, value in enumerate(values)}
    names = ", ".join(f":{name}" for name in wanted)
    return select_sessions(tables, f"{column} IN ({names})", index=index, **wanted) if wanted else {}


def sessions_in_progress(tables: AccountTables) -> dict[str, StoredSession]:
    """Return the sessions in progress that ``/chargers`` has shown."""
    # The index is named: SQLite prefers the primary key, by which it would read every session of the account.
    return select_sessions(
        tables, "ended_at IS NULL AND live_at IS NOT NULL AND withdrawn = 0", index="sessions_open"
    )


def unlinked_chargers(tables: AccountTables) -> list[str]:
    """Return the ids of chargers that the last API response of ``/chargers`` does not show; none before the first.

    The unknown charger is none of them: its sessions can be those of several chargers.
    """
    rows = tables.execute(
        """SELECT charger_id FROM chargers
           WHERE account = :account AND NOT linked AND charger_id != :unknown AND EXISTS (
             SELECT 1 FROM endpoints
             WHERE account = :account AND endpoint = 'chargers' AND succeeded_at IS NOT NULL)""",
        unknown=UNKNOWN_CHARGER,
    )
    return [charger_id for (charger_id,) in rows]


def save_session(tables: AccountTables, old: StoredSession | None, new: StoredSession) -> None:
    """Write the session, and apply its change to the totals; do nothing if nothing changed."""
    if old == new:
        return
    if old is None:
        tables.insert("sessions", **row_of(new))  # an insert that replaced a row would count it twice
    else:
        # Only the columns that differ: a column in an index is costly to write again.
        pairs = zip(COLUMN_NAMES, astuple(old), astuple(new), strict=True)
        changed = {name: value for name, former, value in pairs if value != former}
        changes = ", ".join(f"{name} = :{name}" for name in changed)
        update = f"UPDATE sessions SET {changes} WHERE account = :account AND id = :id"  # noqa: S608
        tables.execute(update, id=old.id, **changed)
        if "charger_id" in changed:
            tables.execute(
                "UPDATE chargers SET moved_to = :now WHERE account = :account AND charger_id = :former",
                now=new.charger_id,
                former=old.charger_id,
            )
    before, after = (
        {} if session is None or session.withdrawn else {(session.charger_id, session.tag): session.totals}
        for session in (old, new)
    )
    for charger_id, tag in before.keys() | after.keys():
        nothing = StoredTotals()
        change = after.get((charger_id, tag), nothing) - before.get((charger_id, tag), nothing)
        if change != nothing:
            tables.put("totals", {"charger_id": charger_id, "tag": tag}, **asdict(change))
