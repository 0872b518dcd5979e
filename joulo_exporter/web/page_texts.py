"""Words, figures and times of the page in one language: English, or Dutch."""

from datetime import UTC, datetime
from html import escape

from joulo_exporter.clock import local_time

LANGUAGES = ("en", "nl")
"""The first one is for everybody who asks for neither."""

_UNITS = {"en": {"d": 86400, "h": 3600, "min": 60}, "nl": {"d": 86400, "u": 3600, "min": 60}}
_MONTHS = {
    "en": "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
    "nl": "jan feb mrt apr mei jun jul aug sep okt nov dec",
}
DUTCH = {
    "Exporter": "Exporter",
    "Metrics": "Metrics",
    "Health": "Gezondheid",
    "Readiness": "Gereedheid",
    "Stop refreshing": "Niet meer verversen",
    "Refresh by itself": "Ververs vanzelf",
    "account": "account",
    "accounts": "accounts",
    "charger": "laadpunt",
    "chargers": "laadpunten",
    "session": "laadbeurt",
    "sessions": "laadbeurten",
    "Account": "Account",
    "Accounts": "Accounts",
    "Chargers": "Laadpunten",
    "API endpoints": "API-endpoints",
    "Public endpoints": "Openbare endpoints",
    "Ledger": "Register",
    "On disk": "Op schijf",
    "survives a restart": "overleeft een herstart",
    "In memory only": "Alleen in geheugen",
    "a restart reads all history again": "na een herstart wordt alles opnieuw gelezen",
    "{} of {} up": "{} van {} werken",
    "{} down": "{} werkt niet",
    "{} not tried yet": "{} nog niet geprobeerd",
    "{} charging": "{} aan het laden",
    "all endpoints up": "alle endpoints werken",
    "starting": "start op",
    "charging": "laadt",
    "idle": "in rust",
    "online": "online",
    "offline": "offline",
    "unavailable": "niet beschikbaar",
    "faulted": "defect",
    "unknown": "onbekend",
    "Power": "Vermogen",
    "Session": "Laadbeurt",
    "Vehicle": "Auto",
    "Last session": "Vorige laadbeurt",
    "since {}": "sinds {}",
    "ended {}": "geëindigd {}",
    "unknown vehicle": "onbekende auto",
    "credits not known yet": "ERE's nog niet bekend",
    "{} ERE credits": "{} ERE's",
    "ERE credits": "ERE's",
    "No charger is known yet.": "Er is nog geen laadpunt bekend.",
    "Months": "Maanden",
    "Month": "Maand",
    "so far": "tot nu toe",
    "A session counts in the month in which it began ({}). Credits follow once Joulo has them.": (
        "Een laadbeurt telt in de maand waarin hij begon ({}). ERE's volgen zodra Joulo ze heeft."
    ),
    "{} cannot be read, and {} missing from these figures.": "{} niet te lezen: deze cijfers zijn zonder.",
    "Counters are held above the truth: {}. The command {} lets them fall.": (
        "Tellers staan boven de waarheid: {}. De opdracht {} laat ze zakken."
    ),
    "Endpoint": "Endpoint",
    "State": "Toestand",
    "Last success": "Laatst gelukt",
    "Interval": "Interval",
    "not tried yet": "nog niet geprobeerd",
    "never": "nooit",
    "up": "werkt",
    "down": "werkt niet",
    "{} ago": "{} geleden",
    "History": "Geschiedenis",
    "Complete: {}.": "Volledig: {}.",
    "Complete but for {} that cannot be read: {}.": "Volledig, op {} na die niet te lezen zijn: {}.",
    "{} since {}": "{} sinds {}",
    "Being read: {} so far. The totals appear once it is complete.": (
        "Wordt gelezen: {} tot nu toe. De totalen komen zodra alles er is."
    ),
    "and {} more {}; the metrics have all.": "en nog {} {}; de metrics hebben ze alle.",
    "As of {}.": "Stand van {}.",
    "This page refreshes each {}.": "Deze pagina ververst elke {}.",
    "Opening this page, or a scrape, sends no request to the API.": (
        "Deze pagina of een scrape stuurt geen verzoek aan de API."
    ),
}
"""Dutch by the English text; ``{}`` stands for a value."""


