"""Files and tokens that the configuration names: what is read, what shows, and the line for each fault."""

import contextlib
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulo_exporter.config.files import Secret, TokenSource, Where, parse_token
from joulo_exporter.errors import ConfigError

TOKEN = "joulo_0LEAK4242canary"
WHERE = Where("/etc/joulo.yml", "accounts[0].key")
TOO_MUCH = "has quotes, the word Bearer or the name of a variable around it; write the token alone"
BLANKS = "has blanks, line ends, characters outside ASCII, or over 8192; write the token alone, on one line"


def fault_of(read, *arguments):
    """Return the line with which a reading fails, without its place."""
    with pytest.raises(ConfigError) as caught:
        read(*arguments)
    assert caught.value.__cause__ is None
    line = str(caught.value)
    assert line.isprintable()
    assert "LEAK" not in line
    return line.partition(": ")[2].partition(": ")[2]


# Tokens -------------------------------------------------------------------------------------


@pytest.fixture
def sources(tmp_path):
    """Make a source of each kind for a token: a file, an environment variable, the configuration itself."""

    def make(text, where=WHERE, name="T"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return [
            TokenSource(where, f"file {path}", path),
            TokenSource(where, f"environment variable {name}", value=Secret(text)),
            TokenSource(where, "/etc/joulo.yml", value=Secret(text)),
        ]

    return make


@pytest.mark.parametrize("text", [TOKEN, "eyJhbGciOi.J9.x-_y", "a", "ABC==", "bearer-like", "x" * 8192, "!~/+=:"])
def test_a_token_of_whatever_form_is_read_without_one_line_end(sources, text):
    for end in ("", "\n", "\r\n"):
        assert [source.read() for source in sources(text + end)] == [Secret(text)] * 3


def test_a_source_is_equal_to_another_one_that_leads_there(sources):
    made = sources(TOKEN)
    assert sources(TOKEN, Where("f", "accounts[1]")) == made
    others = sources("another", name="U")
    assert [made[place] == others[place] for place in range(3)] == [False] * 3


@given(st.text())
def test_only_texts_that_an_http_header_can_carry_are_tokens(text):
    with contextlib.suppress(ValueError):
        assert re.fullmatch(r"[!-~]+", parse_token(text).reveal())


@pytest.mark.parametrize(
    ("fault", "texts"),
    [
        ("is empty; put the API token there", ["", "\n"]),
        (TOO_MUCH, [f'"{TOKEN}"', f"'{TOKEN}'", f"“{TOKEN}”", f'{TOKEN}"', f"bearer\t{TOKEN}", "BEARER"]),
        (TOO_MUCH, [f"Authorization: Bearer {TOKEN}", f"JOULO_TOKEN={TOKEN}", f"export JOULO_TOKEN={TOKEN}"]),
        (BLANKS, [f" {TOKEN}", f"{TOKEN} ", f"{TOKEN}\n\n", f"{TOKEN}\r", f"{TOKEN}\n{TOKEN}", f"x {TOKEN}"]),
        (BLANKS, [f"{TOKEN}\x00", f"{TOKEN}\x7f", f"\ufeff{TOKEN}", f"{TOKEN}\u00a0", f"{TOKEN}é", "x" * 8193]),
        (BLANKS, [f"{TOKEN}\n".encode("utf-16"), b"\xff" + TOKEN.encode()]),
    ],
)
def test_each_fault_of_a_token_has_its_remedy(sources, tmp_path, fault, texts):
    for text in texts:
        file, variable, value = sources(text)
        assert fault_of(file.read) == f"the token in file {tmp_path}/T {fault}"
        if isinstance(text, str):
            assert fault_of(variable.read) == f"the token in environment variable T {fault}"
            assert fault_of(value.read) == f"the token in /etc/joulo.yml {fault}"


def test_a_file_that_cannot_be_read_has_its_remedy(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    long = "x" * 5000
    faults = {
        "none": "the file …/none does not exist; create it, or correct the path",
        "pipe": "…/pipe is not a regular file of at most 1 MiB; name a file that holds the token",
        ".": "… is not a regular file of at most 1 MiB; name a file that holds the token",
        "a\0b": r"the file …/a\x00b cannot be read (not a path); let the exporter's user read it",
        long: f"the file …/{long} cannot be read (File name too long); let the exporter's user read it",
    }
    for name, fault in faults.items():
        assert fault_of(TokenSource(WHERE, "file", tmp_path / name).read).replace(str(tmp_path), "…") == fault


# Certificates -------------------------------------------------------------------------------


@pytest.fixture
def load_authorities(load, tmp_path):
    """Load a configuration whose ``api.ca_file`` is ``ca.pem`` next to it, with this content."""

    def loaded(content):
        (tmp_path / "ca.pem").write_bytes(content)
        return load("api: {ca_file: ca.pem}").api.authorities

    return loaded


def test_authorities_are_all_certificates_of_the_file_and_equal_by_its_content(load_authorities, certificates):
    pem, other, key = (certificates.text(name).encode() for name in ("ca.crt", "stranger-ca.crt", "ca.key"))
    authorities = load_authorities(pem)
    assert len(authorities.get_ca_certs()) == 1
    assert load_authorities(pem) == authorities
    both = load_authorities("# CA Raíz: été\n".encode() + pem + key + other)
    assert both != authorities
    assert len(both.get_ca_certs()) == 2
    assert "PRIVATE" not in repr(both)
    assert "BEGIN" not in repr(both)


BLOCK = b"-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x30\x82\x01\x0a\x02",
        b"-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n",
        BLOCK % b"joulo_canary",
        b"GOOD" + BLOCK % b"MC4=" + b"GOOD",
    ],
    ids=["empty", "DER", "a key", "no base64", "one damaged"],
)
def test_a_file_without_certificates_or_with_a_damaged_one_is_one_line(load_authorities, certificates, content):
    content = content.replace(b"GOOD", certificates.text("ca.crt").encode())
    says = "has no certificate in it, or a damaged one; write PEM there, from -----BEGIN CERTIFICATE-----"
    assert fault_of(load_authorities, content) == says
