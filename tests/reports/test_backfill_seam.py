"""The last sample of every series is what the exporter serves, with the same labels."""

import time

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from support.command_line import printed
from support.ledger_rig import LedgerRig, finished

from joulo_exporter.models.charger import Charger, Tags, normal_tag
from joulo_exporter.reports.series import HISTORIES, POWER
from joulo_exporter.simulator import Household, Scenario
from joulo_exporter.snapshot import Snapshot, ended_sessions, live_chargers

INFO = "joulo_last_session_info"
VEHICLES = {normal_tag("04A1B2C3D4E580"): "tesla"}


@pytest.mark.parametrize("account", [None, "home"])
def test_history_ends_where_the_exporter_goes_on(tmp_path, capsys, account):
    household = Household(Scenario(history_days=60))
    now = time.time()
    rig = LedgerRig(tmp_path, name=account or "", vehicles=VEHICLES)
    rig.now_seconds = now
    chargers = household.chargers_at(now)
    rig.chargers(*chargers)
    rig.whole_walk(household.sessions_at(now), size=100)
    book = rig.book()
    rig.close()
    accounts = f"accounts: [{{name: {account}, token_env: JOULO_TOKEN}}]\n" if account else ""
    (tmp_path / "exporter.yml").write_text(f"{accounts}vehicles: {{04A1B2C3D4E580: tesla}}\n")

    flags = [f"--config.file={tmp_path / 'exporter.yml'}", f"--storage.path={tmp_path}", "--step=6h"]
    out = printed(capsys, "backfill", *flags)

    last = {}
    for family in text_string_to_metric_families(out):
        for sample in family.samples:
            if sample.name != INFO:
                last[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    tags = Tags(VEHICLES, "show")
    snapshot = Snapshot(
        account=account, endpoints=(), book=book,
        chargers=live_chargers(chargers, book, tags),
        last_sessions=ended_sessions(book.last_sessions.values(), book, tags),
    )  # fmt: skip
    served = {
        (name, tuple(sorted(labels.items()))): value
        for family, quantity in HISTORIES
        if quantity is not POWER and family.name != INFO  # there are other tests of both
        for name, labels, value in family.series(snapshot)
    }
    assert last == served
    # The API may not have calculated the credits of a last session yet.
    with_credits = sum(last.session.credits_hundredths is not None for last in snapshot.last_sessions)
    assert len(served) == 2 * 9 + with_credits + 2 * 3


def backfilled(folder, capsys, charger, *, ended_s, refreshes=1):
    """Return (name, value, moment) of each sample of a charger with one session of 1 kWh."""
    rig = LedgerRig(folder, name="")
    rig.now_seconds = time.time()
    rig.chargers(charger)
    for _ in range(refreshes):
        rig.whole_walk([finished("a", at_seconds=rig.now_seconds - ended_s, kwh_hundredths=100)], size=100)
    rig.book()
    rig.close()
    lines = printed(capsys, "backfill", f"--storage.path={folder}", "--step=1h").splitlines()
    samples = [line.split() for line in lines if line[0] != "#"]
    return [(series.partition("{")[0], float(value), float(moment)) for series, value, moment in samples]


def test_a_session_that_cannot_be_read_is_no_zero_at_the_end(tmp_path, capsys):
    charger = Charger("c1", slug="c1", charging=True, session_unreadable=True)
    ends = {name: moment for name, _, moment in backfilled(tmp_path, capsys, charger, ended_s=86_400)}
    assert ends["joulo_session_kwh"] < ends["joulo_charging"] == ends["joulo_total_kwh"]


@pytest.mark.parametrize(("refreshes", "kwh"), [(1, 0.0), (2, 1.0)])
def test_a_session_whose_tag_may_still_come_is_in_no_vehicle(tmp_path, capsys, refreshes, kwh):
    samples = backfilled(tmp_path, capsys, Charger("c1", slug="c1"), ended_s=7200, refreshes=refreshes)
    assert max(value for name, value, _ in samples if name == "joulo_vehicle_kwh_total") == kwh
