"""Chargers in the ledger: API responses of ``/chargers``, labels, high-water marks, and meters."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Iterable, Iterator, Mapping

import msgspec
from msgspec.structs import asdict, replace

from joulo_exporter.ledger.database import AccountTables
from joulo_exporter.ledger.sessions import (
    StoredSession,
    columns,
    goes_on,
    row_of,
    save_session,
    seen_live,
    select_sessions,
    sessions_in_progress,
    sessions_where,
    unlinked_chargers,
    vanished,
)
from joulo_exporter.logs import event
from joulo_exporter.models.charger import Charger, LiveSession
from joulo_exporter.models.session import UNKNOWN_CHARGER
from joulo_exporter.models.wire import ApiResponse, Plausibility

_logger = logging.getLogger(__name__)

_ID_START = 8

_MEAN_OF_S = 60.0
"""Shortest time between two readings whose mean power is shown: over seconds it is noise."""

_STANDSTILL_S = 1200.0
"""Time without new energy after which a session's power is zero: some chargers report every 15 minutes."""


class _PinnedCharger(msgspec.Struct, frozen=True, gc=False):
    """A charger with a label; the fields are the columns of the table."""

    charger_id: str
    label: str
    linked: bool = True
    """Whether the last API response of ``/chargers`` shows it."""
    slug: str | None = None
    nickname: str | None = None
    moved_to: str | None = None
    """The charger under which one of its sessions was listed again."""
    came: int = 0
    """Number of the change of the linked chargers with which it was first linked; 0 if it never was."""
    went: int = 0
    """Number of the change with which it was last unlinked."""

    def came_after(self, other: _PinnedCharger) -> bool:
        """Return whether it was first linked when, or after, the other one was unlinked."""
        return self.came >= other.went > 0


def served_labels(tables: AccountTables) -> dict[str, str]:
    """Return the labels, by charger id, of the chargers that are linked or have a session left."""
    rows = tables.execute(
        """SELECT charger_id, label FROM chargers c WHERE account = :account AND (linked OR EXISTS (
             SELECT 1 FROM totals t
             WHERE t.account = c.account AND t.charger_id = c.charger_id AND entries > 0))"""
    )
    return dict(rows.fetchall())


