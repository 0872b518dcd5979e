"""The way to the API as an operator meets it: a CA of one's own, a proxy with a password, and what is told."""

import json
import signal
import subprocess

import pytest
from support.certificates import make_ca, make_server, server_context
from support.loopback import PROXY_PASSWORD, TOKEN, answer, loopback
from support.processes import EXPORTER, files, free_port, get, running, wait_for
from support.relay import relay
from support.simulator import in_thread

pytestmark = pytest.mark.e2e

REFUSED = "FAULT  the proxy refuses the connection (407); check api.proxy_url, and the user and password in it"


async def _account(head, writer):
    """Answer as an account without chargers and sessions."""
    name = head.split()[1].rpartition(b"/")[2].partition(b"?")[0]
    body = b'{"total_kwh": 1}' if name == b"energy" else b'{"%s": []}' % name
    writer.write(answer(body, "Connection: close"))


@pytest.fixture
def ca(tmp_path):
    certificate = make_ca(tmp_path)
    make_server(certificate)
    return certificate


@pytest.fixture
def api(ca):
    """An account's API whose certificate only the CA has signed."""
    with in_thread(loopback(_account, context=server_context(ca.with_name("server.pem")))) as api:
        yield api


def _command(folder, api, *arguments, **settings):
    """Return a command of the exporter with these keys of its section ``api``."""
    intervals = dict.fromkeys(("chargers", "sessions", "energy"), "200ms")
    (folder / "joulo.yml").write_text(json.dumps({"api": {"url": api.url, **settings}, "intervals": intervals}))
    (folder / "ledger").mkdir(exist_ok=True)
    return [*EXPORTER, *arguments, *files(folder), "--log.level=debug"]


@pytest.mark.parametrize(
    ("through", "settings", "status", "says"),
    [
        (f"joulo:{PROXY_PASSWORD}", {"ca_file": "ca.pem"}, 0, "ok"),
        ("joulo:another", {}, 1, REFUSED),
    ],
    ids=["the right CA and proxy", "a proxy that refuses the password"],
)
def test_check_names_the_remedy_and_shows_no_secret(tmp_path, api, through, settings, status, says):
    with in_thread(relay(user=through)) as proxy:
        proxy_url = f"http://joulo:{PROXY_PASSWORD}@127.0.0.1:{proxy.port}"
        command = _command(tmp_path, api, "check", proxy_url=proxy_url, **settings)
        checked = subprocess.run(command, env={"JOULO_TOKEN": TOKEN}, capture_output=True, text=True, check=False)
    assert checked.returncode == status, checked.stdout
    lines = [line.split(maxsplit=1) for line in checked.stdout.splitlines()[2:]]
    assert [name for name, _ in lines] == ["chargers", "sessions", "energy"]
    assert {text.split()[0] for _, text in lines} == {says.split()[0]}
    assert lines[0][1].startswith(says)
    assert (len(api.heads), len(proxy.heads)) == (0 if status else 3, 3)
    assert TOKEN.encode() not in b"".join(proxy.heads)
    shown = checked.stdout + checked.stderr
    assert [secret for secret in (TOKEN, PROXY_PASSWORD, "Traceback") if secret in shown] == []


def test_a_ca_file_is_read_again_at_a_reload(tmp_path, api, ca):
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(make_ca(tmp_path, "other").read_bytes())
    port, log = free_port(), tmp_path / "exporter.log"
    command = [*_command(tmp_path, api, ca_file=trusted.name), f"--web.listen-address=127.0.0.1:{port}"]

    def shows(what):
        wait_for(what, lambda: what in get(f"http://127.0.0.1:{port}/metrics").decode() + log.read_text())

    with running(command, log, {"JOULO_TOKEN": TOKEN}) as process:
        shows('joulo_up{endpoint="chargers"} 0')
        shows("no CA in api.ca_file has signed it, and only those are trusted; correct that file")
        assert api.heads == []
        trusted.write_bytes(ca.read_bytes())
        process.send_signal(signal.SIGHUP)
        shows('joulo_up{endpoint="chargers"} 1')
        trusted.write_bytes(b"")
        process.send_signal(signal.SIGHUP)
        shows(f"{trusted} has no certificate in it")
        shows('joulo_up{endpoint="chargers"} 1')
    assert TOKEN not in log.read_text()
