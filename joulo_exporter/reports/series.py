"""Series of the metrics that have a history, and their values over time, which follow from an account's sessions.

Everything is an integer: times are milliseconds, energy and credits hundredths. A session's energy is
spread evenly over its duration, rounded down, so that a sum over sessions never falls from one sample to the next.
"""

import enum
import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter

import msgspec

from joulo_exporter.ledger import Totals
from joulo_exporter.ledger.reader import LedgerReader, RecordedSession
from joulo_exporter.metrics import FAMILIES, Family
from joulo_exporter.models.charger import UNKNOWN_VEHICLE, Tags, normal_tag


class Charge(msgspec.Struct, frozen=True):
    """A session with the figures that its series need; ``None`` is a value that is not known."""

    start_ms: int
    end_ms: int
    """Not before the start; of a session in progress, the present."""
    kwh_hundredths: int | None
    credits_hundredths: int | None
    finished: bool = False
    ended_ns: int | None = None
    """Of a finished one; to the nanosecond, which is finer than the ledger's floats."""
    started_ns: int | None = None
    duration_ms: int = 0
    session_id: str = ""
    id_tag: str | None = None
    vehicle: str | None = None
    """``None`` while a tag may still come."""

    def kwh_hundredths_at(self, moment_ms: int) -> int:
        """Return the energy until a moment between start and end."""
        return (self.kwh_hundredths or 0) * (moment_ms - self.start_ms) // (self.end_ms - self.start_ms)

    def mean_watts(self, _moment_ms: int) -> int:
        """Return the mean power from start to end."""
        return (self.kwh_hundredths or 0) * 36_000_000 // (self.end_ms - self.start_ms)

    @property
    def rank(self) -> tuple[int, int]:
        """Return the order of finished sessions: by their end, then by their start."""
        return self.ended_ns or -1, -1 if self.started_ns is None else self.started_ns


class Kind(enum.Enum):
    """The sessions of which a quantity is made."""

    SUM = "all sessions together"
    MOMENT = "the session in progress; nothing of it remains"
    LAST = "the session that ended last; there is no value before the first end"


class Quantity(msgspec.Struct, frozen=True):
    """A figure that follows from sessions."""

    kind: Kind
    decimals: int
    """Number of an integer's last digits that are decimals: 2 for hundredths."""
    after: Callable[[Charge], int | None] = lambda _charge: 0
    """A session's part of it from its end on."""
    during: Callable[[Charge, int], int] = lambda _charge, _moment: 0
    """A session's part of it while it lasts."""
    served: Callable[[Totals], int] = lambda _totals: 0
    """The total that the exporter serves of it, of a sum."""


_KWH = attrgetter("kwh_hundredths")
_CREDITS = attrgetter("credits_hundredths")
_TOTAL_KWH = Quantity(Kind.SUM, 2, _KWH, Charge.kwh_hundredths_at, _KWH)
_TOTAL_CREDITS = Quantity(Kind.SUM, 2, _CREDITS, served=_CREDITS)
_FINISHED = Quantity(Kind.SUM, 0, attrgetter("finished"), served=attrgetter("sessions"))
_DURATION = attrgetter("duration_ms")
_INFO = Quantity(Kind.LAST, 0, lambda _charge: 1)

QUANTITIES: dict[str, Quantity] = {
    "joulo_charging": Quantity(Kind.MOMENT, 0, during=lambda _charge, _moment: 1),
    "joulo_session_kwh": Quantity(Kind.MOMENT, 2, during=Charge.kwh_hundredths_at),
    "joulo_charger_power_watts": Quantity(Kind.MOMENT, 0, during=Charge.mean_watts),
    "joulo_total_kwh": _TOTAL_KWH,
    "joulo_ere_credits_total": _TOTAL_CREDITS,
    "joulo_sessions_total": _FINISHED,
    "joulo_session_seconds_total": Quantity(Kind.SUM, 3, _DURATION, served=_DURATION),
    "joulo_last_session_kwh": Quantity(Kind.LAST, 2, _KWH),
    "joulo_last_session_ere_credits": Quantity(Kind.LAST, 2, _CREDITS),
    "joulo_last_session_start_timestamp_seconds": Quantity(Kind.LAST, 9, attrgetter("started_ns")),
    "joulo_last_session_end_timestamp_seconds": Quantity(Kind.LAST, 9, attrgetter("ended_ns")),
    "joulo_last_session_info": _INFO,
    "joulo_vehicle_kwh_total": _TOTAL_KWH,
    "joulo_vehicle_ere_credits_total": _TOTAL_CREDITS,
    "joulo_vehicle_sessions_total": _FINISHED,
}
"""By metric."""

