"""Passwords, rate limit and headers: the comparisons themselves, and the application behind its gate."""

import asyncio
import base64
import gc
import subprocess
import sys
import threading

import pytest
from support.certificates import HASH, PASSWORD

from joulo_exporter.web import auth
from joulo_exporter.web.auth import Gate, Passwords, Protection, RateLimit, TooManyComparisonsError, credentials

OTHER = HASH.replace("$04$", "$05$")


class Compared:
    """Stands for bcrypt, and writes down what it is asked."""

    def __init__(self, correct=b"right"):
        self.correct = correct
        self.asked = []
        self.at_once = self.most_at_once = 0
        self.threads = set()
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, password, hashed):
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.threads.add(threading.current_thread())
        assert self.go_on.wait(10)
        self.asked.append((password, hashed))
        self.at_once -= 1
        return password == self.correct


@pytest.fixture
def compare():
    return Compared()


@pytest.fixture
def passwords(compare):
    return Passwords({"a": HASH}, compare)


async def test_a_name_and_a_password_may_have_any_character():
    passwords = Passwords({"prométhée": HASH}, Compared(b"\0\xff:"))
    assert await passwords.accept("prométhée".encode(), b"\0\xff:")


async def test_of_a_long_password_the_first_72_bytes_count_as_in_go():
    passwords = Passwords({"a": HASH})
    assert not await passwords.accept(b"a", b"x" * 1000)
    compare = Compared(b"x" * 72)
    assert await Passwords({"a": HASH}, compare).accept(b"a", b"x" * 1000)


async def test_an_unknown_user_costs_as_many_comparisons_as_a_known_one_with_a_wrong_password(passwords, compare):
    for user in (b"a", b"nobody", b"", b"\xff"):
        compare.asked.clear()
        for _ in range(3):
            assert not await passwords.accept(user, b"wrong")
        assert len(compare.asked) == 3
        assert {hashed[:7] for _, hashed in compare.asked} == {b"$2y$04$"}


async def test_costs_that_differ_tell_no_name():
    compare = Compared()
    passwords = Passwords({"a": HASH, "b": OTHER}, compare)
    costs = {}
    for number in range(50):
        for _ in range(2):
            await passwords.accept(b"nobody%d" % number, b"wrong")
            costs.setdefault(number, set()).add(compare.asked[-1][1][:7])
    assert all(len(seen) == 1 for seen in costs.values())  # a name always takes as long
    assert set.union(*costs.values()) == {b"$2y$04$", b"$2y$05$"}


async def test_a_correct_answer_is_remembered_and_a_wrong_one_is_not(passwords, compare):
    assert [await passwords.accept(b"a", b"right") for _ in range(5)] == [True] * 5
    assert len(compare.asked) == 1
    assert [await passwords.accept(b"a", b"wrong") for _ in range(5)] == [False] * 5
    assert len(compare.asked) == 6


async def test_no_password_is_kept():
    secret = b"a very secret password"
    passwords = Passwords({"a": HASH}, Compared(secret))
    assert await passwords.accept(b"a", bytes(bytearray(secret)))
    gc.collect()
    kept = repr({name: value for name, value in vars(passwords).items() if name != "_compare"})
    assert secret.decode() not in kept
    assert secret.hex() not in kept


async def test_comparisons_run_one_at_a_time_and_off_the_event_loop(passwords, compare):
    compare.go_on.clear()
    asked = [asyncio.create_task(passwords.accept(b"a", b"wrong%d" % number)) for number in range(5)]
    for _ in range(100):
        await asyncio.sleep(0)  # the loop runs on while bcrypt computes
    compare.go_on.set()
    assert await asyncio.gather(*asked) == [False] * 5
    assert compare.most_at_once == 1
    assert threading.main_thread() not in compare.threads


async def test_the_same_question_many_times_at_once_is_one_comparison(passwords, compare):
    assert await asyncio.gather(*(passwords.accept(b"a", b"right") for _ in range(20))) == [True] * 20
    assert len(compare.asked) == 1


async def test_a_flood_is_sent_away_while_whoever_is_remembered_passes(passwords, compare, monkeypatch):
    monkeypatch.setattr(auth, "WAITING", 3)
    assert await passwords.accept(b"a", b"right")
    compare.go_on.clear()
    waiting = [asyncio.create_task(passwords.accept(b"a", b"wrong%d" % number)) for number in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyComparisonsError):
        await passwords.accept(b"a", b"one more")
    assert await passwords.accept(b"a", b"right")
    compare.go_on.set()
    await asyncio.gather(*waiting)
    assert not await passwords.accept(b"a", b"one more")