class Chargers:
    """The chargers of an account, within a transaction.

    A label is chosen once and shared by no two chargers; the configuration and ``take_over`` can change it.
    """

    def __init__(self, tables: AccountTables, configured_labels: Mapping[str, str]) -> None:
        self._tables = tables
        self._configured_labels = configured_labels

    def record(
        self, response: ApiResponse[tuple[Charger, ...]], now_seconds: float, *, as_before: bool
    ) -> tuple[bool, bool]:
        """Store sessions in progress, and end those that a charger of the API response no longer shows.

        A charger missing from the response ends no session. No two sessions of a charger begin at the same time:
        one that is now shown under another id counts under that one, unless ``/sessions`` lists it under the
        former one. ``as_before`` says that the chargers and their names are those of the previous API response,
        which nothing has changed since.

        Returns:
            Whether a session has ended; whether anything but energy and readings has changed.
        """
        tables, changed = self._tables, not as_before and self._link(response)
        in_progress = sessions_in_progress(tables)
        seen: dict[str, StoredSession] = {}
        for charger in response.content:
            if (live := charger.session) is not None:
                old = seen.get(live.id) or in_progress.get(live.id)
                old = old or sessions_where(tables, "id", [live.id]).get(live.id)
                others = _with_other_ids(tables, charger.id, live) if old is None or old.withdrawn else []
                if any(each.generation > 0 for each in others):
                    continue
                for other in others:
                    in_progress.pop(other.id, None)
                    save_session(tables, other, replace(other, withdrawn=True))
                seen[live.id] = seen_live(old, charger.id, live, now_seconds)
                save_session(tables, old, seen[live.id])
                changed = changed or not goes_on(old, seen[live.id])
        readable = {charger.id for charger in response.content if not charger.session_unreadable}
        ended = [old for old in in_progress.values() if old.id not in seen and old.charger_id in readable]
        for old in ended:
            save_session(tables, old, vanished(old))
        if changed or ended:
            self.take_over()
        return bool(ended), changed or bool(ended)

    # Labels -------------------------------------------------------------------------------------------

    def pin_unlinked(self) -> None:
        """Give a label to chargers that only sessions mention: they are no longer linked to the account."""
        # Sessions whose charger is unknown can have the nicknames of several chargers.
        unnamed = self._tables.execute(
            """SELECT DISTINCT charger_id, (
                 SELECT charger_nickname FROM sessions s
                 WHERE s.account = t.account AND s.charger_id = t.charger_id AND s.charger_id != :unknown
                 ORDER BY charger_nickname IS NULL, started_at DESC, id LIMIT 1)
               FROM totals t WHERE account = :account AND entries > 0 AND NOT EXISTS
                 (SELECT 1 FROM chargers c WHERE c.account = t.account AND c.charger_id = t.charger_id)
               ORDER BY charger_id""",
            unknown=UNKNOWN_CHARGER,
        ).fetchall()
        with self._pinned() as pinned:
            for charger_id, nickname in unnamed:
                self._pin_label(pinned, _PinnedCharger(charger_id, "", linked=False, nickname=nickname))

    def apply_configured_labels(self) -> None:
        """Give chargers the labels that the configuration's ``chargers:`` names.

        An entry for a charger that the account does not have applies once the account has it.
        """
        with self._pinned() as pinned:
            # All at once: two chargers may swap labels, and neither may get a makeshift one until the next start.
            changing = [
                pinned.pop(charger_id)
                for charger_id, label in self._configured_labels.items()
                if charger_id in pinned and pinned[charger_id].label != label
            ]
            for charger in changing:
                self._pin_label(pinned, charger)

    def take_over(self) -> None:
        """Let each charger that was linked anew, under another id, go on as the charger that it was.

        It replaces a charger that is no longer linked and had the same slug, nickname or label, if one of that
        charger's sessions was listed again under the new id, or is there under another id as well. If both were
        linked together, two sessions may only look the same: then no other one may be left. None is needed if that
        charger never had any, and had gone before. The other sessions follow at once: it may take days until their
        pages are read again, and meanwhile the energy would be in two series.
        """
        with self._pinned() as pinned:
            query = "SELECT charger_id, SUM(entries) FROM totals WHERE account = :account GROUP BY charger_id"
            left: dict[str, int] = dict(self._tables.execute(query).fetchall())
            for former in [each for each in pinned.values() if not each.linked]:
                for charger in [each for each in pinned.values() if each.linked]:
                    came_after = charger.came_after(former)
                    if self._has_name_of(former, charger) and (
                        former.moved_to == charger.charger_id
                        or (came_after and former.charger_id not in left)
                        or ((came_after or not left.get(former.charger_id)) and self._copied(former, charger))
                    ):
                        self._merge(pinned, former, charger)
                        break

    @contextlib.contextmanager
    def _pinned(self) -> Iterator[dict[str, _PinnedCharger]]:
        """Yield the chargers with a label, by id; at the end, write those that the caller has changed."""
        names = ", ".join(columns(_PinnedCharger))
        rows = self._tables.execute(f"SELECT {names} FROM chargers WHERE account = :account")  # noqa: S608
        before = {row[0]: _PinnedCharger(*row) for row in rows}
        pinned = dict(before)
        yield pinned
        changed = [charger for charger in pinned.values() if charger != before.get(charger.charger_id)]
        for charger in changed:  # delete all of them first: two may have exchanged labels
            delete = "DELETE FROM chargers WHERE account = :account AND charger_id = :charger_id"
            self._tables.execute(delete, charger_id=charger.charger_id)
        for charger in changed:
            self._tables.insert("chargers", **asdict(charger))  # a duplicate label is an error

    def _has_name_of(self, former: _PinnedCharger, charger: _PinnedCharger) -> bool:
        former_names = (former.slug, former.nickname, former.label)
        names = (charger.slug, charger.nickname, self._wanted_label(charger))
        return any(was is not None and was == now for was, now in zip(former_names, names, strict=True))

    def _copied(self, former: _PinnedCharger, charger: _PinnedCharger) -> set[str]:
        """Return the ids of a former charger's sessions that its successor has under another id.

        Two chargers that were linked together may begin at the same time: then end or energy has to be the same.
        """
        has = "FROM sessions INDEXED BY {} WHERE account = :account AND charger_id = :now AND NOT withdrawn AND"
        rows = self._tables.execute(
            f"""SELECT id FROM sessions s INDEXED BY sessions_by_end
                WHERE account = :account AND charger_id = :was AND (
                  EXISTS (SELECT 1 {has.format("sessions_by_start")} started_at = s.started_at AND (
                    :alone OR NOT s.end_is_final OR ended_at = s.ended_at OR kwh_hundredths = s.kwh_hundredths))
                  OR (s.started_at IS NULL AND EXISTS (
                    SELECT 1 {has.format("sessions_by_end")} ended_at = s.ended_at)))""",  # noqa: S608 -- of ours
            was=former.charger_id,
            now=charger.charger_id,
            alone=charger.came_after(former),
        )
        return {session_id for (session_id,) in rows}

    def _merge(self, pinned: dict[str, _PinnedCharger], former: _PinnedCharger, charger: _PinnedCharger) -> None:
        """Give the sessions of a former charger to its successor, and its label if that has shown more energy.

        A session that the successor has under another id is withdrawn. The others stay even if they are not listed
        any more, unless both chargers were linked together: the API may have dropped them along with the charger.
        Labels are exchanged, and the marks of the totals with them: a label that is used again one day continues
        from its last values. Readings stay with their own charger.
        """
        was, now, marks = former.charger_id, charger.charger_id, read_marks(self._tables)
        copied, came_after = self._copied(former, charger), charger.came_after(former)
        for stored in select_sessions(self._tables, "charger_id = :was", was=was).values():
            withdrawn = stored.withdrawn or stored.id in copied
            generation = -abs(stored.generation) if came_after else abs(stored.generation)
            moved = replace(stored, charger_id=now, withdrawn=withdrawn, generation=generation)
            save_session(self._tables, stored, moved)
        if copied:
            pinned[was] = former = replace(former, moved_to=now)  # they may be listed under it once more
        wanted = self._wanted_label(charger)
        shown_by_former, shown = (marks.get(("charger_kwh_hundredths", each), 0) for each in (was, now))
        has_shown_more = (shown_by_former, former.label == wanted) > (shown, charger.label == wanted)
        if former.label == wanted if now in self._configured_labels else has_shown_more:
            aside = "\t"  # no id has a tab
            move = "UPDATE marks SET key = :to WHERE account = :account AND key = :key AND series GLOB 'charger_*'"
            for key, to in ((was, aside), (now, was), (aside, now)):
                self._tables.execute(move, key=key, to=to)
            pinned[was], pinned[now] = replace(former, label=charger.label), replace(charger, label=former.label)
            event(_logger, "info", "a charger was linked anew", charger=former.label, id=now, was=was)

    def _link(self, response: ApiResponse[tuple[Charger, ...]]) -> bool:
        """Note which chargers are linked, and under which names; return whether that has changed."""
        with self._pinned() as pinned:
            before = dict(pinned)
            shown = {charger.id for charger in response.content}
            change = 1 + max((max(each.came, each.went) for each in pinned.values()), default=0)
            for charger in response.content:
                known = pinned.get(charger.id) or _PinnedCharger(charger.id, "")
                now = replace(
                    known,
                    linked=True,
                    slug=charger.slug or known.slug,
                    nickname=charger.nickname or known.nickname,
                    # While both chargers are linked, only the session has moved.
                    moved_to=None if known.moved_to in shown else known.moved_to,
                    came=known.came or change,
                )
                if charger.id in before:
                    pinned[charger.id] = now
                else:
                    self._pin_label(pinned, now)
            if not response.malformed:  # an unreadable record may be that of any charger
                for gone in [each for each in before.values() if each.linked and each.charger_id not in shown]:
                    pinned[gone.charger_id] = replace(gone, linked=False, went=change)
            return pinned != before

    def _wanted_label(self, charger: _PinnedCharger) -> str:
        slug = self._configured_labels.get(charger.charger_id) or charger.slug or _slug(charger.nickname)
        return slug or charger.charger_id[:_ID_START]

    def _pin_label(self, pinned: dict[str, _PinnedCharger], charger: _PinnedCharger) -> None:
        """Give a charger its preferred label; if another charger has that, append the id."""
        wanted, charger_id = self._wanted_label(charger), charger.charger_id
        taken = {other.label: other.charger_id for other in pinned.values()}
        candidates = (wanted, f"{wanted}-{charger_id[:_ID_START]}", f"{wanted}-{charger_id}")
        label = next((label for label in candidates if label not in taken), f"{wanted}-{charger_id}-{len(taken)}")
        if label != wanted and charger_id in self._configured_labels:
            taken_one = "a label of chargers: is taken by another charger of the ledger"
            text = f"{taken_one}; configure another one for either"
            event(_logger, "warn", text, wanted=wanted, charger_id=charger_id, taken_by=taken[wanted], label=label)
        pinned[charger_id] = replace(charger, label=label)


