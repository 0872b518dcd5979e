"""How complete the ledger is, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulo_exporter.reports.moments import local_day, local_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from joulo_exporter.ledger.reader import Completeness, LedgerReader


def completeness_lines(reader: LedgerReader, accounts: Iterable[str]) -> Iterator[str]:
    """Yield one line an account."""
    for account in accounts:
        subject = f"account {account}: the ledger" if account else "the ledger"
        yield f"{subject} {completeness_text(reader.completeness(account))}"


def completeness_text(known: Completeness) -> str:
    """Return a predicate such as ``is complete: 824 sessions since 2024-12-24``."""
    count = f"{known.sessions} session{'' if known.sessions == 1 else 's'}"
    since = "" if known.back_to_seconds is None else f" since {local_day(known.back_to_seconds)}"
    if not known.complete:
        return f"is not complete yet: {count} so far{since}; sums over them are too low"
    read = known.read_in_full_at_seconds
    return f"is complete: {count}{since}" + ("" if read is None else f", compared in full at {local_text(read)}")
