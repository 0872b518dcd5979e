"""What ``backfill`` prints of a ledger with some sessions."""

import json
import time

import pytest
from support.command_line import printed
from support.ledger_rig import LedgerRig, live

VEHICLES = {"04A1": "tesla", "04B2": "zoe"}


@pytest.fixture
def backfilled(tmp_path, capsys, monkeypatch):
    """A function that writes sessions into the ledger at a present, and returns what backfill prints of it."""

    def backfilled(sessions, *flags, now, charger=None, refreshes=1, config=""):
        rig = LedgerRig(tmp_path, name="", vehicles=VEHICLES)
        rig.now_seconds = now
        rig.chargers(charger or live(None))
        for _ in range(refreshes):
            rig.whole_walk(sessions, size=100)
        rig.book()
        rig.close()
        path = tmp_path / "joulo.yml"
        path.write_text(f"vehicles: {json.dumps(VEHICLES)}\n{config}")
        monkeypatch.setattr(time, "time", lambda: now)
        return printed(capsys, "backfill", f"--config.file={path}", f"--storage.path={tmp_path}", *flags)

    return backfilled
