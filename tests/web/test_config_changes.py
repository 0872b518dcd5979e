"""The web configuration follows its files; ``e2e/test_tls_and_passwords`` has it looked at each second."""

import asyncio
import logging
import os
import shutil

import pytest
from support.certificates import HASH, client_tls
from support.web import LAST_REQUEST, connected, serving

from joulo_exporter.web.config import WebConfig, WebConfigWatcher, load_web_config

TLS = "tls_server_config: {cert_file: server.crt, key_file: server.key}\n"
USERS = f"basic_auth_users: {{prometheus: '{HASH}'}}\n"


@pytest.fixture
def folder(certificates, tmp_path):
    shutil.copytree(certificates.folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "web.yml").write_text(TLS)
    return tmp_path


@pytest.fixture
def watcher(folder):
    return WebConfigWatcher(folder / "web.yml")


@pytest.fixture
def change(folder, watcher):
    """Write the file, and let the watcher look at it."""

    async def write(text):
        (folder / "web.yml").write_text(text)
        await watcher.look()

    return write


@pytest.fixture
def logged(caplog):
    caplog.set_level(logging.INFO, "joulo_exporter.web.config")

    def lines():
        found = [(record.levelname, record.getMessage()) for record in caplog.records if "config" in record.name]
        caplog.clear()
        return found

    return lines


def exchange(certificates, source, file):
    """Replace a file as tools for certificates do: whole, by renaming."""
    new = shutil.copy(certificates.path(source), file.with_suffix(".new"))
    os.replace(new, file)  # noqa: PTH105


async def test_files_that_stay_change_nothing(watcher, logged):
    former = watcher.tls
    await watcher.look()
    assert watcher.tls is former
    assert logged() == []


async def test_users_change_and_a_faulty_file_is_logged_once(watcher, change, logged, caplog):
    await change(TLS + USERS)
    assert watcher.config.users == {"prometheus": HASH}
    assert logged() == [("INFO", "web configuration read again")]
    await change("basic_auth_users: {prometheus: plain-password}")
    assert "basic_auth_users[0]: is no bcrypt hash" in str(caplog.records[-1].fields["err"])
    assert "plain-password" not in caplog.text
    await watcher.look()
    assert logged() == [("ERROR", "--web.config.file not read again; the former web configuration stays in force")]
    assert watcher.config.users == {"prometheus": HASH}
    await change(TLS)
    assert watcher.config == WebConfig(context=watcher.tls)
    assert logged() == [("INFO", "web configuration read again")]


@pytest.mark.parametrize("order", [("crt", "key"), ("key", "crt")])
async def test_half_a_pair_leaves_the_former_pair_in_use(watcher, folder, certificates, logged, order):
    await watcher.look()
    former = watcher.tls
    for kind, level in zip(order, ("ERROR", "INFO"), strict=True):
        assert watcher.tls is former
        exchange(certificates, f"renewed.{kind}", folder / f"server.{kind}")
        await watcher.look()
        assert [name for name, _ in logged()] == [level]
    assert watcher.tls is not former


async def test_a_file_that_is_missing_or_named_by_a_fault_is_waited_for(
    watcher, change, folder, certificates, logged
):
    await watcher.look()
    (folder / "server.key").rename(folder / "away")
    await watcher.look()
    (folder / "away").rename(folder / "server.key")
    await watcher.look()
    assert [level for level, _ in logged()] == ["ERROR", "INFO"]
    former = watcher.tls
    await change(TLS.replace("server.", "new."))
    for kind in ("key", "crt"):
        assert watcher.tls is former
        exchange(certificates, f"renewed.{kind}", folder / f"new.{kind}")
        await watcher.look()
    assert watcher.tls is not former


SWITCHED = ("WARNING", "TLS is switched on or off in the web configuration, which takes a restart")


async def test_tls_is_not_switched_off_and_the_log_says_so(watcher, change, logged):
    former = watcher.tls
    await change(USERS)
    assert watcher.tls is former
    assert watcher.config.users == {"prometheus": HASH}
    assert SWITCHED in logged()
    await watcher.look()
    assert logged() == []


async def test_tls_is_not_switched_on(folder, logged):
    (folder / "web.yml").write_text("")
    watcher = WebConfigWatcher(folder / "web.yml")
    (folder / "web.yml").write_text(TLS)
    await watcher.look()
    assert watcher.tls is None
    assert SWITCHED in logged()


async def test_a_reload_reads_without_a_look_and_what_changes_meanwhile_is_read_at_the_next(watcher, folder):
    await watcher.look()
    former = load_web_config(folder / "web.yml")
    (folder / "web.yml").write_text(TLS + USERS)
    watcher.take(load_web_config(folder / "web.yml"))
    assert watcher.config.users == {"prometheus": HASH}
    await watcher.look()
    watcher.take(former)
    assert watcher.config.users == {}
    await watcher.look()
    assert watcher.config.users == {"prometheus": HASH}


async def test_no_scrape_fails_while_certificates_are_exchanged(watcher, folder, certificates):
    """Scrapes on new connections, in four loops, while the pair is exchanged file by file, back and forth."""
    trusting = client_tls(certificates)
    scraped: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    async def scrapes(address):
        while True:
            async with connected(address, ssl=trusting) as (reader, writer):
                writer.write(LAST_REQUEST)
                await scraped.put((writer.get_extra_info("peercert")["serialNumber"], await reader.read()))

    async def next_scrapes(number):
        return [await scraped.get() for _ in range(number)]

    responses = []
    async with serving(tls=lambda: watcher.tls) as address:
        loops = [asyncio.create_task(scrapes(address)) for _ in range(4)]
        for source in ("renewed", "server", "renewed"):
            for kind in ("crt", "key"):
                exchange(certificates, f"{source}.{kind}", folder / f"server.{kind}")
                await watcher.look()
                responses += await next_scrapes(10)
        latest = (await next_scrapes(10 + scraped.qsize()))[-5:]
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
    assert all(body.startswith(b"HTTP/1.1 200 OK") and body.endswith(b"up 1\n") for _, body in responses + latest)
    assert {serial for serial, _ in responses} == {certificates.serial("server"), certificates.serial("renewed")}
    assert {serial for serial, _ in latest} == {certificates.serial("renewed")}
