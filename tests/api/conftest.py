"""A client with a token, and a door for failures that looks for that token in all that comes out."""

import traceback
from pathlib import Path

import pytest
from support.loopback import PROXY_PASSWORD, TOKEN

from joulo_exporter.api.client import CHARGERS, JouloClient, open_session
from joulo_exporter.config.files import Secret, Where, trusting
from joulo_exporter.config.schema import ApiConfig
from joulo_exporter.config.values import DEFAULT_API_URL
from joulo_exporter.errors import ApiError


@pytest.fixture
async def session():
    """The connection pool as the exporter opens it."""
    async with open_session() as session:
        yield session


@pytest.fixture
def client_of(session, clock):
    """Make a client of an API at some URL."""

    def make(base_url=DEFAULT_API_URL, *, token=TOKEN, timeout_s=5.0, proxy=None, ca_file=None):
        proxy_url = None if proxy is None else Secret(proxy)
        authorities = ca_file and trusting(Where("joulo.yml", "api.ca_file"), Path(ca_file).read_bytes())
        api = ApiConfig(base_url, timeout_s, proxy_url, authorities=authorities)
        secret = None if token is None else Secret(token)
        return JouloClient(session, api, token=secret, clock=clock.now)

    return make


@pytest.fixture
def failure_of():
    """Fetch, expect one of our errors, and hold it against what is promised of every one of them."""

    async def fetch(client, endpoint=CHARGERS, *, token=TOKEN):
        with pytest.raises(ApiError) as caught:
            await client.fetch(endpoint)
        failure = caught.value
        shown = f"{failure!s} {failure!r} {vars(failure)} {failure.args} {_chain(failure)}"
        shown += "".join(traceback.format_exception(failure))
        assert token not in shown
        assert PROXY_PASSWORD not in shown
        assert 0 < len(str(failure)) <= 300
        assert str(failure).isprintable()
        return failure

    return fetch


def _chain(error):
    """Show what hangs on an error, even where a traceback would not print it."""
    hanging = [error.__cause__, error.__context__]
    return "".join(f"{other!r} {other!s} {_chain(other)}" for other in hanging if other is not None)
