"""The configuration from file, environment and flags: its values, defaults and precedence."""

import json
import pickle
from pathlib import Path

import msgspec
import pytest

from joulo_exporter.config.files import Secret
from joulo_exporter.config.schema import load_config
from joulo_exporter.config.values import duration
from joulo_exporter.errors import ConfigError
from joulo_exporter.models.charger import Tags

TOKEN = {"JOULO_TOKEN": "joulo_x"}
CANARY = "joulo_0LEAK4242canary"
DEFAULT_INTERVALS = {
    "chargers": 60,
    "sessions": 600,
    "energy": 3600,
    "ere_position": 3600,
    "ere_price": 3600,
}
EVERYTHING = """\
accounts:
  - name: home
    token_file: joulo.token
  - name: "café ☕"
    token_env: WORK_TOKEN
  - {name: third, token: "joulo_0third"}
api:
  url: https://api.example.org/v1/
  timeout: 5m
  proxy_url: http://user:password@proxy.example:3128
intervals: {chargers: 90s, sessions: 1h30m, energy: 1d, ere_position: 2h, ere_price: 3h}
collectors: {ere_position: false, ere_price: true}
stale_after: 20m
history: {page_interval: 1500ms, resync_interval: 30d}
plausibility: {max_power: 22}
vehicles: {DEADBEEF12345678: tesla, 04123456: zoe, 12E4567: true, "04:a1 b2-c3": zoe}
chargers: {6f1d2c0a-7b1e-4c55-9d0e-1a2b3c4d5e6f: oprit, 123: oprit}
id_tags: hash
storage: {path: data}
"""


def test_every_key_is_read(load, tmp_path):
    config = load(EVERYTHING, {"WORK_TOKEN": "joulo_0work"})
    (tmp_path / "joulo.token").write_text("joulo_0home\n")

    assert [(account.name, account.token.path, account.token.read().reveal()) for account in config.accounts] == [
        ("home", tmp_path / "joulo.token", "joulo_0home"),
        ("café ☕", None, "joulo_0work"),
        ("third", None, "joulo_0third"),
    ]
    assert config.api.url == "https://api.example.org/v1"
    assert config.api.timeout_s == 300
    assert config.api.proxy_url == Secret("http://user:password@proxy.example:3128")
    assert config.api.ere_price_url == "https://joulo.nl/api"
    given = {"chargers": 90, "sessions": 5400, "energy": 86_400, "ere_position": 7200, "ere_price": 10_800}
    assert config.intervals == DEFAULT_INTERVALS | given
    assert config.collectors == {"ere_price"}
    assert config.stale_after_s == 1200
    assert config.api.max_power_kw == 22
    assert (config.history.page_interval_s, config.history.resync_interval_s) == (1.5, 30 * 86_400)
    tags = {"DEADBEEF12345678": "tesla", "04123456": "zoe", "12E4567": "true", "04A1B2C3": "zoe"}
    assert config.tags == Tags(tags, "hash")
    assert config.chargers == {"6f1d2c0a-7b1e-4c55-9d0e-1a2b3c4d5e6f": "oprit", "123": "oprit"}
    assert config.storage_path == tmp_path / "data"


SECTIONS = "".join(f"{key}:\n" for key in ("accounts", "api", "collectors", "intervals", "history", "chargers"))


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "\ufeff", "~", SECTIONS + "vehicles: ~\n"])
def test_an_empty_file_is_the_defaults(load, text):
    config = load(text)

    assert config == load_config(None, TOKEN)
    assert [(account.name, account.token.read()) for account in config.accounts] == [(None, Secret("joulo_x"))]
    assert config.api.url == "https://api.joulo.nl/functions/v1/api"
    assert (config.api.timeout_s, config.api.proxy_url, config.api.authorities) == (10, None, None)
    assert config.intervals == DEFAULT_INTERVALS
    assert config.collectors == frozenset()
    assert config.stale_after_s == 900
    assert config.api.max_power_kw == 50
    assert (config.history.page_interval_s, config.history.resync_interval_s) == (10, 604_800)
    assert (config.tags, config.chargers) == (Tags({}, "show"), {})
    assert config.storage_path == Path("/var/lib/joulo-exporter")


