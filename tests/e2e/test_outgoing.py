"""The way to the API as an operator meets it: a CA of one's own, a proxy with a password, and what is told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys

import pytest
from support.api_certificates import make_ca, make_server, server_context
from support.loopback import PROXY_PASSWORD, TOKEN, answer, loopback
from support.processes import free_port, get, running, wait_for
from support.relay import relay

pytestmark = pytest.mark.e2e

UNTRUSTED = "the certificate of 127.0.0.1 is not trusted (unable to get local issuer certificate)"


async def _account(head, writer):
    """Answer as an account without chargers and sessions."""
    name = head.split()[1].rpartition(b"/")[2].partition(b"?")[0]
    writer.write(answer(b'{"total_kwh": 1}' if name == b"energy" else b'{"%s": []}' % name))


@pytest.fixture
def ca(tmp_path):
    certificate = make_ca(tmp_path)
    make_server(certificate)
    return certificate


@pytest.fixture
async def api(ca):
    """An account's API whose certificate only the CA vouches for."""
    async with loopback(_account, context=server_context(ca.with_name("server.pem"))) as api:
        yield api


def _command(folder, api, *arguments, settings=""):
    config = folder / "joulo.yml"
    config.write_text(
        f"api: {{url: '{api.url}'{settings}}}\nintervals: {{chargers: 200ms, sessions: 200ms, energy: 200ms}}\n"
    )
    (folder / "ledger").mkdir(exist_ok=True)
    return [
        sys.executable, "-m", "joulo_exporter", *arguments, f"--config.file={config}",
        f"--storage.path={folder / 'ledger'}", "--log.level=debug",
    ]  # fmt: skip


async def _check(command):
    process = await asyncio.create_subprocess_exec(
        *command,
        env={"JOULO_TOKEN": TOKEN},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, logged = await process.communicate()
    for secret in (TOKEN, PROXY_PASSWORD, "Traceback"):
        assert secret.encode() not in said + logged
    return process.returncode, said.decode().splitlines()


async def test_check_names_the_remedy_for_a_certificate_that_is_not_trusted(tmp_path, api):
    status, said = await _check(_command(tmp_path, api, "check"))
    assert status == 1
    assert said[2] == (
        f"  chargers  FAULT  {UNTRUSTED}; if a CA of your own has made it, name that CA's file in api.ca_file; "
        "else check api.url, and this machine's CA certificates"
    )
    assert api.heads == []


async def test_check_is_content_with_the_right_ca_and_proxy(tmp_path, api, ca):
    async with relay(user=f"joulo:{PROXY_PASSWORD}") as proxy:
        url = f"http://joulo:{PROXY_PASSWORD}@127.0.0.1:{proxy.port}"
        command = _command(tmp_path, api, "check", settings=f", ca_file: {ca.name}, proxy_url: '{url}'")
        status, said = await _check(command)
    assert status == 0
    assert [line.split()[:2] for line in said[1:]] == [
        [name, "ok"] for name in ("token", "chargers", "sessions", "energy")
    ]
    assert len(api.heads) == 3
    assert len(proxy.heads) == 3
    assert TOKEN.encode() not in b"".join(proxy.heads)


async def test_check_shows_no_password_of_a_proxy_that_refuses_it(tmp_path, api):
    async with relay(user="joulo:another") as proxy:
        url = f"http://joulo:{PROXY_PASSWORD}@127.0.0.1:{proxy.port}"
        status, said = await _check(_command(tmp_path, api, "check", settings=f", proxy_url: '{url}'"))
    assert status == 1
    assert said[2] == (
        "  chargers  FAULT  the proxy refuses the connection (407); check api.proxy_url, "
        "and the user and password in it"
    )


async def test_a_ca_file_is_read_again_at_a_reload(tmp_path, api, ca):
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(make_ca(tmp_path, "other").read_bytes())
    port, log = free_port(), tmp_path / "exporter.log"
    command = [
        *_command(tmp_path, api, settings=f", ca_file: {trusted.name}"), f"--web.listen-address=127.0.0.1:{port}"
    ]  # fmt: skip

    async def shows(what):
        def look():
            with contextlib.suppress(OSError):
                return what in get(f"http://127.0.0.1:{port}/metrics").decode() + log.read_text()
            return False

        await asyncio.to_thread(wait_for, what, look)

    with running(command, log, {"JOULO_TOKEN": TOKEN}) as process:
        await shows('joulo_up{endpoint="chargers"} 0')
        await shows("no CA in api.ca_file has signed it, and only those are trusted; correct that file")
        assert api.heads == []
        trusted.write_bytes(ca.read_bytes())
        os.kill(process.pid, signal.SIGHUP)
        await shows('joulo_up{endpoint="chargers"} 1')
        trusted.write_bytes(b"")
        os.kill(process.pid, signal.SIGHUP)
        await shows(f"{trusted} has no certificate in it")
        await shows('joulo_up{endpoint="chargers"} 1')
    assert TOKEN not in log.read_text()
