"""Value of ERE credits: of the recorded API responses, and of those with a fault in each place in turn."""

import pytest
from support.parsing import MISSING, changed, leaves
from support.snapshots import (
    FIXTURES,
    fixture,
    market_snapshot,
    recorded_snapshot,
    series,
    with_position,
)

INFO = "joulo_ere_forecast_info{confidence='medium',projected='true',compliance_year='2026'}"
GOLDEN = {INFO: 1.0} | {
    series.replace('account="home",', "").replace('{account="home"}', "").replace('"', "'"): float(value)
    for line in (FIXTURES.parent / "golden" / "metrics.txt").read_text("utf-8").splitlines()
    for series, _, value in [line.rpartition(" ")]
    if line.startswith(("joulo_ere_position", "joulo_ere_forecast", "joulo_ere_fee", "joulo_ere_realized",
                        "joulo_ere_indicative", "joulo_ere_quarter")) and "info" not in line
}  # fmt: skip
"""Every series of the recorded position as the golden exposition has it."""
POSITION = fixture("ere-position")
WRONG = "a value of a wrong type" * 50


LEAVES = leaves(POSITION)


def ere(*snapshots):
    return {
        text: value
        for text, value in series(*snapshots).items()
        if text.startswith("joulo_ere_") and not text.startswith(("joulo_ere_credits", "joulo_ere_estimate"))
    }


def test_a_forecast_is_described_in_the_words_of_the_api():
    answer = POSITION | {"forecast_confidence": "Very High", "forecast_is_projected": False}
    assert ere(with_position(recorded_snapshot(), answer)) == {
        text.replace("'medium',projected='true'", "'Very High',projected='false'"): value
        for text, value in GOLDEN.items()
    }


def lost_with(path, value):
    """Return the series that a fault costs; the others are as they were."""
    served = ere(with_position(recorded_snapshot(), changed(POSITION, path, value)))
    lost = GOLDEN.keys() - served.keys()
    new = served.keys() - GOLDEN.keys()
    assert len(new) == (lost == {INFO})  # with an empty label for what is not given
    assert served == {text: value for text, value in GOLDEN.items() if text not in lost} | dict.fromkeys(new, 1)
    return lost


FAULTS = pytest.mark.parametrize("fault", [MISSING, None, WRONG, -1e12, [[]]], ids=lambda value: str(value)[:12])


@FAULTS
@pytest.mark.parametrize("path", LEAVES, ids=lambda path: ".".join(map(str, path)))
def test_a_value_that_is_missing_null_or_wrong_costs_only_its_own_series(path, fault):
    lost, given = lost_with(path, fault), LEAVES[path]
    if path[-1] == "quarter":
        assert lost == {text for text in GOLDEN if given in text}
    elif path[-1] in ("compliance_year", "forecast_confidence", "forecast_is_projected"):
        assert lost == {INFO}
    elif path[-1] == "realized_net_eur":  # the sum of what is shown by status
        assert lost == set()
    else:
        assert [GOLDEN[text] for text in lost] == [given / 100 if path[-1] == "effective_fee_pct" else given]


@FAULTS
@pytest.mark.parametrize(
    "section",
    [("paid",), ("payable",), ("reserved",), ("unsold",), ("quarters",), ("quarters", 1, "net_eur_by_status")],
)
def test_a_section_that_is_missing_null_or_wrong_costs_what_is_in_it(section, fault):
    within = [path for path in LEAVES if path[: len(section)] == section]
    assert lost_with(section, fault) == set().union(*(lost_with(path, None) for path in within))


@pytest.mark.parametrize("value", [MISSING, None, {}, "yesterday" * 9])
@pytest.mark.parametrize(
    ("field", "left"),
    [
        ("mid_eur", {"joulo_ere_market_price_timestamp_seconds"}),
        ("updated_at", {"joulo_ere_market_price_euros"}),
        ("week_number", {"joulo_ere_market_price_timestamp_seconds", "joulo_ere_market_price_euros"}),
    ],
)
def test_a_market_without_one_figure_has_the_other(field, left, value):
    answer = changed(fixture("ere-price"), ("current", field), value)
    assert set(ere(market_snapshot(answer))) == left
