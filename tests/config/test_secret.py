import copy
import json
import logging
import pickle

import msgspec
import pytest

from joulo_exporter.config import Secret

CANARY = "joulo_0LEAK4242canary"


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        "{}".format,
        "{!r:>20}".format,
        "%s".__mod__,
        lambda secret: f"{secret:>30}",
        lambda secret: repr([secret, {"key": secret}]),
        lambda secret: str(ValueError(secret)),
        lambda secret: json.dumps({"key": secret}, default=str),
        lambda secret: logging.makeLogRecord({"msg": "%s", "args": (secret,)}).getMessage(),
    ],
)
def test_a_secret_does_not_show(show):
    shown = show(Secret(CANARY))

    assert CANARY not in shown
    assert "<secret>" in shown


def test_it_is_revealed_on_demand():
    assert Secret(CANARY).reveal() == CANARY


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_is_not_pickled(protocol):
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(Secret(CANARY), protocol)


def test_it_is_not_encoded():
    with pytest.raises(TypeError, match="Secret"):
        msgspec.json.encode(Secret(CANARY))


def test_it_has_no_variables_to_list():
    with pytest.raises(TypeError):
        vars(Secret(CANARY))


def test_it_cannot_be_changed():
    secret = Secret(CANARY)

    with pytest.raises(AttributeError):
        secret._text = "other"
    with pytest.raises(AttributeError):
        del secret._text
    assert secret.reveal() == CANARY


def test_secrets_are_equal_when_their_texts_are():
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


def test_a_copy_is_the_secret_itself():
    secret = Secret(CANARY)

    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret]) == [secret]
