"""The public price feed: asked without a token, and no redirect leads anywhere with one."""

import contextlib

import pytest
from aiohttp import web

from joulo_exporter.api import CHARGERS, ERE_PRICE, JouloClient, open_session
from joulo_exporter.config import ApiConfig, Secret
from joulo_exporter.errors import ApiStatusError

BODY = b'{"ok": true, "current": {"mid_eur": 0.24}}'


@contextlib.asynccontextmanager
async def host(answer):
    """Serve on a port of its own; yield (base URL, headers of each request)."""
    seen = []

    async def handle(request):
        seen.append(request.headers.copy())
        return answer()

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/api", seen
    finally:
        await runner.cleanup()


def client(session, url, token):
    return JouloClient(session, ApiConfig(url, timeout_s=5), token=token)


@pytest.mark.parametrize("token", [None, Secret("joulo_canary")], ids=["public client", "client of an account"])
async def test_no_token_is_sent_whoever_asks(token):
    async with host(lambda: web.Response(body=BODY)) as (url, seen), open_session(connection_limit=1) as session:
        price = await client(session, url, token).fetch(ERE_PRICE)
    assert price.content.euros == 0.24
    assert [headers.get("Authorization") for headers in seen] == [None]
    assert "joulo_canary" not in str(seen)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("endpoint", [CHARGERS, ERE_PRICE], ids=["chargers", "ere_price"])
async def test_a_redirect_to_another_host_is_not_followed(status, endpoint):
    async with host(lambda: web.Response(body=BODY)) as (elsewhere, seen_elsewhere):
        moved = lambda: web.Response(status=status, headers={"Location": elsewhere + "/ere-price"})  # noqa: E731
        async with host(moved) as (url, seen), open_session(connection_limit=1) as session:
            with pytest.raises(ApiStatusError) as raised:
                await client(session, url, Secret("joulo_canary")).fetch(endpoint)
    assert raised.value.status == status
    assert len(seen) == 1
    assert ("Authorization" in seen[0]) == (endpoint is CHARGERS)
    assert seen_elsewhere == []


async def test_an_error_of_the_feed_is_told_without_a_token():
    refused = lambda: web.json_response({"error": "gone"}, status=404)  # noqa: E731
    async with host(refused) as (url, _), open_session(connection_limit=1) as session:
        with pytest.raises(ApiStatusError, match=r"/ere-price: 404.*it says: gone"):
            await client(session, url, None).fetch(ERE_PRICE)
