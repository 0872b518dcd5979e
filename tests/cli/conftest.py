"""The command line without the environment of whoever runs the tests."""

import pytest


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in ("JOULO_TOKEN", "JOULO_TOKEN_FILE", "JOULO_API_URL", "POD_NAME"):
        monkeypatch.delenv(name, raising=False)
