"""Every way to fail, as a client sees it."""

import asyncio

import aiohttp
import pytest

from joulo_exporter.simulator import serve
from joulo_exporter.simulator.faults import (
    Canned,
    Cut,
    Hang,
    Reset,
    error_status,
    gateway_page,
    redirect,
    throttled,
)

HTTP_DATE = "Thu, 18 Jun 2026 16:30:00 GMT"


async def status_of(client, path="chargers"):
    async with client.get(path, allow_redirects=False) as response:
        return response.status


@pytest.mark.parametrize("status", [400, 401, 404, 409, 429, 500, 503])
async def test_any_status_with_the_apis_error_body(running, client, status):
    running.faults.inject("/chargers", error_status(status, "Try later"))
    async with client.get("chargers") as response:
        assert response.status == status
        assert await response.json() == {"error": "Try later"}


@pytest.mark.parametrize(("retry_after", "sent"), [(120, "120"), (HTTP_DATE, HTTP_DATE), (None, None)])
async def test_throttling_says_for_how_long(running, client, retry_after, sent):
    running.faults.inject("/chargers", throttled(retry_after))
    async with client.get("chargers") as response:
        assert response.status == 429
        assert response.headers.get("Retry-After") == sent
        assert await response.json() == {"error": "Too many requests"}


async def test_the_page_of_a_gateway(running, client):
    running.faults.inject("/chargers", gateway_page())
    async with client.get("chargers") as response:
        assert response.status == 502
        assert response.content_type == "text/html"
        assert "<h1>502 Bad Gateway</h1>" in await response.text()


@pytest.mark.parametrize("body", [b"", b"not json", b'{"chargers": [', b"\xff\x00", b"[]"])
async def test_any_body_with_200(running, client, body):
    running.faults.inject("/chargers", Canned(body=body))
    async with client.get("chargers") as response:
        assert (response.status, response.content_type) == (200, "application/json")
        assert await response.read() == body


async def test_a_body_that_is_cut_off(running, client):
    running.faults.inject("/chargers", Cut())
    async with client.get("chargers") as response:
        assert response.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


async def test_a_body_that_never_ends(running, client):
    running.faults.inject("/chargers", Cut(keep=0.1, hangs=True))
    async with client.get("chargers") as response:
        beginning = await response.content.readany()
        assert beginning.startswith(b'{"chargers":[{"id":"')
        assert len(beginning) * 9 <= int(response.headers["Content-Length"]) <= len(beginning) * 11
        rest = asyncio.ensure_future(response.read())
        assert await status_of(client, "energy") == 200
        assert not rest.done()
        running.close()
        with pytest.raises(aiohttp.ClientPayloadError):
            await rest


async def test_no_answer_at_all_until_the_server_shuts_down(household):
    headers = {"Authorization": "Bearer joulo_demo"}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with serve(household) as running:
            running.faults.inject("/chargers", Hang())
            hanging = asyncio.ensure_future(session.get(f"{running.url}/chargers"))
            while not running.requests_to("/chargers"):
                assert await status_of(session, f"{running.url}/energy") == 200
            assert await status_of(session, f"{running.url}/energy") == 200
            assert not hanging.done()
        with pytest.raises(aiohttp.ClientConnectionError):
            await hanging


async def test_a_client_that_gives_up_on_a_hanging_server_does_not_hold_its_end(household):
    timeout = aiohttp.ClientTimeout(total=0.05)
    async with aiohttp.ClientSession(timeout=timeout) as session, serve(household) as running:
        running.faults.inject("/chargers", Hang())
        with pytest.raises(TimeoutError):
            await session.get(f"{running.url}/chargers")


async def test_a_reset_connection(running, client):
    running.faults.inject("/chargers", Reset())
    with pytest.raises(aiohttp.ClientOSError) as caught:
        await client.get("chargers")
    assert isinstance(caught.value, ConnectionResetError) or "reset" in str(caught.value)


async def test_a_redirect(running, client):
    running.faults.inject("/chargers", redirect("https://elsewhere.example/chargers"))
    async with client.get("chargers", allow_redirects=False) as response:
        assert response.status == 302
        assert response.headers["Location"] == "https://elsewhere.example/chargers"


async def test_a_fault_lasts_for_its_number_of_requests_and_the_next_follows(running, client):
    running.faults.inject("/chargers", error_status(503), times=2)
    running.faults.inject("/chargers", throttled(60), times=1)
    assert [await status_of(client) for _ in range(5)] == [503, 503, 429, 200, 200]


async def test_a_fault_without_number_lasts_until_it_is_cleared(running, client):
    running.faults.inject("/chargers", error_status(500))
    assert [await status_of(client) for _ in range(4)] == [500] * 4
    running.faults.clear("/chargers")
    assert await status_of(client) == 200


async def test_a_fault_is_of_its_path_only(running, client):
    running.faults.inject("/sessions", error_status(500))
    running.faults.inject("/energy", error_status(503))
    assert [await status_of(client, path) for path in ("chargers", "sessions", "energy")] == [200, 500, 503]
    running.faults.clear("/energy")
    assert [await status_of(client, path) for path in ("sessions", "energy")] == [500, 200]
    running.faults.clear()
    assert await status_of(client, "sessions") == 200


async def test_a_path_can_be_given_in_full(running, client):
    running.faults.inject("/functions/v1/api/energy", error_status(500))
    assert await status_of(client, "energy") == 500


async def test_a_failed_request_is_recorded_too(running, client):
    running.faults.inject("/chargers", error_status(500))
    await status_of(client)
    assert len(running.requests_to("/chargers")) == 1
