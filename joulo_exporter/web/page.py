"""The page for people on ``/``: its records, and their rendering as HTML.

There is no field for a token or a tag, on purpose. The HTML has no script, fetches nothing, and every value in it
is escaped. Names that people give stand in ``<bdi>`` as well, so that a right-to-left one does not turn the text
around it. A state is a word with a sign, never a colour alone.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SHOWN_ACCOUNTS = 100
"""Accounts on the page; more are counted, not shown."""
SHOWN_CHARGERS = 100
"""Chargers shown of one account."""
_UNFOLDED_ACCOUNTS = 3
"""Up to so many accounts are unfolded; of more, only those with an endpoint that is down."""

_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Cpath fill='%230f8a4b' d='M9 0 2 9h5l-1 7 8-10H9z'/%3E%3C/svg%3E"
)
_UNITS = (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("min", timedelta(minutes=1)))


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """State and freshness of one endpoint of the API."""

    endpoint: str
    up: bool | None
    """Whether the last refresh succeeded; ``None`` before the first one."""
    last_success_seconds: float | None
    interval_s: float
    error: str | None = None
    """One line on the last failure; shown while the endpoint is down."""


@dataclass(frozen=True, slots=True)
class ChargerRow:
    """A charger; ``None`` is what the API did not say, or what is too old to be shown."""

    label: str
    nickname: str | None
    status: str | None
    charging: bool | None
    session_kwh_hundredths: int | None
    """Energy of the session in progress; ``None`` also when there is no session."""


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account with its chargers and endpoints, in the order in which they are shown."""

    name: str | None
    chargers: tuple[ChargerRow, ...]
    endpoints: tuple[EndpointRow, ...]
    history_complete: bool
    history_sessions: int
    """Sessions in the ledger."""
    history_back_to_seconds: float | None
    """Start of the earliest of them."""
    history_unreadable: int = 0
    """Sessions of the history that cannot be read."""
    excess: tuple[str, ...] = ()
    """Counters that are held above the truth, such as ``oprit: 12.50 kWh``."""

    @property
    def down(self) -> tuple[str, ...]:
        """Return the endpoints whose last refresh failed."""
        return tuple(row.endpoint for row in self.endpoints if row.up is False)

    @property
    def untried(self) -> tuple[str, ...]:
        """Return the endpoints that have not been asked yet."""
        return tuple(row.endpoint for row in self.endpoints if row.up is None)


@dataclass(frozen=True, slots=True)
class LandingPage:
    """The exporter at a moment, with all of its accounts; the page shows the first ``SHOWN_ACCOUNTS``."""

    version: str
    now_seconds: float
    accounts: tuple[AccountRow, ...]
    ledger_persistent: bool
    documentation_url: str | None = None
    public: tuple[EndpointRow, ...] = ()
    """The endpoints that belong to no account."""


@cache
def content_security_policy() -> str:
    """Return a policy under which the page's own style and icon load, and nothing else."""
    style_hash = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{style_hash}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def render_landing_page(page: LandingPage, telemetry_path: str, base: str = ".") -> str:
    """Return the HTML; links begin with the base, which without an external URL is the page's own folder."""
    shown = page.accounts[:SHOWN_ACCOUNTS]
    unfolded = len(page.accounts) <= _UNFOLDED_ACCOUNTS
    return _HTML.format(
        icon=_ICON,
        style=_STYLE,
        version=escape(page.version),
        links=_links(page, telemetry_path, base),
        summary=_summary(page),
        accounts="".join(_account(account, page.now_seconds, unfolded=unfolded) for account in shown),
        more=_more(len(page.accounts) - len(shown), "account"),
        public=_public(page),
        now=_time(page.now_seconds),
    )