# Environment and flags ----------------------------------------------------------------------


def test_a_token_or_a_token_file_in_the_environment_is_enough(tmp_path):
    (account,) = load_config(None, {"JOULO_TOKEN": "joulo_x\n"}).accounts
    assert (account.name, account.token.read()) == (None, Secret("joulo_x"))
    assert account.token.shown == "environment variable JOULO_TOKEN"

    path = tmp_path / "token"
    path.write_text("joulo_x\r\n")
    (account,) = load_config(None, {"JOULO_TOKEN_FILE": str(path), "JOULO_TOKEN": ""}).accounts
    assert (account.token.read(), account.token.path) == (Secret("joulo_x"), path)


@pytest.mark.parametrize(
    ("environ", "fault"),
    [
        ({"JOULO_TOKEN": CANARY, "JOULO_TOKEN_FILE": "/t"},
         "JOULO_TOKEN: is set, and JOULO_TOKEN_FILE too; unset one of them"),
        ({"JOULO_TOKEN_FILE": CANARY}, "JOULO_TOKEN_FILE: must be the path of a file, and this looks like"),
        (TOKEN | {"JOULO_API_URL": "http://env.example"}, "JOULO_API_URL: is plain http, and a token travels"),
        ({"JOULO_TOKEN": "", "JOULO_TOKEN_FILE": ""}, "accounts: there is no API token; set the environment"),
    ],
)  # fmt: skip
def test_a_fault_of_the_environment_is_one_line(environ, fault):
    with pytest.raises(ConfigError) as caught:
        load_config(None, environ)
    assert str(caught.value).startswith(f"environment: {fault}")
    assert CANARY not in str(caught.value)


def test_accounts_of_the_file_go_before_the_token_of_the_environment_but_its_url_after_it(load):
    text = "accounts: [{token: joulo_0file}]\napi: {url: 'https://file.example/'}"
    tokens = {"JOULO_TOKEN": "joulo_0env", "JOULO_TOKEN_FILE": "/t"}

    config = load(text, tokens | {"JOULO_API_URL": "https://env.example/"})
    assert [account.token.read().reveal() for account in config.accounts] == ["joulo_0file"]
    assert config.api.url == "https://env.example"
    assert load(text, tokens | {"JOULO_API_URL": ""}).api.url == "https://file.example"
    simulator = load(text, tokens | {"JOULO_API_URL": "http://localhost:9974/functions/v1/api"})
    assert simulator.api.ere_price_url == "http://localhost:9974/api"


@pytest.mark.parametrize(
    ("text", "flags", "on"),
    [
        ("", {}, set()),
        ("collectors: {ere_position: true}", {}, {"ere_position"}),
        ("collectors: {ere_position: True, ere_price: false}", {"ere_price": True}, {"ere_position", "ere_price"}),
        ("collectors: {ere_position: TRUE}", {"ere_position": False}, set()),
    ],
)
def test_a_flag_goes_before_the_file(load, text, flags, on):
    assert load(text, collectors=flags).collectors == on
    assert load(f"storage: {{path: /a}}\n{text}", storage_path=Path("/b")).storage_path == Path("/b")


# Durations ----------------------------------------------------------------------------------

FLOORS = {
    "intervals.chargers": "1m",
    "intervals.sessions": "10m",
    "intervals.energy": "10m",
    "intervals.ere_position": "1h",
    "intervals.ere_price": "1h",
    "history.page_interval": "1s",
    "history.resync_interval": "1h",
}


def at(key, value):
    """Return the text of a file with one key, ``section.key``."""
    section, _, name = key.partition(".")
    return f"{section}: {{{name}: {value}}}\n"


