"""What the simulated credits are worth over a year: quarters become final, and what is payable is paid."""

import json
from datetime import UTC, datetime

import pytest
from support.parsing import parse_ere_position, parse_ere_price

from joulo_exporter.models import Session
from joulo_exporter.simulator.ere import position_json, price_json


def at(month: int, day: int = 15) -> float:
    return datetime(2026, month, day, tzinfo=UTC).timestamp()


def sessions(until: float) -> list[Session]:
    return [
        Session(id=f"s{month}", charger_id="c", started_at_seconds=at(month), kwh_hundredths=4000,
                credits_hundredths=3000, counts_for_ere=True)
        for month in range(1, 13)
        if at(month) < until
    ]  # fmt: skip


def position(moment: float):
    return parse_ere_position(json.dumps(position_json(sessions(moment), moment)).encode()).content


@pytest.mark.parametrize("month", range(1, 13))
def test_every_month_is_an_answer_that_can_be_read(month):
    read = position(at(month, 20))
    assert read.compliance_year == 2026
    assert read.fee_ratio == 0.1
    assert read.quarters[0].credits["total"] == 30.0 * min(month, 3)
    sold = sum(quarter.credits["sold"] for quarter in read.quarters)
    settled = sum(read.credits[bucket] for bucket in ("paid", "payable", "reserved"))
    assert settled == pytest.approx(sold, abs=0.02)


def test_quarters_become_final_one_after_the_other():
    final = [[quarter.final for quarter in position(at(month, 28)).quarters] for month in (2, 5, 8, 11)]
    assert final == [[False], [False, False], [True, False, False], [True, True, False, False]]


def test_what_is_payable_is_paid_in_the_end():
    first = [position(at(month, 28)).quarters[0].realized_euros for month in (2, 5, 10, 12)]
    assert first[0] == {"paid": 0, "payable": 0, "reserved": 0}
    assert first[1]["payable"] > 0
    assert first[2]["paid"] > first[1]["paid"]
    assert first[3]["paid"] > 0
    assert (first[3]["payable"], first[3]["reserved"]) == (0, 0)


def test_the_price_changes_once_a_week():
    prices = [price_json(at(6, day))["current"] for day in range(15, 23)]
    assert [price["updated_at"] for price in prices[:7]] == ["2026-06-15T09:00:00Z"] * 7
    assert prices[7]["updated_at"] == "2026-06-22T09:00:00Z"
    assert [price["week_number"] for price in prices] == [25] * 7 + [26]
    assert parse_ere_price(json.dumps(price_json(at(6))).encode()).malformed_fields == ()


async def test_the_price_needs_no_token_and_the_position_does(client, running):
    async with client.get(running.origin + "/api/ere-price", headers={"Authorization": ""}) as answer:
        assert answer.status == 200
    async with client.get(running.url + "/ere-position", headers={"Authorization": ""}) as answer:
        assert answer.status == 401
