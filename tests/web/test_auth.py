"""Passwords, rate limit and headers: the application behind its gate."""

import asyncio
import base64
import threading
from unittest.mock import AsyncMock

import pytest
from support.certificates import HASH, PASSWORD

from joulo_exporter.web import auth
from joulo_exporter.web.auth import Gate, credentials
from joulo_exporter.web.config import RateLimit, WebConfig

OTHER = HASH.replace("$04$", "$05$")
PROTECTED = WebConfig(users={"prometheus": HASH})
SECRET = b"a very secret password"


def basic(credentials):
    return f"Basic {base64.b64encode(credentials).decode()}"


RIGHT = basic(f"prometheus:{PASSWORD}".encode())


async def status(client, path="/metrics", method="GET", authorization=None):
    headers = {} if authorization is None else {"Authorization": authorization}
    async with client.request(method, path, headers=headers) as response:
        await response.read()
        return response.status


# Passwords


class Compared:
    """Stands for bcrypt, and writes down what it is asked."""

    def __init__(self):
        self.asked = []
        self.at_once = self.most_at_once = 0
        self.threads = set()
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, password, hashed):
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.threads.add(threading.current_thread())
        self.asked.append((password, hashed))
        assert self.go_on.wait(10)
        self.at_once -= 1
        return password == SECRET


@pytest.fixture
def compare(monkeypatch):
    compared = Compared()
    monkeypatch.setattr("bcrypt.checkpw", compared)
    return compared


@pytest.fixture
async def log_in(connect):
    """Return a function that logs in as a user, and returns the status."""
    client = await connect(gate=Gate(lambda: WebConfig(users={"a": HASH, "prométhée": OTHER})))
    return lambda password, user=b"a": status(client, authorization=basic(user + b":" + password))


async def test_of_a_long_password_the_first_72_bytes_count_as_in_go(log_in, monkeypatch):
    assert await log_in(b"x" * 1000) == 401  # by bcrypt itself
    compared = Compared()
    monkeypatch.setattr("bcrypt.checkpw", compared)
    await log_in(b"\0\xff:" + b"x" * 1000, "prométhée".encode())
    assert compared.asked == [(b"\0\xff:" + b"x" * 69, OTHER.encode())]


async def test_an_unknown_user_costs_as_much_as_a_known_one_whose_password_is_wrong(log_in, compare):
    costs = {}
    for user in [b"a", b"", b"\xff", *(b"nobody%d" % number for number in range(20))]:
        for asked_before in range(len(compare.asked), len(compare.asked) + 2):
            assert await log_in(b"wrong", user) == 401
            assert len(compare.asked) == asked_before + 1
            costs.setdefault(user, set()).add(compare.asked[-1][1][:7])
    assert all(len(seen) == 1 for seen in costs.values())  # a name always takes as long
    assert set.union(*costs.values()) == {b"$2y$04$", b"$2y$05$"}


async def test_a_correct_password_is_remembered_for_its_user_and_a_wrong_one_is_not(log_in, compare):
    assert await asyncio.gather(*(log_in(SECRET) for _ in range(20))) == [200] * 20
    assert len(compare.asked) == 1
    for user, password in ((b"a", b"wrong"), (b"nobody", SECRET)):
        asked_before = len(compare.asked)
        assert [await log_in(password, user) for _ in range(5)] == [401] * 5
        assert len(compare.asked) == asked_before + 5


@pytest.mark.usefixtures("compare")
async def test_no_password_is_kept_and_no_hash_shown(connect):
    gate = Gate(lambda: PROTECTED)
    assert await status(await connect(gate=gate), authorization=basic(b"prometheus:" + SECRET)) == 200
    kept = repr(vars(gate))
    assert SECRET.decode() not in kept
    assert SECRET.hex() not in kept
    assert HASH not in repr(PROTECTED)


