"""Tokens: faults of a text in the place of one, the places that tokens come from, and secrets that do not show."""

import json
import logging
import os
import pickle

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulo_exporter.config.files import Secret, TokenSource, Where, token_fault
from joulo_exporter.errors import ConfigError

TOKEN = "joulo_0LEAK4242canary"
WHERE = Where("/etc/joulo.yml", "accounts[0].key")
EMPTY = "is empty; put the API token there"
TOO_MUCH = "has quotes, the word Bearer or the name of a variable around it; write the token alone"
BLANKS = "has blanks, line ends or characters outside ASCII in it; write the token alone, on one line"
LONG = "is longer than 8192 characters; is it really a token?"


@pytest.mark.parametrize("token", [TOKEN, "eyJhbGciOi.J9.x-_y", "a", "ABC==", "bearer-like", "x" * 8192, "!~/+=:"])
def test_nothing_is_wrong_with_a_token(token):
    assert token_fault(token) is None


@given(st.text())
def test_only_texts_that_an_http_header_can_carry_are_without_fault(text):
    if token_fault(text) is None:
        assert text.isascii()
        assert text.isprintable()
        assert " " not in text
        assert text


# Sources ------------------------------------------------------------------------------------


def file_source(tmp_path, content):
    path = tmp_path / "token"
    path.write_bytes(content)
    return TokenSource(WHERE, path=path)


def from_variable(where, name, environ):
    return TokenSource(where, variable=name, read_variable=lambda: environ.get(name))


def fault_of(source):
    with pytest.raises(ConfigError) as caught:
        source.read()
    line = str(caught.value)
    assert line.isprintable()
    assert "LEAK" not in line
    return line.removeprefix("/etc/joulo.yml: accounts[0].key: ")


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_one_line_end_after_a_token_is_no_part_of_it(tmp_path, end):
    text = TOKEN + end

    assert file_source(tmp_path, text.encode()).read() == Secret(TOKEN)
    assert from_variable(WHERE, "T", {"T": text}).read() == Secret(TOKEN)
    assert TokenSource(WHERE, value=Secret(text)).read() == Secret(TOKEN)


@pytest.mark.parametrize(
    ("fault", "texts"),
    [
        (EMPTY, ["", "\n"]),
        (TOO_MUCH, [f'"{TOKEN}"', f"'{TOKEN}'", f"“{TOKEN}”", f'{TOKEN}"', f'"Bearer {TOKEN}"']),
        (TOO_MUCH, [f"Bearer {TOKEN}", f"bearer\t{TOKEN}", "BEARER", f"Authorization: Bearer {TOKEN}"]),
        (TOO_MUCH, [f"JOULO_TOKEN={TOKEN}", f"export JOULO_TOKEN={TOKEN}"]),
        (
            BLANKS,
            [f" {TOKEN}", f"{TOKEN} ", f"{TOKEN}\n\n", f"{TOKEN}\r", f"{TOKEN}\n{TOKEN}", "\n\n", f"x {TOKEN}"],
        ),
        (BLANKS, [f"{TOKEN}\x00", f"{TOKEN}\x7f", f"\ufeff{TOKEN}", f"{TOKEN}\u00a0", f"{TOKEN}é"]),
        (BLANKS, [f"{TOKEN}\n".encode("utf-16"), b"\xff" + TOKEN.encode()]),
        (LONG, ["x" * 8193, "x" * 100_000]),
    ],
)
def test_each_fault_of_a_token_has_its_remedy(tmp_path, fault, texts):
    for text in texts:
        source = file_source(tmp_path, text.encode() if isinstance(text, str) else text)
        assert fault_of(source) == f"the token in file {tmp_path}/token {fault}"


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    os.mkfifo(tmp_path / "pipe")

    def of(name):
        return fault_of(TokenSource(WHERE, path=tmp_path / name)).replace(str(tmp_path), "…")

    assert of("none") == "the file …/none does not exist; create it, or correct the path"
    assert of("pipe") == "…/pipe is not a regular file; name a file that holds the token"
    assert of(".") == "… is not a regular file; name a file that holds the token"
    for name in ("a\0b", "\ud800", "x" * 5000):
        assert of(name).startswith("the file …/")
        assert " cannot be read (" in of(name)


def test_a_faulty_variable_and_a_faulty_value_are_named():
    variable = from_variable(WHERE, "T", {"T": f'"{TOKEN}"'})

    assert fault_of(variable) == f"the token in environment variable T {TOO_MUCH}"
    assert fault_of(TokenSource(WHERE, value=Secret(f"Bearer {TOKEN}"))) == f"the token {TOO_MUCH}"


def test_a_source_describes_itself_without_the_token_and_the_environment(tmp_path):
    sources = [
        TokenSource(WHERE, path=tmp_path / "t"),
        from_variable(WHERE, "T", {"T": TOKEN, "OTHER": TOKEN}),
        TokenSource(WHERE, value=Secret(TOKEN)),
    ]

    assert [source.shown for source in sources] == [
        f"file {tmp_path}/t",
        "environment variable T",
        "token in /etc/joulo.yml",
    ]
    for source in sources:
        assert TOKEN not in repr(source)
        with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
            pickle.dumps(source)


def test_sources_are_equal_when_they_lead_to_the_same_place(tmp_path):
    one, other = Where("f", "accounts[0]"), Where("f", "accounts[1]")

    assert TokenSource(one, path=tmp_path / "t") == TokenSource(other, path=tmp_path / "t")
    assert TokenSource(one, path=tmp_path / "t") != TokenSource(one, path=tmp_path / "u")
    assert from_variable(one, "T", {}) == from_variable(other, "T", {"T": TOKEN})
    assert TokenSource(one, value=Secret("a")) == TokenSource(other, value=Secret("a"))
    assert TokenSource(one, value=Secret("a")) != TokenSource(one, value=Secret("b"))


# Secrets ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        "{}".format,
        "{!r:>20}".format,
        "%s".__mod__,
        lambda secret: repr([secret, {"key": secret}]),
        lambda secret: str(ValueError(secret)),
        lambda secret: json.dumps({"key": secret}, default=str),
        lambda secret: logging.makeLogRecord({"msg": "%s", "args": (secret,)}).getMessage(),
    ],
)
def test_a_secret_shows_only_when_it_is_revealed(show):
    shown = show(Secret(TOKEN))

    assert TOKEN not in shown
    assert "<secret>" in shown
    assert Secret(TOKEN).reveal() == TOKEN


def test_a_secret_is_neither_pickled_nor_encoded_nor_listed():
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(Secret(TOKEN), protocol)
    with pytest.raises(TypeError, match="Secret"):
        msgspec.json.encode(Secret(TOKEN))
    with pytest.raises(TypeError):
        vars(Secret(TOKEN))
