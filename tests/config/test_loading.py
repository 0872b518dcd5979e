import subprocess
import sys
from pathlib import Path

import pytest

from joulo_exporter.config import Secret, format_duration, load_config

TOKEN = {"JOULO_TOKEN": "joulo_x"}
EVERYTHING = """\
accounts:
  - name: home
    token_file: joulo.token
  - name: "café ☕"
    token_env: WORK_TOKEN
  - {name: third, token: "joulo_0third"}
api:
  url: https://api.example.org/v1/
  timeout: 1m
  proxy_url: http://user:password@proxy.example:3128
intervals: {chargers: 90s, sessions: 1h30m, energy: 1d, ere_position: 2h, ere_price: 3h}
collectors: {ere_position: false, ere_price: true}
stale_after: 20m
history: {page_interval: 1500ms, resync_interval: 30d}
vehicles: {DEADBEEF12345678: tesla, 04123456: zoe, 12E4567: true, "04:a1 b2-c3": zoe}
chargers: {6f1d2c0a-7b1e-4c55-9d0e-1a2b3c4d5e6f: oprit, 123: oprit}
id_tags: hash
storage: {path: /srv/joulo}
"""


def test_every_key_is_read(load, tmp_path):
    config = load(EVERYTHING, {"WORK_TOKEN": "joulo_0work"})
    (tmp_path / "joulo.token").write_text("joulo_0home\n")

    assert [account.name for account in config.accounts] == ["home", "café ☕", "third"]
    assert [account.token.kind for account in config.accounts] == ["file", "env", "value"]
    assert [account.token.read().reveal() for account in config.accounts] == [
        "joulo_0home",
        "joulo_0work",
        "joulo_0third",
    ]
    assert config.accounts[0].token.path == tmp_path / "joulo.token"
    assert config.api.url == "https://api.example.org/v1"
    assert config.api.timeout_s == 60
    assert config.api.proxy_url == Secret("http://user:password@proxy.example:3128")
    assert config.intervals == {
        "chargers": 90,
        "sessions": 5400,
        "energy": 86_400,
        "ere_position": 7200,
        "ere_price": 10_800,
    }
    assert config.collectors == {"ere_price"}
    assert config.api.ere_price_url == "https://joulo.nl/api/ere-price"
    assert config.stale_after_s == 1200
    assert config.history.page_interval_s == 1.5
    assert config.history.resync_interval_s == 30 * 86_400
    assert config.vehicles == {
        "DEADBEEF12345678": "tesla",
        "04123456": "zoe",
        "12E4567": "true",
        "04A1B2C3": "zoe",
    }
    assert config.chargers == {"6f1d2c0a-7b1e-4c55-9d0e-1a2b3c4d5e6f": "oprit", "123": "oprit"}
    assert config.id_tags == "hash"
    assert config.storage_path == Path("/srv/joulo")


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "\ufeff", "accounts:\napi:\nvehicles: ~\n"])
def test_an_empty_file_is_the_defaults(load, text):
    config = load(text)

    assert config == load_config(None, TOKEN)
    assert [account.name for account in config.accounts] == [None]
    assert config.accounts[0].token.read() == Secret("joulo_x")
    assert config.api.url == "https://api.joulo.nl/functions/v1/api"
    assert (config.api.timeout_s, config.api.proxy_url) == (10, None)
    assert config.intervals == {
        "chargers": 60,
        "sessions": 600,
        "energy": 3600,
        "ere_position": 3600,
        "ere_price": 3600,
    }
    assert config.collectors == frozenset()
    assert config.stale_after_s == 900
    assert (config.history.page_interval_s, config.history.resync_interval_s) == (10, 604_800)
    assert (config.vehicles, config.chargers, config.id_tags) == ({}, {}, "show")
    assert config.storage_path == Path("/var/lib/joulo-exporter")


def test_the_example_of_the_documentation_is_a_configuration(load):
    config = load(
        "accounts:\n"
        "  - name: home                       # the account label\n"
        "    token_file: /run/secrets/joulo\n"
        "api:\n"
        "  url: https://api.joulo.nl/functions/v1/api\n"
        "  timeout: 10s\n"
        "  proxy_url: http://proxy.example:3128\n"
        "intervals: {chargers: 60s, sessions: 10m, energy: 1h}\n"
        "stale_after: 15m\n"
        "history: {page_interval: 10s, resync_interval: 7d}\n"
        "vehicles: {DEADBEEF12345678: tesla}\n"
        "chargers: {6f1d2c0a-7b1e-4c55-9d0e-1a2b3c4d5e6f: oprit}\n"
        "id_tags: show\n"
        "storage: {path: /var/lib/joulo-exporter}\n",
        {},
    )

    assert config.accounts[0].token.path == Path("/run/secrets/joulo")
    assert config.intervals == load_config(None, TOKEN).intervals


# Intervals


@pytest.mark.parametrize(
    ("key", "floor_s", "why"),
    [
        ("intervals.chargers", 60, "the API documents no faster polling"),
        ("intervals.sessions", 600, "the API documents no faster polling"),
        ("intervals.energy", 600, "the API documents no faster polling"),
        ("intervals.ere_position", 3600, "it is not in the vendor's guide"),
        ("intervals.ere_price", 3600, "it is not in the vendor's guide"),
        ("history.page_interval", 1, "it is the pause between two requests"),
        ("history.resync_interval", 3600, "it is the time between two fetches of the whole history"),
    ],
)
def test_an_interval_may_be_the_floor_and_not_less(load, refused, key, floor_s, why):
    section, _, name = key.partition(".")

    load(f"{section}: {{{name}: {floor_s}s}}")
    line = refused(f"{section}: {{{name}: {floor_s * 1000 - 1}ms}}")
    assert line.startswith(f"{key}: is shorter than {format_duration(floor_s)}: {why}")
    assert "only an API on a loopback address may be asked faster" in line


