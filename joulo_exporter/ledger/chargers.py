"""Chargers of the ledger: an API response of ``/chargers`` written down, labels, and meters."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

import msgspec
from msgspec.structs import asdict, replace

from joulo_exporter.ledger.database import AccountTables
from joulo_exporter.ledger.sessions import (
    ADD_FIGURES,
    FIGURES,
    goes_on,
    save_session,
    seen_live,
    select_sessions,
    sessions_by_id,
    sessions_in_progress,
    vanished,
)
from joulo_exporter.logs import event
from joulo_exporter.models.charger import Charger
from joulo_exporter.models.session import UNKNOWN_CHARGER, SessionPage
from joulo_exporter.models.wire import ApiResponse, Plausibility

_logger = logging.getLogger(__name__)

_ID_START = 8

_WALKS_TO_WITHDRAW = 2
"""A walk that misses many sessions is believed when the next one misses them too."""

_MOST_NAMESAKES = 50
"""Chargers of one name that are remembered for each of them."""

_MEAN_OF_S = 60.0
"""Shortest time between two readings whose mean power is shown: over seconds it is noise."""

_STANDSTILL_S = 1200.0
"""A session's energy that has not grown for so long stands still: some chargers report every 15 minutes."""


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


_COLUMNS = "charger_id, label, linked, slug, nickname, moved_to, seen_with"

_IN_ANOTHER_ACCOUNT = """EXISTS (
    SELECT 1 FROM sessions there JOIN chargers c USING (account, charger_id)
    WHERE there.account IN (SELECT id FROM accounts WHERE id != :account)
      AND there.id = sessions.id AND there.withdrawn = 0 AND c.linked)"""
