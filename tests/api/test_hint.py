"""What of an error's text may be shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulo_exporter.api.hint import safe_hint, safe_scope
from joulo_exporter.config.tokens import Secret

TOKEN = Secret("joulo_9fQx7LmZr2Vb5TkW")


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ({}, None),
        ({"error": ""}, None),
        ({"error": None}, None),
        ({"error": {"code": 7}}, None),
        ({"error": "Missing or invalid API token"}, "Missing or invalid API token"),
        ({"message": "no Route matched"}, "no Route matched"),
        ({"error": 5, "msg": "kept"}, "kept"),
        ({"error": " two\r\nlines\t\x1b[31m "}, "two lines [31m"),
        ({"error": "é" * 500}, "é" * 80),
        ({"error": "token joulo_9fQx7LmZr2Vb5TkW is unknown"}, None),
        ({"error": "token JOULO_9FQX7LMZR2VB5TKW is unknown"}, None),
        ({"error": "token joulo-9fQx 7LmZ r2Vb is unknown"}, None),
        ({"error": "token ending in 5TkW is unknown"}, "token ending in 5TkW is unknown"),
    ],
)
def test_the_beginning_of_what_the_api_says(said, hint):
    assert safe_hint(said, TOKEN) == hint


@pytest.mark.parametrize("token", ["", "a", "--", "_"])
def test_a_token_too_short_to_recognise_costs_the_hint_where_it_stands(token):
    hint = safe_hint({"error": f"bad {token}!"}, Secret(token))
    assert hint is None


@pytest.mark.parametrize(
    ("scope", "safe"),
    [
        ("sessions:read", "sessions:read"),
        ("sessions:read energy:read", None),
        ("x" * 41, None),
        ("", None),
        (None, None),
        (["sessions:read"], None),
        ("joulo_9fQx7LmZr2Vb5TkW", None),
        ("sessions:read\n", None),
    ],
)
def test_a_scope_must_look_like_one(scope, safe):
    assert safe_scope(scope, TOKEN) == safe


@given(
    token=st.text(min_size=4, max_size=60),
    before=st.text(max_size=100),
    after=st.text(max_size=100),
)
def test_no_token_gets_through(token, before, after):
    hint = safe_hint({"error": before + token + after}, Secret(token))
    assert hint is None or token not in hint
