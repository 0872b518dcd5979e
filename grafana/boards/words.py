"""Texts in two languages, side by side, so that neither is forgotten when the other changes."""

import enum
import tomllib
from pathlib import Path
from typing import Protocol, Self, TypeVar


class Language(enum.Enum):
    """The languages of the dashboards, by their codes of ISO 639-1."""

    ENGLISH = "en"
    DUTCH = "nl"


class _Titled(Protocol):
    def title(self, title: str) -> Self: ...

    def description(self, description: str) -> Self: ...


Titled = TypeVar("Titled", bound=_Titled)


class Words:
    """The texts of one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._texts = tomllib.loads(Path(__file__).with_name("texts.toml").read_text(encoding="utf-8"))

    def __call__(self, english: str, dutch: str) -> str:
        """Return one of two texts."""
        return english if self.language is Language.ENGLISH else dutch

    def on(self, panel: Titled, name: str) -> Titled:
        """Give a panel or a dashboard the title and the description that ``texts.toml`` has for it."""
        texts = self._texts[name]
        return panel.title(self(*texts["title"])).description(" ".join(texts[self.language.value].split()))
