"""Value of ERE credits: of the recorded API responses, and of those with a fault in each place in turn."""

import copy
import json

import pytest
from support.parsing import parse_ere_position, parse_ere_price
from support.snapshots import (
    FIXTURES,
    Household,
    fixture,
    market_snapshot,
    recorded_snapshot,
    series,
    with_position,
)

from joulo_exporter.errors import ApiResponseError

ESTIMATE = {"joulo_ere_estimate_price_euros": 0.49, "joulo_ere_estimate_fee_ratio": 0.2}
INFO = "joulo_ere_forecast_info{confidence='medium',projected='true',compliance_year='2026'}"
GOLDEN = {INFO: 1.0} | {
    series.replace('account="home",', "").replace('{account="home"}', "").replace('"', "'"): float(value)
    for line in (FIXTURES.parent / "golden" / "metrics.txt").read_text("utf-8").splitlines()
    for series, _, value in [line.rpartition(" ")]
    if line.startswith(("joulo_ere_position", "joulo_ere_forecast", "joulo_ere_fee", "joulo_ere_realized",
                        "joulo_ere_indicative", "joulo_ere_quarter")) and "info" not in line
}  # fmt: skip
"""Every series of the recorded position as the golden exposition has it."""
Q2 = {text for text in GOLDEN if "2026-Q2" in text}


def bucket_of(name):
    return {text for text in GOLDEN if text.startswith("joulo_ere_position") and f"'{name}'" in text}


# What disappears with each field: the path in the answer, and the series.
LOST = [
    (("compliance_year",), {INFO}),
    (("effective_fee_pct",), {"joulo_ere_fee_ratio"}),
    (("indicative_price_per_ere",), {"joulo_ere_indicative_price_euros"}),
    (("realized_avg_price",), {"joulo_ere_realized_price_euros"}),
    *(((name,), bucket_of(name)) for name in ("paid", "payable", "reserved")),
    *(
        ((name, field), {f"joulo_ere_position_{metric}{{bucket='{name}'}}"})
        for name in ("paid", "payable", "reserved")
        for field, metric in (("ere", "credits"), ("net_eur", "euros"), ("price_per_ere", "price_euros"))
    ),
    (
        ("unsold",),
        {
            "joulo_ere_position_credits{bucket='unsold'}",
            *(f"joulo_ere_forecast_euros{{horizon='{h}'}}" for h in ("unsold", "ytd_unsold", "rest_of_year")),
            *(f"joulo_ere_forecast_credits{{horizon='{h}'}}" for h in ("ytd_unsold", "rest_of_year")),
        },
    ),
    (("unsold", "ere"), {"joulo_ere_position_credits{bucket='unsold'}"}),
    (("unsold", "ytd_ere"), {"joulo_ere_forecast_credits{horizon='ytd_unsold'}"}),
    (("unsold", "future_ere"), {"joulo_ere_forecast_credits{horizon='rest_of_year'}"}),
    (("unsold", "forecast_net_eur"), {"joulo_ere_forecast_euros{horizon='unsold'}"}),
    (("unsold", "ytd_forecast_net_eur"), {"joulo_ere_forecast_euros{horizon='ytd_unsold'}"}),
    (("unsold", "future_forecast_net_eur"), {"joulo_ere_forecast_euros{horizon='rest_of_year'}"}),
    (("pending_ere",), {"joulo_ere_position_credits{bucket='pending'}"}),
    (("pending_forecast_net_eur",), {"joulo_ere_forecast_euros{horizon='pending'}"}),
    (("allocatable_ere",), {"joulo_ere_position_credits{bucket='allocatable'}"}),
    (("ytd_expected_eur",), {"joulo_ere_forecast_euros{horizon='ytd_expected'}"}),
    (("total_expected_eur",), {"joulo_ere_forecast_euros{horizon='total_expected'}"}),
    (("forecast_confidence",), {INFO}),
    (("forecast_is_projected",), {INFO}),
    (("forecast_history_days",), {"joulo_ere_forecast_history_days"}),
    (("quarters",), {text for text in GOLDEN if "quarter=" in text}),
    (("quarters", 1, "quarter"), Q2),
    (("quarters", 1, "final"), {"joulo_ere_quarter_final{quarter='2026-Q2'}"}),
    (("quarters", 1, "ere"), {"joulo_ere_quarter_credits{quarter='2026-Q2',state='total'}"}),
    (("quarters", 1, "sold_ere"), {"joulo_ere_quarter_credits{quarter='2026-Q2',state='sold'}"}),
    (("quarters", 1, "unsold_ere"), {"joulo_ere_quarter_credits{quarter='2026-Q2',state='unsold'}"}),
    (("quarters", 1, "price_per_ere"), {"joulo_ere_quarter_price_euros{quarter='2026-Q2'}"}),
    (("quarters", 1, "net_eur_by_status"), {text for text in Q2 if "realized" in text}),
    *(
        (
            ("quarters", 1, "net_eur_by_status", status),
            {f"joulo_ere_quarter_realized_euros{{quarter='2026-Q2',status='{status}'}}"},
        )
        for status in ("paid", "payable", "reserved")
    ),
]
MISSING = object()


