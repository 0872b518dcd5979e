"""What of an error's text may be shown: short, on one line, and never with the token in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joulo_exporter.config.tokens import Secret

_TEXT_KEYS = ("error", "message", "msg")  # the API's own, and those of gateways in front of it
_READ_LENGTH = 1000
_HINT_LENGTH = 80
_TELLTALE_LENGTH = 8
_NOT_COMPARED = re.compile(r"[\W_]+")
_SCOPE = re.compile(r"[A-Za-z0-9_.:/-]{1,40}")
_HOST = re.compile(r"[A-Za-z0-9_.:-]{1,80}")


def safe_hint(said: Mapping[str, object], token: Secret | None) -> str | None:
    """Return the beginning of what the API says about an error.

    Returns:
        At most 80 printable characters; ``None`` when it says nothing, or repeats any part of the token.
    """
    texts = (said.get(key) for key in _TEXT_KEYS)
    text = next((text for text in texts if isinstance(text, str) and text.strip()), "")[:_READ_LENGTH]
    if _gives_away(text, token):
        return None
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:_HINT_LENGTH] or None


def safe_scope(scope: object, token: Secret | None) -> str | None:
    """Return the scope that the API asks for, such as ``sessions:read``, if it looks like one."""
    if not isinstance(scope, str) or not _SCOPE.fullmatch(scope) or _gives_away(scope, token):
        return None
    return scope


def safe_host(location: str | None, token: Secret | None) -> str | None:
    """Return the host of a ``Location``, without a user, a port, a path or a query; ``None`` if it has none."""
    try:
        host = urlsplit(location or "").hostname or ""
    except ValueError:
        return None
    return host if _HOST.fullmatch(host) and not _gives_away(host, token) else None


def _gives_away(text: str, token: Secret | None) -> bool:
    """Tell whether any eight characters of the token stand in the text, in whatever case and spacing."""
    if token is None:
        return False
    shown, hidden = _compared(text), _compared(token.reveal())
    length = min(_TELLTALE_LENGTH, len(hidden))
    return any(hidden[start : start + length] in shown for start in range(len(hidden) - length + 1))


def _compared(text: str) -> str:
    return _NOT_COMPARED.sub("", text).casefold()
