"""The command line: exit codes, one line for each mistake, and outputs that are closed or full."""

import io
import os
import subprocess
import sys

import pytest
from support.command_line import refusal, run

from joulo_exporter import __version__
from joulo_exporter.cli import main
from joulo_exporter.cli.commands import collectors
from joulo_exporter.cli.parser import parse_arguments
from joulo_exporter.config.schema import DEFAULT_STORAGE_PATH

SERVING = [[], ["serve"], ["check"], ["--config.check"], ["check", "--config.check"]]


def test_version_and_help(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    status, out, err = run(capsys, "--version")
    assert (status, err) == (0, "")
    assert out.startswith(f"joulo-exporter, version {__version__} (python 3.")
    status, out, _ = run(capsys, "--help")
    assert status == 0
    for word in ("serve", "demo", "--config.file", f"(default: {DEFAULT_STORAGE_PATH};", "(default: :9973)",
                 "--web.enable-lifecycle", "--log.format", "JOULO_TOKEN_FILE", "2 for bad usage"):  # fmt: skip
        assert word in out


INTERVAL = "accounts: [{token: joulo_LEAK}]\nintervals: {chargers: 5s}\n"
PASSWORD = "basic_auth_users: {prometheus: LEAK}\n"


@pytest.mark.parametrize(
    ("command", "flag", "text", "words"),
    [
        *((command, "--config.file", INTERVAL, ("intervals.chargers", "write 1m or more")) for command in SERVING),
        *((command, "--web.config.file", PASSWORD, ("basic_auth_users[0]", "htpasswd"))
          for command in (*SERVING, ["demo"])),
    ],
)  # fmt: skip
def test_a_bad_configuration_is_one_line_with_file_key_and_remedy(capsys, tmp_path, command, flag, text, words):
    file = tmp_path / "bad.yml"
    file.write_text(text)
    status, _, err = run(capsys, *command, f"{flag}={file}", f"--storage.path={tmp_path}")
    assert status == 2
    (line,) = err.splitlines()
    for word in (str(file), *words):
        assert word in line
    assert "LEAK" not in line


@pytest.mark.parametrize(
    ("flags", "valid"),
    [
        (["--config.file={good}"], "{good}: the configuration is valid\n"),
        (["--web.config.file={web}"],
         "environment: the configuration is valid\n{web}: the web configuration is valid\n"),
        (["--web.config.file="], "environment: the configuration is valid\n"),
    ],
)  # fmt: skip
def test_good_files_are_said_to_be_valid(capsys, tmp_path, flags, valid):
    paths = {"good": tmp_path / "good.yml", "web": tmp_path / "web.yml"}
    paths["good"].write_text("accounts: [{name: a, token: joulo_secret}]\n")
    paths["web"].write_text("http_server_config: {headers: {X-Frame-Options: deny}}\n")
    printed = valid.format(**paths)
    assert run(capsys, "--config.check", *[flag.format(**paths) for flag in flags]) == (0, printed, "")


@pytest.mark.parametrize(("process", "count"), [("", ""), ("1", "1"), ("ours", "0"), ("ours", "many")])
def test_no_socket_of_systemd_is_a_fault_with_its_remedy(monkeypatch, tmp_path, capsys, process, count):
    monkeypatch.setenv("LISTEN_PID", process.replace("ours", str(os.getpid())))
    monkeypatch.setenv("LISTEN_FDS", count)
    status, line = refusal(capsys, f"--storage.path={tmp_path}", "--web.systemd-socket", "--log.level=error")
    assert status == 1
    assert line == (
        "--web.systemd-socket: systemd has passed no socket, or one that takes no connections; start "
        "joulo-exporter by a socket unit with ListenStream= and Accept=no, or leave the flag out"
    )


@pytest.mark.parametrize(
    ("arguments", "switches"),
    [
        ([], {}),
        (["--collector.ere-position"], {"ere_position": True}),
        (["serve", "--collector.ere-price", "--no-collector.ere-position"],
         {"ere_price": True, "ere_position": False}),
        (["demo", "--collector.ere-price", "--no-collector.ere-price"], {"ere_price": False}),
    ],
)  # fmt: skip
def test_collectors_are_switched_on_and_off(arguments, switches):
    assert collectors(parse_arguments(arguments)) == switches


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


@pytest.mark.parametrize("module", ["joulo_exporter.cli.commands", "joulo_exporter.config.schema", "argparse"])
def test_ctrl_c_while_it_loads_leaves_no_traceback(module):
    command = [sys.executable, "-c", PRESSED_WHILE_IT_LOADS.format(module=module)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


# Outputs ------------------------------------------------------------------------------------------


class Full(io.StringIO):
    def write(self, _text):
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("output", "says"),
    [
        (None, "standard output is closed; open it, or send it to /dev/null"),
        (Full(), "standard output cannot be written: No space left on device"),
    ],
)
def test_a_report_that_nobody_gets_is_a_fault(monkeypatch, capsys, output, says):
    monkeypatch.setattr("sys.stdout", output)
    assert main(["--config.check"]) == 1
    assert capsys.readouterr().err == f"joulo-exporter: {says}\n"


def test_the_output_is_utf8_in_any_locale_and_a_files_name_keeps_its_bytes(monkeypatch, tmp_path):
    file = tmp_path / "oprit-€-\udcff.yml"
    file.write_text("accounts: [{token: joulo_x}]\n")
    output = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr("sys.stdout", output)
    assert main(["--config.check", f"--config.file={file}"]) == 0
    assert (
        output.buffer.getvalue() == bytes(tmp_path) + b"/oprit-\xe2\x82\xac-\xff.yml: the configuration is valid\n"
    )


@pytest.mark.parametrize("output", [None, Full()])
@pytest.mark.parametrize(("arguments", "status"), [(["--no.such"], 2), (["sessions", "--storage.path=none"], 1)])
def test_a_complaint_that_nobody_reads_changes_no_exit_status(monkeypatch, output, arguments, status):
    monkeypatch.setattr("sys.stderr", output)
    assert main(arguments) == status