CHARGING = QUANTITIES["joulo_charging"]
POWER = QUANTITIES["joulo_charger_power_watts"]
"""The ledger keeps no power: it has a history only where the power of each session is known to be constant."""

HISTORIES: tuple[tuple[Family, Quantity], ...] = tuple(
    (family, QUANTITIES[family.name]) for family in FAMILIES if family.name in QUANTITIES
)
"""The metrics that have a history, in the order in which they are served."""


def values_at(charges: Iterable[Charge], quantity: Quantity, ticks: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield (tick, value) for each tick that has a value.

    Args:
        charges: by their start; of several in progress, a quantity of the moment shows the one that began last.
        quantity: the figure.
        ticks: moments in milliseconds, rising.
    """
    if quantity.kind is Kind.LAST:
        for tick, last in last_at(charges, ticks):
            value = quantity.after(last)
            if value is not None:
                yield tick, value
        return
    total = 0
    for tick, ended, active in _progress(charges, ticks):
        if quantity.kind is Kind.SUM:
            for charge in ended:
                total += quantity.after(charge) or 0
            yield tick, total + sum(quantity.during(charge, tick) for _, _, charge in active)
        else:
            yield tick, quantity.during(max(active, key=lambda entry: entry[1])[2], tick) if active else 0


def last_at(charges: Iterable[Charge], ticks: Iterable[int]) -> Iterator[tuple[int, Charge]]:
    """Yield (tick, the session that ended last) for each tick from the first end on."""
    last: Charge | None = None
    for tick, ended, _ in _progress(charges, ticks):
        if ended:
            last = last_of(ended if last is None else (last, *ended))
        if last is not None:
            yield tick, last


def _progress(
    charges: Iterable[Charge], ticks: Iterable[int]
) -> Iterator[tuple[int, Sequence[Charge], list[tuple[int, int, Charge]]]]:
    """Yield (tick, the sessions that have ended since the tick before, those in progress).

    The latter are a heap by the end; the number in it keeps the order of the start.
    """
    upcoming = iter(charges)
    following = next(upcoming, None)
    active: list[tuple[int, int, Charge]] = []
    number = 0
    for tick in ticks:
        while following is not None and following.start_ms <= tick:
            number += 1
            heapq.heappush(active, (following.end_ms, number, following))
            following = next(upcoming, None)
        ended: list[Charge] = []
        while active and active[0][0] <= tick:
            ended.append(heapq.heappop(active)[2])
        yield tick, ended, active


def last_of(charges: Iterable[Charge]) -> Charge | None:
    """Return the finished session that ended last; of equal ones the first is meant, as in the ledger."""
    finished = (charge for charge in charges if charge.finished)
    return max(finished, key=lambda charge: charge.rank, default=None)


class Series(msgspec.Struct, frozen=True):
    """One series of a metric."""

    labels: dict[str, str]
    charges: Callable[[], Iterator[Charge]]
    """Its sessions, by their start; each time anew."""
    served: int | None
    """The value that the exporter serves of it now; ``None`` if it serves no such series."""
    ends: bool
    """Whether the series ends with its last session: the charger is not linked any more."""
    of_session: Callable[[Charge], dict[str, str] | None] | None = None
    """Of a metric with a series for each session: the labels that name it; ``None`` while a tag may still come."""


class AccountHistory:
    """The series of one account.

    Args:
        reader: the ledger.
        account: its name.
        tags: the configuration's vehicles.
        now_ms: the present; nothing is later.
    """

    def __init__(self, reader: LedgerReader, account: str, tags: Tags, now_ms: int) -> None:
        self._reader = reader
        self._account = account
        self._tags = tags
        self._now_ms = now_ms
        self._chargers, self._vehicles = reader.held_totals(account, tags.vehicles)
        self._charger_labels = reader.labels(account)
        self._live = {charger.id: charger for charger in reader.last_chargers(account)}
        self._last = {
            charger_id: last_of(self._charger_charges(charger_id)) for charger_id in self._charger_labels
        }

    @property
    def unlabelled(self) -> list[str]:
        """Return the ids of chargers that have sessions and no label yet."""
        return sorted(self._chargers.keys() - self._charger_labels.keys())

    def series(self, family: Family, quantity: Quantity) -> Iterator[Series]:
        """Yield the series of a metric, with the labels that the exporter gives them."""
        account = {"account": self._account} if self._account else {}
        if family.labels == ("vehicle",):
            for vehicle, totals in sorted(self._vehicles.items()):
                yield Series(
                    labels={"vehicle": vehicle} | account,
                    charges=lambda vehicle=vehicle: self._vehicle_charges(vehicle),  # type: ignore[misc]
                    served=quantity.served(totals),
                    ends=False,
                )
            return
        for charger_id, label in sorted(self._charger_labels.items(), key=lambda item: item[1]):
            yield Series(
                labels={"charger": label} | account,
                charges=lambda charger_id=charger_id: self._charger_charges(charger_id),  # type: ignore[misc]
                served=self._served_now(charger_id, quantity),
                ends=quantity.kind is Kind.MOMENT and charger_id not in self._live,
                of_session=self._session_labels if quantity is _INFO else None,
            )

    def _session_labels(self, charge: Charge) -> dict[str, str] | None:
        if charge.vehicle is None:
            return None
        shown = self._tags.shown(charge.id_tag)
        return {"session_id": charge.session_id, "id_tag": shown, "vehicle": charge.vehicle}

    def _charger_charges(self, charger_id: str) -> Iterator[Charge]:
        return map(self._charge, self._reader.sessions(self._account, charger_id=charger_id))

    def _vehicle_charges(self, vehicle: str) -> Iterator[Charge]:
        for session in self._reader.sessions(self._account):
            if self._vehicle(session) == vehicle:
                yield self._charge(session)

    def _vehicle(self, session: RecordedSession) -> str | None:
        """Return the vehicle that has the session's energy; none has it while a tag may still come."""
        if tag := normal_tag(session.id_tag or ""):
            return self._tags.vehicles.get(tag, UNKNOWN_VEHICLE)
        return None if session.ended_at_seconds is None or session.awaits_tag else UNKNOWN_VEHICLE

    def _charge(self, session: RecordedSession) -> Charge:
        started, ended = session.started_at_seconds, session.ended_at_seconds
        start_ms = min(_milliseconds(session.began_seconds), self._now_ms)
        ends = [_milliseconds(end) for end in (ended, session.next_start_seconds) if end is not None]
        final = started is not None and ended is not None and session.end_is_final
        return Charge(
            start_ms=start_ms,
            end_ms=max(start_ms, min([self._now_ms, *ends])),
            kwh_hundredths=session.kwh_hundredths,
            credits_hundredths=session.credits_hundredths,
            finished=ended is not None,
            ended_ns=_nanoseconds(ended),
            started_ns=_nanoseconds(started),
            duration_ms=max(0, _milliseconds((ended or 0.0) - (started or 0.0))) if final else 0,
            session_id=session.id,
            id_tag=session.id_tag,
            vehicle=self._vehicle(session),
        )

    def _served_now(self, charger_id: str, quantity: Quantity) -> int | None:
        if quantity.kind is Kind.SUM:
            return quantity.served(self._chargers[charger_id])
        if quantity.kind is Kind.LAST:
            last = self._last[charger_id]
            return None if last is None else quantity.after(last)
        charger = self._live.get(charger_id)
        if charger is None or quantity is POWER:
            return None
        if quantity is CHARGING:
            return None if charger.charging is None else int(charger.charging)
        if charger.session is None:
            return None if charger.session_unreadable else 0
        return charger.session.kwh_hundredths


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _nanoseconds(seconds: float | None) -> int | None:
    # Times 10**9 at once, a float of today would lose digits.
    return None if seconds is None else int(seconds) * 10**9 + round(seconds % 1 * 10**9)
