import os
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulo_exporter.config import Secret
from joulo_exporter.config.files import Where
from joulo_exporter.config.tokens import token_fault, token_from_environment, token_from_file, token_from_value
from joulo_exporter.errors import ConfigError

TOKEN = "joulo_0LEAK4242canary"
EMPTY = "is empty; put the API token there"
QUOTES = "has quotes around it; remove them"
BEARER = "begins with Bearer; leave that word out, the exporter adds it"
VARIABLE = "begins with the name of a variable; leave the name and the = out"
BLANKS = "has blanks or line ends in or around it; write the token alone, on one line"
CHARACTERS = "has a control character, or one outside ASCII, in it; copy the token again, as plain text"
LONG = "is longer than 8192 characters; is it really a token?"


@pytest.mark.parametrize("token", [TOKEN, "eyJhbGciOi.J9.x-_y", "a", "ABC==", "bearer-like", "x" * 8192, "!~/+=:"])
def test_nothing_is_wrong_with_a_token(token):
    assert token_fault(token) is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", EMPTY),
        (f'"{TOKEN}"', QUOTES),
        (f"'{TOKEN}'", QUOTES),
        (f"“{TOKEN}”", QUOTES),
        (f'{TOKEN}"', QUOTES),
        (f'"Bearer {TOKEN}"', QUOTES),
        (f"Bearer {TOKEN}", BEARER),
        (f"bearer\t{TOKEN}", BEARER),
        ("BEARER", BEARER),
        (f"Authorization: Bearer {TOKEN}", BEARER),
        (f"JOULO_TOKEN={TOKEN}", VARIABLE),
        (f"export JOULO_TOKEN={TOKEN}", VARIABLE),
        (f" {TOKEN}", BLANKS),
        (f"{TOKEN} ", BLANKS),
        (f"{TOKEN}\n", BLANKS),
        (f"{TOKEN}\r", BLANKS),
        (f"{TOKEN}\n{TOKEN}", BLANKS),
        ("\n", BLANKS),
        (f"joulo {TOKEN}", BLANKS),
        (f"{TOKEN}\x00", CHARACTERS),
        (f"{TOKEN}\x7f", CHARACTERS),
        (f"\ufeff{TOKEN}", CHARACTERS),
        (f"{TOKEN}\u00a0", CHARACTERS),
        (f"{TOKEN}é", CHARACTERS),
        ("x" * 8193, LONG),
    ],
)
def test_each_fault_of_a_token_has_its_remedy(text, fault):
    assert token_fault(text) == fault


@given(st.text())
def test_only_what_an_http_header_can_carry_is_without_fault(text):
    fault = token_fault(text)

    if fault is None:
        assert text.isascii()
        assert text.isprintable()
        assert " " not in text
        assert text
    else:
        assert "\n" not in fault


def file_source(tmp_path, content):
    path = tmp_path / "token"
    path.write_bytes(content)
    return token_from_file(Where("/etc/joulo.yml", "accounts[0].token_file"), path)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_one_line_end_after_a_token_is_no_part_of_it(tmp_path, end):
    text = TOKEN + end

    assert file_source(tmp_path, text.encode()).read() == Secret(TOKEN)
    assert token_from_environment(Where("environment", "T"), "T", {"T": text}).read() == Secret(TOKEN)
    assert token_from_value(Where("/etc/joulo.yml"), Secret(text)).read() == Secret(TOKEN)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", EMPTY),
        (b"\n", EMPTY),
        (b"\n\n", BLANKS),
        (f"{TOKEN}\n\n".encode(), BLANKS),
        (f"{TOKEN}\n".encode("utf-16"), CHARACTERS),
        (b"\xff" + TOKEN.encode(), CHARACTERS),
        (b"x" * 8192 + b"\n", None),
        (b"x" * 100_000, LONG),
    ],
)
def test_a_file_is_read_as_it_is(tmp_path, content, fault):
    source = file_source(tmp_path, content)

    if fault is None:
        assert source.read().reveal() == content.decode().strip()
    else:
        with pytest.raises(ConfigError) as caught:
            source.read()
        assert str(caught.value) == (
            f"/etc/joulo.yml: accounts[0].token_file: the token in file {tmp_path}/token {fault}"
        )


