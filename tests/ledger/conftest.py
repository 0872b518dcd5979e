"""Ledgers that tests open and this closes."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from support.ledger_desk import Desk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def make_desk(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    with contextlib.ExitStack() as opened:

        def make(folder: Path | None = tmp_path, **options) -> Desk:
            desk = Desk(folder, **options)
            opened.callback(desk.close)
            return desk

        yield make


@pytest.fixture
def desk(make_desk) -> Desk:
    return make_desk()
