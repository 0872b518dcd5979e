"""Outputs that are closed or full: the exit status is right, and there is no traceback."""

import io

import pytest

from joulo_exporter.cli import main
from joulo_exporter.cli.commands import write


class _Full(io.StringIO):
    def write(self, _text):
        raise OSError(28, "No space left on device")


@pytest.fixture(autouse=True)
def _a_token(monkeypatch):
    monkeypatch.setenv("JOULO_TOKEN", "joulo_abc")


@pytest.mark.parametrize(
    ("output", "says"),
    [
        (None, "standard output is closed; open it, or send it to /dev/null"),
        (_Full(), "standard output cannot be written: No space left on device"),
    ],
)
def test_a_report_that_nobody_gets_is_a_fault(monkeypatch, capsys, output, says):
    monkeypatch.setattr("sys.stdout", output)
    assert main(["--config.check"]) == 1
    assert capsys.readouterr().err == f"joulo-exporter: {says}\n"


def test_a_fault_of_what_is_written_is_not_one_of_the_output(capsys):
    def pieces():
        yield "the first line\n"
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"):
        write(pieces())
    assert capsys.readouterr().out == "the first line\n"


@pytest.mark.parametrize("output", [None, _Full()])
@pytest.mark.parametrize(("arguments", "status"), [(["--no.such"], 2), (["sessions", "--storage.path=none"], 1)])
def test_a_complaint_that_nobody_reads_changes_no_exit_status(monkeypatch, output, arguments, status):
    monkeypatch.setattr("sys.stderr", output)
    assert main(arguments) == status