async def test_a_flood_is_compared_in_turn_or_sent_away_while_whoever_is_remembered_passes(
    log_in, compare, monkeypatch
):
    monkeypatch.setattr(auth, "WAITING", 3)
    assert await log_in(SECRET) == 200
    compare.go_on.clear()
    flood = [asyncio.create_task(log_in(b"wrong%d" % number)) for number in range(4)]
    refused, waiting = await asyncio.wait(flood, return_when=asyncio.FIRST_COMPLETED)
    assert ([each.result() for each in refused], len(waiting)) == ([503], 3)
    assert await log_in(SECRET) == 200  # the event loop runs on while bcrypt computes
    compare.go_on.set()
    assert await asyncio.gather(*waiting) == [401] * 3
    assert await log_in(b"one more") == 401
    assert compare.most_at_once == 1
    assert threading.main_thread() not in compare.threads


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (basic(b"a:b").replace("Basic", "bAsIc"), (b"a", b"b")),
        (basic(b"a:b:c"), (b"a", b"b:c")),
        (basic(b"nocolon"), None),
        (basic(b"a:b").replace("Basic", "Bearer"), None),
        (basic(b"a:b") + "!", None),
        ("Basic é", None),
        (basic(bytes([0xFF, 0x3A, 0x00])), (b"\xff", b"\0")),
    ],
)
def test_credentials_of_a_header(header, found):
    assert credentials(header) == found


# The gate


@pytest.mark.parametrize(
    ("method", "path", "behind"),
    [
        ("HEAD", "/metrics", 200),
        ("GET", "/-/healthy", 200),
        ("POST", "/-/reload", 200),
        ("GET", "/nothing/here", 404),
        ("DELETE", "/metrics", 405),
    ],
)
async def test_every_path_asks_for_the_password(connect, method, path, behind):
    reload = AsyncMock(return_value=None)
    client = await connect(gate=Gate(lambda: PROTECTED), reload=reload)
    async with client.request(method, path) as response:
        assert (response.status, response.headers["WWW-Authenticate"]) == (401, "Basic")
        assert response.headers["Server"] == "joulo-exporter"
        assert await response.text() == ("" if method == "HEAD" else "Unauthorized\n")
    for wrong in (b"prometheus:wrong", b":", f"nobody:{PASSWORD}".encode()):
        assert await status(client, path, method, basic(wrong)) == 401
    reload.assert_not_called()
    assert await status(client, path, method, RIGHT) == behind


async def test_changed_users_hold_from_the_next_request_on(connect):
    config = WebConfig()
    client = await connect(gate=Gate(lambda: config))
    assert await status(client) == 200
    config = PROTECTED
    assert await status(client) == 401
    assert await status(client, authorization=RIGHT) == 200
    config = WebConfig(users={"prometheus": HASH[:-1] + "u"})
    assert await status(client, authorization=RIGHT) == 401
    config = WebConfig()
    assert await status(client) == 200


async def test_configured_headers_are_on_every_answer_in_place_of_our_own(connect):
    headers = {"X-Frame-Options": "sameorigin", "Strict-Transport-Security": "max-age=1"}
    client = await connect(gate=Gate(lambda: WebConfig(users=PROTECTED.users, headers=headers)))
    for path, authorization in (("/", RIGHT), ("/metrics", RIGHT), ("/nothing", RIGHT), ("/metrics", "none")):
        async with client.get(path, headers={"Authorization": authorization}) as response:
            assert response.headers.getall("X-Frame-Options") == ["sameorigin"]
            assert response.headers["Strict-Transport-Security"] == "max-age=1"
            assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_burst_passes_and_then_a_request_an_interval_before_the_password(connect):
    now_s = [1000.0]
    limited = WebConfig(users=PROTECTED.users, rate_limit=RateLimit(interval_s=2.0, burst=3))
    client = await connect(gate=Gate(lambda: limited, monotonic=lambda: now_s[0]))
    for later_s, allowed in ((0, 3), (1.9, 0), (0.1, 1), (1000, 3)):
        now_s[0] += later_s
        assert [await status(client) for _ in range(allowed + 1)] == [401] * allowed + [429]