@pytest.mark.parametrize("key", FLOORS)
def test_an_interval_has_a_floor_that_binds_no_simulator_and_the_url_in_force_decides(load, refused, key):
    floor = FLOORS[key]
    section, _, name = key.partition(".")

    load(at(key, floor))
    line = refused(at(key, f"{round(duration(floor) * 1000) - 1}ms"))
    assert line.startswith(f"{key}: is shorter than {floor}: the API is not to be asked more often")
    assert "only an API on a loopback address may be asked faster" in line

    values = getattr(load(f"api: {{url: 'http://[::1]:1'}}\n{at(key, '1ms')}"), section)
    assert (values[name] if section == "intervals" else getattr(values, f"{name}_s")) == 0.001
    load(at(key, "1ms"), TOKEN | {"JOULO_API_URL": "http://localhost:1"})
    elsewhere = TOKEN | {"JOULO_API_URL": "https://api.joulo.nl"}
    assert refused(f"api: {{url: 'http://localhost:9974'}}\n{at(key, '1ms')}", elsewhere)


# Names, paths, switches, URLs ---------------------------------------------------------------


def test_a_proxy_elsewhere_gets_no_token_in_plain_http(load, refused):
    """Through a tunnel it sees none; a request for an http URL is sent to it as it is."""
    simulator = TOKEN | {"JOULO_API_URL": "http://127.0.0.1:9974"}
    elsewhere, here = (f"api: {{proxy_url: 'http://{host}:3128'}}" for host in ("proxy.example", "localhost"))
    line = refused(elsewhere, simulator)
    assert line.startswith("api.proxy_url: would get the token in plain http, as api.url is that; ")
    assert load(here, simulator).api.proxy_url
    assert load(elsewhere).api.proxy_url


@pytest.mark.parametrize("name", ["x" * 128, "null", "12", "a b", "家", "' a '", "x` - at `$.token"])
def test_a_name_is_any_text_that_can_be_printed_without_blanks_around_it(load, name):
    assert load(f"accounts: [{{name: {name}, token: a}}]").accounts[0].name == name.strip("' ")


@pytest.mark.parametrize("name", [CANARY, "eyJhbGciOiJIUzI1NiJ9.e30.abc", "x" * 32])
def test_a_token_in_the_place_of_a_path_is_told_from_a_file(load, refused, tmp_path, name):
    assert name not in refused(f"accounts: [{{token_file: {name}}}]")
    for path in (f"./{name}", "token", "joulo_token", "joulo.token"):
        assert load(f"accounts: [{{token_file: {path}}}]").accounts[0].token.path == tmp_path / path


# Records ------------------------------------------------------------------------------------


def test_no_record_shows_a_token_and_two_loadings_of_one_file_are_equal(load, tmp_path):
    (tmp_path / "token.txt").write_text(CANARY)
    text = (  # a token in each place that can hold one
        "accounts:\n"
        f"  - {{name: value, token: {CANARY}}}\n"
        "  - {name: env, token_env: WORK}\n"
        "  - {name: file, token_file: token.txt}\n"
        f"api: {{proxy_url: 'http://user:{CANARY}@proxy.example:3128'}}\n"
        "vehicles: {DEADBEEF: tesla}\n"
    )
    config = load(text, {"WORK": CANARY, "OTHER": CANARY})
    sources = [account.token for account in config.accounts]
    secrets = [config.api.proxy_url, sources[0].value]
    for record in (config, config.api, *config.accounts, *sources, *secrets):
        for shown in (repr(record), f"{record}", json.dumps([record], default=str)):
            assert CANARY not in shown
            assert "WORK=" not in shown
        with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
            pickle.dumps(record, 0)
        with pytest.raises(TypeError):
            msgspec.json.encode(record)
    for secret in secrets:
        assert str(secret) == "<secret>"
        with pytest.raises(TypeError):
            vars(secret)
    assert load(text, {"WORK": CANARY}) == config
