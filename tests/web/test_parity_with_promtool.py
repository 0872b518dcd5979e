"""What ``promtool check web-config`` accepts we accept, and the other way round; where not, the table says why.

What only some versions of promtool accept is in tables of its own, by the first of Debian's versions that differs.
"""

import pytest
from support.certificates import HASH
from support.tls import takes_x25519

from joulo_exporter.errors import ConfigError
from joulo_exporter.web.config import load_web_config

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
    "list": "[]",
    "sections without content": "tls_server_config:\nhttp_server_config:\nbasic_auth_users:\n",
    "unknown section": "tls_config: {}",
    "unknown key": tls("certfile: x"),
    "section twice": "http_server_config: {}\nhttp_server_config: {}",
    "no YAML": "tls_server_config: {",
    "tabs": "tls_server_config:\n\tcert_file: x",
    "pair": tls(),
    "only a certificate": "tls_server_config: {cert_file: server.crt}",
    "only a key": "tls_server_config: {key_file: server.key}",
    "no path": 'tls_server_config: {cert_file: "", key_file: server.key}',
    "null paths": "tls_server_config: {cert_file: null, key_file: null}",
    "no such certificate": "tls_server_config: {cert_file: none.crt, key_file: server.key}",
    "no such key": "tls_server_config: {cert_file: server.crt, key_file: none.key}",
    "swapped": "tls_server_config: {cert_file: server.key, key_file: server.crt}",
    "two certificates": "tls_server_config: {cert_file: server.crt, key_file: server.crt}",
    "key of another": "tls_server_config: {cert_file: server.crt, key_file: client.key}",
    "encrypted key": "tls_server_config: {cert_file: server.crt, key_file: encrypted.key}",
    "folder": "tls_server_config: {cert_file: ., key_file: server.key}",
    "client certificates": tls(REQUIRED, CA),
    "client certificates if given": tls(IF_GIVEN, CA),
    "authorities of the machine": tls(REQUIRED),
    "no client certificates": tls("client_auth_type: NoClientCert"),
    "client_auth_type null": tls("client_auth_type: null"),
    "client_auth_type invented": tls("client_auth_type: Always"),
    "client_auth_type in small letters": tls("client_auth_type: noclientcert"),
    "authority without policy": tls(CA),
    "no such authority": tls(IF_GIVEN, "client_ca_file: none.crt"),
    "TLS 1.3": tls("min_version: TLS13"),
    "TLS 1.2": tls("min_version: TLS12, max_version: TLS12"),
    "TLS 1.4": tls("min_version: TLS14"),
    "version as Go does not write it": tls("min_version: tls12"),
    "version null": tls("min_version: null"),
    "ciphers": tls("cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]"),
    "ciphers of TLS 1.3": tls("cipher_suites: [TLS_AES_128_GCM_SHA256]"),
    "ciphers null": tls("cipher_suites: null"),
    "invented cipher": tls("cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]"),
    "cipher as text": tls("cipher_suites: TLS_AES_128_GCM_SHA256"),
    "curve": tls("curve_preferences: [CurveP256]"),
    "no curve": tls("curve_preferences: []"),
    "invented curve": tls("curve_preferences: [P-256]"),
    "server's ciphers": tls("prefer_server_cipher_suites: off"),
    "server's ciphers, perhaps": tls("prefer_server_cipher_suites: maybe"),
    "http2": "http_server_config: {http2: no}",
    "http2 as a number": "http_server_config: {http2: 1}",
    "all headers": (
        "http_server_config: {headers: {Strict-Transport-Security: max-age=1, X-Content-Type-Options: nosniff, "
        "X-Frame-Options: sameorigin, X-XSS-Protection: '1', Content-Security-Policy: \"default-src 'none'\"}}"
    ),
    "blank header": 'http_server_config: {headers: {Strict-Transport-Security: ""}}',
    "blank header of known values": 'http_server_config: {headers: {X-Frame-Options: ""}}',
    "null header of known values": "http_server_config: {headers: {X-Content-Type-Options: null}}",
    "value in capitals": "http_server_config: {headers: {X-Frame-Options: DENY}}",
    "header in small letters": "http_server_config: {headers: {x-frame-options: deny}}",
    "other header": "http_server_config: {headers: {Server: nginx}}",
    "user": user(HASH),
    "user of version a": user(HASH.replace("$2y", "$2a")),
    "user of version x": user(HASH.replace("$2y", "$2x")),
    "user without name": user(HASH, name=""),
    "user with a password": "basic_auth_users: {prometheus: password}",
    "user without password": "basic_auth_users: {prometheus: }",
    "hash of cost 3": user(HASH.replace("$04$", "$03$")),
    "hash of cost 32": user(HASH.replace("$04$", "$32$")),
    "hash of version 3": user(HASH.replace("$2y", "$3y")),
    "users as list": "basic_auth_users: [prometheus]",
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
UNVERIFIED = "Python cannot ask for a certificate without verifying it"
WE_REFUSE = {
    "unverified: any": (tls("client_auth_type: RequireAnyClientCert"), UNVERIFIED),
    "unverified: any, former name": (tls("client_auth_type: RequireClientCert"), UNVERIFIED),
    "unverified: asked for": (tls("client_auth_type: RequestClientCert"), UNVERIFIED),
    "TLS 1.0": (tls("min_version: TLS10"), "OpenSSL 3 does not speak it by default"),
    "TLS 1.1": (tls("max_version: TLS11"), "OpenSSL 3 does not speak it by default"),
    "versions the wrong way round": (tls("min_version: TLS13, max_version: TLS12"), "every handshake would fail"),
    "only ciphers of another version": (
        tls("max_version: TLS12, cipher_suites: [TLS_AES_128_GCM_SHA256]"),
        "every handshake would fail",
    ),
    "several curves": (tls("curve_preferences: [CurveP256, X25519]"), "Python can be held to one curve only"),
    "weak key": (
        "tls_server_config: {cert_file: weak.crt, key_file: weak.key}",
        "OpenSSL refuses RSA keys of less than 2048 bits",
    ),
    "authority without certificate": (
        tls(IF_GIVEN, "client_ca_file: server.key"),
        "nobody could connect; the newest toolkit refuses it too",
    ),
    "TLS settings without a certificate": (
        "tls_server_config: {min_version: TLS13}",
        "what was meant to be TLS would be plain HTTP",
    ),
    "hash of version 2": (user(HASH.replace("$2y", "$2")), "Python's bcrypt does not know the version of 1997"),
    "hash that is too long": (user(f"{HASH}xx"), "no tool writes such a hash"),
    "colon in a name": (user(HASH, name="a:b"), "nobody could log in with it"),
    "header of two lines": (
        'http_server_config: {headers: {Content-Security-Policy: "a\\nb"}}',
        "Go would send it as one line, with a blank",
    ),
    "second document": ("---\n{}\n---\n{}\n", "Go ignores all documents but the first"),
    "anchor": ("http_server_config: &x {http2: true}", "our configuration knows no anchors"),
}  # fmt: skip

