"""The page for people on ``/``: the snapshots as HTML, in English or Dutch, without a token or a tag.

``page.html`` is the Jinja template, which escapes every value; ``page.toml`` has the words. The page has no script
and fetches nothing. It refreshes itself.
"""

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, partial
from importlib import resources
from typing import Any
from urllib.parse import urlencode

from joulo_exporter.clock import local_month, local_time
from joulo_exporter.language import Language
from joulo_exporter.models.charger import UNKNOWN_VEHICLE, Charger
from joulo_exporter.snapshot import LiveCharger, Snapshot

LANGUAGES = ("en", "nl")
"""The languages of the page; the first is the default."""

SHOWN = 100
"""Most accounts on the page, and most chargers of each; the rest are counted, not shown."""
_DETAILED = 3
"""Up to so many accounts are on the page with all that is known of them; of more, it is a list of links."""

_SHORTEST_S, _LONGEST_S = 5.0, 60.0
"""Bounds of the time after which the page refreshes itself; between them it is an endpoint's shortest interval."""

_OUT_OF_ORDER = ("offline", "unavailable", "faulted")
_NO_NEWS = (None, "unknown", "online", "available", "active", "charging")
"""Statuses that say no more about a charger than whether it is charging."""


@dataclass(frozen=True, slots=True)
class View:
    """The page as its reader wants it."""

    language: str = LANGUAGES[0]
    account: str | None = None
    """The one account to show; ``None``, or a name that no account has, for all."""
    refreshing: bool = True

    def query(self, **changes: Any) -> str:  # noqa: ANN401 -- of each field its type
        """Return the view, with these changes, as the query of a URL."""
        view = replace(self, **changes)
        pairs = {"account": view.account, "refresh": None if view.refreshing else "off"}
        return "?" + urlencode({key: value for key, value in pairs.items() if value is not None}, errors="replace")


@cache
def content_security_policy() -> str:
    """Return a policy under which the page's own style and icon load, and nothing else."""
    html = (resources.files("joulo_exporter.web") / "page.html").read_text("utf-8")
    style = html.partition("<style>")[2].partition("</style>")[0]  # inline: no fetch
    style_hash = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{style_hash}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def page_html(snapshots: Sequence[Snapshot], links: Mapping[str, str], view: View, *, now_seconds: float) -> str:
    """Return the page at a moment, in Unix time, from the snapshots of the accounts and of the public price feed.

    The links are URLs by the key of their text in ``page.toml``.
    """
    accounts = [each for each in snapshots if not each.public]
    listed = [each for each in accounts if each.account == view.account] or accounts[:SHOWN]
    endpoints = [health for each in snapshots for health in each.endpoints]
    interval_s = min((health.interval_s for health in endpoints), default=_LONGEST_S)
    links = {**links, "stop" if view.refreshing else "resume": view.query(refreshing=not view.refreshing)}
    if view.account is not None:
        links["all_accounts"] = view.query(account=None)
    return _language(view.language).render(
        SHOWN=SHOWN,
        chargers=_chargers,
        months=_months,
        state_of=_state_of,
        view=view,
        links=links,
        now_seconds=now_seconds,
        this_month=local_month(now_seconds),
        refresh_s=round(min(max(interval_s, _SHORTEST_S), _LONGEST_S)),
        account_count=len(accounts),
        charger_count=sum(len(_chargers(each)) for each in snapshots),
        charging=sum(live.charger.charging is True for each in snapshots for live in each.chargers or ()),
        up=Counter(health.up for health in endpoints),
        ledger="in_memory" if any(each.book and not each.book.persistent for each in snapshots) else "on_disk",
        listed=listed,
        detailed=len(listed) <= _DETAILED,
        more_accounts=0 if len(listed) == 1 else len(accounts) - len(listed),
        public=[health for each in snapshots if each.public for health in each.endpoints],
    )


# Accounts, chargers and months --------------------------------------------------------------------


