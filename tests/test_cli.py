"""The command line: exit codes, and one line for each mistake."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest
from support.command_line import run

from joulo_exporter import __version__
from joulo_exporter.cli import main
from joulo_exporter.cli.parser import make_parser
from joulo_exporter.reports import FORMATS


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in ("JOULO_TOKEN", "JOULO_TOKEN_FILE", "JOULO_API_URL"):
        monkeypatch.delenv(name, raising=False)


def test_version(capsys):
    status, out, err = run(capsys, "--version")
    assert (status, err) == (0, "")
    assert out.startswith(f"joulo-exporter, version {__version__} (python 3.")


def test_help_names_the_commands_and_flags(capsys):
    status, out, _ = run(capsys, "--help")
    assert status == 0
    for word in ("serve", "demo", "check", "--config.file", "--storage.path", "--web.listen-address", ":9973",
                 "--web.enable-lifecycle", "--log.format", "JOULO_TOKEN_FILE",
                 "Exit status: 0; 1 for a fault at run time; 2 for bad usage"):  # fmt: skip
        assert word in out


@pytest.mark.parametrize(
    "arguments",
    [["--no.such-flag"], ["nonsense"], ["--log.level=loud"], ["--log.format=xml"], ["--config.fil=x"],
     ["--web.listen-address"]],
)  # fmt: skip
def test_bad_usage_is_one_line(capsys, arguments):
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("joulo-exporter: ")


def test_no_token_at_all(capsys, tmp_path):
    status, out, err = run(capsys, f"--storage.path={tmp_path}")
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert "JOULO_TOKEN" in err


@pytest.mark.parametrize("command", [[], ["serve"], ["check"], ["--config.check"], ["check", "--config.check"]])
def test_a_bad_configuration_is_one_line_with_file_key_and_remedy(capsys, tmp_path, command):
    file = tmp_path / "bad.yml"
    file.write_text("accounts: [{name: a, token: joulo_secret}]\nintervals: {chargers: 5s}\n")
    status, out, err = run(capsys, *command, f"--config.file={file}", f"--storage.path={tmp_path}")
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    for word in (str(file), "intervals.chargers", "write 1m or more"):
        assert word in err
    assert "joulo_secret" not in err


def test_a_file_that_is_not_there(capsys, tmp_path):
    status, _, err = run(capsys, f"--config.file={tmp_path / 'none.yml'}")
    assert status == 2
    assert len(err.splitlines()) == 1
    assert "none.yml" in err


def test_a_good_file_is_said_to_be_valid(capsys, tmp_path):
    file = tmp_path / "good.yml"
    file.write_text("accounts: [{name: a, token: joulo_secret}]\n")
    assert run(capsys, "--config.check", f"--config.file={file}") == (
        0,
        f"{file}: the configuration is valid\n",
        "",
    )


def test_a_port_in_use(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("JOULO_TOKEN", "joulo_secret")
    monkeypatch.setenv("JOULO_API_URL", "http://127.0.0.1:9/api")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, _, err = run(
            capsys, f"--web.listen-address=127.0.0.1:{port}", f"--storage.path={tmp_path}", "--log.level=error"
        )  # fmt: skip
    assert status == 1
    (line,) = [line for line in err.splitlines() if line.startswith("joulo-exporter: ")]
    assert str(port) in line
    assert "joulo_secret" not in err


def test_the_web_configuration_is_checked_too(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("JOULO_TOKEN", "joulo_secret")
    web = tmp_path / "web.yml"
    web.write_text("http_server_config: {headers: {X-Frame-Options: deny}}\n")
    assert run(capsys, "--config.check", f"--web.config.file={web}") == (
        0,
        f"environment: the configuration is valid\n{web}: the web configuration is valid\n",
        "",
    )


@pytest.mark.parametrize(
    "command", [[], ["serve"], ["demo"], ["check"], ["--config.check"], ["check", "--config.check"]]
)
def test_a_bad_web_configuration_is_one_line_with_file_key_and_remedy(capsys, tmp_path, monkeypatch, command):
    monkeypatch.setenv("JOULO_TOKEN", "joulo_secret")
    web = tmp_path / "web.yml"
    web.write_text("basic_auth_users: {prometheus: plain-password}\n")
    status, _, err = run(capsys, *command, f"--web.config.file={web}", f"--storage.path={tmp_path}")
    assert status == 2
    assert len(err.splitlines()) == 1
    for word in (str(web), "basic_auth_users[0]", "htpasswd"):
        assert word in err
    assert "plain-password" not in err


def test_an_empty_web_configuration_flag_is_none(capsys, monkeypatch):
    monkeypatch.setenv("JOULO_TOKEN", "joulo_secret")
    assert run(capsys, "--config.check", "--web.config.file=") == (
        0,
        "environment: the configuration is valid\n",
        "",
    )


def test_sockets_of_systemd_without_systemd(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("JOULO_TOKEN", "joulo_demo")
    monkeypatch.delenv("LISTEN_FDS", raising=False)
    assert main([f"--storage.path={tmp_path}", "--web.systemd-socket", "--log.level=error"]) == 1
    assert capsys.readouterr().err == (
        "joulo-exporter: --web.systemd-socket: systemd has passed no socket; "
        "start joulo-exporter by its socket unit, or leave --web.systemd-socket out\n"
    )


@pytest.mark.parametrize("flag", ["--web.external-url=ftp://x/", "--web.route-prefix=/a b"])
def test_a_path_that_is_none_is_bad_usage(monkeypatch, capsys, flag):
    monkeypatch.setenv("JOULO_TOKEN", "joulo_demo")
    assert main([flag]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("name", FORMATS)
def test_the_sessions_command_offers_every_format(name):
    assert make_parser().parse_args(["sessions", f"--format={name}"]).format == name


PRESSED_WHILE_IT_LOADS = """
import sys
from importlib.abc import MetaPathFinder

class CtrlC(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt

from joulo_exporter.cli import main
sys.meta_path.insert(0, CtrlC())
sys.exit(main(["--version"]))
"""


@pytest.mark.parametrize("module", ["joulo_exporter.cli.run", "joulo_exporter.config", "argparse"])
def test_ctrl_c_while_it_loads_leaves_no_traceback(module):
    command = [sys.executable, "-c", PRESSED_WHILE_IT_LOADS.format(module=module)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")
