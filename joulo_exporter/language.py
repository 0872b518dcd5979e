"""Documents for people in English or Dutch: a Jinja template, and the words, figures and months that it shows."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from joulo_exporter import __version__
from joulo_exporter.models.charger import UNKNOWN_VEHICLE

if TYPE_CHECKING:
    from jinja2 import Template


class Language:
    """Words, figures and months of a document in a language.

    The document is ``<name>.html`` in a package, the template; its words are in ``<name>.toml``, by language.
    """

    def __init__(self, package: str, name: str, language: str) -> None:
        self._document = (package, name)
        text = (resources.files(package) / f"{name}.toml").read_text("utf-8")
        self.words: dict[str, Any] = tomllib.loads(text)[language]

    def render(self, **values: object) -> str:
        """Return the document; ``words`` in its template are the language's, and ``say`` is this object."""
        known = {"version": __version__, "words": self.words, "say": self, "UNKNOWN_VEHICLE": UNKNOWN_VEHICLE}
        return _template(*self._document).render(known | values)

    def counted(self, number: int, key: str = "session") -> str:
        """Return a text with a number: that of the key for 1, else that of its plural."""
        return str(self.words[key if number == 1 else f"{key}s"]).format(number)

    def decimal(self, number: object) -> str:
        """Return a number with the decimal sign of the language."""
        return str(number).replace(".", self.words["decimal"])

    def month_name(self, number: int) -> str:
        """Return the name of a month, from 1."""
        return str(self.words["month_names"].split()[number - 1])

    def month(self, month: str) -> str:
        """Return the name and year of a month such as ``2026-06``."""
        year, number = month.split("-")
        return f"{self.month_name(int(number))} {year}"


@cache
def _template(package: str, name: str) -> Template:
    """Return a template, which escapes every value; Jinja is loaded when a document is first made."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 -- needed for documents alone

    environment = Environment(
        loader=PackageLoader(package, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(f"{name}.html")
