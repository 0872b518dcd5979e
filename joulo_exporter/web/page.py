"""The page for people on ``/``: the snapshots as HTML, without a token or a tag.

The HTML has no script, fetches nothing, and every value in it is escaped. Names that people give stand in
``<bdi>`` as well, so that a right-to-left one does not turn the text around it. A state is a word with a sign,
never a colour alone.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from functools import cache
from html import escape
from importlib import resources
from string import Template
from typing import TYPE_CHECKING

from joulo_exporter import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from joulo_exporter.snapshot import EndpointHealth, LiveCharger, Snapshot

SHOWN = 100
"""Accounts on the page, and chargers of each; more are counted, not shown."""
_UNFOLDED_ACCOUNTS = 3
"""Up to so many accounts are unfolded; of more, only those with an endpoint that is down."""

_UNITS = (("d", 86400), ("h", 3600), ("min", 60))


@cache
def _template() -> str:
    return (resources.files("joulo_exporter.web") / "page.html").read_text("utf-8")


@cache
def content_security_policy() -> str:
    """Return a policy under which the page's own style and icon load, and nothing else."""
    style = _template().partition("<style>")[2].partition("</style>")[0]  # inline: the page fetches nothing
    style_hash = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{style_hash}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def render_landing_page(
    snapshots: Iterable[Snapshot], now_seconds: float, links: Mapping[str, str], *, ledger_persistent: bool
) -> str:
    """Return the HTML of a moment.

    Args:
        snapshots: of the accounts, and of the public price feed.
        now_seconds: the moment, in Unix time.
        links: URLs by their text.
        ledger_persistent: whether the ledger is on disk.
    """
    accounts: list[Snapshot] = []
    public: list[EndpointHealth] = []
    for snapshot in snapshots:
        if snapshot.public:
            public += snapshot.endpoints
        else:
            accounts.append(snapshot)
    unfolded = len(accounts) <= _UNFOLDED_ACCOUNTS
    return Template(_template()).substitute(
        version=escape(__version__),
        links="".join(f'<li><a href="{escape(url)}">{text}</a></li>' for text, url in links.items()),
        summary=_summary(accounts, public, ledger_persistent=ledger_persistent),
        accounts="".join(_account(each, now_seconds, unfolded=unfolded) for each in accounts[:SHOWN]),
        more=_more(len(accounts), "account"),
        public=f"<details open>\n<summary><h2>Public endpoints</h2></summary>\n{_endpoints(public, now_seconds)}"
        "</details>\n"
        if public
        else "",
        now=_time(now_seconds),
    )


def _summary(accounts: Sequence[Snapshot], public: Sequence[EndpointHealth], *, ledger_persistent: bool) -> str:
    live = [charger for account in accounts for charger in account.chargers or ()]
    states = [health.up for account in accounts for health in account.endpoints] + [each.up for each in public]
    down, untried = states.count(False), states.count(None)
    others = [f"{down} down"] * bool(down) + [f"{untried} not tried yet"] * bool(untried)
    facts = (
        ("Accounts", len(accounts), ""),
        (
            "Chargers",
            sum(len(_labels(account)) for account in accounts),
            f"{sum(each.charger.charging is True for each in live)} charging",
        ),
        ("API endpoints", f"{states.count(True)} of {len(states)} up", ", ".join(others)),
        ("Ledger", "On disk", "survives a restart")
        if ledger_persistent
        else ("Ledger", "In memory only", "a restart reads all history again"),
    )
    cards = (f"<div><dt>{name}</dt><dd>{value} <small>{note}</small></dd></div>" for name, value, note in facts)
    return f'<dl class="summary">{"".join(cards)}</dl>'


def _labels(account: Snapshot) -> Sequence[str]:
    """Return the labels of the chargers as they are now or, when that is not known, of all in the ledger."""
    if account.chargers is not None:
        return [live.label for live in account.chargers]
    return list(account.book.labels.values()) if account.book else ()


