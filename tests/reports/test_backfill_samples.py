"""A backfill has few samples, and queries that look back an hour find at every moment the value of that moment."""

import itertools
from collections import defaultdict

import pytest
from support.command_line import printed
from support.ledger_rig import LedgerRig, live

from joulo_exporter.models import Session

HOUR_S = 3600
BEGIN = 1_780_272_000  # 2026-06-01, a full hour
END = "2026-06-11T10:00:00Z"
SESSIONS = [  # (start and end in seconds after the beginning, kWh and credits in hundredths)
    (1000, 15_400, 1440, 500), (100_000, 107_200, 720, None), (200_030, 200_090, 30, 10),
    (500_000, 586_400, 8640, 0),
]  # fmt: skip


@pytest.fixture
def samples(tmp_path, capsys):
    """Return the samples that backfill prints for a step: name to a list of (moment, value)."""
    rig = LedgerRig(tmp_path, name="")
    rig.now_seconds = BEGIN + 900_000
    rig.chargers(live(None))
    rig.whole_walk(
        [Session(f"s{start}", "c1", BEGIN + start, None, BEGIN + end, kwh, credits_hundredths=earned)
         for start, end, kwh, earned in reversed(SESSIONS)],
        size=100,
    )  # fmt: skip
    rig.book()
    rig.close()

    def printable(step):
        flags = [f"--storage.path={tmp_path}", f"--step={step}s", "--from=2026-06-01", f"--to={END}"]
        out = printed(capsys, "backfill", *flags)
        found = defaultdict(list)
        for line in out.splitlines():
            if line[0] != "#":
                series, value, moment = line.split()
                found[series.partition("{")[0]].append((float(moment), float(value)))
        return found

    return printable


EXPECTED = {
    "joulo_total_kwh": lambda at: sum(
        kwh * min(end - start, max(0, at - start)) // (end - start) for start, end, kwh, _ in SESSIONS
    ) / 100,
    "joulo_sessions_total": lambda at: sum(at >= end for _, end, _, _ in SESSIONS),
    "joulo_ere_credits_total": lambda at: sum(earned or 0 for _, end, _, earned in SESSIONS if at >= end) / 100,
    "joulo_last_session_kwh": lambda at: next(
        (kwh / 100 for _, end, kwh, _ in reversed(SESSIONS) if at >= end), None
    ),
    "joulo_last_session_ere_credits": lambda at: next(
        (None if earned is None else earned / 100 for _, end, _, earned in reversed(SESSIONS) if at >= end), None
    ),
}  # fmt: skip


@pytest.mark.parametrize("step", [300, 420, 2400, 7200])
def test_the_last_sample_of_an_hour_has_the_value_of_the_moment(samples, step):
    found = samples(step)
    moments = [moment for moment, _ in found["joulo_charging"]]
    assert {after - before for before, after in itertools.pairwise(moments)} == {step}
    for name, expected in EXPECTED.items():
        written = {moment for moment, _ in found[name]}
        held, ahead, changed_at = None, iter([*found[name], (float("inf"), None)]), 0.0
        upcoming = next(ahead)
        for moment in moments:
            value = expected(moment - BEGIN)
            if upcoming[0] == moment:
                held, upcoming = upcoming, next(ahead)
            elif value is not None:  # left out: nothing has changed for an hour
                assert moment - held[0] < HOUR_S, (name, moment)
                assert moment - changed_at > HOUR_S, (name, moment)
            assert value is None or held[1] == value, (name, moment)
            if value != expected(moment - step - BEGIN):
                changed_at = moment
                assert (moment in written) is (value is not None), (name, moment)
                was = expected(moment - step - BEGIN)
                assert moment == moments[0] or (moment - step in written) is (was is not None), (name, moment)
        assert upcoming[0] == float("inf"), name


def test_samples_are_few_and_at_full_hours_while_nothing_changes(samples):
    found = samples(300)
    quiet = (BEGIN + 215_000, BEGIN + 499_000)  # between two sessions
    hours = [hour * HOUR_S for hour in range(-(-quiet[0] // HOUR_S), quiet[1] // HOUR_S + 1)]
    for name in EXPECTED:
        assert [moment for moment, _ in found[name] if quiet[0] <= moment <= quiet[1]] == hours, name
    assert len(found["joulo_total_kwh"]) < len(found["joulo_charging"]) / 3
