"""``api.ca_file``: the certificates of a file, and the line for a file without."""

import pytest
from support.certificates import make_ca

from joulo_exporter.config.schema import load_config
from joulo_exporter.errors import ConfigError

TOKEN = {"JOULO_TOKEN": "joulo_t0k3n"}


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    return make_ca(tmp_path_factory.mktemp("ca")).read_bytes()


@pytest.fixture
def load(tmp_path):
    """Load a configuration whose ``api.ca_file`` is ``ca.pem`` next to it."""

    def loaded(path="ca.pem"):
        file = tmp_path / "joulo.yml"
        file.write_text(f"api: {{ca_file: {path}}}\n")
        return load_config(file, TOKEN).api.authorities

    return loaded


def test_the_file_is_looked_up_next_to_the_configuration_and_its_content_tells_it_from_another(
    load, tmp_path, pem
):
    (tmp_path / "ca.pem").write_bytes(pem)
    authorities = load()
    assert len(authorities.context.get_ca_certs()) == 1
    assert load() == authorities
    assert "BEGIN" not in repr(authorities)
    (tmp_path / "ca.pem").write_bytes(make_ca(tmp_path, "next").read_bytes())
    assert load() != authorities


def test_only_the_certificates_of_a_file_are_kept(load, tmp_path, pem):
    other = make_ca(tmp_path, "other")
    comment = "# CA Raíz: été\n".encode()
    (tmp_path / "ca.pem").write_bytes(comment + pem + other.with_suffix(".key").read_bytes() + other.read_bytes())
    authorities = load()
    assert len(authorities.context.get_ca_certs()) == 2
    assert "PRIVATE" not in repr(authorities)


def fault_of(load, path="ca.pem"):
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert caught.value.__cause__ is None
    return str(caught.value)


NO_CERTIFICATE = "{} has no certificate in it, or a damaged one; write PEM there, from -----BEGIN CERTIFICATE-----"
BLOCK = b"-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "the file {} does not exist; create it, or correct the path"),
        (b"", NO_CERTIFICATE),
        (b"not a certificate", NO_CERTIFICATE),
        (b"\x30\x82\x01\x0a\x02", NO_CERTIFICATE),
        (b"-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n", NO_CERTIFICATE),
        (BLOCK % b"joulo_canary", NO_CERTIFICATE),
        (BLOCK % b"MC4=", NO_CERTIFICATE),
    ],
    ids=["missing", "empty", "text", "DER", "a key", "no base64", "no certificate"],
)  # fmt: skip
def test_a_file_without_certificates_is_one_line(load, tmp_path, content, says):
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    assert fault_of(load) == f"{tmp_path / 'joulo.yml'}: api.ca_file: " + says.format(tmp_path / "ca.pem")


def test_one_damaged_certificate_among_good_ones_is_a_fault(load, tmp_path, pem):
    (tmp_path / "ca.pem").write_bytes(pem + BLOCK % b"MC4=" + pem)
    assert fault_of(load).endswith(NO_CERTIFICATE.format(tmp_path / "ca.pem"))