def _account(account: Snapshot, now_seconds: float, *, unfolded: bool) -> str:
    down = [health.endpoint for health in account.endpoints if health.up is False]
    if down:
        state = _state("bad", "✕", f"{', '.join(down)} down")
    else:
        state = _state("good", "✓", "all endpoints up") if account.tried else _state("idle", "…", "starting")
    labels = _labels(account)
    live = {each.label: each for each in account.chargers or ()}
    chargers = "".join(_charger(label, live.get(label)) for label in labels[:SHOWN])
    return (
        f"<details{' open' if unfolded or down else ''}>\n"
        f"<summary><h2>{_name(account.account or 'Account')}</h2> {state}</summary>\n"
        f'<h3>Chargers</h3>\n<ul class="chargers">{chargers or "<li>No charger is known yet.</li>"}</ul>\n'
        f"{_more(len(labels), 'charger')}"
        f"<h3>API endpoints</h3>\n{_endpoints(account.endpoints, now_seconds)}"
        f"<h3>History</h3>\n<p>{_history(account)}</p>\n</details>\n"
    )


def _charger(label: str, live: LiveCharger | None) -> str:
    """Return a charger; of one whose state is not known, or too old to be shown, only the label."""
    charger = live.charger if live else None
    charging = charger.charging if charger else None
    if charging is None:
        state = _state("idle", "?", "unknown")
    else:
        state = _state("busy", "⚡", "charging") if charging else _state("idle", "○", "idle")
    session = "none" if charging is False else "unknown"
    if charger and charger.session and charger.session.kwh_hundredths is not None:
        session = f"{charger.session.kwh_hundredths / 100:.2f} kWh"
    nickname = f'<p class="nickname">{_name(charger.nickname)}</p>' if charger and charger.nickname else ""
    status = (charger.status if charger else None) or "unknown"
    return (
        f"<li><p><strong>{_name(label)}</strong> {state}</p>{nickname}"
        f"<dl><dt>Status</dt><dd>{escape(status)}</dd><dt>Session</dt><dd>{session}</dd></dl></li>\n"
    )


def _endpoints(endpoints: Iterable[EndpointHealth], now_seconds: float) -> str:
    # The roles keep it a table for screen readers where a narrow screen makes blocks of its rows.
    columns = ("Endpoint", "State", "Last success", "Interval")
    heads = "".join(f'<th scope="col" role="columnheader">{column}</th>' for column in columns)
    body = "".join(_endpoint(health, now_seconds) for health in endpoints)
    return (
        f'<table role="table"><thead role="rowgroup"><tr role="row">{heads}</tr></thead>'
        f'<tbody role="rowgroup">{body}</tbody></table>\n'
    )


def _endpoint(health: EndpointHealth, now_seconds: float) -> str:
    state, success = _state("idle", "…", "not tried yet"), "never"
    if health.up is not None:
        state = _state("good", "✓", "up") if health.up else _state("bad", "✕", "down")
    if health.up is False and health.error:
        state += f'<span class="error">{escape(health.error)}</span>'
    if health.succeeded_at_seconds is not None:
        # 0 s for one that a corrected clock has put into the future.
        age = " ".join(_duration(int(max(0.0, now_seconds - health.succeeded_at_seconds))).split()[:2])
        success = f'{_time(health.succeeded_at_seconds)} <span class="age">{age} ago</span>'
    cells = (("State", state), ("Last success", success), ("Interval", _duration(health.interval_s)))
    # One element in each cell: it is a grid of two columns on a narrow screen.
    columns = "".join(f'<td role="cell" data-column="{name}"><div>{value}</div></td>' for name, value in cells)
    return f'<tr role="row"><th scope="row" role="rowheader">{escape(health.endpoint)}</th>{columns}</tr>\n'


def _history(account: Snapshot) -> str:
    book = account.book
    sessions = book.sessions if book else 0
    back = book.back_to_seconds if book else None
    count = f"{sessions} {_plural('session', sessions)}{'' if back is None else f' since {_time(back)}'}"
    if book and book.complete:
        but = f" but for {book.unreadable} {_plural('session', book.unreadable)} that cannot be read"
        excess = escape(", ".join(book.excess_texts()))
        held = f" Counters are held above the truth: {excess}." if excess else ""
        return f"Complete{but if book.unreadable else ''}: {count}.{held}"
    return f"Being read: {count} so far. The totals appear once it is complete."


def _more(total: int, noun: str) -> str:
    count = total - SHOWN
    return f'<p class="more">and {count} more {_plural(noun, count)}; the metrics have all.</p>\n' * (count > 0)


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


def _duration(seconds: float) -> str:
    """Return a duration exactly, such as ``1 h 30 min`` or ``90.5 s`` below its smallest whole unit."""
    words, rest = [], seconds
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            words.append(f"{count:.0f} {unit}")
    return " ".join([*words, f"{rest:g} s"] if rest or not words else words)