def _with_other_ids(tables: AccountTables, charger_id: str, live: LiveSession) -> list[StoredSession]:
    """Return the same session under other ids: it began at the same time, there or on a charger that is gone."""
    same_start = sessions_where(tables, "started_at", [live.started_at_seconds], index="sessions_by_start")
    chargers = {charger_id, *unlinked_chargers(tables)}
    return [
        each
        for each in same_start.values()
        if each.charger_id in chargers and each.id != live.id and not each.withdrawn
    ]


def _slug(name: str | None) -> str:
    from slugify import slugify  # noqa: PLC0415 -- its tables are large, and needed once in the life of a charger

    return slugify(name, max_length=64) if name else ""


# High-water marks ---------------------------------------------------------------------------------

Marks = Mapping[tuple[str, str], float]
"""The highest value that each counter has shown, by series and key."""


def raise_marks(tables: AccountTables, values: Marks) -> None:
    """Raise each mark that is lower than its value to that value."""
    statement = """INSERT INTO marks VALUES (:account, :series, :key, :value)
        ON CONFLICT (account, series, key) DO UPDATE SET value = excluded.value WHERE excluded.value > value"""
    for (series, key), value in values.items():
        tables.execute(statement, series=series, key=key, value=value)


def read_marks(tables: AccountTables, of_series: Iterable[str] = ()) -> Marks:
    """Return the account's marks of these series, or of all series if none is given."""
    wanted = {f"series{position}": series for position, series in enumerate(of_series)}
    condition = f"AND series IN ({', '.join(f':{name}' for name in wanted)})" if wanted else ""
    rows = tables.execute(f"SELECT series, key, value FROM marks WHERE account = :account {condition}", **wanted)  # noqa: S608
    return {(series, key): value for series, key, value in rows}


