"""The way to the API as an operator meets it: a CA of one's own, a proxy with a password, and what is told."""

import asyncio
import contextlib
import json
import os
import signal
import sys

import pytest
from support.certificates import make_ca, make_server, server_context
from support.loopback import PROXY_PASSWORD, TOKEN, answer, loopback
from support.processes import free_port, get, running, wait_for
from support.relay import relay

pytestmark = pytest.mark.e2e

UNTRUSTED = (
    "FAULT  the certificate of 127.0.0.1 is not trusted (unable to get local issuer certificate); if a CA of your "
    "own has made it, name that CA's file in api.ca_file; else check api.url, and this machine's CA certificates"
)
REFUSED = "FAULT  the proxy refuses the connection (407); check api.proxy_url, and the user and password in it"


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
    """An account's API whose certificate only the CA has signed."""
    async with loopback(_account, context=server_context(ca.with_name("server.pem"))) as api:
        yield api


def _command(folder, api, *arguments, **settings):
    """Return a command of the exporter with these keys of its section ``api``."""
    config = folder / "joulo.yml"
    intervals = dict.fromkeys(("chargers", "sessions", "energy"), "200ms")
    config.write_text(json.dumps({"api": {"url": api.url, **settings}, "intervals": intervals}))
    (folder / "ledger").mkdir(exist_ok=True)
    return [
        sys.executable, "-m", "joulo_exporter", *arguments, f"--config.file={config}",
        f"--storage.path={folder / 'ledger'}", "--log.level=debug",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("through", "settings", "status", "says"),
    [
        (None, {}, 1, UNTRUSTED),
        (f"joulo:{PROXY_PASSWORD}", {"ca_file": "ca.pem"}, 0, "ok"),
        ("joulo:another", {}, 1, REFUSED),
    ],
    ids=["a CA that nobody knows", "the right CA and proxy", "a proxy that refuses the password"],
)
async def test_check_names_the_remedy_and_shows_no_secret(tmp_path, api, through, settings, status, says):
    async with relay(user=through) as proxy:
        if through:
            settings = settings | {"proxy_url": f"http://joulo:{PROXY_PASSWORD}@127.0.0.1:{proxy.port}"}
        process = await asyncio.create_subprocess_exec(
            *_command(tmp_path, api, "check", **settings),
            env={"JOULO_TOKEN": TOKEN},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, logged = await process.communicate()
    assert process.returncode == status
    lines = [line.split(maxsplit=1) for line in said.decode().splitlines()[2:]]
    assert [name for name, _ in lines] == ["chargers", "sessions", "energy"]
    assert {text.split()[0] for _, text in lines} == {says.split()[0]}
    assert lines[0][1].startswith(says)
    assert len(api.heads) == (0 if status else 3)
    assert len(proxy.heads) == (3 if through else 0)
    assert TOKEN.encode() not in b"".join(proxy.heads)
    assert [secret for secret in (TOKEN, PROXY_PASSWORD, "Traceback") if secret.encode() in said + logged] == []


async def test_a_ca_file_is_read_again_at_a_reload(tmp_path, api, ca):
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(make_ca(tmp_path, "other").read_bytes())
    port, log = free_port(), tmp_path / "exporter.log"
    command = [
        *_command(tmp_path, api, ca_file=trusted.name), f"--web.listen-address=127.0.0.1:{port}"
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
