"""The web configuration: its values, its mistakes, and parity with ``promtool check web-config``.

For each mistake there is a file in ``bad_config/``, and a line.
"""

import json
import re
import shutil
import ssl
import traceback
from pathlib import Path
from unittest.mock import Mock

import pytest
from support.certificates import HASH, takes_x25519

from joulo_exporter.errors import ConfigError
from joulo_exporter.web.config import RateLimit, WebConfig, load_web_config
from joulo_exporter.web.tls import CIPHERS

CANARY = "s3cret0CANARY"
BAD = Path(__file__).parent / "bad_config"
EXPECTED = {
    line.partition(":")[0]: line for line in (BAD / "expected.txt").read_text("utf-8").splitlines() if line
}
FILES = sorted({path.name for path in BAD.glob("*.yml")} | EXPECTED.keys())
"""Each has its line, and each line its file."""


@pytest.fixture
def load(tmp_path):
    def load_text(text):
        (tmp_path / "web.yml").write_text(text)
        return load_web_config(tmp_path / "web.yml")

    return load_text


@pytest.mark.parametrize("text", ["", "basic_auth_users:\nrate_limit:\nhttp_server_config: {headers: }\n"])
def test_nothing_is_protected_by_nothing(load, text):
    assert load(text) == WebConfig()


def test_everything_but_tls(load):
    config = load(f"""
http_server_config:
  http2: false
  headers: {{X-Frame-Options: deny, Strict-Transport-Security: max-age=1, X-XSS-Protection: ""}}
basic_auth_users: {{prometheus: {HASH}, "": {HASH}}}
rate_limit: {{interval: 1m1.5s, burst: 7}}
""")
    assert config.users == {"prometheus": HASH, "": HASH}
    assert config.headers == {"X-Frame-Options": "deny", "Strict-Transport-Security": "max-age=1"}
    assert config.rate_limit == RateLimit(61.5, 7)


def test_no_key_is_shown(load, certificates):
    section = {key: certificates.text(name) for key, name in {"cert": "server.crt", "key": "server.key"}.items()}
    config = load(json.dumps({"tls_server_config": section}))
    assert certificates.text("server.key").splitlines()[1] not in repr(config)


@pytest.mark.parametrize(
    ("text", "limit_s"),
    [("500ms", 0.5), ("1.5h", 5400), ("1h0m1s", 3601), ("10us", 1e-5), ("10µs", 1e-5), ("5ns", 5e-9), ("0", 0),
     ("0h0m0s", 0), ("", 0)],
)  # fmt: skip
def test_intervals_as_go_writes_them_and_one_of_nothing_limits_nothing(load, text, limit_s):
    limit = load(f"rate_limit: {{interval: '{text}', burst: 1}}").rate_limit
    assert limit.interval_s == pytest.approx(limit_s)


def test_booleans_of_yaml_1_1(load):
    for text in ("True", "yes", "on", "Y", "false", "No", "OFF", "n"):
        assert load(f"http_server_config: {{http2: {text}}}") == WebConfig()


def test_openssl_knows_every_cipher():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    fixed = {cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] == "TLSv1.3"}
    assert len(CIPHERS) == 17
    for name in set(CIPHERS.values()) - fixed:
        context.set_ciphers(name)
        assert name in {cipher["name"] for cipher in context.get_ciphers()}


# Mistakes.


def fill(folder, certificates):
    """Copy the faulty files to a folder, and what they name."""
    for source in (certificates.folder, BAD):
        shutil.copytree(source, folder, dirs_exist_ok=True)
    for suffix, label in ((".crt", "CERTIFICATE"), (".key", "PRIVATE KEY")):
        (folder / f"broken{suffix}").write_text(f"-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n")
    return folder