"""Condition for sessions of an account that a linked charger of another one has too."""


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

    A label is chosen once, kept for ever, and taken by no two chargers of an account.

    Args:
        tables: of the account.
        configured_labels: the configuration's labels, by charger id.
    """

    def __init__(self, tables: AccountTables, configured_labels: Mapping[str, str]) -> None:
        self._tables = tables
        self._configured_labels = configured_labels

    def record(self, response: ApiResponse[tuple[Charger, ...]], now_seconds: float) -> tuple[bool, bool]:
        """Store sessions in progress, and end those that a charger of the API response no longer shows.

        A charger that is not in the response ends no session.

        Returns:
            Whether a session has ended; whether anything but energy and readings has changed.
        """
        tables = self._tables
        session_ended = False
        in_progress = sessions_in_progress(tables)
        changed = self._link(response)
        for charger in response.content:
            session = charger.session
            for stored in [stored for stored in in_progress.values() if stored.charger_id == charger.id]:
                if not charger.session_unreadable and (session is None or stored.id != session.id):
                    del in_progress[stored.id]
                    save_session(tables, stored, vanished(stored))
                    session_ended = changed = True
            if session is not None:
                old = in_progress.get(session.id) or sessions_by_id(tables, [session.id]).get(session.id)
                in_progress[session.id] = seen_live(old, charger.id, session, now_seconds)
                save_session(tables, old, in_progress[session.id])
                changed = changed or not goes_on(old, in_progress[session.id])
        if changed:
            self.take_over()
        return session_ended, changed

    # Labels -------------------------------------------------------------------------------------------

    def pin_unlinked(self) -> None:
        """Give a label to chargers that only sessions name: they are no longer linked to the account."""
        rows = self._tables.execute(
            """SELECT DISTINCT charger_id FROM totals t WHERE account = :account AND entries > 0 AND NOT EXISTS
                 (SELECT 1 FROM chargers c WHERE c.account = t.account AND c.charger_id = t.charger_id)
               ORDER BY charger_id"""
        ).fetchall()
        pinned = self._pinned() if rows else {}
        for (charger_id,) in rows:
            (nickname,) = self._tables.execute(
                "SELECT charger_nickname FROM sessions WHERE account = :account AND charger_id = :id "
                "ORDER BY charger_nickname IS NULL, started_at DESC, id LIMIT 1",
                id=charger_id,
            ).fetchone()
            # Sessions whose charger is not known can have nicknames of several.
            nickname = None if charger_id == UNKNOWN_CHARGER else nickname
            self._pin_label(pinned, _PinnedCharger(charger_id, "", linked=False, nickname=nickname))

    def apply_configured_labels(self) -> None:
        """Let the configuration's ``chargers:`` decide: the only way in which the label of an id changes.

        Entries for chargers that the account does not have wait until it has them.
        """
        pinned, configured = self._pinned(), self._configured_labels
        changing = [
            pinned[key] for key, label in configured.items() if key in pinned and pinned[key].label != label
        ]
        # Together: two chargers may swap their labels, and neither is to get another one at the next start.
        for charger in changing:
            self._tables.execute(
                "DELETE FROM chargers WHERE account = :account AND charger_id = :id", id=charger.id
            )
            del pinned[charger.id]
        for charger in changing:
            self._pin_label(pinned, charger)

    def take_over(self) -> None:
        """Let each charger that was linked anew, and has another id since, go on as the charger that it was.

        It has taken the place of a charger that is no longer linked when it has the same slug, nickname or label,
        and the former one has no session left and was never linked together with it, or one of its sessions was
        listed again under the new id. All others follow: their pages may be read again only in days, and meanwhile
        the energy would be in two series.
        """
        pinned = self._pinned()
        former_ones = [charger for charger in pinned.values() if not charger.linked]
        with_sessions = served_labels(self._tables) if former_ones else {}
        for former in former_ones:
            for charger in pinned.values():
                if not charger.linked or not self._has_name_of(former, charger):
                    continue
                if former.moved_to != charger.id and charger.id in former.seen_with.split("\n"):
                    continue  # two chargers of one name
                if former.moved_to != charger.id and former.id in with_sessions:
                    # Sessions may have come back under other ids: whole walks show whether they are withdrawn.
                    self._tables.execute(
                        "UPDATE chargers SET walks_due = :walks "
                        "WHERE account = :account AND charger_id = :id AND walks_due IS NULL",
                        walks=_WALKS_TO_WITHDRAW,
                        id=former.id,
                    )
                else:
                    if self._merge(former, charger):
                        pinned[charger.id] = replace(charger, label=former.label)
                    break

    def withdraw_moved(self, newest: SessionPage) -> None:
        """Withdraw the sessions of chargers that are linked to another account by now, and listed there.

        Whether a charger has moved is asked of its last session alone: the history of one that is gone may be
        long. While the newest page of this account lists it, both have the charger.
        """
        for charger in [charger for charger in self._pinned().values() if not charger.linked]:
            last = self._tables.execute(
                "SELECT id FROM sessions WHERE account = :account AND charger_id = :id AND withdrawn = 0 "
                "ORDER BY ended_at DESC LIMIT 1",
                id=charger.id,
            ).fetchone()
            if last is None or any(session.id == last[0] for session in newest.sessions):
                continue
            if select_sessions(self._tables, f"id = :id AND {_IN_ANOTHER_ACCOUNT}", id=last[0]):
                of_charger = f"charger_id = :id AND withdrawn = 0 AND {_IN_ANOTHER_ACCOUNT}"
                for stored in select_sessions(self._tables, of_charger, id=charger.id).values():
                    save_session(self._tables, stored, replace(stored, withdrawn=True))

    def take_due_walk(self) -> bool:
        """Return whether a whole walk is to begin at once, and count it as begun."""
        count_down = "UPDATE chargers SET walks_due = walks_due - 1 WHERE account = :account AND walks_due > 0"
        return self._tables.execute(count_down).rowcount > 0

    def _pinned(self) -> dict[str, _PinnedCharger]:
        """Return the chargers with a label, by id."""
        query = f"SELECT {_COLUMNS} FROM chargers WHERE account = :account"  # noqa: S608 -- names of ours
        return {row[0]: _PinnedCharger(*row) for row in self._tables.execute(query)}

    def _has_name_of(self, former: _PinnedCharger, charger: _PinnedCharger) -> bool:
        return (
            (former.slug is not None and former.slug == charger.slug)
            or (former.nickname is not None and former.nickname == charger.nickname)
            or self._wanted_label(charger) == former.label
        )

    def _merge(self, former: _PinnedCharger, charger: _PinnedCharger) -> bool:
        """Give the sessions of a former charger to another, and its label if that has shown more energy.

        Labels are exchanged, and the marks of the totals with them: a label that comes back one day goes on from
        what it has shown. Readings stay with their own charger.

        Returns:
            Whether the labels were exchanged.
        """
        ids = {"former": former.id, "now": charger.id}
        figures, of_former = ", ".join(FIGURES), "WHERE account = :account AND charger_id = :former"
        totals = f"INSERT INTO totals SELECT account, :now, tag, {figures} FROM totals"  # noqa: S608 -- names of ours
        self._tables.execute(f"UPDATE sessions SET charger_id = :now {of_former}", **ids)  # noqa: S608
        self._tables.execute(f"{totals} {of_former} {ADD_FIGURES}", **ids)
        self._tables.execute(f"DELETE FROM totals {of_former}", former=former.id)  # noqa: S608
        wanted = self._wanted_label(charger)
        if charger.id in self._configured_labels:
            exchanged = former.label == wanted
        else:
            rows = self._tables.execute(
                "SELECT key, value FROM marks WHERE account = :account AND series = 'charger_kwh_hundredths' "
                "AND key IN (:former, :now)",
                **ids,
            )
            shown = dict(rows.fetchall())
            of_now = (shown.get(charger.id, 0), charger.label == wanted)
            exchanged = (shown.get(former.id, 0), former.label == wanted) > of_now
        if exchanged:
            aside = "\t"  # no id and no label has a tab
            for key, becomes in ((former.id, aside), (charger.id, former.id), (aside, charger.id)):
                self._tables.execute(
                    "UPDATE marks SET key = :becomes "
                    "WHERE account = :account AND key = :key AND substr(series, 1, 8) = 'charger_'",
                    key=key,
                    becomes=becomes,
                )
            for charger_id, label in ((former.id, aside), (charger.id, former.label), (former.id, charger.label)):
                self._tables.execute(
                    "UPDATE chargers SET label = :label WHERE account = :account AND charger_id = :id",
                    id=charger_id,
                    label=label,
                )
            event(_logger, "info", "a charger was linked anew", charger=former.label, id=charger.id, was=former.id)
        return exchanged

    def _link(self, response: ApiResponse[tuple[Charger, ...]]) -> bool:
        """Note which chargers are linked, and under which names; return whether that has changed."""
        before = self._pinned()
        pinned = dict(before)
        shown = {charger.id for charger in response.content}
        namesakes = _namesakes(response.content, pinned)
        for charger in response.content:
            known = pinned.get(charger.id) or _PinnedCharger(charger.id, "")
            now = replace(
                known,
                linked=True,
                slug=charger.slug or known.slug,
                nickname=charger.nickname or known.nickname,
                # With both of them linked it was the session alone that moved.
                moved_to=None if known.moved_to in shown else known.moved_to,
                seen_with="\n".join(sorted({*known.seen_with.split("\n"), *namesakes[charger.id]} - {""})),
            )
            if charger.id in pinned:
                pinned[charger.id] = now
            else:
                self._pin_label(pinned, now)
        if not response.malformed:  # a record that cannot be read may be any charger's
            for charger_id in pinned.keys() - shown:
                pinned[charger_id] = replace(pinned[charger_id], linked=False)
        for now in pinned.values():
            if now.id in before and now != before[now.id]:
                self._tables.execute(
                    "UPDATE chargers SET linked = :linked, slug = :slug, nickname = :nickname, "
                    "moved_to = :moved_to, seen_with = :seen_with WHERE account = :account AND charger_id = :id",
                    **asdict(now),
                )
        return pinned != before

    def _wanted_label(self, charger: _PinnedCharger) -> str:
        slug = self._configured_labels.get(charger.id) or charger.slug or _slug(charger.nickname)
        return slug or charger.id[:_ID_START]

    def _pin_label(self, pinned: dict[str, _PinnedCharger], charger: _PinnedCharger) -> None:
        """Give a charger the label that it wants; if one of the pinned chargers has it, with the id behind it."""
        wanted = self._wanted_label(charger)
        taken = {other.label: other.id for other in pinned.values()}
        candidates = (wanted, f"{wanted}-{charger.id[:_ID_START]}", f"{wanted}-{charger.id}")
        label = next((label for label in candidates if label not in taken), f"{wanted}-{charger.id}-{len(taken)}")
        if label != wanted and charger.id in self._configured_labels:
            event(
                _logger,
                "warn",
                "a label of chargers: is taken by another charger of the ledger; configure another one for either",
                wanted=wanted,
                charger_id=charger.id,
                taken_by=taken[wanted],
                label=label,
            )
        pinned[charger.id] = replace(charger, label=label)
        self._tables.execute(
            f"INSERT INTO chargers (account, {_COLUMNS}) "  # noqa: S608 -- names of ours
            "VALUES (:account, :id, :label, :linked, :slug, :nickname, :moved_to, :seen_with)",
            **asdict(pinned[charger.id]),
        )


def _namesakes(chargers: Iterable[Charger], pinned: Mapping[str, _PinnedCharger]) -> Mapping[str, set[str]]:
    """Return, by charger id, the other chargers with the same slug, nickname or label.

    Of very many with one name a few are enough: what is asked is whether the name tells two chargers apart.
    """
    names: dict[str, set[str]] = {}
    by_name: dict[str, list[str]] = {}
    for charger in chargers:
        label = pinned[charger.id].label if charger.id in pinned else None
        names[charger.id] = {name for name in (charger.slug, charger.nickname, label) if name is not None}
        for name in names[charger.id]:
            by_name.setdefault(name, []).append(charger.id)
    return {
        charger_id: {other for name in own for other in by_name[name][:_MOST_NAMESAKES]} - {charger_id}
        for charger_id, own in names.items()
    }


def _slug(name: str | None) -> str:
    from slugify import slugify  # noqa: PLC0415 -- its tables are large, and needed once in the life of a charger

    return slugify(name, max_length=64) if name else ""


# Meters -------------------------------------------------------------------------------------------


class Meter(msgspec.Struct, frozen=True, gc=False):
    """The two latest readings that were believed and lie a minute apart, and one that was not."""

    wh: float
    at_seconds: float
    former_wh: float | None = None
    former_at_seconds: float | None = None
    doubted_wh: float | None = None
    """It fell, or rose faster than any charger: believed once the next reading goes on from it."""
    doubted_at_seconds: float | None = None
    session_id: str | None = None
    """Of a charger that gives no meter readings, the session whose energy stands in for them."""

    def mean_power_watts(self) -> float | None:
        """Return the mean power between the readings; ``None`` for a single one."""
        if self.former_wh is None or self.former_at_seconds is None:
            return None
        span_s = self.at_seconds - self.former_at_seconds
        known = span_s >= _MEAN_OF_S and self.wh >= self.former_wh  # earlier versions kept others, too
        return (self.wh - self.former_wh) / span_s * 3600 if known else None

    def followed_by(self, wh: float, at_seconds: float, max_power_kw: float) -> Meter:
        """Return the meter after a reading that goes on from the latest one, a minute or more later.

        Above the greatest power it has none: the API was late with the reading before.
        """
        if (wh - self.wh) / (at_seconds - self.at_seconds) * 3600 > 1000 * max_power_kw:
            return Meter(wh, at_seconds, session_id=self.session_id)
        return Meter(wh, at_seconds, self.wh, self.at_seconds, session_id=self.session_id)

    def after(self, wh: float, at_seconds: float, max_power_kw: float) -> Meter:
        """Return the meter after a reading that is not older than the latest one."""
        if self.goes_on(wh, at_seconds, max_power_kw):
            if at_seconds - self.at_seconds >= _MEAN_OF_S:
                return self.followed_by(wh, at_seconds, max_power_kw)
            return replace(self, doubted_wh=None, doubted_at_seconds=None)
        if self.doubted_wh is not None and self.doubted_at_seconds is not None and wh > self.doubted_wh:
            doubted = Meter(self.doubted_wh, self.doubted_at_seconds)
            if at_seconds > doubted.at_seconds and doubted.goes_on(wh, at_seconds, max_power_kw):
                after = doubted.after(wh, at_seconds, max_power_kw)
                return Meter(wh, at_seconds) if after == doubted else after
        return replace(self, doubted_wh=wh, doubted_at_seconds=at_seconds)

    def is_replaced_by(self, after: Meter, max_power_kw: float) -> bool:
        """Return whether a doubted reading was believed: the meter is another one, or its former one was wrong."""
        believed = self.doubted_wh is not None and after.doubted_wh is None
        return believed and not self.goes_on(after.wh, after.at_seconds, max_power_kw)

    def goes_on(self, wh: float, at_seconds: float, max_power_kw: float) -> bool:
        """Return whether the energy between the latest reading and another one fits the time."""
        max_kwh = Plausibility(at_seconds, max_power_kw).max_kwh(self.at_seconds, at_seconds)
        return 0 <= wh - self.wh <= 1000 * max_kwh


_METER_COLUMNS = "charger_id, wh, at, former_wh, former_at, doubted_wh, doubted_at, session_id"


def read_meters(tables: AccountTables) -> dict[str, Meter]:
    """Return the readings, by charger id."""
    query = f"SELECT {_METER_COLUMNS} FROM meters WHERE account = :account"  # noqa: S608 -- names of ours
    return {charger_id: Meter(*readings) for charger_id, *readings in tables.execute(query)}


def record_meters(
    tables: AccountTables, chargers: Iterable[Charger], now_seconds: float, max_power_kw: float
) -> tuple[dict[str, float], list[str]]:
    """Store the meter readings, and the energy of sessions on chargers that never gave any.

    Returns:
        The readings that are news and believed, by charger id; the charger ids whose meter is another one.
    """
    meters = read_meters(tables)
    believed: dict[str, float] = {}
    replaced: list[str] = []
    for charger in chargers:
        known = meters.get(charger.id)
        if charger.meter_wh is None:
            meter = _session_meter(known, charger, now_seconds, max_power_kw)
        else:
            known = None if known is None or known.session_id is not None else known
            meter = _meter_after(known, charger.meter_wh, charger.meter_at_seconds, now_seconds, max_power_kw)
            if meter is not None and meter.doubted_wh is None and (known is None or charger.meter_wh != known.wh):
                believed[charger.id] = charger.meter_wh
            if known is not None and meter is not None and known.is_replaced_by(meter, max_power_kw):
                replaced.append(charger.id)
        if meter is not None and meter != known:
            tables.execute(
                f"INSERT OR REPLACE INTO meters (account, {_METER_COLUMNS}) "  # noqa: S608 -- names of ours
                "VALUES (:account, :id, :wh, :at_seconds, :former_wh, :former_at_seconds, :doubted_wh, "
                ":doubted_at_seconds, :session_id)",
                id=charger.id,
                **asdict(meter),
            )
    return believed, replaced


def _meter_after(
    known: Meter | None, wh: float, at_seconds: float | None, now_seconds: float, max_power_kw: float
) -> Meter | None:
    """Return the meter after a reading; ``None`` if the reading is not new."""
    if at_seconds is None:  # one without a date counts from when it is first seen
        if known is not None and wh in {known.wh, known.doubted_wh}:
            return None
        at_seconds = now_seconds
    if known is None:
        return Meter(wh, at_seconds)
    if at_seconds < known.at_seconds:
        # One that a wrong clock of ours has dated after now would stop all that follow.
        return Meter(wh, at_seconds) if known.at_seconds > now_seconds else None
    return known.after(wh, at_seconds, max_power_kw)


def _session_meter(known: Meter | None, charger: Charger, now_seconds: float, max_power_kw: float) -> Meter | None:
    """Return the meter of a charger without meter readings: the energy of its session; ``None`` without news.

    A figure counts from when it is first seen: the API gives it no date.
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
