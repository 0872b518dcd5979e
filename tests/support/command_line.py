"""The command line in this process, as a shell sees it."""

from joulo_exporter.cli import main


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    """Return the exit status, and what went to standard output and standard error."""
    try:
        status = main([str(argument) for argument in arguments])
    except SystemExit as end:
        status = end.code or 0
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return status, out, err


def printed(capsys, *arguments: object) -> str:
    """Return what a command that succeeds prints."""
    status, out, err = run(capsys, *arguments)
    assert status == 0, err
    return out


def refusal(capsys, *arguments: object) -> tuple[int, str]:
    """Return the exit status and the only line of a command that prints nothing but its fault."""
    status, out, err = run(capsys, *arguments)
    (line,) = err.splitlines()
    assert out == ""
    assert line.startswith("joulo-exporter: ")
    return status, line.removeprefix("joulo-exporter: ")
