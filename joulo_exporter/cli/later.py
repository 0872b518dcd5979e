"""Functions whose modules are loaded when they are called for the first time."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def later(module: str, name: str) -> Callable[..., Any]:
    """Return a function that calls the one of this name, and loads its module only then."""

    def call(*arguments: object) -> Any:  # noqa: ANN401 -- whatever that function returns
        return getattr(import_module(module), name)(*arguments)

    return call
