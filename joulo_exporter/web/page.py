"""The page for people on ``/``: the snapshots as HTML, in English or Dutch, without a token or a tag.

The HTML has no script, fetches nothing, and every value in it is escaped. Names that people give are also
in ``<bdi>``, so that a right-to-left name does not reorder the text around it. A state is a word with a sign,
never a colour alone. The page refreshes itself; its URL lists the unfolded accounts, so that they stay unfolded.
The words are in ``page.toml``; ``page.html`` has the page and, after it, its parts.
"""

from __future__ import annotations

import base64
import hashlib
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from html import escape
from importlib import resources
from string import Template
from typing import Any
from urllib.parse import urlencode

from joulo_exporter import __version__
from joulo_exporter.clock import local_month, local_time
from joulo_exporter.models.charger import UNKNOWN_VEHICLE
from joulo_exporter.snapshot import EndpointHealth, LiveCharger, Snapshot

LANGUAGES = ("en", "nl")
"""The languages of the page; the first is the default."""

SHOWN = 100
"""Most accounts on the page, and most chargers of each; the rest are counted, not shown."""
_UNFOLDED_ACCOUNTS = 3
"""Up to so many accounts are all unfolded; with more, those with an endpoint down and those in the URL are."""
_MOST_UNFOLDED = 10
"""Most accounts that are unfolded for each of these two reasons."""

_REFRESH_S = (5.0, 60.0)
"""Bounds of the time after which the page refreshes itself; between them it is an endpoint's shortest interval."""

_OUT_OF_ORDER = ("offline", "unavailable", "faulted")
_NO_NEWS = (None, "unknown", "online", "available", "active", "charging")
"""Statuses that say no more about a charger than whether it is charging."""


@dataclass(frozen=True, slots=True)
class View:
    """The page as its reader wants it."""

    language: str = LANGUAGES[0]
    unfolded: tuple[str, ...] = ()
    """Names of accounts, the most recently unfolded last."""
    refreshing: bool = True

    @property
    def query(self) -> str:
        """Return the view as the query of a URL."""
        pairs = [("open", name) for name in self.unfolded] + [("refresh", "off")] * (not self.refreshing)
        return f"?{urlencode(pairs, errors='replace')}" if pairs else "?"

    def toggled(self, name: str) -> View:
        """Return the view with an account folded if it is unfolded, and unfolded if it is folded."""
        others = tuple(each for each in self.unfolded if each != name)
        return replace(self, unfolded=others if name in self.unfolded else (*others, name)[-_MOST_UNFOLDED:])


def view_of(language: str, unfolded: Iterable[str], *, refreshing: bool) -> View:
    """Return the view that a URL asks for; the URL is not trusted."""
    return View(language, tuple(dict.fromkeys(unfolded))[-_MOST_UNFOLDED:], refreshing)


def content_security_policy() -> str:
    """Return a policy under which the page's own style and icon load, and nothing else."""
    style = _templates()["page"].template.partition("<style>")[2].partition("</style>")[0]  # inline: no fetch
    style_hash = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{style_hash}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


# Words and templates ----------------------------------------------------------------------------


def _file(name: str) -> str:
    return (resources.files("joulo_exporter.web") / name).read_text("utf-8")


@cache
def _templates() -> Mapping[str, Template]:
    """Return the page and its parts; in a part, a line that begins with blanks continues the line before."""
    page, *parts = re.split(r"<!-- part: (\w+).* -->\n", _file("page.html"))
    joined = (re.sub(r"\n +", "", part) for part in parts[1::2])
    return {"page": Template(page)} | dict(zip(parts[::2], map(Template, joined), strict=True))


@cache
def _texts() -> dict[str, dict[str, Any]]:
    return tomllib.loads(_file("page.toml"))


