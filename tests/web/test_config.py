import json
import platform
import ssl

import pytest
from support.certificates import HASH
from support.tls import takes_x25519

from joulo_exporter.errors import ConfigError
from joulo_exporter.web import Protection, RateLimit
from joulo_exporter.web.config import load_web_config
from joulo_exporter.web.tls import CIPHERS


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
    if inline:
        section = {key.removesuffix("_file"): certificates.text(name) for key, name in names.items()}
    section["client_auth_type"] = "VerifyClientCertIfGiven"
    config = load(json.dumps({"tls_server_config": section}))
    looked_at = [] if inline else [certificates.path(name) for name in names.values()]
    assert [str(file) for file in config.tls.files] == looked_at
    assert "PRIVATE KEY" not in repr(config)
    assert certificates.text("server.key").splitlines()[1] not in repr(config)


def test_a_curve_that_this_python_cannot_be_held_to_is_one_line(load, certificates, tmp_path, monkeypatch):
    if takes_x25519():
        monkeypatch.setattr(ssl.SSLContext, "set_ecdh_curve", refuse_curve, raising=False)
    pair = f"cert_file: {certificates.path('server.crt')}, key_file: {certificates.path('server.key')}"
    with pytest.raises(ConfigError) as caught:
        load(f"tls_server_config: {{{pair}, curve_preferences: [X25519]}}")
    assert str(caught.value) == (
        f"{tmp_path}/web.yml: tls_server_config.curve_preferences: lists a curve that Python "
        f"{platform.python_version()} with {ssl.OPENSSL_VERSION} cannot be held to; list another, remove the key "
        "to allow all that OpenSSL has, or use a newer Python"
    )


def refuse_curve(*_):
    raise ssl.SSLError(129, "[EC: UNKNOWN_GROUP] unknown group (_ssl.c:4346)")  # as Python 3.11.2 does


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("500ms", 0.5), ("1.5h", 5400), ("1h0m1s", 3601), ("10us", 1e-5), ("10µs", 1e-5), ("5ns", 5e-9)],
)
def test_intervals_as_go_writes_them(load, text, seconds):
    assert load(f"rate_limit: {{interval: {text}, burst: 1}}").protection.rate_limit.interval_s == pytest.approx(
        seconds
    )


@pytest.mark.parametrize("text", ["0", "0s", "0h0m0s", ""])
def test_an_interval_of_nothing_limits_nothing(load, text):
    assert load(f"rate_limit: {{interval: '{text}', burst: 5}}").protection.rate_limit is None


@pytest.mark.parametrize("text", ["true", "True", "yes", "on", "Y", "false", "No", "OFF", "n"])
def test_booleans_of_yaml_1_1(load, text):
    assert load(f"http_server_config: {{http2: {text}}}").protection == Protection()


def test_openssl_knows_every_cipher():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    fixed = {cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] == "TLSv1.3"}
    assert len(CIPHERS) == 17
    for name in set(CIPHERS.values()) - fixed:
        context.set_ciphers(name)
        assert name in {cipher["name"] for cipher in context.get_ciphers()}
