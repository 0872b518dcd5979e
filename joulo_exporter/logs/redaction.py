"""The second line of defence: secrets are taken out of what is logged after all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from joulo_exporter.config.tokens import Secret

_REDACTED = "<secret>"


class Redactor:
    """Replaces the texts of secrets, in the plain and in the percent-encoded spelling."""

    def __init__(self, secrets: Callable[[], Iterable[Secret]]) -> None:
        self._secrets = secrets
        self._known: tuple[Secret, ...] = ()
        self._pattern: re.Pattern[str] | None = None

    def __call__(self, text: str) -> str:
        """Return the text without any of the secrets of the moment."""
        known = tuple(self._secrets())
        if known != self._known:
            self._known, self._pattern = known, _pattern(known)
        return text if self._pattern is None else self._pattern.sub(_REDACTED, text)


def _pattern(secrets: Iterable[Secret]) -> re.Pattern[str] | None:
    plain = {secret.reveal() for secret in secrets} - {""}
    spellings = plain | {quote(text, safe="", errors="replace") for text in plain}
    # The longest first: a secret that begins with another one must not remain as its rest.
    ordered = sorted(spellings, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, ordered))) if ordered else None