class _Words:
    """Words, figures and times in a language; whatever it returns is HTML."""

    def __init__(self, language: str) -> None:
        self.texts = _texts()[language]
        self._months = self.texts["month_names"].split()

    def __call__(self, key: str, *values: object) -> str:
        """Return a text, with values that are HTML already."""
        return str(self.texts[key]).format(*values)

    def count(self, number: int, key: str) -> str:
        """Return a text with a number: singular for 1, else plural."""
        return self(key if number == 1 else f"{key}s", number)

    def status(self, status: str) -> str:
        """Return the words for a status of the API; a status that is not documented is shown as it is."""
        return str(self.texts["status"].get(status) or escape(status))

    def figure(self, value: float, decimals: int = 2) -> str:
        return f"{value:.{decimals}f}".replace(".", self("decimal"))

    def hundredths(self, value: int) -> str:
        return self.figure(value / 100)

    def month(self, month: str) -> str:
        """Return the name of a month such as ``2026-06``, capitalised to begin a line."""
        year, number = month.split("-")
        return f"{self._months[int(number) - 1]} {year}".capitalize()

    def moment(self, seconds: float) -> str:
        """Return a local day and time, to the minute."""
        at = local_time(seconds)
        return _time(at, f"{at.day} {self._months[at.month - 1]} {at:%H:%M}")

    def span(self, start_seconds: float | None, end_seconds: float) -> str:
        """Return the local days and times of a start, if it is known, and an end."""
        if start_seconds is None:
            return self("ended", self.moment(end_seconds))
        end = local_time(end_seconds)
        same_day = local_time(start_seconds).date() == end.date()
        until = _time(end, f"{end:%H:%M}") if same_day else self.moment(end_seconds)
        return f"{self.moment(start_seconds)} &ndash; {until}"

    def duration(self, seconds: float) -> str:
        """Return a duration exactly, such as ``1 h 30 min`` or ``1 min 30.5 s``."""
        words, rest = [], seconds
        for unit, size in ((self("day"), 86400), (self("hour"), 3600), ("min", 60)):
            count, rest = divmod(rest, size)
            if count:
                words.append(f"{count:.0f} {unit}")
        return " ".join([*words, f"{rest:g} s"] if rest or not words else words)


def _time(at: datetime, text: str) -> str:
    return f'<time datetime="{at.isoformat(timespec="seconds")}">{text}</time>'


def _moment_and_utc(seconds: float) -> str:
    """Return a moment to the second, local with its zone, and in UTC beside it."""
    at, utc = local_time(int(seconds)), datetime.fromtimestamp(int(seconds), UTC)
    time = f'<time datetime="{utc:%Y-%m-%dT%H:%M:%SZ}">{at:%Y-%m-%d %H:%M:%S} {_zone(seconds)}</time>'
    if not at.utcoffset():
        return time
    beside = f"{utc:%H:%M:%S}" if utc.date() == at.date() else f"{utc:%Y-%m-%d %H:%M:%S}"
    return f'{time} <span class="beside">{beside} UTC</span>'


def _zone(seconds: float) -> str:
    """Return the name of the local time zone; ``UTC`` for an offset of 0, as of a zone that the system lacks."""
    at = local_time(seconds)
    return escape(at.tzname() or "") if at.utcoffset() else "UTC"


# The page -----------------------------------------------------------------------------------------


