"""The web configuration, by the values that it has; for each mistake a file in ``bad_config/`` and a line."""

import json
import platform
import shutil
import ssl
import traceback
from pathlib import Path

import pytest
from support.certificates import HASH, make_broken
from support.tls import takes_x25519

from joulo_exporter.errors import ConfigError
from joulo_exporter.web.auth import Protection, RateLimit
from joulo_exporter.web.config import load_web_config
from joulo_exporter.web.tls import CIPHERS

CANARY = "s3cret0CANARY"
BAD = Path(__file__).parent / "bad_config"
EXPECTED = {
    line.partition(":")[0]: line for line in (BAD / "expected.txt").read_text("utf-8").splitlines() if line
}
FILES = sorted(path.name for path in BAD.glob("*.yml"))


@pytest.fixture
def load(tmp_path):
    def load_text(text):
        (tmp_path / "web.yml").write_text(text)
        return load_web_config(tmp_path / "web.yml")

    return load_text


@pytest.mark.parametrize("text", ["", "{}", "basic_auth_users:\nrate_limit:\nhttp_server_config: {headers: }\n"])
def test_nothing_is_protected_by_nothing(load, text):
    config = load(text)
    assert config.protection == Protection()
    assert config.tls is None


def test_everything_but_tls(load):
    protection = load(f"""
http_server_config:
  http2: false
  headers: {{X-Frame-Options: deny, Strict-Transport-Security: max-age=1, X-XSS-Protection: ""}}
basic_auth_users: {{prometheus: {HASH}, "": {HASH}}}
rate_limit: {{interval: 1m1.5s, burst: 7}}
""").protection
    assert protection.users == {"prometheus": HASH, "": HASH}
    assert protection.headers == {"X-Frame-Options": "deny", "Strict-Transport-Security": "max-age=1"}
    assert protection.rate_limit == RateLimit(interval_s=61.5, burst=7)


@pytest.mark.parametrize("inline", [False, True])
def test_files_to_look_at_and_no_key_shown(load, certificates, inline):
    """What the keys do is in ``test_tls``."""
    names = {"cert_file": "server.crt", "key_file": "server.key", "client_ca_file": "ca.crt"}
    section = {key: certificates.path(name) for key, name in names.items()}
    looked_at = [] if inline else list(section.values())
    if inline:
        section = {key.removesuffix("_file"): certificates.text(name) for key, name in names.items()}
    config = load(json.dumps({"tls_server_config": section | {"client_auth_type": "VerifyClientCertIfGiven"}}))
    assert [str(file) for file in config.tls.files] == looked_at
    assert certificates.text("server.key").splitlines()[1] not in repr(config)


@pytest.mark.parametrize(
    ("text", "limit_s"),
    [("500ms", 0.5), ("1.5h", 5400), ("1h0m1s", 3601), ("10us", 1e-5), ("10µs", 1e-5), ("5ns", 5e-9), ("0", None),
     ("0h0m0s", None), ("", None)],
)  # fmt: skip
def test_intervals_as_go_writes_them_and_one_of_nothing_limits_nothing(load, text, limit_s):
    limit = load(f"rate_limit: {{interval: '{text}', burst: 1}}").protection.rate_limit
    assert (limit and limit.interval_s) == (limit_s and pytest.approx(limit_s))


@pytest.mark.parametrize("text", ["True", "yes", "on", "Y", "false", "No", "OFF", "n"])
def test_booleans_of_yaml_1_1(load, text):
    assert load(f"http_server_config: {{http2: {text}}}").protection == Protection()


def test_openssl_knows_every_cipher():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    fixed = {cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] == "TLSv1.3"}
    assert len(CIPHERS) == 17
    for name in set(CIPHERS.values()) - fixed:
        context.set_ciphers(name)
        assert name in {cipher["name"] for cipher in context.get_ciphers()}


# Mistakes.


@pytest.fixture
def folder(certificates, tmp_path, monkeypatch):
    """A folder with the faulty files, and what they name."""
    for source in (certificates.folder, BAD):
        shutil.copytree(source, tmp_path, dirs_exist_ok=True)
    make_broken(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fault_of(path):
    with pytest.raises(ConfigError) as caught:
        load_web_config(path)
    return caught.value


def test_each_file_has_its_line_and_each_line_its_file():
    assert sorted(EXPECTED) == FILES


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", FILES)
def test_a_mistake_is_one_line_that_names_file_key_and_remedy(name):
    error = fault_of(Path(name))
    assert str(error) == EXPECTED[name]
    shown = "".join(traceback.format_exception(error)) + repr(error)
    assert CANARY not in shown
    assert HASH[:-1] not in shown


def test_relative_paths_begin_in_the_folder_of_the_file(folder, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert str(fault_of(folder / "no_such_file.yml")) == (
        f"{folder}/no_such_file.yml: tls_server_config.cert_file: "
        f"the file {folder}/none.crt does not exist; create it, or correct the path"
    )


def test_a_file_that_is_not_there(tmp_path):
    assert str(fault_of(tmp_path / "none.yml")) == (
        f"{tmp_path}/none.yml: there is no such file; correct --web.config.file, or create it"
    )


def test_a_curve_that_this_python_cannot_be_held_to(load, certificates, tmp_path, monkeypatch):
    def refuse(*_):
        raise ssl.SSLError(129, "[EC: UNKNOWN_GROUP] unknown group (_ssl.c:4346)")  # as Python 3.11.2 does

    if takes_x25519():
        monkeypatch.setattr(ssl.SSLContext, "set_ecdh_curve", refuse, raising=False)
    pair = f"cert_file: {certificates.path('server.crt')}, key_file: {certificates.path('server.key')}"
    with pytest.raises(ConfigError) as caught:
        load(f"tls_server_config: {{{pair}, curve_preferences: [X25519]}}")
    assert str(caught.value) == (
        f"{tmp_path}/web.yml: tls_server_config.curve_preferences: lists a curve that Python "
        f"{platform.python_version()} with {ssl.OPENSSL_VERSION} cannot be held to; list another, remove the key "
        "to allow all that OpenSSL has, or use a newer Python"
    )