_HTML = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>joulo-exporter</title>
<link rel="icon" href="{icon}">
<style>{style}</style>
</head>
<body>
<header>
<h1>joulo-exporter <small>{version}</small></h1>
<nav aria-label="Exporter"><ul>{links}</ul></nav>
</header>
<main>
{summary}
{accounts}{more}{public}</main>
<footer>As of {now}. Opening this page, or a scrape, sends no request to the API.</footer>
</body>
</html>
"""


def _links(page: LandingPage, telemetry_path: str, base: str) -> str:
    paths = ((telemetry_path, "Metrics"), ("/-/healthy", "Health"), ("/-/ready", "Readiness"))
    links = [(base + path, text) for path, text in paths]
    if page.documentation_url:
        links.append((page.documentation_url, "Documentation"))
    return "".join(f'<li><a href="{escape(url)}">{text}</a></li>' for url, text in links)


def _summary(page: LandingPage) -> str:
    chargers = [charger for account in page.accounts for charger in account.chargers]
    charging = sum(charger.charging is True for charger in chargers)
    facts = (
        ("Accounts", str(len(page.accounts)), ""),
        ("Chargers", str(len(chargers)), f"{charging} charging"),
        ("API endpoints", *_endpoint_counts(page)),
        ("Ledger", "On disk", "survives a restart")
        if page.ledger_persistent
        else ("Ledger", "In memory only", "a restart reads all history again"),
    )
    cards = (f"<div><dt>{name}</dt><dd>{value} <small>{note}</small></dd></div>" for name, value, note in facts)
    return f'<dl class="summary">{"".join(cards)}</dl>'


def _endpoint_counts(page: LandingPage) -> tuple[str, str]:
    states = [row.up for account in page.accounts for row in account.endpoints] + [row.up for row in page.public]
    total, down, untried = len(states), states.count(False), states.count(None)
    others = [f"{down} down"] * bool(down) + [f"{untried} not tried yet"] * bool(untried)
    return f"{total - down - untried} of {total} up", ", ".join(others)


def _account(account: AccountRow, now_seconds: float, *, unfolded: bool) -> str:
    shown = account.chargers[:SHOWN_CHARGERS]
    more = _more(len(account.chargers) - len(shown), "charger")
    chargers = "".join(map(_charger, shown)) or "<li>No charger is known yet.</li>"
    return (
        f"<details{' open' if unfolded or account.down else ''}>\n"
        f"<summary><h2>{_name(account.name or 'Account')}</h2> {_account_state(account)}</summary>\n"
        f'<h3>Chargers</h3>\n<ul class="chargers">{chargers}</ul>\n{more}'
        f"<h3>API endpoints</h3>\n{_endpoints(account.endpoints, now_seconds)}"
        f"<h3>History</h3>\n<p>{_history(account)}</p>\n</details>\n"
    )


def _public(page: LandingPage) -> str:
    if not page.public:
        return ""
    endpoints = _endpoints(page.public, page.now_seconds)
    return f"<details open>\n<summary><h2>Public endpoints</h2></summary>\n{endpoints}</details>\n"


def _account_state(account: AccountRow) -> str:
    if account.down:
        return _state("bad", "✕", f"{', '.join(account.down)} down")
    if account.untried:
        return _state("idle", "…", "starting")
    return _state("good", "✓", "all endpoints up")


def _charger(charger: ChargerRow) -> str:
    nickname = f'<p class="nickname">{_name(charger.nickname)}</p>' if charger.nickname else ""
    return (
        f"<li><p><strong>{_name(charger.label)}</strong> {_charging_state(charger.charging)}</p>{nickname}"
        f"<dl><dt>Status</dt><dd>{escape(charger.status or 'unknown')}</dd>"
        f"<dt>Session</dt><dd>{_session(charger)}</dd></dl></li>\n"
    )


def _session(charger: ChargerRow) -> str:
    if charger.session_kwh_hundredths is not None:
        return f"{charger.session_kwh_hundredths / 100:.2f} kWh"
    return "none" if charger.charging is False else "unknown"


def _charging_state(charging: bool | None) -> str:  # noqa: FBT001  a value to show, not a switch
    if charging is None:
        return _state("idle", "?", "unknown")
    return _state("busy", "⚡", "charging") if charging else _state("idle", "○", "idle")


def _endpoints(rows: Iterable[EndpointRow], now_seconds: float) -> str:
    # The roles keep it a table for screen readers where a narrow screen turns its rows into blocks.
    columns = ("Endpoint", "State", "Last success", "Interval")
    heads = "".join(f'<th scope="col" role="columnheader">{column}</th>' for column in columns)
    body = "".join(_endpoint(row, now_seconds) for row in rows)
    return (
        f'<table role="table"><thead role="rowgroup"><tr role="row">{heads}</tr></thead>'
        f'<tbody role="rowgroup">{body}</tbody></table>\n'
    )


def _endpoint(row: EndpointRow, now_seconds: float) -> str:
    error = f'<span class="error">{escape(row.error)}</span>' if row.up is False and row.error else ""
    cells = (
        ("State", _endpoint_state(row.up) + error),
        ("Last success", _last_success(row.last_success_seconds, now_seconds)),
        ("Interval", _duration(row.interval_s)),
    )
    # One element in each cell: it is a grid of two columns on a narrow screen.
    columns = "".join(f'<td role="cell" data-column="{name}"><div>{value}</div></td>' for name, value in cells)
    return f'<tr role="row"><th scope="row" role="rowheader">{escape(row.endpoint)}</th>{columns}</tr>\n'


def _last_success(seconds: float | None, now_seconds: float) -> str:
    if seconds is None:
        return "never"
    return f'{_time(seconds)} <span class="age">{_age(seconds, now_seconds)}</span>'


def _endpoint_state(up: bool | None) -> str:  # noqa: FBT001  a value to show, not a switch
    if up is None:
        return _state("idle", "…", "not tried yet")
    return _state("good", "✓", "up") if up else _state("bad", "✕", "down")


def _history(account: AccountRow) -> str:
    count = f"{account.history_sessions} {_plural('session', account.history_sessions)}"
    back = account.history_back_to_seconds
    since = "" if back is None else f" since {_time(back)}"
    if account.history_complete:
        unreadable = account.history_unreadable
        but = f" but for {unreadable} {_plural('session', unreadable)} that cannot be read" if unreadable else ""
        excess = f" Counters are held above the truth: {escape(', '.join(account.excess))}." * bool(account.excess)
        return f"Complete{but}: {count}{since}.{excess}"
    return f"Being read: {count}{since} so far. The totals appear once it is complete."


def _more(count: int, noun: str) -> str:
    return (
        f'<p class="more">and {count} more {_plural(noun, count)}; the metrics have all.</p>\n'
        if count > 0
        else ""
    )


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"


def _name(text: str) -> str:
    return f"<bdi>{escape(text)}</bdi>"


def _state(kind: str, sign: str, words: str) -> str:
    return f'<span class="state {kind}"><span aria-hidden="true">{sign}</span> {escape(words)}</span>'


def _time(seconds: float) -> str:
    """Return a Unix time in seconds as a ``<time>`` element in UTC."""
    at = datetime.fromtimestamp(int(seconds), UTC)
    return f'<time datetime="{at:%Y-%m-%dT%H:%M:%SZ}">{at:%Y-%m-%d %H:%M:%S} UTC</time>'


def _age(seconds: float, now_seconds: float) -> str:
    """Return how long ago a Unix time was; 0 s for one that a corrected clock has put into the future."""
    return f"{_rounded_down(max(0.0, now_seconds - seconds))} ago"


def _duration(seconds: float) -> str:
    """Return a duration exactly, such as ``1 h 30 min`` or ``90.5 s`` below its smallest whole unit."""
    words, rest = [], seconds
    for unit, size in _UNITS:
        count, rest = divmod(rest, size.total_seconds())
        if count:
            words.append(f"{count:.0f} {unit}")
    return " ".join([*words, f"{rest:g} s"] if rest or not words else words)


def _rounded_down(seconds: float) -> str:
    for unit, size in _UNITS:
        if seconds >= size.total_seconds():
            return f"{seconds // size.total_seconds():.0f} {unit}"
    return f"{seconds:.0f} s"


_STYLE = """
:root {
  color-scheme: light dark;
  --text: #1b2330; --text-ground: #f4f6f9;
  --faint: #556070; --faint-ground: #f4f6f9;
  --link: #0a55a8; --link-ground: #f4f6f9;
  --card: #1b2330; --card-ground: #ffffff;
  --muted: #556070; --muted-ground: #ffffff;
  --good: #0f5f34; --good-ground: #e0f4e8;
  --bad: #9b1212; --bad-ground: #fde8e8;
  --busy: #0b4a91; --busy-ground: #e1eefc;
  --idle: #465062; --idle-ground: #e9edf2;
  --line: #dde3ea;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #e7ecf2; --text-ground: #11151b;
    --faint: #a7b3c2; --faint-ground: #11151b;
    --link: #8fc4ff; --link-ground: #11151b;
    --card: #e7ecf2; --card-ground: #1a2029;
    --muted: #a7b3c2; --muted-ground: #1a2029;
    --good: #85e0aa; --good-ground: #12301f;
    --bad: #ffa39b; --bad-ground: #3c1614;
    --busy: #93c7ff; --busy-ground: #122f4d;
    --idle: #b6c1cf; --idle-ground: #2a323d;
    --line: #2d3642;
  }
}
* { box-sizing: border-box; margin: 0; padding: 0; }
body {
  margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 64rem;
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  color: var(--text); background: var(--text-ground); overflow-wrap: anywhere;
}
h1 { font-size: 1.5rem; line-height: 1.2; }
h2 { display: inline; font-size: 1.125rem; margin-right: .5rem; }
h3 { margin: 1.25rem 0 .5rem; font-size: .875rem; color: var(--muted); }
h1 small, footer, .more { font-size: .875rem; font-weight: 400; color: var(--faint); }
ul { list-style: none; }
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; border-radius: .25rem; }
header, header ul { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem 1.25rem; }
header { justify-content: space-between; }
header a { display: inline-block; padding: .25rem 0; }
dt, thead th, .nickname, .age, .summary small { color: var(--muted); font-size: .875rem; font-weight: 400; }
.summary { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); }
.summary { margin: 1.25rem 0; }
.summary div, details {
  padding: .75rem 1rem; color: var(--card); background: var(--card-ground);
  border: 1px solid var(--line); border-radius: .75rem;
}
.summary dd { font-size: 1.125rem; font-weight: 600; }
.summary small { display: block; }
details { margin-bottom: .75rem; }
summary { cursor: pointer; }
.chargers { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fill, minmax(min(15rem, 100%), 1fr)); }
.chargers li { padding: .75rem 1rem; border: 1px solid var(--line); border-radius: .5rem; }
.chargers li p:first-child { display: flex; gap: .5rem; align-items: baseline; }
.chargers strong { flex: 1; }
.chargers dl { display: grid; grid-template-columns: auto 1fr; margin-top: .5rem; align-items: baseline; }
.chargers dd { text-align: right; font-variant-numeric: tabular-nums; }
.state { display: inline-block; padding: .05rem .6rem; border-radius: 1rem; }
.state { font-size: .875rem; font-weight: 600; }
.chargers .state, td .state { white-space: nowrap; }
.good { color: var(--good); background: var(--good-ground); }
.bad, .error { color: var(--bad); background: var(--bad-ground); }
.busy { color: var(--busy); background: var(--busy-ground); }
.idle { color: var(--idle); background: var(--idle-ground); }
.error { display: block; margin-top: .25rem; padding: .1rem .6rem; border-radius: .5rem; font-size: .875rem; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem 1rem .4rem 0; text-align: left; vertical-align: baseline; }
tbody tr { border-top: 1px solid var(--line); }
.age, time { white-space: nowrap; }
footer { margin-top: 1.25rem; }
@media (min-width: 40.001rem) {
  table { table-layout: fixed; }
  th:nth-child(1) { width: 16%; }
  th:nth-child(2) { width: 34%; }
  th:nth-child(4) { width: 12%; }
}
@media (max-width: 23rem) { time { white-space: normal; } }
@media (max-width: 40rem) {
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody, tr, th, td { display: block; }
  tbody tr { padding: .5rem 0; }
  th, td { padding: .1rem 0; }
  td { display: grid; grid-template-columns: 6.5rem 1fr; align-items: baseline; }
  td::before { content: attr(data-column); color: var(--muted); font-size: .875rem; }
}
"""
"""Style sheet, inline because the page fetches nothing.

Colours come in pairs, text ``--x`` on ground ``--x-ground``, with a contrast of WCAG AA (4.5) or more.
"""