class LandingPage:
    """The page at a moment, in Unix time, from the snapshots of the accounts and of the public price feed."""

    def __init__(self, snapshots: Iterable[Snapshot], now_seconds: float, view: View) -> None:
        self._snapshots = list(snapshots)
        self._now_seconds = now_seconds
        self._view = view
        self._words = _Words(view.language)

    def _part(self, part: str, /, **values: object) -> str:
        """Return a part of ``page.html`` with its words, and these values, which are HTML."""
        return _templates()[part].substitute(self._words.texts, **values)

    def html(self, links: Mapping[str, str], *, ledger_persistent: bool) -> str:
        """Return the HTML; the links are URLs by the key of their text in ``page.toml``."""
        words, view = self._words, self._view
        shortest_s, longest_s = _REFRESH_S
        intervals_s = (health.interval_s for each in self._snapshots for health in each.endpoints)
        refresh_s = round(min(max(min(intervals_s, default=longest_s), shortest_s), longest_s))
        public = [health for each in self._snapshots if each.public for health in each.endpoints]
        # The URL has no fragment: with one, the browser would only scroll instead of refreshing.
        url = f"; url={escape(view.query)}" if view.unfolded else ""
        refresh = f'<meta http-equiv="refresh" content="{refresh_s}{url}">\n'
        toggled = replace(view, refreshing=not view.refreshing)
        links = {**links, "stop" if view.refreshing else "resume": toggled.query}
        return self._part(
            "page",
            language=view.language,
            refresh=refresh if view.refreshing else "",
            version=escape(__version__),
            links="".join(f'<li><a href="{escape(url)}">{words(key)}</a></li>' for key, url in links.items()),
            summary=self._summary(ledger_persistent=ledger_persistent),
            account_sections=self._account_sections(),
            public_section=self._part("public", endpoint_table=self._endpoints(public)) if public else "",
            as_of=words("as_of", _moment_and_utc(self._now_seconds)),
            refreshes=words("refreshes", words.duration(refresh_s)) if view.refreshing else "",
        )

    def _summary(self, *, ledger_persistent: bool) -> str:
        words = self._words
        states = [health.up for each in self._snapshots for health in each.endpoints]
        trouble = {"some_down": states.count(False), "some_untried": states.count(None)}
        live = [each.charger for account in self._snapshots for each in account.chargers or ()]
        ledger = "on_disk" if ledger_persistent else "in_memory"
        return self._part(
            "summary",
            account_count=sum(not each.public for each in self._snapshots),
            charger_count=sum(len(_labels(account)) for account in self._snapshots),
            charging=words("charging", sum(charger.charging is True for charger in live)),
            some_up=words("some_up", states.count(True), len(states)),
            trouble=", ".join(words(key, number) for key, number in trouble.items() if number),
            ledger_place=words(ledger),
            ledger_note=words(f"{ledger}_note"),
        )

    # Accounts -------------------------------------------------------------------------------------

    def _account_sections(self) -> str:
        accounts = [each for each in self._snapshots if not each.public]
        shown = accounts[:SHOWN] + [each for each in accounts[SHOWN:] if each.account in self._view.unfolded]
        foldable = len(accounts) > _UNFOLDED_ACCOUNTS
        in_trouble = [position for position, account in enumerate(shown) if _down(account)][:_MOST_UNFOLDED]
        sections = (
            self._account(account, position, foldable=foldable and position not in in_trouble)
            for position, account in enumerate(shown)
        )
        return "".join(sections) + self._more(len(accounts) - len(shown), "more_account")

    def _account(self, account: Snapshot, position: int, *, foldable: bool) -> str:
        words, name = self._words, account.account
        health = _state("good", "✓", words("all_up")) if account.tried else _state("idle", "…", words("starting"))
        if down := _down(account):
            health = _state("bad", "✕", words("some_down", escape(", ".join(down))))
        heading = words("account") if name is None else _name(name)
        unfolded = not foldable or name in self._view.unfolded
        if foldable:
            url = escape(f"{self._view.toggled(name or '').query}#account-{position}")
            heading = f'<a href="{url}" aria-expanded="{str(unfolded).lower()}">{heading}</a>'
        content = self._content(account) if unfolded else ""
        return self._part("account", position=position, heading=heading, health=health, content=content)

    def _content(self, account: Snapshot) -> str:
        labels = _labels(account)
        items = "".join(self._charger(account, label) for label in labels[:SHOWN])
        return self._part(
            "content",
            charger_items=items or f"<li>{self._words('no_charger')}</li>",
            more=self._more(len(labels) - SHOWN, "more_charger"),
            notices="".join(f'<p class="notice">{notice}</p>\n' for notice in self._notices(account)),
            month_table=self._months(account),
            endpoint_table=self._endpoints(account.endpoints),
            history_line=self._history(account),
        )

    def _more(self, count: int, key: str) -> str:
        return f'<p class="more">{self._words.count(count, key)}</p>\n' if count > 0 else ""

    def _charger(self, account: Snapshot, label: str) -> str:
        """Return a charger; if its state is unknown or stale, only what the ledger has."""
        live = next((each for each in account.chargers or () if each.label == label), None)
        nickname = live.charger.nickname if live else None
        facts = "".join(
            f"<div><dt>{fact}</dt><dd>{'</dd> <dd>'.join(values)}</dd></div>"
            for fact, values in self._facts(account, label, live)
        )
        return self._part(
            "charger",
            name=_name(label),
            charger_state=self._charger_state(live),
            nickname=f'<p class="nickname">{_name(nickname)}</p>' if nickname else "",
            facts=f"<dl>{facts}</dl>" if facts else "",
        )

    def _charger_state(self, live: LiveCharger | None) -> str:
        """Return one word: trouble comes first, then whether it charges, then whatever else the API says."""
        status, charging = (live.charger.status, live.charger.charging) if live else (None, None)
        if status in _OUT_OF_ORDER:
            return _state("bad", "✕", self._words.status(status))
        if charging:
            return _state("busy", "⚡", self._words.status("charging"))
        if status in _NO_NEWS and charging is not None:
            return _state("idle", "○", self._words.status("idle"))
        return _state("idle", "?", self._words.status(status or "unknown"))

    def _facts(
        self, account: Snapshot, label: str, live: LiveCharger | None
    ) -> Iterator[tuple[str, Iterable[str]]]:
        """Yield name and values of each fact of a charger."""
        words, book = self._words, account.book
        if live and live.charger.charging:
            power = None if live.power_watts is None else f"{words.figure(live.power_watts / 1000, 1)} kW"
            yield words("power"), [power or words("unknown")]
        if live and (live.charger.session or live.charger.charging):
            current = live.charger.session
            energy = [words("unknown")]
            if current and current.kwh_hundredths is not None:
                energy = [f"{words.hundredths(current.kwh_hundredths)} kWh"]
                if current.started_at_seconds is not None:
                    energy.append(words("since", words.moment(current.started_at_seconds)))
            yield words("session"), energy
            yield words("vehicle"), [self._vehicle(live.vehicle, "unknown")]
        for last in account.last_sessions:
            if last.label == label:
                session = last.session
                kwh, ere_credits = session.kwh_hundredths, session.final_credits_hundredths
                figures = [words("unknown")] if kwh is None else self._figures(kwh, ere_credits)
                span = words.span(session.started_at_seconds, session.last_known_end_seconds)
                yield words("last_session"), [*figures, span, self._vehicle(last.vehicle, "unknown_vehicle")]
        if book and book.complete:
            month = local_month(self._now_seconds)
            charger_id = next((key for key, value in book.labels.items() if value == label), "")
            sums = book.months.get((charger_id, month))
            kwh, ere_credits = (sums.kwh_hundredths, sums.credits_hundredths) if sums else (0, 0)
            yield words.month(month), self._figures(kwh, ere_credits)

    def _figures(self, kwh_hundredths: int, credits_hundredths: int | None) -> list[str]:
        words, ere_credits = self._words, self._words("no_credits_yet")
        if credits_hundredths is not None:
            ere_credits = words("some_credits", words.hundredths(credits_hundredths))
        return [f"{words.hundredths(kwh_hundredths)} kWh", ere_credits]

    def _vehicle(self, vehicle: str, unknown: str) -> str:
        return self._words(unknown) if vehicle == UNKNOWN_VEHICLE else _name(vehicle)

    # Months and history ---------------------------------------------------------------------------

    def _notices(self, account: Snapshot) -> Iterator[str]:
        """Yield what is wrong with the account's figures."""
        words, book = self._words, account.book
        if not book or not book.complete:
            return
        if book.unreadable:
            yield words.count(book.unreadable, "unreadable_session")
        named = [(book.labels.get(key, key), totals) for key, totals in book.charger_excess.items()]
        excess = [
            f"{_name(name)}: {words.hundredths(value)} {unit}"
            for name, totals in (*named, *book.vehicle_excess.items())
            for value, unit in ((totals.kwh_hundredths, "kWh"), (totals.credits_hundredths, words("credits")))
            if value
        ]
        if excess:
            yield words("excess", ", ".join(excess), "<code>joulo-exporter settle</code>")

    def _months(self, account: Snapshot) -> str:
        """Return the figures of each month with a bar, the latest first: a chart that is also a table."""
        words, book = self._words, account.book
        if not book or not book.months:
            return ""
        kwh: Counter[str] = Counter()
        ere_credits: Counter[str] = Counter()
        for (_, month), sums in book.months.items():
            kwh[month] += sums.kwh_hundredths
            ere_credits[month] += sums.credits_hundredths
        now, most = local_month(self._now_seconds), max(kwh.values())
        rows = ""
        for month in _months_back(max(now, *kwh), min(kwh)):
            rows += self._part(
                "month",
                name=words.month(month) + f" <small>{words('so_far')}</small>" * (month == now),
                width=f"{100 * kwh[month] / most if most else 0:.1f}%",
                month_kwh=words.hundredths(kwh[month]),
                month_credits=words.hundredths(ere_credits[month]),
            )
        return self._part("months", rows=rows, months_note=words("months_note", _zone(self._now_seconds)))

    def _history(self, account: Snapshot) -> str:
        words, book = self._words, account.book
        count = words.count(book.sessions if book else 0, "count_session")
        if book and book.back_to_seconds is not None:
            count = words("count_since", count, _moment_and_utc(book.back_to_seconds))
        if not book or not book.complete:
            return words("incomplete", count)
        if not book.unreadable:
            return words("complete", count)
        return words("complete_but", words.count(book.unreadable, "count_session"), count)

    # Endpoints ------------------------------------------------------------------------------------

    def _endpoints(self, endpoints: Iterable[EndpointHealth]) -> str:
        return self._part("endpoints", rows="".join(map(self._endpoint, endpoints)))

    def _endpoint(self, endpoint: EndpointHealth) -> str:
        words = self._words
        health, success = _state("idle", "…", words("untried")), words("never")
        if endpoint.up is not None:
            health = _state("good", "✓", words("up")) if endpoint.up else _state("bad", "✕", words("down"))
        if endpoint.up is False and endpoint.error:
            health += f'<span class="error" lang="en">{escape(endpoint.error)}</span>'
        if endpoint.succeeded_at_seconds is not None:
            # 0 s for a success that a corrected clock has put into the future.
            age_s = int(max(0.0, self._now_seconds - endpoint.succeeded_at_seconds))
            age = words("ago", " ".join(words.duration(age_s).split()[:2]))
            success = f'{_moment_and_utc(endpoint.succeeded_at_seconds)} <span class="age">{age}</span>'
        values = {"name": escape(endpoint.endpoint), "duration": words.duration(endpoint.interval_s)}
        return self._part("endpoint", health=health, success=success, **values)


def _down(account: Snapshot) -> list[str]:
    return [health.endpoint for health in account.endpoints if health.up is False]


def _labels(account: Snapshot) -> Sequence[str]:
    """Return the labels of the current chargers or, if these are not known, of all in the ledger."""
    if account.chargers is not None:
        return [live.label for live in account.chargers]
    return list(account.book.labels.values()) if account.book else ()


def _months_back(last: str, first: str) -> Iterator[str]:
    """Yield the months from the last back to the first, both such as ``2026-06``."""
    end, begin = (12 * int(month[:4]) + int(month[5:]) - 1 for month in (last, first))
    for number in range(end, begin - 1, -1):
        yield f"{number // 12:04}-{number % 12 + 1:02}"


def _name(text: str) -> str:
    return f"<bdi>{escape(text)}</bdi>"


def _state(kind: str, sign: str, html: str) -> str:
    return f'<span class="state {kind}"><span aria-hidden="true">{sign}</span> {html}</span>'