def _state_of(charger: Charger) -> tuple[str, str, str]:
    """Return CSS class, sign and status: trouble first, then whether it charges, then what the API says."""
    if charger.status in _OUT_OF_ORDER:
        return "bad", "✕", charger.status
    if charger.charging:
        return "busy", "⚡", "charging"
    if charger.status in _NO_NEWS and charger.charging is not None:
        return "idle", "○", "idle"
    return "idle", "?", charger.status or "unknown"


def _chargers(account: Snapshot) -> Sequence[LiveCharger]:
    """Return the current chargers or, if these are not known, the labels of all in the ledger."""
    if account.chargers is not None:
        return account.chargers
    labels = account.book.labels if account.book else {}
    return [LiveCharger(label, Charger(each), None, None, "", UNKNOWN_VEHICLE) for each, label in labels.items()]


def _months(account: Snapshot, this_month: str) -> Iterator[tuple[str, int, int, str]]:
    """Yield (month, hundredths of kWh, of ERE credits, width of the bar), the latest first, without gaps."""
    kwh: Counter[str] = Counter()
    ere_credits: Counter[str] = Counter()
    for (_, month), sums in account.book.months.items() if account.book else ():
        kwh[month] += sums.kwh_hundredths
        ere_credits[month] += sums.credits_hundredths
    most = max(kwh.values())
    first, last = (12 * int(month[:4]) + int(month[5:]) - 1 for month in (min(kwh), max(this_month, *kwh)))
    for number in range(last, first - 1, -1):
        month = f"{number // 12:04}-{number % 12 + 1:02}"
        yield month, kwh[month], ere_credits[month], f"{100 * kwh[month] / most if most else 0:.1f}%"


# Figures and times --------------------------------------------------------------------------------


class _Language(Language):
    """Figures and times of the page in a language."""

    def hundredths(self, value: int) -> str:
        return self.decimal(f"{value / 100:.2f}")

    def minute(self, seconds: float, after: float | None = None) -> tuple[str, str]:
        """Return a moment for machines, and local to the minute, with its day unless that is another's day."""
        at = local_time(seconds)
        same_day = after is not None and local_time(after).date() == at.date()
        text = f"{at:%H:%M}" if same_day else f"{at.day} {self.month_name(at.month)} {at:%H:%M}"
        return at.isoformat(timespec="seconds"), text

    def duration(self, seconds: float) -> str:
        """Return a duration exactly, such as ``1 h 30 min`` or ``1 min 30.5 s``."""
        words, rest = [], seconds
        for unit, size in ((self.words["day"], 86400), (self.words["hour"], 3600), ("min", 60)):
            count, rest = divmod(rest, size)
            if count:
                words.append(f"{count:.0f} {unit}")
        return " ".join([*words, f"{rest:g} s"] if rest or not words else words)

    def age(self, seconds: float) -> str:
        """Return a duration in its largest unit; 0 s since a moment that a corrected clock put into the future."""
        return " ".join(self.duration(int(max(0.0, seconds))).split()[:2])

    def in_zones(self, seconds: float) -> tuple[str, str, str]:
        """Return a moment to the second: for machines, local with its zone, and in UTC unless that is the same."""
        at, utc = local_time(int(seconds)), datetime.fromtimestamp(int(seconds), UTC)
        in_utc = f"{utc:%H:%M:%S}" if utc.date() == at.date() else f"{utc:%Y-%m-%d %H:%M:%S}"
        local = f"{at:%Y-%m-%d %H:%M:%S} {self.zone(seconds)}"
        return f"{utc:%Y-%m-%dT%H:%M:%SZ}", local, f"{in_utc} UTC" if at.utcoffset() else ""

    @staticmethod
    def zone(seconds: float) -> str:
        """Return the local time zone's name; ``UTC`` for an offset of 0, as of a zone that the system lacks."""
        at = local_time(seconds)
        return (at.tzname() or "") if at.utcoffset() else "UTC"


_language = cache(partial(_Language, "joulo_exporter.web", "page"))
