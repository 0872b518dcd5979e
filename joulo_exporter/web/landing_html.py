"""The page for people as HTML: no script, nothing fetched, every value escaped.

Names that people give stand in ``<bdi>`` as well, so that a right-to-left one does not turn around what
is next to it. A state is a word with a sign, never a colour alone.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from html import escape
from typing import TYPE_CHECKING

from joulo_exporter.web.landing_times import age, duration, moment
from joulo_exporter.web.style import STYLE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from joulo_exporter.web.landing import AccountRow, ChargerRow, EndpointRow, LandingPage

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


@cache
def content_security_policy() -> str:
    """Return a policy under which the page's own style and icon load, and nothing else."""
    style_hash = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
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
        style=STYLE,
        version=escape(page.version),
        links=_links(page, telemetry_path, base),
        summary=_summary(page),
        accounts="".join(_account(account, page.now_seconds, unfolded=unfolded) for account in shown),
        more=_more(len(page.accounts) - len(shown), "account"),
        public=_public(page),
        now=moment(page.now_seconds),
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
        ("Interval", duration(row.interval_s)),
    )
    # One element in each cell: it is a grid of two columns on a narrow screen.
    columns = "".join(f'<td role="cell" data-column="{name}"><div>{value}</div></td>' for name, value in cells)
    return f'<tr role="row"><th scope="row" role="rowheader">{escape(row.endpoint)}</th>{columns}</tr>\n'


def _last_success(seconds: float | None, now_seconds: float) -> str:
    if seconds is None:
        return "never"
    return f'{moment(seconds)} <span class="age">{age(seconds, now_seconds)}</span>'


def _endpoint_state(up: bool | None) -> str:  # noqa: FBT001  a value to show, not a switch
    if up is None:
        return _state("idle", "…", "not tried yet")
    return _state("good", "✓", "up") if up else _state("bad", "✕", "down")


def _history(account: AccountRow) -> str:
    count = f"{account.history_sessions} {_plural('session', account.history_sessions)}"
    back = account.history_back_to_seconds
    since = "" if back is None else f" since {moment(back)}"
    if account.history_complete:
        return f"Complete: {count}{since}."
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
