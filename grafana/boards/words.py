"""Texts in two languages, side by side, so that neither is forgotten when the other changes."""

import enum
from collections.abc import Callable

Words = Callable[[str, str], str]
"""Takes the English and the Dutch text, and returns that of the dashboard's language."""


class Language(enum.Enum):
    """The languages of the dashboards, by their codes of ISO 639-1."""

    ENGLISH = "en"
    DUTCH = "nl"


def words_in(language: Language) -> Words:
    """Return what chooses the text of a language."""

    def chosen(english: str, dutch: str) -> str:
        return english if language is Language.ENGLISH else dutch

    return chosen
