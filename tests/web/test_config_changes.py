"""The web configuration follows its files; time is moved by hand."""

import asyncio
import logging
import os
import shutil
import ssl

import pytest
from support.certificates import HASH
from support.web import connected, serving

from joulo_exporter.errors import ConfigError
from joulo_exporter.web.auth import Protection
from joulo_exporter.web.config import WebConfigWatcher

TLS = "tls_server_config: {cert_file: server.crt, key_file: server.key}\n"
USERS = f"basic_auth_users: {{prometheus: '{HASH}'}}\n"


@pytest.fixture
def folder(certificates, tmp_path):
    shutil.copytree(certificates.folder, tmp_path, dirs_exist_ok=True)
    for kind in ("crt", "key"):
        shutil.copy(tmp_path / f"server.{kind}", tmp_path / f"former.{kind}")
    (tmp_path / "web.yml").write_text(TLS)
    return tmp_path


class Looks:
    """A sleep that lasts until the test says so."""

    def __init__(self):
        self.asleep = asyncio.Event()
        self.slept = asyncio.Event()

    async def __call__(self, _seconds):
        self.asleep.set()
        await self.slept.wait()
        self.slept.clear()

    async def look(self):
        """Let the watcher look once."""
        await self.asleep.wait()
        self.asleep.clear()
        self.slept.set()
        await self.asleep.wait()


@pytest.fixture
def looks():
    return Looks()


@pytest.fixture
async def watcher(folder, looks):
    watcher = WebConfigWatcher(folder / "web.yml", sleep=looks)
    async with watcher.watching():
        yield watcher


@pytest.fixture
def change(folder, looks):
    """Write the file, and let the watcher look at it."""

    async def write(text):
        (folder / "web.yml").write_text(text)
        await looks.look()

    return write


@pytest.fixture
def logged(caplog):
    caplog.set_level(logging.INFO, "joulo_exporter.web.config")

    def lines():
        found = [(record.levelname, record.getMessage()) for record in caplog.records if "config" in record.name]
        caplog.clear()
        return found

    return lines


def exchange(folder, name, source):
    """Replace a file as tools for certificates do: whole, by renaming."""
    new = folder / f"{name}.new"
    shutil.copy(folder / source, new)
    os.replace(new, folder / name)  # noqa: PTH105


async def test_files_that_stay_are_not_read_again(watcher, looks, logged, monkeypatch):
    await looks.look()
    former = watcher.tls()
    monkeypatch.setattr("joulo_exporter.web.config.load_web_config", None)
    for _ in range(3):
        await looks.look()
    assert watcher.tls() is former
    assert logged() == []


async def test_users_change_and_a_faulty_file_is_logged_once(watcher, looks, change, logged, caplog):
    logged()
    await change(TLS + USERS)
    assert watcher.config.protection.users == {"prometheus": HASH}
    assert logged() == [("INFO", "web configuration read again")]
    await change("basic_auth_users: {prometheus: plain-password}")
    assert "basic_auth_users[0]: is no bcrypt hash" in str(caplog.records[-1].fields["err"])
    assert "plain-password" not in caplog.text
    for _ in range(3):
        await looks.look()
    assert logged() == [("ERROR", "--web.config.file not read again; the former web configuration stays in force")]
    assert watcher.config.protection.users == {"prometheus": HASH}
    await change(TLS)
    assert watcher.config.protection == Protection()
    assert logged() == [("INFO", "web configuration read again")]


@pytest.mark.parametrize("order", [("server.crt", "server.key"), ("server.key", "server.crt")])
async def test_half_a_pair_leaves_the_former_pair_in_use(watcher, looks, folder, logged, order):
    await looks.look()
    former = watcher.tls()
    logged()
    exchange(folder, order[0], f"renewed.{order[0][-3:]}")
    await looks.look()
    assert watcher.tls() is former
    exchange(folder, order[1], f"renewed.{order[1][-3:]}")
    await looks.look()
    assert watcher.tls() is not former
    assert [level for level, _ in logged()] == ["ERROR", "INFO"]


async def test_a_file_that_is_missing_or_named_by_a_fault_is_waited_for(watcher, looks, change, folder, logged):
    await looks.look()
    logged()
    (folder / "server.key").rename(folder / "away")
    await looks.look()
    (folder / "away").rename(folder / "server.key")
    await looks.look()
    assert [level for level, _ in logged()] == ["ERROR", "INFO"]
    former = watcher.tls()
    await change(TLS.replace("server.", "new."))
    assert watcher.tls() is former
    for kind in ("key", "crt"):
        exchange(folder, f"new.{kind}", f"renewed.{kind}")
        await looks.look()
    assert watcher.tls() is not former


SWITCHED = ("WARNING", "TLS is switched on or off in the web configuration, which takes a restart")


async def test_tls_is_not_switched_off_and_the_log_says_so_once(watcher, change, logged):
    former = watcher.tls()
    logged()
    await change(USERS)
    assert watcher.tls() is former
    assert watcher.config.protection.users == {"prometheus": HASH}
    assert SWITCHED in logged()
    await change("")
    assert SWITCHED not in logged()


async def test_tls_is_not_switched_on(folder, looks, change, logged):
    (folder / "web.yml").write_text("")
    watcher = WebConfigWatcher(folder / "web.yml", sleep=looks)
    async with watcher.watching():
        await change(TLS)
    assert watcher.tls is None
    assert SWITCHED in logged()


async def test_a_reload_reads_without_a_look_and_what_changes_meanwhile_is_read_at_the_next(
    watcher, looks, folder
):
    await looks.look()
    former = await watcher.read()
    (folder / "web.yml").write_text(TLS + USERS)
    watcher.take(await watcher.read())
    assert watcher.config.protection.users == {"prometheus": HASH}
    await looks.look()
    watcher.take(former)
    assert watcher.config.protection.users == {}
    await looks.look()
    assert watcher.config.protection.users == {"prometheus": HASH}
    (folder / "web.yml").write_text("nonsense: 1")
    with pytest.raises(ConfigError, match="nonsense: unknown key"):
        await watcher.read()


async def test_no_scrape_fails_while_certificates_are_exchanged(watcher, looks, folder, certificates):
    """Scrapes on new connections, in four loops, while the pair is exchanged file by file, back and forth."""
    trusting = ssl.create_default_context(cafile=certificates.path("ca.crt"))
    scraped: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    async def scrapes(address):
        while True:
            async with connected(address, ssl=trusting) as (reader, writer):
                writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                await scraped.put((writer.get_extra_info("peercert")["serialNumber"], await reader.read()))

    async def next_scrapes(number):
        return [await scraped.get() for _ in range(number)]

    answers = []
    async with serving(tls=watcher.tls) as address:
        loops = [asyncio.create_task(scrapes(address)) for _ in range(4)]
        for source in ("renewed", "former", "renewed"):
            for kind in ("crt", "key"):
                exchange(folder, f"server.{kind}", f"{source}.{kind}")
                await looks.look()
                answers += await next_scrapes(10)
        latest = (await next_scrapes(10 + scraped.qsize()))[-5:]
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
    assert all(body.startswith(b"HTTP/1.1 200 OK") and body.endswith(b"up 1\n") for _, body in answers + latest)
    assert {serial for serial, _ in answers} == {certificates.serial("server"), certificates.serial("renewed")}
    assert {serial for serial, _ in latest} == {certificates.serial("renewed")}