def test_a_file_is_read_again_each_time(tmp_path):
    source = file_source(tmp_path, b"old")
    first = source.read()
    source.path.write_bytes(b"new")

    assert (first.reveal(), source.read().reveal()) == ("old", "new")


def test_a_missing_file_is_named(tmp_path):
    source = token_from_file(Where("/etc/joulo.yml", "accounts[0].token_file"), tmp_path / "none")

    with pytest.raises(ConfigError) as caught:
        source.read()
    assert str(caught.value) == (
        f"/etc/joulo.yml: accounts[0].token_file: the file {tmp_path}/none does not exist; "
        "create it, or correct the path"
    )


def test_a_folder_and_a_pipe_hold_no_token(tmp_path):
    os.mkfifo(tmp_path / "pipe")

    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(ConfigError, match="is not a regular file; name a file that holds the token"):
            token_from_file(Where("f", "k"), path).read()


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 5000])
def test_a_path_that_cannot_be_is_one_line(tmp_path, name):
    with pytest.raises(ConfigError, match=r"^f: k: the file .* cannot be read \(") as caught:
        token_from_file(Where("f", "k"), tmp_path / name).read()
    assert str(caught.value).isprintable()


def test_a_variable_is_read_when_it_is_needed():
    environ = {}
    source = token_from_environment(Where("/etc/joulo.yml", "accounts[0].token_env"), "HOME_TOKEN", environ)

    with pytest.raises(ConfigError) as caught:
        source.read()
    assert str(caught.value) == (
        "/etc/joulo.yml: accounts[0].token_env: the environment variable HOME_TOKEN is not set; "
        "set it to the API token"
    )
    environ["HOME_TOKEN"] = TOKEN
    assert source.read() == Secret(TOKEN)


def test_a_faulty_variable_and_a_faulty_value_are_named():
    where = Where("/etc/joulo.yml", "accounts[0].token")

    with pytest.raises(ConfigError) as of_variable:
        token_from_environment(Where("environment", "T"), "T", {"T": f'"{TOKEN}"'}).read()
    with pytest.raises(ConfigError) as of_value:
        token_from_value(where, Secret(f"Bearer {TOKEN}")).read()

    assert str(of_variable.value) == f"environment: T: the token in environment variable T {QUOTES}"
    assert str(of_value.value) == f"/etc/joulo.yml: accounts[0].token: the token {BEARER}"


def test_a_source_describes_itself_without_the_token(tmp_path):
    where = Where("/etc/joulo.yml", "k")

    assert token_from_file(where, tmp_path / "t").shown == f"file {tmp_path}/t"
    assert token_from_environment(where, "T", {"T": TOKEN}).shown == "environment variable T"
    assert token_from_value(where, Secret(TOKEN)).shown == "token in /etc/joulo.yml"


def test_sources_are_equal_when_they_lead_to_the_same_place(tmp_path):
    one, other = Where("f", "accounts[0]"), Where("f", "accounts[1]")

    assert token_from_file(one, tmp_path / "t") == token_from_file(other, tmp_path / "t")
    assert token_from_file(one, tmp_path / "t") != token_from_file(one, tmp_path / "u")
    assert token_from_environment(one, "T", {}) == token_from_environment(other, "T", {"T": TOKEN})
    assert token_from_value(one, Secret("a")) == token_from_value(other, Secret("a"))
    assert token_from_value(one, Secret("a")) != token_from_value(one, Secret("b"))


def test_the_environment_does_not_show_in_a_source():
    source = token_from_environment(Where("f", "k"), "T", {"T": TOKEN, "OTHER": TOKEN})

    assert TOKEN not in repr(source)
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.dumps(source)