def basic(credentials):
    return f"Basic {base64.b64encode(credentials).decode()}"


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (None, None),
        ("", None),
        ("Basic", None),
        (basic(b"a:b"), (b"a", b"b")),
        (basic(b"a:b").replace("Basic", "bAsIc"), (b"a", b"b")),
        (basic(b"a:b:c"), (b"a", b"b:c")),
        (basic(b":"), (b"", b"")),
        (basic(b"nocolon"), None),
        (basic(b"a:b").replace("Basic", "Bearer"), None),
        (basic(b"a:b") + "!", None),
        ("Basic a:b", None),
        ("Basic é", None),
        ("Basic \udcff", None),
        (basic(bytes([0xFF, 0x3A, 0x00])), (b"\xff", b"\0")),
    ],
)
def test_credentials_of_a_header(header, found):
    assert credentials(header) == found


def test_bcrypt_is_not_imported_before_there_are_users():
    code = "import sys, joulo_exporter.cli, joulo_exporter.web.config; assert 'bcrypt' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


PROTECTED = Protection(users={"prometheus": HASH})


RIGHT = basic(f"prometheus:{PASSWORD}".encode())


class Clock:
    now_s = 1000.0

    def __call__(self):
        return self.now_s


def authorized(authorization):
    return {} if authorization is None else {"Authorization": authorization}


async def status(client, path="/metrics", method="GET", authorization=None):
    async with client.request(method, path, headers=authorized(authorization)) as response:
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
    client = await connect(gate=Gate(PROTECTED))
    async with client.request(method, path) as response:
        assert (response.status, response.headers["WWW-Authenticate"]) == (401, "Basic")
        assert response.headers["Server"] == "joulo-exporter"
        if method != "HEAD":
            assert await response.text() == "Unauthorized\n"
    for wrong in (b"prometheus:wrong", b":", f"nobody:{PASSWORD}".encode()):
        assert await status(client, path, method, basic(wrong)) == 401
    assert await status(client, path, method, RIGHT) == behind


async def test_a_reload_without_the_password_reloads_nothing(connect):
    asked = []

    async def reload():
        asked.append(1)

    client = await connect(gate=Gate(PROTECTED), reload=reload)
    assert await status(client, "/-/reload", "POST") == 401
    assert asked == []
    assert await status(client, "/-/reload", "POST", RIGHT) == 200
    assert asked == [1]


async def test_changed_users_hold_from_the_next_request_on(connect):
    gate = Gate(Protection())
    client = await connect(gate=gate)
    assert await status(client) == 200
    gate.follow(PROTECTED)
    assert await status(client) == 401
    assert await status(client, authorization=RIGHT) == 200
    other = HASH[:-1] + ("a" if HASH[-1] != "a" else "b")
    gate.follow(Protection(users={"prometheus": other}))
    assert await status(client, authorization=RIGHT) == 401
    gate.follow(Protection())
    assert await status(client) == 200


async def test_configured_headers_are_on_every_answer_in_place_of_our_own(connect):
    headers = {"X-Frame-Options": "sameorigin", "Strict-Transport-Security": "max-age=1"}
    client = await connect(gate=Gate(Protection(users=PROTECTED.users, headers=headers)))
    for path, authorization in (("/", RIGHT), ("/metrics", RIGHT), ("/nothing", RIGHT), ("/metrics", None)):
        async with client.get(path, headers=authorized(authorization)) as response:
            assert response.headers.getall("X-Frame-Options") == ["sameorigin"]
            assert response.headers["Strict-Transport-Security"] == "max-age=1"
            assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_burst_passes_and_then_a_request_an_interval(connect):
    clock = Clock()
    client = await connect(gate=Gate(Protection(rate_limit=RateLimit(interval_s=2.0, burst=3)), monotonic=clock))
    assert [await status(client) for _ in range(5)] == [200, 200, 200, 429, 429]
    clock.now_s += 1.9
    assert await status(client) == 429
    clock.now_s += 0.1
    assert [await status(client) for _ in range(2)] == [200, 429]
    clock.now_s += 1000
    assert [await status(client) for _ in range(4)] == [200, 200, 200, 429]


async def test_the_limit_comes_before_the_password(connect):
    client = await connect(
        gate=Gate(Protection(users=PROTECTED.users, rate_limit=RateLimit(60.0, 1)), monotonic=Clock())
    )
    assert [await status(client) for _ in range(2)] == [401, 429]


async def test_too_many_passwords_to_compare(connect, monkeypatch):
    monkeypatch.setattr("joulo_exporter.web.auth.WAITING", 0)
    client = await connect(gate=Gate(PROTECTED))
    assert await status(client, authorization=RIGHT) == 503
    assert await status(client) == 401


def test_no_record_shows_a_hash():
    assert HASH not in repr(PROTECTED)
