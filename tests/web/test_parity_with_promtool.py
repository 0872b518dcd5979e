"""What ``promtool check web-config`` accepts we accept, and the other way round; where not, the table says why.

What only some versions of promtool accept is in tables of its own, by the first of Debian's versions that differs.
"""

import json
import shutil
from pathlib import Path

import pytest
from support.certificates import HASH, make_broken
from support.tls import takes_x25519

from joulo_exporter.errors import ConfigError
from joulo_exporter.web.config import load_web_config

BAD = Path(__file__).parent / "bad_config"
BAD_FILES = sorted(path.name for path in BAD.glob("*.yml"))
CA = "client_ca_file: ca.crt"
REQUIRED = "client_auth_type: RequireAndVerifyClientCert"
IF_GIVEN = "client_auth_type: VerifyClientCertIfGiven"


def tls(*keys):
    """Return a TLS section with the server's pair and these keys."""
    pair = "cert_file: server.crt, key_file: server.key"
    return f"tls_server_config: {{{', '.join([pair, *keys])}}}"


def user(hashed, name="prometheus"):
    return f"basic_auth_users: {{'{name}': '{hashed}'}}"


SAME = {
    "empty": "",
    "comment": "# nothing yet\n",
    "empty mapping": "{}",
    "text": "hello",
    "sections without content": "tls_server_config:\nhttp_server_config:\nbasic_auth_users:\n",
    "no YAML": "tls_server_config: {",
    "tabs": "tls_server_config:\n\tcert_file: x",
    "pair": tls(),
    "only a key": "tls_server_config: {key_file: server.key}",
    "no path": 'tls_server_config: {cert_file: "", key_file: server.key}',
    "null paths": "tls_server_config: {cert_file: null, key_file: null}",
    "client certificates": tls(REQUIRED, CA),
    "client certificates if given": tls(IF_GIVEN, CA),
    "authorities of the machine": tls(REQUIRED),
    "no client certificates": tls("client_auth_type: NoClientCert"),
    "client_auth_type null": tls("client_auth_type: null"),
    "no such authority": tls(IF_GIVEN, "client_ca_file: none.crt"),
    "TLS 1.3": tls("min_version: TLS13"),
    "TLS 1.2": tls("min_version: TLS12, max_version: TLS12"),
    "version as Go does not write it": tls("min_version: tls12"),
    "version null": tls("min_version: null"),
    "ciphers": tls("cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]"),
    "ciphers of TLS 1.3": tls("cipher_suites: [TLS_AES_128_GCM_SHA256]"),
    "ciphers null": tls("cipher_suites: null"),
    "invented cipher": tls("cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]"),
    "cipher as text": tls("cipher_suites: TLS_AES_128_GCM_SHA256"),
    "curve": tls("curve_preferences: [CurveP256]"),
    "no curve": tls("curve_preferences: []"),
    "server's ciphers": tls("prefer_server_cipher_suites: off"),
    "http2": "http_server_config: {http2: no}",
    "all headers": (
        "http_server_config: {headers: {Strict-Transport-Security: max-age=1, X-Content-Type-Options: nosniff, "
        "X-Frame-Options: sameorigin, X-XSS-Protection: '1', Content-Security-Policy: \"default-src 'none'\"}}"
    ),
    "blank header": 'http_server_config: {headers: {Strict-Transport-Security: ""}}',
    "blank header of known values": 'http_server_config: {headers: {X-Frame-Options: ""}}',
    "null header of known values": "http_server_config: {headers: {X-Content-Type-Options: null}}",
    "header in small letters": "http_server_config: {headers: {x-frame-options: deny}}",
    "user": user(HASH),
    "user of version a": user(HASH.replace("$2y", "$2a")),
    "user of version x": user(HASH.replace("$2y", "$2x")),
    "user without name": user(HASH, name=""),
    "user without password": "basic_auth_users: {prometheus: }",
    "hash of cost 32": user(HASH.replace("$04$", "$32$")),
    "hash of version 3": user(HASH.replace("$2y", "$3y")),
    "no users": "basic_auth_users: {}",
}

