"""Fixtures that the tests of several modules share."""

import logging
import time
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace

import aiohttp
import aioresponses.core
import pytest
from aioresponses import aioresponses as AioResponses  # noqa: N812 -- it is a class, whatever its name
from hypothesis import HealthCheck, settings
from support import programs
from support.certificates import Certificates, make_certificates
from support.fake_clock import FakeClock

# How long an example takes says something about the machine, not about an invariant.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

WAITING = {"e2e", "grafana"}


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[AioResponses]:
    """Answer aiohttp's client without a socket: ``answers.get(url, status=401, body=...)``.

    A body must stay below 128 KiB: aiohttp pauses the socket for more, and there is none.
    """
    # aioresponses 0.7.9 does not pass what aiohttp 3.14 requires, the writer, of which it reads no more than this.
    writer = SimpleNamespace(output_size=0)
    response = partial(aiohttp.ClientResponse, stream_writer=writer)
    monkeypatch.setattr(aioresponses.core, "ClientResponse", response)
    with AioResponses() as mocked:
        yield mocked


@pytest.fixture(autouse=True)
def same_logging_for_all() -> Iterator[None]:
    """Take back what a test did to the root logger, as the command line does: the next one wants all records."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Put this process into a time zone: ``zone("Europe/Amsterdam")``."""

    def put(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield put
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def far_from_utc(zone: Callable[[str], None]) -> None:
    """Put this process into a time zone in which a forgotten UTC shows."""
    zone("JLO-9:45")


@pytest.fixture
def clock() -> FakeClock:
    """A clock that only the test moves."""
    return FakeClock()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates of a server, clients and authorities; to change files, copy them."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module", params=programs.GENERATIONS, ids=lambda generation: generation.name)
def generation(request: pytest.FixtureRequest) -> programs.Generation:
    """The machine's own Prometheus, promtool, Alertmanager and amtool; then, where they are, today's."""
    return request.param


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the files that wait for real programs among those that compute, so that workers do both at a time."""
    files = list(dict.fromkeys(item.path for item in items))
    waiting = [path for path in files if path.parent.name in WAITING]
    computing = [path for path in files if path not in waiting]
    place = {path: number / len(computing) for number, path in enumerate(computing)}
    place |= {path: 0.75 * number / len(waiting) for number, path in enumerate(waiting)}  # none of them ends last
    items.sort(key=lambda item: place[item.path])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print against which versions of which programs the end-to-end tests ran."""
    if not any("e2e" in report.keywords for report in terminalreporter.getreports("passed")):
        return
    terminalreporter.section("end-to-end tests ran against")
    for generation in programs.GENERATIONS:
        terminalreporter.write_line(f"{generation.name}: {generation.versions()}")
    if programs.CURRENT not in programs.GENERATIONS:
        terminalreporter.write_line("not today's, which .ci/current-stack fetches")