@pytest.mark.parametrize("url", ["http://localhost:9974", "https://127.0.0.2/api", "http://[::1]:1"])
def test_a_simulator_may_be_asked_faster(load, url):
    config = load(
        f"api: {{url: '{url}'}}\n"
        "intervals: {chargers: 1ms, sessions: 1s, energy: 2s, ere_position: 3s, ere_price: 4s}\n"
        "history: {page_interval: 1ms, resync_interval: 1s}\n"
    )

    assert config.intervals == {
        "chargers": 0.001,
        "sessions": 1,
        "energy": 2,
        "ere_position": 3,
        "ere_price": 4,
    }
    assert (config.history.page_interval_s, config.history.resync_interval_s) == (0.001, 1)


def test_whether_it_is_a_simulator_is_a_matter_of_the_url_in_force(load, refused):
    fast = "intervals: {chargers: 1s}\n"

    assert load(fast, TOKEN | {"JOULO_API_URL": "http://localhost:1"}).intervals["chargers"] == 1
    assert "is shorter than 1m" in refused(
        "api: {url: 'http://localhost:9974'}\n" + fast, TOKEN | {"JOULO_API_URL": "https://api.joulo.nl"}
    )


@pytest.mark.parametrize(
    "key",
    ["stale_after", "intervals.chargers", "history.page_interval", "history.resync_interval", "api.timeout"],
)
def test_no_duration_is_nothing(refused, key):
    section, _, name = key.partition(".")
    faulty = f"{section}: {{{name}: 0}}" if name else f"{section}: 0"

    assert refused(faulty).startswith(f"{key}: must be longer than 0; write for example ")


# Names


@pytest.mark.parametrize("name", ["x" * 128, "null", "12", "a b", "家"])
def test_a_name_is_any_text_that_can_be_printed(load, name):
    assert load(f"accounts: [{{name: {name}, token: a}}]").accounts[0].name == name


@pytest.mark.parametrize("other", ["x", "'x '"])
def test_two_accounts_have_two_names(refused, other):
    text = f"accounts: [{{name: x, token: a}}, {{name: y, token: b}}, {{name: {other}, token: c}}]"

    assert refused(text) == "accounts[2].name: is the name of accounts[0] too; choose another account label"


def test_a_single_account_needs_no_name(load):
    assert load("accounts: [{token_env: A}]", {}).accounts[0].name is None


def test_the_reserved_vehicle_is_that_spelling_alone(load):
    assert load("vehicles: {AB: Unknown}").vehicles == {"AB": "Unknown"}


# Paths


def test_paths_start_at_the_folder_of_the_file(load, tmp_path):
    config = load("accounts: [{token_file: secrets/joulo}]\nstorage: {path: data}\n")

    assert config.accounts[0].token.path == tmp_path / "secrets/joulo"
    assert config.storage_path == tmp_path / "data"


def test_a_storage_path_passed_in_goes_before_that_of_the_file(load):
    assert load("storage: {path: /a}", storage_path=Path("/b")).storage_path == Path("/b")
    assert load_config(None, TOKEN, storage_path=Path("c")).storage_path == Path("c")


@pytest.mark.parametrize("name", ["joulo_0LEAK4242canary", "eyJhbGciOiJIUzI1NiJ9.e30.abc", "x" * 32])
def test_a_token_in_the_place_of_a_path_is_told_from_a_file(load, refused, tmp_path, name):
    assert name not in refused(f"accounts: [{{token_file: {name}}}]")
    config = load(f"accounts: [{{token_file: ./{name}}}]")
    assert config.accounts[0].token.path == tmp_path / name


@pytest.mark.parametrize("name", ["token", "joulo_token", "joulo.token"])
def test_a_file_beside_the_configuration_needs_no_folder(load, tmp_path, name):
    assert load(f"accounts: [{{token_file: {name}}}]").accounts[0].token.path == tmp_path / name


def test_the_configuration_knows_neither_the_command_line_nor_the_network():
    code = (  # ssl, which reads certificates, brings in socket
        "import sys, joulo_exporter.config\n"
        "print(sorted({'argparse', 'aiohttp', 'asyncio', 'sqlite3'} & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert output == "[]\n"


# Collectors


@pytest.mark.parametrize(
    ("text", "flags", "on"),
    [
        ("", {}, set()),
        ("collectors: {ere_position: true}", {}, {"ere_position"}),
        ("collectors: {ere_position: True, ere_price: false}", {"ere_price": True}, {"ere_position", "ere_price"}),
        ("collectors: {ere_position: true}", {"ere_position": False}, set()),
    ],
)
def test_a_flag_overrides_the_file(tmp_path, text, flags, on):
    file = tmp_path / "config.yml"
    file.write_text(text)
    assert load_config(file, TOKEN, collectors=flags).collectors == on


@pytest.mark.parametrize("value", ["maybe", "1", "yes"])
def test_a_collector_is_on_or_off(refused, value):
    line = refused(f"collectors: {{ere_price: {value}}}")
    assert line.startswith("collectors.ere_price: must be true or false")


def test_the_price_feed_of_a_simulator_is_on_its_own_host(load):
    config = load("api: {url: 'http://localhost:9974/functions/v1/api'}")
    assert config.api.ere_price_url == "http://localhost:9974/api/ere-price"


@pytest.mark.parametrize(
    "url", ["https://example.org/api/ere-price", "http://joulo.nl/api/ere-price", "http://[::1]/"]
)
def test_the_price_feed_is_the_vendors_or_on_this_machine(refused, url):
    line = refused(f"api: {{ere_price_url: '{url}'}}")
    assert line.startswith("api.ere_price_url: is no price feed on this machine")
