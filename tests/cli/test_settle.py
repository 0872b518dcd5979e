"""``settle``: counters that are held above the truth fall to it, once, with the exporter stopped."""

import pytest
from support.command_line import refusal, run
from support.ledger_rig import RESYNC_S, LedgerRig, finished, held, history_of, live, page_of
from support.statement_history import config_of

from joulo_exporter.models.charger import Charger
from joulo_exporter.models.session import Energy
from joulo_exporter.models.wire import ApiResponse

TRUTH = {"c1": (730, 200), "c2": (500, 100)}


@pytest.fixture
def rig(tmp_path):
    """A ledger in which energy and credits of two chargers were corrected downwards, and /energy too."""
    rig = LedgerRig(tmp_path, name="", vehicles={"04A1": "tesla"})
    for wh in (9e6, 9e6 + 100):  # half a minute apart: the counter goes on, the reading that is kept does not yet
        rig.chargers(live(None, "c1"), Charger("c2", slug="c\n2", meter_wh=wh, meter_at_seconds=rig.now_seconds))
        rig.now_seconds += 30
    for c1, c2, account in (((933_480, 3000), (600, 100), 950_000), (*TRUTH.values(), 1230)):
        rig.whole_walk(
            [
                finished("a", charger_id="c1", kwh_hundredths=c1[0], credits_hundredths=c1[1], id_tag="04A1"),
                finished("b", charger_id="c2", kwh_hundredths=c2[0], credits_hundredths=c2[1]),
            ]
        )
        rig.ledger.record_energy(ApiResponse(Energy(kwh_hundredths=account)), rig.pause)
        rig.book()
        rig.now_seconds += RESYNC_S
    yield rig
    rig.close()


@pytest.fixture
def settle(rig, tmp_path, capsys):
    config = config_of(tmp_path, 'vehicles: {"04A1": tesla}\n')

    def command(*flags):
        rig.close()
        result = run(capsys, "settle", f"--config.file={config}", *flags)
        rig.open()
        return result

    return command


def totals(rig):
    return {key: (part.kwh_hundredths, part.credits_hundredths) for key, part in held(rig.book().chargers).items()}


def test_every_counter_falls_to_the_truth_once(rig, settle):
    status, out, err = settle()
    assert (status, err) == (0, "")
    assert out.splitlines()[:-3] == [
        "joulo_total_kwh (c1): 9334.80 falls to 7.30",
        "joulo_ere_credits_total (c1): 30.00 falls to 2.00",
        "joulo_total_kwh (c\\n2): 6.00 falls to 5.00",
        "joulo_vehicle_kwh_total (tesla): 9334.80 falls to 7.30",
        "joulo_vehicle_ere_credits_total (tesla): 30.00 falls to 2.00",
        "joulo_vehicle_kwh_total (unknown): 6.00 falls to 5.00",
        "joulo_account_kwh_total (ere): 9500.00 falls to 12.30",
    ]
    assert "reset of the counter" in out
    book = rig.book()
    assert totals(rig) == TRUTH
    assert book.vehicles["tesla"].held.kwh_hundredths == 730
    assert book.marks["account_kwh", "ere"] == 1230
    assert [*book.excess()] == []
    assert settle()[1] == "No counter is held above the truth: nothing falls.\n"


def test_the_counters_of_one_charger_fall(rig, settle):
    status, out, _ = settle("--charger=c1")
    assert (status, len(out.splitlines())) == (0, 2 + 3)
    assert totals(rig) == TRUTH | {"c2": (600, 100)}
    assert rig.book().vehicles["tesla"].held.kwh_hundredths == 933_480


def test_a_running_exporter_an_unknown_charger_and_half_a_history_are_refused(rig, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("JOULO_TOKEN", "joulo_x")
    folder = f"--storage.path={tmp_path}"
    status, line = refusal(capsys, "settle", folder)
    assert (status, "is in use by process" in line) == (1, True)
    refused = "--charger: 'oprit' is not in the ledger; it has c\\n2, c1"
    assert refusal(capsys, "settle", folder, "--charger=oprit") == (2, refused)
    rig.page(page_of(history_of(300), 0, 100), offset=0)  # after an absence
    rig.close()
    status, line = refusal(capsys, "settle", folder)
    assert (status, "is not complete yet" in line) == (1, True)
    rig.open()


def test_a_configuration_without_an_account_of_the_ledger_is_refused(rig, tmp_path, capsys):
    rig.close()
    config = config_of(tmp_path, "accounts: [{name: other, token: joulo_x}]\n")
    status, line = refusal(capsys, "settle", f"--config.file={config}")
    remedy = "give the --config.file that the exporter runs with"
    assert status == 1
    assert f"{tmp_path}: no account of the configuration is in this ledger; {remedy}" in line