# We accept these always.
ACCEPTED_SINCE = {
    "inline pair": ("tls_server_config: {cert: INLINE_CERT, key: INLINE_KEY}", (2, 53)),
    "client_ca": (tls(REQUIRED, "client_ca: INLINE_CA"), (2, 53)),
    "names": (tls(REQUIRED, CA, "client_allowed_sans: [a]"), (2, 53)),
    "rate_limit": ("rate_limit: {interval: 1s, burst: 2}", (3, 0)),
}
ACCEPTED_BEFORE = {
    # Go has put them among the insecure ones since; OpenSSL has not.
    "ciphers without forward secrecy": (tls("cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]"), (2, 53)),
}

# What promtool says of these is the other way round.
WE_ACCEPT = {
    "quoted boolean": ("http_server_config: {http2: 'true'}", "quotes around a value mean nothing to us"),
    "blank version": (
        tls("min_version: ''"),
        "a blank is a key without a value, as everywhere in our configuration",
    ),
}
WE_REFUSE = {
    "hash of version 2": (user(HASH.replace("$2y", "$2")), "Python's bcrypt does not know the version of 1997"),
    "hash that is too long": (user(f"{HASH}xx"), "no tool writes such a hash"),
    "second document": ("---\n{}\n---\n{}\n", "Go ignores all documents but the first"),
    "anchor": ("http_server_config: &x {http2: true}", "our configuration knows no anchors"),
}

# Files in bad_config/: promtool refuses the others too. It accepts these, from a version on.
ALWAYS, SINCE_2_53, SINCE_3 = (0,), (2, 53), (3, 0)
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

X25519 = tls("curve_preferences: [X25519]")
if takes_x25519():
    SAME["X25519"] = X25519
else:
    WE_REFUSE["X25519"] = (X25519, "Python before 3.11.4 cannot be held to this curve")


@pytest.fixture(scope="module")
def verdicts(generation, certificates, tmp_path_factory):
    """Return what promtool says of every example: one process for all."""
    folder = tmp_path_factory.mktemp("parity")
    for source in (certificates.folder, BAD):
        shutil.copytree(source, folder, dirs_exist_ok=True)
    make_broken(folder)
    explained = WE_ACCEPT | WE_REFUSE | ACCEPTED_SINCE | ACCEPTED_BEFORE
    examples = SAME | {name: text for name, (text, _) in explained.items()}
    files = {folder / name: name for name in BAD_FILES}
    for number, (name, text) in enumerate(examples.items()):
        files[folder / f"{number}.yml"] = name
        (folder / f"{number}.yml").write_text(inlined(text, certificates))
    checked = generation.run("promtool", "check", "web-config", *files)
    accepted = {line.removesuffix(" SUCCESS") for line in (checked.stdout + checked.stderr).splitlines()}
    return {name: (str(file) in accepted, file) for file, name in files.items()}


def inlined(text, certificates):
    names = {"INLINE_CERT": "server.crt", "INLINE_KEY": "server.key", "INLINE_CA": "ca.crt"}
    for mark, name in names.items():
        text = text.replace(mark, json.dumps(certificates.text(name)))
    return text


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
def test_the_examples_are_of_both_kinds(verdicts):
    by_promtool = [verdicts[example][0] for example in [*SAME, *BAD_FILES]]
    assert by_promtool.count(True) > 25
    assert by_promtool.count(False) > 25


@pytest.mark.e2e
@pytest.mark.parametrize("example", [*ACCEPTED_SINCE, *ACCEPTED_BEFORE])
def test_what_only_some_versions_accept(generation, verdicts, example):
    by_promtool, file = verdicts[example]
    changed = generation.version("promtool") >= (ACCEPTED_SINCE | ACCEPTED_BEFORE)[example][1]
    assert accepted_by_us(file)
    assert by_promtool == (changed if example in ACCEPTED_SINCE else not changed)


@pytest.mark.e2e
@pytest.mark.parametrize("example", [*WE_ACCEPT, *WE_REFUSE])
def test_where_we_and_promtool_differ(verdicts, example):
    by_promtool, file = verdicts[example]
    assert (accepted_by_us(file), by_promtool) == (example in WE_ACCEPT, example in WE_REFUSE)


@pytest.mark.e2e
def test_what_we_refuse_and_promtool_accepts(generation, verdicts):
    version = generation.version("promtool")
    expected = {f"{name}.yml" for name, (since, _) in WE_REFUSE_FILES.items() if version >= since}
    assert {name for name in BAD_FILES if verdicts[name][0]} == expected