class Words:
    """The page's words in a language, one of ``LANGUAGES``; whatever it returns is HTML."""

    def __init__(self, language: str) -> None:
        self.language = language

    def __call__(self, text: str, *values: object) -> str:
        """Return a text of the page, with values that are HTML already."""
        return (DUTCH[text] if self.language == "nl" else text).format(*values)

    def count(self, number: int, noun: str) -> str:
        """Return a number of things, such as ``1 session``."""
        return f"{number} {self(noun if number == 1 else f'{noun}s')}"

    def status(self, status: str) -> str:
        """Return a status of the API; one that it has never documented stays as it is."""
        return self(status) if status in DUTCH else escape(status)

    def figure(self, value: float, decimals: int = 2) -> str:
        """Return a number with its decimals."""
        text = f"{value:.{decimals}f}"
        return text.replace(".", ",") if self.language == "nl" else text

    def hundredths(self, value: int) -> str:
        """Return integer hundredths with two decimals."""
        return self.figure(value / 100)

    def month(self, month: str) -> str:
        """Return the name of a month such as ``2026-06``."""
        year, number = month.split("-")
        return f"{self._month(int(number))} {year}"

    def _month(self, number: int) -> str:
        return _MONTHS[self.language].split()[number - 1]

    def moment(self, seconds: float) -> str:
        """Return a local day and time, to the minute."""
        at = local_time(seconds)
        text = f"{at.day} {self._month(at.month)} {at:%H:%M}"
        return f'<time datetime="{at.isoformat(timespec="seconds")}">{text}</time>'

    def span(self, start_seconds: float | None, end_seconds: float) -> str:
        """Return the local days and times of a beginning, if it is known, and an end."""
        if start_seconds is None:
            return self("ended {}", self.moment(end_seconds))
        start, end = local_time(start_seconds), local_time(end_seconds)
        same_day = start.date() == end.date()
        until = f'<time datetime="{end.isoformat(timespec="seconds")}">{end:%H:%M}</time>'
        return f"{self.moment(start_seconds)} &ndash; {until if same_day else self.moment(end_seconds)}"

    def time(self, seconds: float) -> str:
        """Return a moment to the second, local with its zone, and in UTC beside it."""
        at, utc = local_time(int(seconds)), datetime.fromtimestamp(int(seconds), UTC)
        zulu = f"{utc:%Y-%m-%dT%H:%M:%SZ}"
        if not at.utcoffset():  # a zone that this system does not know is UTC, whatever its name
            return f'<time datetime="{zulu}">{at:%Y-%m-%d %H:%M:%S} UTC</time>'
        beside = f"{utc:%H:%M:%S}" if utc.date() == at.date() else f"{utc:%Y-%m-%d %H:%M:%S}"
        return (
            f'<time datetime="{zulu}">{at:%Y-%m-%d %H:%M:%S} {self.zone(seconds)}</time> '
            f'<span class="beside">{beside} UTC</span>'
        )

    def zone(self, seconds: float) -> str:
        """Return the name of the local time zone at a moment."""
        at = local_time(seconds)
        return escape(at.tzname() or "") if at.utcoffset() else "UTC"

    def duration(self, seconds: float) -> str:
        """Return a duration exactly, such as ``1 h 30 min`` or ``90.5 s`` below its smallest whole unit."""
        words, rest = [], seconds
        for unit, size in _UNITS[self.language].items():
            count, rest = divmod(rest, size)
            if count:
                words.append(f"{count:.0f} {unit}")
        return " ".join([*words, f"{rest:g} s"] if rest or not words else words)
