"""The way to the API as an operator meets it: a CA of one's own, behind a proxy with a password."""

import json
import signal

import pytest
from support.loopback import PROXY_PASSWORD, TOKEN, answer, loopback, relay
from support.processes import EXPORTER, files, free_port, get, running, wait_for
from support.simulator import in_thread

pytestmark = pytest.mark.e2e


async def _account(head, writer):
    """Answer as an account without chargers and sessions."""
    name = head.split()[1].rpartition(b"/")[2].partition(b"?")[0]
    body = b'{"total_kwh": 1}' if name == b"energy" else b'{"%s": []}' % name
    writer.write(answer(body, "Connection: close"))


def test_a_ca_file_is_read_again_at_a_reload_and_no_log_shows_the_password_of_the_proxy(certificates, tmp_path):
    trusted, log, port = tmp_path / "trusted.pem", tmp_path / "exporter.log", free_port()
    trusted.write_text(certificates.text("stranger-ca.crt"))
    (tmp_path / "ledger").mkdir()
    command = [*EXPORTER, *files(tmp_path), "--log.level=debug", f"--web.listen-address=127.0.0.1:{port}"]

    def shows(what):
        wait_for(what, lambda: what in get(f"http://127.0.0.1:{port}/metrics").decode() + log.read_text())

    with (
        in_thread(loopback(_account, context=certificates.context("server"))) as api,
        in_thread(relay(user=f"joulo:{PROXY_PASSWORD}")) as proxy,
    ):
        proxy_url = f"http://joulo:{PROXY_PASSWORD}@127.0.0.1:{proxy.port}"
        section = {"url": api.url, "proxy_url": proxy_url, "ca_file": trusted.name}
        intervals = dict.fromkeys(("chargers", "sessions", "energy"), "200ms")
        (tmp_path / "joulo.yml").write_text(json.dumps({"api": section, "intervals": intervals}))
        with running(command, log, {"JOULO_TOKEN": TOKEN}) as process:
            shows('joulo_up{endpoint="chargers"} 0')
            shows("if a CA of your own has signed it, name its file in api.ca_file")
            assert api.heads == []
            trusted.write_text(certificates.text("ca.crt"))
            process.send_signal(signal.SIGHUP)
            shows('joulo_up{endpoint="chargers"} 1')
            trusted.write_bytes(b"")
            process.send_signal(signal.SIGHUP)
            shows("api.ca_file: has no certificate in it")
            shows('joulo_up{endpoint="chargers"} 1')
    assert {head.split()[0] for head in proxy.heads} == {b"CONNECT"}
    assert TOKEN.encode() not in b"".join(proxy.heads)
    assert [secret for secret in (TOKEN, PROXY_PASSWORD) if secret in log.read_text()] == []