@pytest.fixture
def folder(certificates, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return fill(tmp_path, certificates)


def fault_of(path):
    with pytest.raises(ConfigError) as caught:
        load_web_config(path)
    return caught.value


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
    assert str(fault_of(folder / "none.yml")) == (
        f"--web.config.file: the file {folder}/none.yml does not exist; create it, or correct the path"
    )


def test_a_curve_that_this_python_cannot_be_held_to(folder, monkeypatch):
    error = ssl.SSLError(129, "[EC: UNKNOWN_GROUP] unknown group (_ssl.c:4346)")  # as of Python 3.11.2
    monkeypatch.setattr(ssl.SSLContext, "set_ecdh_curve", Mock(side_effect=error), raising=False)
    (folder / "web.yml").write_text(tls("curve_preferences: [X25519]"))
    fault = "lists several curves, or one that this Python cannot be held to; "
    assert str(fault_of(Path("web.yml"))).startswith(f"web.yml: tls_server_config.curve_preferences: {fault}")


# Parity with promtool, by the first of Debian's versions that differs; where we differ, the tables say why.

CA = "client_ca_file: ca.crt"
REQUIRED = "client_auth_type: RequireAndVerifyClientCert"


def tls(*keys):
    """Return a TLS section with the server's pair and these keys."""
    pair = "cert_file: server.crt, key_file: server.key"
    return f"tls_server_config: {{{', '.join([pair, *keys])}}}"


def user(hashed, name="prometheus"):
    return f"basic_auth_users: {{'{name}': '{hashed}'}}"


SAME = {
    "empty": "",
    "sections without content": "tls_server_config:\nhttp_server_config:\nbasic_auth_users:\n",
    "no YAML": "tls_server_config: {",
    "pair": tls(),
    "null paths": "tls_server_config: {cert_file: null, key_file: null}",
    "client certificates": tls(REQUIRED, CA),
    "authorities of the machine": tls(REQUIRED),
    "no client certificates": tls("client_auth_type: NoClientCert"),
    "client_auth_type null": tls("client_auth_type: null"),
    "TLS 1.2": tls("min_version: TLS12, max_version: TLS12"),
    "ciphers": tls("cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]"),
    "ciphers of TLS 1.3": tls("cipher_suites: [TLS_AES_128_GCM_SHA256]"),
    "curve": tls("curve_preferences: [CurveP256]"),
    "no curve": tls("curve_preferences: []"),
    "server's ciphers": tls("prefer_server_cipher_suites: off"),
    "all headers": (
        "http_server_config: {headers: {Strict-Transport-Security: max-age=1, X-Content-Type-Options: nosniff, "
        "X-Frame-Options: sameorigin, X-XSS-Protection: '1', Content-Security-Policy: \"default-src 'none'\"}}"
    ),
    "blank header": 'http_server_config: {headers: {Strict-Transport-Security: ""}}',
    "header in small letters": "http_server_config: {headers: {x-frame-options: deny}}",
    "user": user(HASH),
    "user of version a": user(HASH.replace("$2y", "$2a")),
    "user without name": user(HASH, name=""),
    "user without password": "basic_auth_users: {prometheus: }",
    "hash of version 3": user(HASH.replace("$2y", "$3y")),
    "no users": "basic_auth_users: {}",
    "anchor and alias": "basic_auth_users: &x {}\nhttp_server_config: {headers: *x}",
}

ALWAYS, NEVER = ((0,), (99,)), ((99,), (99,))
SINCE_2_53, SINCE_3, BEFORE_2_53 = ((2, 53), (99,)), ((3, 0), (99,)), ((0,), (2, 53))
DIFFERENT = {
    "inline pair": ("tls_server_config: {cert: INLINE(server.crt), key: INLINE(server.key)}", True, SINCE_2_53),
    "client_ca": (tls(REQUIRED, "client_ca: INLINE(ca.crt)"), True, SINCE_2_53),
    "names": (tls(REQUIRED, CA, "client_allowed_sans: [a]"), True, SINCE_2_53),
    "rate_limit": ("rate_limit: {interval: 1s, burst: 2}", True, SINCE_3),
    # Go has put ciphers without forward secrecy among the insecure ones; OpenSSL has not.
    "insecure ciphers": (tls("cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]"), True, BEFORE_2_53),
    # Quotes mean nothing to us, and a blank is a key without a value, as everywhere in our configuration.
    "quoted boolean": ("http_server_config: {http2: 'true'}", True, NEVER),
    "blank version": (tls("min_version: ''"), True, NEVER),
    "null header of known values": ("http_server_config: {headers: {X-Frame-Options: null}}", True, NEVER),
    "a version of no TLS": ("tls_server_config: {min_version: TLS12}", False, ALWAYS),
    # Python's bcrypt does not know the version of 1997, and no tool writes a longer hash.
    "hash of version 2": (user(HASH.replace("$2y", "$2")), False, ALWAYS),
    "hash that is too long": (user(f"{HASH}xx"), False, ALWAYS),
    # Go ignores all documents but the first.
    "second document": ("---\n{}\n---\n{}\n", False, ALWAYS),
    # Python before 3.11.4 cannot be held to this curve.
    "X25519": (tls("curve_preferences: [X25519]"), takes_x25519(), ALWAYS),
}
"""Example, whether we accept it, and from which version on and before which one promtool does."""

# Files in bad_config/: promtool refuses the others too. It accepts these, from a version on.
UNVERIFIED = "Python cannot ask for a certificate without verifying it"
NOT_SPOKEN, FAILING = "OpenSSL 3 does not speak it by default", "every handshake would fail"
WE_REFUSE_FILES = {
    "any_certificate": (ALWAYS, UNVERIFIED),
    "any_certificate_as_it_was_called": (ALWAYS, UNVERIFIED),
    "a_certificate_that_is_not_looked_at": (ALWAYS, UNVERIFIED),
    "an_old_version": (ALWAYS, NOT_SPOKEN),
    "an_old_last_version": (ALWAYS, NOT_SPOKEN),
    "versions_the_wrong_way_round": (ALWAYS, FAILING),
    "no_cipher_of_the_version": (ALWAYS, FAILING),
    "several_curves": (ALWAYS, "Python can be held to one curve only"),
    "a_weak_certificate": (ALWAYS, "OpenSSL refuses RSA keys of less than 2048 bits"),
    "an_authority_without_certificate": (ALWAYS, "nobody could connect"),
    "an_authority_that_cannot_be_read": (ALWAYS, "nobody could connect"),
    "no_certificate": (ALWAYS, "what was meant to be TLS would be plain HTTP"),
    "a_hash_that_is_too_short": (ALWAYS, "no password has such a hash"),
    "a_name_and_a_password": (ALWAYS, "nobody could log in with a colon in the name"),
    "a_header_of_two_lines": (ALWAYS, "Go would send it as one line, with a blank"),
    "a_blank_name": (SINCE_2_53, "no certificate has such a name"),
    "no_name": (SINCE_2_53, "nobody could connect, or everybody"),
    "names_without_certificates": (SINCE_2_53, "a client without a certificate has no name"),
    "two_certificates": (SINCE_2_53, "one of the two would be ignored"),
    "an_interval_without_unit": (SINCE_3, "Go takes 10 for nanoseconds"),
    "half_a_request": (SINCE_3, "Go drops the half"),
    "no_requests": (SINCE_3, "no request would pass"),
}


@pytest.fixture(scope="module")
def verdicts(generation, certificates, tmp_path_factory):
    """Return what promtool says of every example: one process for all."""
    folder = fill(tmp_path_factory.mktemp("parity"), certificates)
    examples = SAME | {name: text for name, (text, _, _) in DIFFERENT.items()}
    files = {folder / name: name for name in FILES}
    for number, (name, text) in enumerate(examples.items()):
        files[folder / f"{number}.yml"] = name
        inlined = re.sub(r"INLINE\((.*?)\)", lambda found: json.dumps(certificates.text(found[1])), text)
        (folder / f"{number}.yml").write_text(inlined)
    checked = generation.run("promtool", "check", "web-config", *files)
    accepted = {line.removesuffix(" SUCCESS") for line in (checked.stdout + checked.stderr).splitlines()}
    return {name: (str(file) in accepted, file) for file, name in files.items()}


def accepted_by_us(file):
    try:
        load_web_config(file)
    except ConfigError:
        return False
    return True


@pytest.mark.e2e
@pytest.mark.parametrize("example", SAME)
def test_the_same_as_promtool(verdicts, example):
    by_promtool, file = verdicts[example]
    assert accepted_by_us(file) == by_promtool


@pytest.mark.e2e
@pytest.mark.parametrize("example", DIFFERENT)
def test_where_we_and_promtool_differ(generation, verdicts, example):
    by_promtool, file = verdicts[example]
    _, by_us, (first, end) = DIFFERENT[example]
    assert accepted_by_us(file) == by_us
    assert by_promtool == (first <= generation.version("promtool") < end)


@pytest.mark.e2e
def test_what_we_refuse_and_promtool_accepts(generation, verdicts):
    version = generation.version("promtool")
    expected = {f"{name}.yml" for name, ((first, _), _) in WE_REFUSE_FILES.items() if version >= first}
    assert {name for name in FILES if verdicts[name][0]} == expected