# Meters -------------------------------------------------------------------------------------------


class Meter(msgspec.Struct, frozen=True, gc=False):
    """The latest believed reading, a minute or more after the one before, and a later one that is in doubt."""

    wh: float
    at_seconds: float
    power_watts: float | None = None
    """Mean power since the reading before; ``None`` for a first one."""
    doubted_wh: float | None = None
    """A reading that fell, or rose faster than any charger: believed once the next reading goes on from it."""
    doubted_at_seconds: float | None = None
    session_id: str | None = None
    """For a charger that gives no meter readings, the session whose energy stands in for them."""

    def goes_on(self, wh: float, at_seconds: float, max_power_kw: float) -> bool:
        """Return whether the energy between the latest reading and a new one fits the time."""
        max_kwh = Plausibility(at_seconds, max_power_kw).max_kwh(self.at_seconds, at_seconds)
        return 0 <= wh - self.wh <= 1000 * max_kwh

    def followed_by(self, wh: float, at_seconds: float, max_power_kw: float) -> Meter:
        """Return the meter after a reading that goes on from the latest one.

        It has no power if that is above the greatest one, for the API was late with the former reading, or if the
        readings are less than a minute apart.
        """
        span_s = at_seconds - self.at_seconds
        watts = (wh - self.wh) / span_s * 3600 if span_s >= _MEAN_OF_S else math.inf
        return Meter(wh, at_seconds, watts if watts <= 1000 * max_power_kw else None, session_id=self.session_id)


