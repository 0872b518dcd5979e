"""The command line with a token, and without the environment of whoever runs the tests."""

import pytest


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("JOULO_TOKEN_FILE", "JOULO_API_URL", "POD_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JOULO_TOKEN", "joulo_secret")
