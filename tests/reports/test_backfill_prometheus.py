"""The real promtool, Prometheus and VictoriaMetrics take the backfill, and count as the ledger does."""

import time
from datetime import UTC, datetime

import pytest
from support.command_line import printed
from support.ledger_rig import LedgerRig, finished, live
from support.processes import DATABASES, query

MONTH_START = datetime(2026, 5, 1, tzinfo=UTC).timestamp()
MONTH_END = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
FIRST = MONTH_START - 10 * 86_400
HISTORY = [  # sessions of April, May and June 2026, newest first, none of which runs over a border
    finished(f"s{n}", at_seconds=FIRST + n * 43_200 + 3600, ended_at_seconds=FIRST + n * 43_200 + 12_345,
             kwh_hundredths=1001 + n, credits_hundredths=333 + n)
    for n in reversed(range(100))
]  # fmt: skip


@pytest.mark.e2e
@pytest.mark.parametrize("database", DATABASES)
def test_import_counts_as_the_ledger_does(database, tmp_path, capsys):
    rig = LedgerRig(tmp_path, name="")
    rig.chargers(live(None))
    rig.whole_walk(HISTORY, size=100)
    served = rig.book().chargers["c1"]
    rig.close()
    flags = ["--label=job=joulo", "--label=instance=localhost:9973"]
    out = printed(capsys, "backfill", f"--storage.path={tmp_path}", *flags)
    now = time.time()
    history_file = tmp_path / "history.om"
    history_file.write_text(out)
    with database(tmp_path, [], history_file) as url:
        of_charger = (("charger", "c1"),)
        in_may = [s for s in HISTORY if MONTH_START <= s.started_at_seconds < MONTH_END]
        for name, expected, served_now in (
            ("joulo_total_kwh", sum(s.kwh_hundredths for s in in_may) / 100, served.kwh_hundredths / 100),
            ("joulo_ere_credits_total", sum(s.credits_hundredths for s in in_may) / 100,
             served.credits_hundredths / 100),
            ("joulo_sessions_total", len(in_may), served.sessions),
        ):  # fmt: skip
            # increase() extrapolates to the borders of its range: exact are only the values at the borders.
            at_borders = f"last_over_time({name}[1h]) - last_over_time({name}[1h] offset 31d)"
            assert query(url, at_borders, MONTH_END)[of_charger] == pytest.approx(expected, abs=1e-6)
            increase = query(url, f"increase({name}[31d])", MONTH_END)[of_charger]
            assert increase == pytest.approx(expected, rel=0.005)
            labelled = f'{name}{{instance="localhost:9973", job="joulo"}}'
            for last in (query(url, name, now), query(url, labelled, now)):
                assert last == {of_charger: pytest.approx(served_now)}
            assert query(url, f"resets({name}[365d])", now)[of_charger] == 0