def ere(*snapshots):
    return {
        text: value
        for text, value in series(*snapshots).items()
        if text.startswith("joulo_ere_") and not text.startswith(("joulo_ere_credits", "joulo_ere_estimate"))
    }


def with_fault(answer, path, value):
    answer = copy.deepcopy(answer)
    place = answer
    for step in path[:-1]:
        place = place[step]
    if value is MISSING:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return answer


def id_of(item):
    """Return the same name in every process: a set has no order."""
    return ".".join(map(str, item if isinstance(item, tuple) else sorted(item)))


def test_a_forecast_is_described_in_the_words_of_the_api():
    answer = fixture("ere-position") | {"forecast_confidence": "Very High", "forecast_is_projected": False}
    assert ere(with_position(recorded_snapshot(), answer)) == {
        text.replace("'medium',projected='true'", "'Very High',projected='false'"): value
        for text, value in GOLDEN.items()
    }


@pytest.mark.parametrize(
    "value", [MISSING, None, "text of a wrong type" * 9, -1e12, [[]]], ids=lambda v: str(v)[:12]
)
@pytest.mark.parametrize(("path", "lost"), LOST, ids=id_of)
def test_a_field_that_is_missing_null_or_wrong_costs_only_itself(path, lost, value):
    answer = with_fault(fixture("ere-position"), path, value)
    served = ere(with_position(recorded_snapshot(), answer))
    kept = {text: figure for text, figure in GOLDEN.items() if text not in lost}
    info = {text for text in served if text.startswith("joulo_ere_forecast_info")} - kept.keys()
    assert {text: figure for text, figure in served.items() if text not in info} == kept
    assert len(info) == (lost == {INFO})  # with an empty label for what is not given


@pytest.mark.parametrize(("path", "lost"), LOST, ids=id_of)
def test_only_what_is_wrong_is_malformed_and_its_value_is_not_told(path, lost):  # noqa: ARG001
    def malformed(value):
        answer = with_fault(fixture("ere-position"), path, value)
        return parse_ere_position(json.dumps(answer).encode()).malformed_fields

    line = str(malformed("a value of a wrong type" * 50)[0])
    assert str(path[-1]) in line
    assert "a value of" not in line


@pytest.mark.parametrize(
    "body", [b"[]", b"null", b"{}", b'{"paid": null}', b'{"paid": 5}', b"no json", b'{"x": 1}']
)
def test_a_response_without_any_figure_is_a_failed_refresh(body):
    with pytest.raises(ApiResponseError):
        parse_ere_position(body)


@pytest.mark.parametrize("value", [MISSING, None, "a lot", -1, 1e12])
@pytest.mark.parametrize(
    ("path", "lost"),
    [
        (("estimate_basis",), set(ESTIMATE)),
        (("estimate_basis", "price_per_ere"), {"joulo_ere_estimate_price_euros"}),
        (("estimate_basis", "effective_fee_pct"), {"joulo_ere_estimate_fee_ratio"}),
    ],
)
def test_the_estimate_of_the_sessions(path, lost, value):
    def estimate(answer):
        served = series(Household().sessions(answer).snapshot())
        return {text: figure for text, figure in served.items() if text.startswith("joulo_ere_estimate")}

    answer = fixture("sessions")
    assert estimate(answer) == ESTIMATE
    assert estimate(with_fault(answer, path, value)) == {
        text: figure for text, figure in ESTIMATE.items() if text not in lost
    }


def test_the_market():
    assert ere(market_snapshot()) == {
        "joulo_ere_market_price_euros": 0.24,
        "joulo_ere_market_price_timestamp_seconds": 1_781_514_000.0,
    }


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
    answer = with_fault(fixture("ere-price"), ("current", field), value)
    assert set(ere(market_snapshot(answer))) == left


@pytest.mark.parametrize(
    "body", [b'{"ok": false, "current": {"mid_eur": 1}}', b'{"ok": true}', b'{"current": []}', b"[]", b"<html>"]
)
def test_a_feed_without_a_price_is_a_failed_refresh(body):
    with pytest.raises(ApiResponseError):
        parse_ere_price(body)
