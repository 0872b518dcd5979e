"""Ledgers that tests open and this closes."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.ledger_rig import LedgerRig


@pytest.fixture
def make_rig(tmp_path: Path) -> Iterator[Callable[..., LedgerRig]]:
    with contextlib.ExitStack() as opened:

        def make(folder: Path | None = tmp_path, **options) -> LedgerRig:
            rig = LedgerRig(folder, **options)
            opened.callback(rig.close)
            return rig

        yield make


@pytest.fixture
def rig(make_rig) -> LedgerRig:
    return make_rig()
