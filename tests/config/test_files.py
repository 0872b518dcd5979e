"""Files and tokens that the configuration names: what is read, what shows, and the line for each fault."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.certificates import make_ca

from joulo_exporter.config.files import Secret, TokenSource, Where, token_fault
from joulo_exporter.config.schema import load_config
from joulo_exporter.errors import ConfigError

TOKEN = "joulo_0LEAK4242canary"
WHERE = Where("/etc/joulo.yml", "accounts[0].key")
TOO_MUCH = "has quotes, the word Bearer or the name of a variable around it; write the token alone"
BLANKS = "has blanks, line ends or characters outside ASCII in it; write the token alone, on one line"


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


def from_variable(environ, where=WHERE):
    return TokenSource(where, variable="T", read_variable=lambda: environ.get("T"))


@pytest.mark.parametrize("token", [TOKEN, "eyJhbGciOi.J9.x-_y", "a", "ABC==", "bearer-like", "x" * 8192, "!~/+=:"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_token_of_whatever_form_is_read_without_one_line_end(tmp_path, token, end):
    path, text = tmp_path / "token", token + end
    path.write_bytes(text.encode())
    assert TokenSource(WHERE, path=path).read() == Secret(token)
    assert from_variable({"T": text}).read() == Secret(token)
    assert TokenSource(WHERE, value=Secret(text)).read() == Secret(token)


@given(st.text())
def test_only_texts_that_an_http_header_can_carry_are_tokens(text):
    if token_fault(text) is None:
        assert text.isascii()
        assert text.isprintable()
        assert " " not in text
        assert text


@pytest.mark.parametrize(
    ("fault", "texts"),
    [
        ("is empty; put the API token there", ["", "\n"]),
        (TOO_MUCH, [f'"{TOKEN}"', f"'{TOKEN}'", f"“{TOKEN}”", f'{TOKEN}"', f"bearer\t{TOKEN}", "BEARER"]),
        (TOO_MUCH, [f"Authorization: Bearer {TOKEN}", f"JOULO_TOKEN={TOKEN}", f"export JOULO_TOKEN={TOKEN}"]),
        (BLANKS, [f" {TOKEN}", f"{TOKEN} ", f"{TOKEN}\n\n", f"{TOKEN}\r", f"{TOKEN}\n{TOKEN}", f"x {TOKEN}"]),
        (BLANKS, [f"{TOKEN}\x00", f"{TOKEN}\x7f", f"\ufeff{TOKEN}", f"{TOKEN}\u00a0", f"{TOKEN}é"]),
        (BLANKS, [f"{TOKEN}\n".encode("utf-16"), b"\xff" + TOKEN.encode()]),
        ("is longer than 8192 characters; is it really a token?", ["x" * 8193, "x" * 100_000]),
    ],
)
def test_each_fault_of_a_token_has_its_remedy(tmp_path, fault, texts):
    path = tmp_path / "token"
    for text in texts:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        assert fault_of(TokenSource(WHERE, path=path).read) == f"the token in file {path} {fault}"


def test_a_fault_names_the_place_of_the_token(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    faults = {
        "none": "the file …/none does not exist; create it, or correct the path",
        "pipe": "…/pipe is not a regular file; name a file that holds the token",
        ".": "… is not a regular file; name a file that holds the token",
        "a\0b": r"the file …/a\x00b cannot be read (embedded null byte); let the exporter's user read it",
        "x"
        * 5000: f"the file …/{'x' * 5000} cannot be read (File name too long); let the exporter's user read it",
    }
    for name, fault in faults.items():
        line = fault_of(TokenSource(WHERE, path=tmp_path / name).read).replace(str(tmp_path), "…")
        assert line == fault.replace("embedded null byte", "not a path")
    assert fault_of(from_variable({"T": f'"{TOKEN}"'}).read) == f"the token in environment variable T {TOO_MUCH}"
    assert fault_of(TokenSource(WHERE, value=Secret(f"Bearer {TOKEN}")).read) == f"the token {TOO_MUCH}"


def test_a_source_shows_its_place(tmp_path):
    assert TokenSource(WHERE, path=tmp_path / "t").shown == f"file {tmp_path}/t"
    assert from_variable({"T": TOKEN}).shown == "environment variable T"
    assert TokenSource(WHERE, value=Secret(TOKEN)).shown == "token in /etc/joulo.yml"


def test_sources_are_equal_when_they_lead_to_the_same_place(tmp_path):
    elsewhere = Where("f", "accounts[1]")
    assert TokenSource(WHERE, path=tmp_path / "t") == TokenSource(elsewhere, path=tmp_path / "t")
    assert TokenSource(WHERE, path=tmp_path / "t") != TokenSource(WHERE, path=tmp_path / "u")
    assert from_variable({}) == from_variable({"T": TOKEN}, elsewhere)
    assert TokenSource(WHERE, value=Secret("a")) == TokenSource(elsewhere, value=Secret("a"))
    assert TokenSource(WHERE, value=Secret("a")) != TokenSource(WHERE, value=Secret("b"))


# Certificates -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    return make_ca(tmp_path_factory.mktemp("ca")).read_bytes()


@pytest.fixture
def load_authorities(tmp_path):
    """Load a configuration whose ``api.ca_file`` is ``ca.pem`` next to it, with this content."""

    def loaded(content=None):
        if content is not None:
            (tmp_path / "ca.pem").write_bytes(content)
        (tmp_path / "joulo.yml").write_text("api: {ca_file: ca.pem}\n")
        return load_config(tmp_path / "joulo.yml", {"JOULO_TOKEN": "joulo_t0k3n"}).api.authorities

    return loaded


def test_authorities_are_all_certificates_of_the_file_and_equal_by_its_content(load_authorities, tmp_path, pem):
    authorities = load_authorities(pem)
    assert len(authorities.context.get_ca_certs()) == 1
    assert load_authorities() == authorities
    other = make_ca(tmp_path, "other")
    key = other.with_suffix(".key").read_bytes()
    both = load_authorities("# CA Raíz: été\n".encode() + pem + key + other.read_bytes())
    assert both != authorities
    assert len(both.context.get_ca_certs()) == 2
    assert "PRIVATE" not in repr(both)
    assert "BEGIN" not in repr(both)


NO_CERTIFICATE = "{} has no certificate in it, or a damaged one; write PEM there, from -----BEGIN CERTIFICATE-----"
BLOCK = b"-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "the file {} does not exist; create it, or correct the path"),
        (b"", NO_CERTIFICATE),
        (b"\x30\x82\x01\x0a\x02", NO_CERTIFICATE),
        (b"-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n", NO_CERTIFICATE),
        (BLOCK % b"joulo_canary", NO_CERTIFICATE),
    ],
    ids=["missing", "empty", "DER", "a key", "no base64"],
)  # fmt: skip
def test_a_file_without_certificates_is_one_line(load_authorities, tmp_path, content, says):
    assert fault_of(load_authorities, content) == says.format(tmp_path / "ca.pem")


def test_one_damaged_certificate_among_good_ones_is_a_fault(load_authorities, tmp_path, pem):
    fault = fault_of(load_authorities, pem + BLOCK % b"MC4=" + pem)
    assert fault == NO_CERTIFICATE.format(tmp_path / "ca.pem")
