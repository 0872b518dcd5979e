"""A ledger that this closes."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.ledger_rig import LedgerRig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[LedgerRig]:
    with contextlib.closing(LedgerRig(tmp_path)) as rig:
        yield rig
