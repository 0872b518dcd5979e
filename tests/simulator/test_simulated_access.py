"""Who may ask the simulated API, and which paths and methods there are."""

import aiohttp
import pytest

from joulo_exporter.simulator import ALL_SCOPES, BASE_PATH, serve


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        'Bearer "joulo_demo"',
        "Bearer  joulo_demo",
        "joulo_demo",
        "Basic joulo_demo",
    ],
)
async def test_no_answer_without_the_token(running, header):
    headers = {} if header is None else {"Authorization": header}
    async with aiohttp.request("GET", f"{running.url}/chargers", headers=headers) as response:
        assert response.status == 401
        assert await response.json() == {"error": "Missing or invalid API token"}


async def test_a_token_reads_what_its_scopes_allow(household):
    tokens = {"joulo_part": {"chargers:read", "energy:read"}, "joulo_whole": ALL_SCOPES}
    async with serve(household, tokens=tokens) as running, aiohttp.ClientSession() as session:

        async def ask(path, token):
            headers = {"Authorization": f"Bearer {token}"}
            async with session.get(f"{running.url}{path}", headers=headers) as response:
                return response.status, await response.json()

        assert await ask("/sessions", "joulo_part") == (
            403,
            {"error": "Insufficient scope", "required_scope": "sessions:read"},
        )
        assert (await ask("/chargers", "joulo_part"))[0] == 200
        assert (await ask("/energy", "joulo_part"))[0] == 200
        assert (await ask("/sessions", "joulo_whole"))[0] == 200
        assert (await ask("/sessions", "joulo_demo"))[0] == 401


@pytest.mark.parametrize("path", ["/", "/chargers", f"{BASE_PATH}/", f"{BASE_PATH}/tariffs", "//x", "/%2e"])
async def test_an_unknown_path(running, client, path):
    async with client.get(running.origin + path) as response:
        assert response.status == 404
        assert await response.json() == {"error": "Not found"}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_another_method(client, method):
    async with client.request(method, "sessions") as response:
        assert response.status == 405
        assert response.headers["Allow"] == "GET"
        assert await response.json() == {"error": "Method not allowed"}
