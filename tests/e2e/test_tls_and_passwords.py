"""The exporter behind TLS and a password, asked by curl and by a real Prometheus."""

import shutil
import signal
import subprocess
from types import SimpleNamespace

import pytest
from support.certificates import HASH, PASSWORD
from support.processes import exporter, free_port, prometheus, query, wait_for
from support.simulator import simulator

pytestmark = pytest.mark.e2e

LOGIN = ("--user", f"prometheus:{PASSWORD}")
CONFIGURATION = f"""\
tls_server_config:
  cert_file: server.crt
  key_file: server.key
  client_auth_type: VerifyClientCertIfGiven
  client_ca_file: ca.crt
http_server_config:
  headers: {{Strict-Transport-Security: max-age=31536000}}
basic_auth_users:
  prometheus: {HASH}
"""


@pytest.fixture(scope="module")
def protected(certificates, tmp_path_factory):
    """An exporter behind TLS and a password, and curl as its client."""
    folder, port = tmp_path_factory.mktemp("protected"), free_port()
    shutil.copytree(certificates.folder, folder, dirs_exist_ok=True)
    (folder / "web.yml").write_text(CONFIGURATION)

    def curl(path, *options):
        """Return the HTTP status, and what curl prints."""
        done = subprocess.run(
            ["curl", "--silent", "--cacert", folder / "ca.crt", "--write-out", "%{stderr}%{http_code}",
             *options, f"https://localhost:{port}{path}"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stderr[-3:], done.stdout

    def is_ready():
        return curl("/-/ready", *LOGIN)[0] == "200"

    options = (f"--web.config.file={folder / 'web.yml'}", "--web.enable-lifecycle", "--log.level=debug")
    with simulator() as api_url, exporter(folder, api_url, port, *options, is_ready=is_ready) as process:
        log = folder / "exporter.log"
        yield SimpleNamespace(folder=folder, port=port, log=log, curl=curl, process=process)


def test_prometheus_scrapes_with_the_password_and_no_certificate_of_a_stranger(generation, protected, tmp_path):
    pair = f"{protected.folder}/stranger"
    right = {
        "job_name": "right",
        "scheme": "https",
        "static_configs": [{"targets": [f"127.0.0.1:{protected.port}"]}],
        "basic_auth": {"username": "prometheus", "password": PASSWORD},
        "tls_config": {"ca_file": f"{protected.folder}/ca.crt", "server_name": "localhost"},
    }
    certified = right["tls_config"] | {"cert_file": f"{pair}.crt", "key_file": f"{pair}.key"}
    jobs = (right, right | {"job_name": "stranger", "tls_config": certified})
    with prometheus(generation, tmp_path, *jobs) as url:
        wait_for("both scrapes", lambda: query(url, "count(up) == 2"))
        assert query(url, 'up{job="stranger"}') == {(): 0.0}
        assert query(url, 'up{job="right"}') == {(): 1.0}
        assert query(url, "joulo_charging")
    assert "a connection did not come about: certificate verify failed" in protected.log.read_text()


def test_a_changed_web_configuration_holds_without_a_restart_and_a_reload_says_what_is_wrong(protected):
    file = protected.folder / "web.yml"
    file.write_text(CONFIGURATION.replace("prometheus:", "someone:"))
    wait_for("the user to be gone", lambda: protected.curl("/-/healthy", *LOGIN) == ("401", "Unauthorized\n"))
    status, shown = protected.curl("/-/healthy", "--user", f"someone:{PASSWORD}", "--include")
    assert status == "200"
    assert "Strict-Transport-Security: max-age=31536000" in shown
    file.write_text(CONFIGURATION)
    protected.process.send_signal(signal.SIGHUP)
    wait_for("the user to be back", lambda: protected.curl("/-/healthy", *LOGIN)[0] == "200")

    file.write_text(f"{CONFIGURATION}\n  other: {PASSWORD}\n")
    status, reason = protected.curl("/-/reload", *LOGIN, "--request", "POST")
    assert status == "500"
    assert f"{file}: basic_auth_users[1]: is no bcrypt hash" in reason
    assert "joulo_exporter_config_last_reload_successful 0.0" in protected.curl("/metrics", *LOGIN)[1]
    file.write_text(CONFIGURATION)
    assert protected.curl("/-/reload", *LOGIN, "--request", "POST")[0] == "200"
    log = protected.log.read_text()
    assert "tls=true telemetry_path=/metrics" in log
    assert [secret for secret in (PASSWORD, HASH, HASH[-20:], "PRIVATE KEY", "Basic ") if secret in log] == []
