import base64
import dataclasses

import pytest
from aiohttp.test_utils import TestClient, TestServer
from certificates import HASH, PASSWORD
from web_rig import always

from joulo_exporter.web.application import WebServices, make_application
from joulo_exporter.web.landing import LandingPage
from joulo_exporter.web.security import Gate, Protection, RateLimit

PROTECTED = Protection(users={"prometheus": HASH})


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


RIGHT = basic("prometheus", PASSWORD)


async def reload_nothing():
    return None


SERVICES = WebServices(
    metrics=always(b""),
    page=lambda: LandingPage(version="1", now_seconds=0, accounts=(), ledger_persistent=True),
    ready=lambda: True,
    reload=reload_nothing,
    lifecycle_enabled=True,
    telemetry_path="/metrics",
)


class Clock:
    now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
async def connect():
    clients = []

    async def start(gate):
        clients.append(TestClient(TestServer(make_application(SERVICES, gate))))
        await clients[-1].start_server()
        return clients[-1]

    yield start
    for client in clients:
        await client.close()


def authorized(auth):
    return {} if auth is None else {"Authorization": auth}


async def status(client, path="/metrics", method="GET", auth=None):
    async with client.request(method, path, headers=authorized(auth)) as response:
        await response.read()
        return response.status


@pytest.mark.parametrize(
    ("method", "path", "behind"),
    [
        ("GET", "/metrics", 200),
        ("HEAD", "/metrics", 200),
        ("GET", "/", 200),
        ("GET", "/-/healthy", 200),
        ("GET", "/-/ready", 200),
        ("POST", "/-/reload", 200),
        ("PUT", "/-/reload", 200),
        ("GET", "/nothing/here", 404),
        ("DELETE", "/metrics", 405),
        ("OPTIONS", "/metrics", 405),
    ],
)
async def test_every_path_asks_for_the_password(connect, method, path, behind):
    client = await connect(Gate(PROTECTED))
    async with client.request(method, path) as response:
        assert (response.status, response.headers["WWW-Authenticate"]) == (401, "Basic")
        assert response.headers["Server"] == "joulo-exporter"
        if method != "HEAD":
            assert await response.text() == "Unauthorized\n"
    assert await status(client, path, method, basic("prometheus", "wrong")) == 401
    assert await status(client, path, method, basic("", "")) == 401
    assert await status(client, path, method, basic("nobody", PASSWORD)) == 401
    assert await status(client, path, method, RIGHT) == behind


async def test_a_reload_without_the_password_reloads_nothing():
    asked = []

    async def reload():
        asked.append(1)

    server = make_application(dataclasses.replace(SERVICES, reload=reload), Gate(PROTECTED))
    async with TestClient(TestServer(server)) as client:
        assert await status(client, "/-/reload", "POST") == 401
        assert asked == []
        assert await status(client, "/-/reload", "POST", RIGHT) == 200
        assert asked == [1]


async def test_two_authorization_headers_are_read_as_the_first(connect):
    client = await connect(Gate(PROTECTED))
    wrong = basic("a", "b")
    for headers, expected in (([RIGHT, wrong], 200), ([wrong, RIGHT], 401)):
        async with client.get("/metrics", headers=[("Authorization", value) for value in headers]) as response:
            assert response.status == expected


async def test_without_users_nobody_is_asked(connect):
    client = await connect(Gate(Protection()))
    assert await status(client) == 200


async def test_changed_users_hold_from_the_next_request_on(connect):
    gate = Gate(Protection())
    client = await connect(gate)
    assert await status(client) == 200
    gate.follow(PROTECTED)
    assert await status(client) == 401
    assert await status(client, auth=RIGHT) == 200
    other = HASH[:-1] + ("a" if HASH[-1] != "a" else "b")
    gate.follow(Protection(users={"prometheus": other}))
    assert await status(client, auth=RIGHT) == 401
    gate.follow(Protection())
    assert await status(client) == 200


async def test_the_same_users_keep_the_memory():
    gate = Gate(PROTECTED)
    former = gate._passwords
    gate.follow(Protection(users=dict(PROTECTED.users), headers={"X-Frame-Options": "deny"}))
    assert gate._passwords is former


async def test_configured_headers_are_on_every_answer_in_place_of_our_own(connect):
    headers = {"X-Frame-Options": "sameorigin", "Strict-Transport-Security": "max-age=1"}
    client = await connect(Gate(Protection(users=PROTECTED.users, headers=headers)))
    for path, auth in (("/", RIGHT), ("/metrics", RIGHT), ("/nothing", RIGHT), ("/metrics", None)):
        async with client.get(path, headers=authorized(auth)) as response:
            assert response.headers.getall("X-Frame-Options") == ["sameorigin"]
            assert response.headers["Strict-Transport-Security"] == "max-age=1"
            assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_burst_passes_and_then_a_request_an_interval(connect):
    clock = Clock()
    client = await connect(Gate(Protection(rate_limit=RateLimit(interval_s=2.0, burst=3)), monotonic=clock))
    assert [await status(client) for _ in range(5)] == [200, 200, 200, 429, 429]
    clock.now_s += 1.9
    assert await status(client) == 429
    clock.now_s += 0.1
    assert [await status(client) for _ in range(2)] == [200, 429]
    clock.now_s += 1000
    assert [await status(client) for _ in range(4)] == [200, 200, 200, 429]


async def test_the_limit_comes_before_the_password(connect):
    client = await connect(
        Gate(Protection(users=PROTECTED.users, rate_limit=RateLimit(60.0, 1)), monotonic=Clock())
    )
    assert [await status(client) for _ in range(2)] == [401, 429]


async def test_too_many_passwords_to_compare(connect, monkeypatch):
    monkeypatch.setattr("joulo_exporter.web.passwords.WAITING", 0)
    client = await connect(Gate(PROTECTED))
    assert await status(client, auth=RIGHT) == 503
    assert await status(client) == 401


def test_no_record_shows_a_hash():
    assert HASH not in repr(PROTECTED)
