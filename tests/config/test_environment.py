import pytest

from joulo_exporter.config import Secret, load_config
from joulo_exporter.errors import ConfigError

TOKEN = {"JOULO_TOKEN": "joulo_x"}


def test_a_token_in_the_environment_is_enough():
    config = load_config(None, {"JOULO_TOKEN": "joulo_x\n"})

    assert len(config.accounts) == 1
    assert config.accounts[0].name is None
    assert config.accounts[0].token.read() == Secret("joulo_x")
    assert config.accounts[0].token.shown == "environment variable JOULO_TOKEN"


def test_a_token_file_in_the_environment_is_enough(tmp_path):
    (tmp_path / "token").write_text("joulo_x\r\n")
    config = load_config(None, {"JOULO_TOKEN_FILE": str(tmp_path / "token"), "JOULO_TOKEN": ""})

    assert config.accounts[0].token.read() == Secret("joulo_x")
    assert config.accounts[0].token.path == tmp_path / "token"


def test_two_tokens_in_the_environment_are_one_too_many():
    with pytest.raises(ConfigError) as caught:
        load_config(None, {"JOULO_TOKEN": "joulo_0a", "JOULO_TOKEN_FILE": "/t"})
    assert str(caught.value) == ("environment: JOULO_TOKEN: is set, and JOULO_TOKEN_FILE too; unset one of them")


@pytest.mark.parametrize("environ", [{}, {"JOULO_TOKEN": ""}, {"JOULO_TOKEN": "", "JOULO_TOKEN_FILE": ""}])
def test_without_a_token_both_ways_to_one_are_named(environ):
    with pytest.raises(ConfigError) as caught:
        load_config(None, environ)
    assert str(caught.value) == (
        "environment: accounts: there is no API token; set the environment variable JOULO_TOKEN or "
        "JOULO_TOKEN_FILE, or write accounts: with `- token_file: /run/secrets/joulo` into the "
        "configuration file"
    )


def test_accounts_of_the_file_go_before_the_token_of_the_environment(load):
    config = load("accounts: [{token: joulo_0file}]", {"JOULO_TOKEN": "joulo_0env", "JOULO_TOKEN_FILE": "/t"})

    assert [account.token.read().reveal() for account in config.accounts] == ["joulo_0file"]


def test_the_url_of_the_environment_goes_before_that_of_the_file(load):
    text = "api: {url: 'https://file.example/'}"

    assert load(text, TOKEN | {"JOULO_API_URL": "https://env.example/"}).api.url == "https://env.example"
    assert load(text, TOKEN | {"JOULO_API_URL": ""}).api.url == "https://file.example"


def test_the_url_of_the_environment_obeys_the_same_rules():
    with pytest.raises(ConfigError) as caught:
        load_config(None, TOKEN | {"JOULO_API_URL": "http://env.example"})
    assert str(caught.value) == (
        "environment: JOULO_API_URL: is plain http, and a token travels over https only; "
        "write https:// (http: loopback only)"
    )


def test_a_token_in_place_of_its_file_is_not_shown():
    with pytest.raises(ConfigError, match="environment: JOULO_TOKEN_FILE: must be the path") as caught:
        load_config(None, {"JOULO_TOKEN_FILE": "joulo_0LEAK4242canary"})
    assert "LEAK" not in str(caught.value)