def read_meters(tables: AccountTables) -> dict[str, Meter]:
    """Return the readings, by charger id."""
    names = ", ".join(columns(Meter))
    rows = tables.execute(f"SELECT charger_id, {names} FROM meters WHERE account = :account")  # noqa: S608
    return {charger_id: Meter(*readings) for charger_id, *readings in rows}


def record_meters(
    tables: AccountTables,
    chargers: Iterable[Charger],
    now_seconds: float,
    max_power_kw: float,
    meters: dict[str, Meter],
    marks: dict[tuple[str, str], float],
) -> None:
    """Store the meter readings, and the energy of sessions on chargers that never gave any.

    A believed reading raises the mark of its counter; the reading of another meter starts the counter anew.
    ``meters`` and ``marks`` are those of the ledger, before and after.
    """
    for charger in chargers:
        known = meters.get(charger.id)
        if charger.meter_wh is None:
            meter = _session_meter(known, charger, now_seconds, max_power_kw)
        else:
            known = known if known is not None and known.session_id is None else None
            meter = _meter_after(known, charger.meter_wh, charger.meter_at_seconds, now_seconds, max_power_kw)
            if meter is not None and meter.doubted_wh is None:
                is_another = known is not None and known.doubted_wh is not None and meter.wh < known.wh
                if is_another or charger.meter_wh > marks.get(("meter_wh", charger.id), -1):
                    tables.put("marks", {"series": "meter_wh", "key": charger.id}, {"value": charger.meter_wh})
                    marks["meter_wh", charger.id] = charger.meter_wh
        if meter is not None and meter != known:
            tables.put("meters", {"charger_id": charger.id}, row_of(meter))
            meters[charger.id] = meter


def _meter_after(
    known: Meter | None, wh: float, at_seconds: float | None, now_seconds: float, max_power_kw: float
) -> Meter | None:
    """Return the meter after a reading; ``None`` if the reading is not new."""
    if at_seconds is None:  # it counts from when it is first seen or, if it rose too fast, fits the time
        if known is not None and (
            wh == known.wh or (wh == known.doubted_wh and not known.goes_on(wh, now_seconds, max_power_kw))
        ):
            return None
        at_seconds = now_seconds
    if known is None or at_seconds < known.at_seconds:
        # A reading that a wrong clock of ours has dated in the future would block all later ones.
        return Meter(wh, at_seconds) if known is None or known.at_seconds > now_seconds else None
    if known.goes_on(wh, at_seconds, max_power_kw):
        if at_seconds - known.at_seconds >= _MEAN_OF_S:
            return known.followed_by(wh, at_seconds, max_power_kw)
        return replace(known, doubted_wh=None, doubted_at_seconds=None)
    if known.doubted_wh is not None and known.doubted_at_seconds is not None:
        doubted = Meter(known.doubted_wh, known.doubted_at_seconds)
        if wh > doubted.wh and at_seconds > doubted.at_seconds and doubted.goes_on(wh, at_seconds, max_power_kw):
            return doubted.followed_by(wh, at_seconds, max_power_kw)
    return replace(known, doubted_wh=wh, doubted_at_seconds=at_seconds)


def _session_meter(known: Meter | None, charger: Charger, now_seconds: float, max_power_kw: float) -> Meter | None:
    """Return the meter of a charger without meter readings: the energy of its session; ``None`` if nothing is new.

    The energy counts from when it is first seen: the API gives it no date.
    """
    session = charger.session
    if session is None or session.kwh_hundredths is None or (known is not None and known.session_id is None):
        return None
    wh = session.kwh_hundredths * 10.0
    if known is None or known.session_id != session.id or wh < known.wh or now_seconds < known.at_seconds:
        return Meter(wh, now_seconds, session_id=session.id)
    if now_seconds - known.at_seconds >= (_MEAN_OF_S if wh > known.wh else _STANDSTILL_S):
        return known.followed_by(wh, now_seconds, max_power_kw)
    return None
