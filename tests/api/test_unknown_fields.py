"""Fields that nobody here knows are counted by name, and named once."""

import json
import logging
from pathlib import Path

import pytest

from joulo_exporter.api import CHARGERS, ENERGY, ERE_POSITION, ERE_PRICE, SESSIONS, UnknownFields

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.mark.parametrize(
    "endpoint", [CHARGERS, SESSIONS, ENERGY, ERE_POSITION, ERE_PRICE], ids=lambda endpoint: endpoint.name
)
def test_recorded_answers_have_no_unknown_field(endpoint):
    unknown = UnknownFields()
    unknown.look(endpoint, (FIXTURES / f"{endpoint.name.replace('_', '-')}.json").read_bytes())
    assert unknown.count(endpoint.name) == 0


def test_a_new_field_is_counted_and_named_once_without_its_value(caplog):
    caplog.set_level(logging.DEBUG)
    unknown = UnknownFields()
    body = json.dumps({"chargers": [{"id": "c", "colour": "secret red"}], "page": {"next": 1}}).encode()
    unknown.look(CHARGERS, body)
    unknown.look(CHARGERS, body)
    assert unknown.count("chargers") == 3
    assert unknown.count("energy") == 0
    assert len(caplog.records) == 3
    assert "secret red" not in caplog.text


def test_the_names_are_bounded():
    unknown = UnknownFields()
    unknown.look(ENERGY, json.dumps({f"new{number}": 1 for number in range(1000)}).encode())
    assert unknown.count("energy") == 64


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"months": [1]}', b'{"months": []}', b'"\\ud800"'])
def test_what_has_no_fields_is_no_matter(body):
    unknown = UnknownFields()
    unknown.look(ENERGY, body)
    assert unknown.count("energy") == 0
