import pickle
from pathlib import Path

import msgspec
import pytest

from joulo_exporter.config import load_config

CANARY = "joulo_0LEAK4242canary"
TEXT = f"""\
accounts:
  - {{name: value, token: {CANARY}}}
  - {{name: env, token_env: WORK}}
  - {{name: file, token_file: token.txt}}
api: {{proxy_url: 'http://user:{CANARY}@proxy.example:3128'}}
vehicles: {{DEADBEEF: tesla}}
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / "token.txt").write_text(CANARY)
    (tmp_path / "joulo.yml").write_text(TEXT)
    return load_config(tmp_path / "joulo.yml", {"WORK": CANARY, "OTHER": CANARY})


def records(config):
    sources = [account.token for account in config.accounts]
    read = [source.read() for source in sources]
    return [config, config.api, config.api.proxy_url, config.history, *config.accounts, *sources, *read]


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r}".format, "%s".__mod__, lambda record: f"{record}"])
def test_no_record_shows_a_token(config, show):
    for record in records(config):
        assert CANARY not in show((record,))
        assert CANARY not in repr(record)
        assert "WORK=" not in repr(record)


def test_no_record_with_a_token_is_pickled_or_encoded(config):
    for record in records(config):
        if record is config.history:
            continue
        with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
            pickle.dumps(record, 0)
        with pytest.raises(TypeError):
            msgspec.json.encode(record)


def test_a_configuration_cannot_be_changed(config):
    with pytest.raises(AttributeError):
        config.storage_path = Path("/elsewhere")
    with pytest.raises(AttributeError):
        config.accounts[0].token.path = Path("/elsewhere")
    with pytest.raises(TypeError):
        config.intervals["chargers"] = 1
    with pytest.raises(TypeError):
        config.vehicles["DEADBEEF"] = "zoe"
    with pytest.raises(TypeError):
        config.chargers["1"] = "oprit"


def test_two_loadings_of_one_file_are_equal(config, tmp_path):
    again = load_config(tmp_path / "joulo.yml", {"WORK": "another"})

    assert again == config
    assert again.accounts[1].token == config.accounts[1].token