X25519 = tls("curve_preferences: [X25519]")
if takes_x25519():
    SAME["X25519"] = X25519
else:
    WE_REFUSE["X25519"] = (X25519, "Python before 3.11.4 cannot be held to this curve")


@pytest.fixture(scope="module")
def verdicts(generation, certificates, tmp_path_factory):
    """Return what promtool says of every example: one process for all."""
    folder = tmp_path_factory.mktemp("parity")
    for pair in certificates.folder.iterdir():
        (folder / pair.name).write_bytes(pair.read_bytes())
    explained = WE_ACCEPT | WE_REFUSE | ACCEPTED_SINCE | ACCEPTED_BEFORE
    examples = SAME | {name: text for name, (text, _) in explained.items()}
    files = {folder / f"{number}.yml": name for number, name in enumerate(examples)}
    for file, name in files.items():
        file.write_text(inlined(examples[name], certificates))
    checked = generation.run("promtool", "check", "web-config", *files)
    accepted = {line.removesuffix(" SUCCESS") for line in (checked.stdout + checked.stderr).splitlines()}
    return {name: (str(file) in accepted, file) for file, name in files.items()}


def inlined(text, certificates):
    names = {"INLINE_CERT": "server.crt", "INLINE_KEY": "server.key", "INLINE_CA": "ca.crt"}
    for mark, name in names.items():
        content = certificates.text(name).replace("\n", "\\n")
        text = text.replace(mark, f'"{content}"')
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
    by_promtool = [verdicts[example][0] for example in SAME]
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
