"""Sessions as a report shows them: chosen, labelled, with their vehicle."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.errors import ConfigError
from joulo_exporter.models.tag import UNKNOWN_VEHICLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joulo_exporter.ledger.reader import LedgerReader, RecordedSession
    from joulo_exporter.snapshot import Tags

_ID_START = 8


class Selection(msgspec.Struct, frozen=True):
    """Which sessions are wanted; ``None`` does not choose."""

    from_seconds: float | None = None
    to_seconds: float | None = None
    """The first moment that is too late; both are about the beginning of a session."""
    charger: str | None = None
    """A ``charger`` label."""
    vehicle: str | None = None


class Row(msgspec.Struct, frozen=True):
    """One session; ``None`` is a value that the API has not given."""

    account: str
    session_id: str
    charger: str
    charger_id: str
    nickname: str
    vehicle: str
    id_tag: str
    """As the configuration lets it be shown."""
    began_seconds: float
    """For the order and the month, when ``started_at_seconds`` is not known."""
    started_at_seconds: float | None
    ended_at_seconds: float | None
    in_progress: bool
    kwh_hundredths: int | None
    credits_hundredths: int | None

    @property
    def duration_s(self) -> float | None:
        """Return how long it took; ``None`` while it is in progress."""
        if self.started_at_seconds is None or self.ended_at_seconds is None:
            return None
        return max(0.0, self.ended_at_seconds - self.started_at_seconds)


def rows_of(reader: LedgerReader, tags: Tags, selection: Selection) -> Iterator[Row]:
    """Return the sessions of all accounts, by their beginning; they are read as they are used."""
    return heapq.merge(
        *(_rows(reader, account, reader.labels(account), tags, selection) for account in reader.accounts),
        key=lambda row: row.began_seconds,
    )


def _rows(
    reader: LedgerReader, account: str, labels: dict[str, str], tags: Tags, selection: Selection
) -> Iterator[Row]:
    charger_id = None
    if selection.charger is not None:
        charger_id = next((key for key, label in labels.items() if label == selection.charger), "")
    for session in reader.sessions(
        account, from_seconds=selection.from_seconds, to_seconds=selection.to_seconds, charger_id=charger_id
    ):
        vehicle = tags.vehicle(session.id_tag)
        if selection.vehicle in {None, vehicle}:
            yield _row(session, account, labels, vehicle, tags)


def _row(session: RecordedSession, account: str, labels: dict[str, str], vehicle: str, tags: Tags) -> Row:
    return Row(
        account=account,
        session_id=session.id,
        charger=labels.get(session.charger_id, session.charger_id[:_ID_START]),
        charger_id=session.charger_id,
        nickname=session.charger_nickname or "",
        vehicle=vehicle,
        id_tag=tags.shown(session.id_tag),
        began_seconds=session.began_seconds,
        started_at_seconds=session.started_at_seconds,
        ended_at_seconds=session.ended_at_seconds,
        in_progress=session.ended_at_seconds is None and session.next_start_seconds is None,
        kwh_hundredths=session.kwh_hundredths,
        credits_hundredths=session.credits_hundredths,
    )


def refuse_unknown(reader: LedgerReader, tags: Tags, selection: Selection) -> None:
    """Say what there is to choose from where something else was chosen.

    Raises:
        ConfigError: no charger has that label, or there is no such vehicle.
    """
    labels = {label for account in reader.accounts for label in reader.labels(account).values()}
    vehicles = {UNKNOWN_VEHICLE, *tags.vehicles.values()}
    for flag, wanted, known, where in (
        ("--charger", selection.charger, labels, "the ledger"),
        ("--vehicle", selection.vehicle, vehicles, "the configuration"),
    ):
        if wanted is not None and wanted not in known:
            raise ConfigError(
                f"{flag}: {wanted!r} is not in {where}; it has {', '.join(sorted(known)) or 'none yet'}"
            )
