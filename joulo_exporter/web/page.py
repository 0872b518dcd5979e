"""The page for people on ``/``: the snapshots as HTML, without a token or a tag.

The HTML has no script, fetches nothing, and every value in it is escaped. Names that people give stand in
``<bdi>`` as well, so that a right-to-left one does not turn the text around it. A state is a word with a sign,
never a colour alone. The page refreshes itself; which accounts are unfolded stands in its URL, and so outlives it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from html import escape
from importlib import resources
from string import Template
from urllib.parse import urlencode

from joulo_exporter import __version__
from joulo_exporter.clock import local_month
from joulo_exporter.models.charger import UNKNOWN_VEHICLE
from joulo_exporter.snapshot import EndedSession, EndpointHealth, LiveCharger, Snapshot
from joulo_exporter.web.page_texts import Words

SHOWN = 100
"""Accounts on the page, and chargers of each; more are counted, not shown."""
_UNFOLDED_ACCOUNTS = 3
"""Up to so many accounts are all unfolded; of more, those with an endpoint that is down, and those in the URL."""
_MOST_UNFOLDED = 10
"""Of each of the two."""

_REFRESH_S = (5.0, 60.0)
"""Bounds of the time after which the page refreshes itself; between them it is the shortest interval."""

_OUT_OF_ORDER = ("offline", "unavailable", "faulted")
_NO_NEWS = (None, "unknown", "online", "available", "active", "charging")
"""Statuses that say no more of a charger than that it charges or does not."""


@dataclass(frozen=True, slots=True)
class View:
    """The page as its reader wants it."""

    language: str = "en"
    """One of ``page_texts.LANGUAGES``."""
    unfolded: tuple[str, ...] = ()
    """Names of accounts, the one that was unfolded last at the end."""
    refreshing: bool = True

    @property
    def query(self) -> str:
        """Return the view as the query of a URL."""
        pairs = [("open", name) for name in self.unfolded] + [("refresh", "off")] * (not self.refreshing)
        return f"?{urlencode(pairs, errors='replace')}" if pairs else "?"

    def toggled(self, name: str) -> View:
        """Return the view with an account folded that is unfolded, or the other way round."""
        others = tuple(each for each in self.unfolded if each != name)
        return replace(self, unfolded=others if name in self.unfolded else (*others, name)[-_MOST_UNFOLDED:])


def view_of(language: str, query: Mapping[str, Sequence[str]]) -> View:
    """Return the view that the query of a URL asks for, by the values of each of its names."""
    names = tuple(dict.fromkeys(query.get("open", ())))
    return View(language, names[-_MOST_UNFOLDED:], refreshing="off" not in query.get("refresh", ()))


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


class LandingPage:
    """The page of a moment.

    Args:
        snapshots: of the accounts, and of the public price feed.
        now_seconds: the moment, in Unix time.
        view: the page as its reader wants it.
    """

    def __init__(self, snapshots: Iterable[Snapshot], now_seconds: float, view: View) -> None:
        everything = list(snapshots)
        self._now_seconds = now_seconds
        self._view = view
        self._words = Words(view.language)
        self._accounts = [each for each in everything if not each.public]
        self._public = [health for each in everything if each.public for health in each.endpoints]

    def html(self, links: Mapping[str, str], *, ledger_persistent: bool) -> str:
        """Return the HTML.

        Args:
            links: URLs by their text, which is one of ``page_texts.DUTCH``.
            ledger_persistent: whether the ledger is on disk.
        """
        words, view = self._words, self._view
        intervals_s = [health.interval_s for account in self._accounts for health in account.endpoints]
        refresh_s = round(min(max(min(intervals_s, default=_REFRESH_S[1]), _REFRESH_S[0]), _REFRESH_S[1]))
        # The URL leaves a fragment out, which would make a mere jump of the refresh.
        url = f"; url={escape(view.query)}" if view.unfolded else ""
        refresh = f'<meta http-equiv="refresh" content="{refresh_s}{url}">\n'
        toggle = "Stop refreshing" if view.refreshing else "Refresh by itself"
        urls = {**links, toggle: replace(view, refreshing=not view.refreshing).query}
        return Template(_template()).substitute(
            language=view.language,
            refresh=refresh if view.refreshing else "",
            version=escape(__version__),
            navigation=words("Exporter"),
            links="".join(f'<li><a href="{escape(url)}">{words(text)}</a></li>' for text, url in urls.items()),
            summary=self._summary(ledger_persistent=ledger_persistent),
            accounts=self._account_sections(),
            public=self._public_section(),
            now=words("As of {}.", words.time(self._now_seconds)),
            refreshes=words("This page refreshes each {}.", words.duration(refresh_s)) if view.refreshing else "",
            no_request=words("Opening this page, or a scrape, sends no request to the API."),
        )

    def _summary(self, *, ledger_persistent: bool) -> str:
        words = self._words
        healths = [*(health for account in self._accounts for health in account.endpoints), *self._public]
        states = [health.up for health in healths]
        down, untried = states.count(False), states.count(None)
        others = [words("{} down", down)] * bool(down) + [words("{} not tried yet", untried)] * bool(untried)
        chargers = sum(len(_labels(account)) for account in self._accounts)
        live = [each.charger for account in self._accounts for each in account.chargers or ()]
        charging = words("{} charging", sum(charger.charging is True for charger in live))
        ledger = ("In memory only", "a restart reads all history again")
        if ledger_persistent:
            ledger = ("On disk", "survives a restart")
        facts = (
            ("Accounts", len(self._accounts), ""),
            ("Chargers", chargers, charging),
            ("API endpoints", words("{} of {} up", states.count(True), len(states)), ", ".join(others)),
            ("Ledger", words(ledger[0]), words(ledger[1])),
        )
        cards = (_fact(words(name), f"{value} <small>{note}</small>") for name, value, note in facts)
        return f'<dl class="summary">{"".join(cards)}</dl>'

    # Accounts -------------------------------------------------------------------------------------

    def _account_sections(self) -> str:
        shown = self._accounts[:SHOWN]
        shown += [each for each in self._accounts[SHOWN:] if each.account in self._view.unfolded]
        foldable = len(self._accounts) > _UNFOLDED_ACCOUNTS
        in_trouble = [position for position, account in enumerate(shown) if _down(account)][:_MOST_UNFOLDED]
        sections = (
            self._account(account, position, foldable=foldable and position not in in_trouble)
            for position, account in enumerate(shown)
        )
        return "".join(sections) + self._more(len(self._accounts) - len(shown), "account")

    def _account(self, account: Snapshot, position: int, *, foldable: bool) -> str:
        words, name = self._words, account.account
        if down := _down(account):
            state = _state("bad", "✕", words("{} down", escape(", ".join(down))))
        elif account.tried:
            state = _state("good", "✓", words("all endpoints up"))
        else:
            state = _state("idle", "…", words("starting"))
        heading = words("Account") if name is None else _name(name)
        unfolded = not foldable
        if foldable and name is not None:
            unfolded = name in self._view.unfolded
            url = escape(f"{self._view.toggled(name).query}#account-{position}")
            heading = f'<a href="{url}" aria-expanded="{str(unfolded).lower()}">{heading}</a>'
        content = self._content(account) if unfolded else ""
        return (
            f'<section id="account-{position}">\n<div class="head"><h2>{heading}</h2> {state}</div>\n'
            f"{content}</section>\n"
        )

    def _content(self, account: Snapshot) -> str:
        words, labels = self._words, _labels(account)
        chargers = "".join(self._charger(account, label) for label in labels[:SHOWN])
        chargers = chargers or f"<li>{words('No charger is known yet.')}</li>"
        return (
            f'<h3>{words("Chargers")}</h3>\n<ul class="chargers">{chargers}</ul>\n'
            f"{self._more(len(labels) - SHOWN, 'charger')}{self._notices(account)}{self._months(account)}"
            f"<h3>{words('API endpoints')}</h3>\n{self._endpoints(account.endpoints)}"
            f"<h3>{words('History')}</h3>\n<p>{self._history(account)}</p>\n"
        )

    def _charger(self, account: Snapshot, label: str) -> str:
        """Return a charger; of one whose state is not known, or too old to be shown, only what the ledger has."""
        words, book = self._words, account.book
        live = next((each for each in account.chargers or () if each.label == label), None)
        last = next((each for each in account.last_sessions if each.label == label), None)
        charger = live.charger if live else None
        facts = []
        if live and charger and charger.charging:
            power = None if live.power_watts is None else f"{words.figure(live.power_watts / 1000, 1)} kW"
            facts.append(_fact(words("Power"), power or words("unknown")))
        if live and charger and (charger.session or charger.charging):
            facts.append(_fact(words("Session"), *self._session(live)))
            facts.append(_fact(words("Vehicle"), self._vehicle(live.vehicle, "unknown")))
        if last:
            facts.append(_fact(words("Last session"), *self._last_session(last)))
        if book and book.complete:
            month = local_month(self._now_seconds)
            of_this_month = (
                (sums.kwh_hundredths, sums.credits_hundredths)
                for charger_id, sums in book.charger_months.items()
                if book.labels.get(charger_id) == label and sums.month == month
            )
            figures = self._figures(*next(of_this_month, (0, 0)))
            facts.append(_fact(words.month(month).capitalize(), *figures))
        nickname = f'<p class="nickname">{_name(charger.nickname)}</p>' if charger and charger.nickname else ""
        details = f"<dl>{''.join(facts)}</dl>" if facts else ""
        state = self._charger_state(live)
        return f"<li><p><strong>{_name(label)}</strong> {state}</p>{nickname}{details}</li>\n"

    def _charger_state(self, live: LiveCharger | None) -> str:
        """Return one word: trouble goes first, then whether it charges, then whatever else the API says."""
        status, charging = (live.charger.status, live.charger.charging) if live else (None, None)
        if status in _OUT_OF_ORDER:
            return _state("bad", "✕", self._words.status(status))
        if charging:
            return _state("busy", "⚡", self._words("charging"))
        if status in _NO_NEWS and charging is not None:
            return _state("idle", "○", self._words("idle"))
        return _state("idle", "?", self._words.status(status or "unknown"))

    def _session(self, live: LiveCharger) -> Iterator[str]:
        session = live.charger.session
        if session is None or session.kwh_hundredths is None:
            yield self._words("unknown")
        else:
            yield f"{self._words.hundredths(session.kwh_hundredths)} kWh"
            if session.started_at_seconds is not None:
                yield self._words("since {}", self._words.moment(session.started_at_seconds))

    def _last_session(self, last: EndedSession) -> Iterator[str]:
        session = last.session
        if session.kwh_hundredths is None:
            yield self._words("unknown")
        else:
            yield from self._figures(session.kwh_hundredths, session.final_credits_hundredths)
        yield self._words.span(session.started_at_seconds, session.last_known_end_seconds)
        yield self._vehicle(last.vehicle, "unknown vehicle")

    def _figures(self, kwh_hundredths: int, credits_hundredths: int | None) -> Iterator[str]:
        words = self._words
        yield f"{words.hundredths(kwh_hundredths)} kWh"
        if credits_hundredths is None:
            yield words("credits not known yet")
        else:
            yield words("{} ERE credits", words.hundredths(credits_hundredths))

    def _vehicle(self, vehicle: str, unknown: str) -> str:
        return self._words(unknown) if vehicle == UNKNOWN_VEHICLE else _name(vehicle)

    # Months and history ---------------------------------------------------------------------------

    def _notices(self, account: Snapshot) -> str:
        """Return what is wrong with the account's figures."""
        words, book = self._words, account.book
        if not book or not book.complete:
            return ""
        notices = []
        if book.unreadable:
            verb = "is" if book.unreadable == 1 else "are"
            sessions = words.count(book.unreadable, "session")
            notices.append(words("{} cannot be read, and {} missing from these figures.", sessions, verb))
        named = [(book.labels.get(key, key), totals) for key, totals in book.charger_excess.items()]
        excess = ", ".join(
            f"{_name(name)}: {words.hundredths(value)} {unit}"
            for name, totals in (*named, *book.vehicle_excess.items())
            for value, unit in (
                (totals.kwh_hundredths, "kWh"),
                (totals.credits_hundredths, words("ERE credits")),
            )
            if value
        )
        if excess:
            text = "Counters are held above the truth: {}. The command {} lets them fall."
            notices.append(words(text, excess, "<code>joulo-exporter settle</code>"))
        return "".join(f'<p class="notice">{notice}</p>\n' for notice in notices)

    def _months(self, account: Snapshot) -> str:
        """Return the figures of each month with a bar, the latest first: a chart that is a table, too."""
        words, book = self._words, account.book
        if not book or not book.months:
            return ""
        sums = {each.month: (each.kwh_hundredths, each.credits_hundredths) for each in book.months}
        now = local_month(self._now_seconds)
        most = max((kwh for kwh, _ in sums.values()), default=0)
        rows = []
        for month in _months_back(max(now, book.months[-1].month), book.months[0].month):
            kwh, ere_credits = sums.get(month, (0, 0))
            name = words.month(month).capitalize() + (f" <small>{words('so far')}</small>" if month == now else "")
            width = f"{100 * kwh / most if most else 0:.1f}%"
            bar = f'<svg aria-hidden="true"><rect width="{width}" height="100%"/></svg>'
            rows.append(
                f'<tr><th scope="row">{name}</th>'
                f'<td><div class="bar">{bar}<span>{words.hundredths(kwh)}</span></div></td>'
                f"<td>{words.hundredths(ere_credits)}</td></tr>\n"
            )
        heads = "".join(f'<th scope="col">{head}</th>' for head in (words("Month"), "kWh", words("ERE credits")))
        note = words(
            "A session counts in the month in which it began ({}). Credits follow once Joulo has them.",
            words.zone(self._now_seconds),
        )
        return (
            f'<h3>{words("Months")}</h3>\n<table class="months"><thead><tr>{heads}</tr></thead>\n'
            f'<tbody>{"".join(rows)}</tbody></table>\n<p class="more">{note}</p>\n'
        )

    def _history(self, account: Snapshot) -> str:
        words, book = self._words, account.book
        count = words.count(book.sessions if book else 0, "session")
        if book and book.back_to_seconds is not None:
            count = words("{} since {}", count, words.time(book.back_to_seconds))
        if not book or not book.complete:
            return words("Being read: {} so far. The totals appear once it is complete.", count)
        if not book.unreadable:
            return words("Complete: {}.", count)
        unreadable = words.count(book.unreadable, "session")
        return words("Complete but for {} that cannot be read: {}.", unreadable, count)

    # Endpoints ------------------------------------------------------------------------------------

    def _public_section(self) -> str:
        if not self._public:
            return ""
        heading = self._words("Public endpoints")
        return (
            f'<section>\n<div class="head"><h2>{heading}</h2></div>\n{self._endpoints(self._public)}</section>\n'
        )

    def _endpoints(self, endpoints: Iterable[EndpointHealth]) -> str:
        # The roles keep it a table for screen readers where a narrow screen makes blocks of its rows.
        columns = ("Endpoint", "State", "Last success", "Interval")
        heads = "".join(f'<th scope="col" role="columnheader">{self._words(column)}</th>' for column in columns)
        body = "".join(self._endpoint(health) for health in endpoints)
        return (
            f'<table class="endpoints" role="table"><thead role="rowgroup"><tr role="row">{heads}</tr></thead>'
            f'<tbody role="rowgroup">{body}</tbody></table>\n'
        )

    def _endpoint(self, health: EndpointHealth) -> str:
        words = self._words
        state, success = _state("idle", "…", words("not tried yet")), words("never")
        if health.up is not None:
            state = _state("good", "✓", words("up")) if health.up else _state("bad", "✕", words("down"))
        if health.up is False and health.error:
            state += f'<span class="error" lang="en">{escape(health.error)}</span>'
        if health.succeeded_at_seconds is not None:
            # 0 s for one that a corrected clock has put into the future.
            age_s = int(max(0.0, self._now_seconds - health.succeeded_at_seconds))
            age = words("{} ago", " ".join(words.duration(age_s).split()[:2]))
            success = f'{words.time(health.succeeded_at_seconds)} <span class="age">{age}</span>'
        cells = (("State", state), ("Last success", success), ("Interval", words.duration(health.interval_s)))
        # One element in each cell: it is a grid of two columns on a narrow screen.
        columns = "".join(
            f'<td role="cell" data-column="{words(name)}"><div>{value}</div></td>' for name, value in cells
        )
        return f'<tr role="row"><th scope="row" role="rowheader">{escape(health.endpoint)}</th>{columns}</tr>\n'

    def _more(self, count: int, noun: str) -> str:
        noun = self._words(noun if count == 1 else f"{noun}s")
        text = self._words("and {} more {}; the metrics have all.", count, noun)
        return f'<p class="more">{text}</p>\n' if count > 0 else ""


def _down(account: Snapshot) -> list[str]:
    return [health.endpoint for health in account.endpoints if health.up is False]


def _labels(account: Snapshot) -> Sequence[str]:
    """Return the labels of the chargers as they are now or, when that is not known, of all in the ledger."""
    if account.chargers is not None:
        return [live.label for live in account.chargers]
    return list(account.book.labels.values()) if account.book else ()


def _months_back(last: str, first: str) -> list[str]:
    """Return the months from the last back to the first, both such as ``2026-06``."""
    months = [last]
    while months[-1] > first:
        year, number = map(int, months[-1].split("-"))
        months.append(f"{year:04}-{number - 1:02}" if number > 1 else f"{year - 1:04}-12")
    return months


def _fact(name: str, *values: str) -> str:
    return f"<div><dt>{name}</dt><dd>{'</dd> <dd>'.join(values)}</dd></div>"


def _name(text: str) -> str:
    return f"<bdi>{escape(text)}</bdi>"


def _state(kind: str, sign: str, html: str) -> str:
    return f'<span class="state {kind}"><span aria-hidden="true">{sign}</span> {html}</span>'
