import platform
import ssl

import pytest
from support.certificates import HASH
from support.tls import takes_x25519

from joulo_exporter.errors import ConfigError
from joulo_exporter.web import Protection, RateLimit
from joulo_exporter.web.config import CIPHERS, load_web_config


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


def test_everything(load, certificates):
    config = load(f"""
tls_server_config:
  cert_file: {certificates.path("server.crt")}
  key_file: {certificates.path("server.key")}
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: {certificates.path("ca.crt")}
  client_allowed_sans: [prometheus.test, 192.0.2.7]
  min_version: TLS12
  max_version: TLS12
  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]
  curve_preferences: [CurveP256]
  prefer_server_cipher_suites: false
http_server_config:
  http2: false
  headers: {{X-Frame-Options: deny, Strict-Transport-Security: max-age=1, X-XSS-Protection: ""}}
basic_auth_users: {{prometheus: {HASH}, "": {HASH}}}
rate_limit: {{interval: 1m1.5s, burst: 7}}
""")
    settings = config.tls
    assert settings.certificate.content == certificates.text("server.crt").encode()
    assert settings.client_auth is ssl.CERT_REQUIRED
    assert settings.client_ca.content == certificates.text("ca.crt").encode()
    assert settings.client_allowed_sans == {"prometheus.test", "192.0.2.7"}
    assert settings.minimum is settings.maximum is ssl.TLSVersion.TLSv1_2
    assert settings.ciphers == ("ECDHE-ECDSA-AES128-GCM-SHA256",)
    assert settings.curve == "prime256v1"
    assert not settings.prefer_server_ciphers
    assert [str(file) for file in config.files] == [
        certificates.path(name) for name in ("server.crt", "server.key", "ca.crt")
    ]
    assert config.protection.users == {"prometheus": HASH, "": HASH}
    assert config.protection.headers == {"X-Frame-Options": "deny", "Strict-Transport-Security": "max-age=1"}
    assert config.protection.rate_limit == RateLimit(interval_s=61.5, burst=7)


def test_defaults_of_tls(load, certificates):
    pair = f"cert_file: {certificates.path('server.crt')}, key_file: {certificates.path('server.key')}"
    settings = load(f"tls_server_config: {{{pair}}}").tls
    assert (settings.minimum, settings.maximum) == (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    assert settings.client_auth is ssl.CERT_NONE
    assert settings.client_allowed_sans is settings.client_ca is settings.curve is None
    assert (settings.ciphers, settings.prefer_server_ciphers) == ((), True)


def x25519(load, certificates):
    """Load a file that asks for this curve alone."""
    pair = f"cert_file: {certificates.path('server.crt')}, key_file: {certificates.path('server.key')}"
    return load(f"tls_server_config: {{{pair}, curve_preferences: [X25519]}}")


@pytest.mark.skipif(not takes_x25519(), reason="this Python's ssl cannot be held to X25519: see the next test")
def test_x25519(load, certificates):
    assert x25519(load, certificates).tls.curve == "X25519"


def test_a_curve_that_this_python_cannot_be_held_to_is_one_line(load, certificates, tmp_path, monkeypatch):
    if takes_x25519():
        monkeypatch.setattr(ssl.SSLContext, "set_ecdh_curve", refuse_curve, raising=False)
    with pytest.raises(ConfigError) as caught:
        x25519(load, certificates)
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
