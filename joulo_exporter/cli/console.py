"""Output to a terminal or a pipe, and its faults."""

import contextlib
import sys
from collections.abc import Iterable, Iterator

from joulo_exporter.errors import JouloExporterError


def say(line: str) -> None:
    """Write a line to standard output, at once."""
    write((f"{line}\n",))


def write(pieces: Iterable[str]) -> None:
    """Write to standard output, piece by piece as they are made.

    Raises:
        BrokenPipeError: the reader has left.
        JouloExporterError: it cannot be written, as on a full disk.
    """
    if sys.stdout is None:  # as after `>&-`, whatever its type says
        raise JouloExporterError("standard output is closed; open it, or send it to /dev/null")
    for piece in pieces:
        with _faults_of_stdout():
            sys.stdout.write(piece)
    with _faults_of_stdout():
        sys.stdout.flush()


@contextlib.contextmanager
def _faults_of_stdout() -> Iterator[None]:
    """Turn faults of standard output into errors of ours; the caller makes each piece outside of the block."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise JouloExporterError(f"standard output cannot be written: {error.strerror}") from error


def complain(message: str) -> None:
    """Write a line to standard error, with our name before it; where that fails, the exit status has to do."""
    if sys.stderr is not None:  # as after `2>&-`, whatever its type says
        with contextlib.suppress(OSError):
            sys.stderr.write(f"joulo-exporter: {message}\n")
            sys.stderr.flush()


class Progress:
    """Shows which share of the work is done, on one line of a terminal; nothing where there is none."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._shown = ""
        self._is_terminal = sys.stderr is not None and sys.stderr.isatty()

    def __call__(self, share: float) -> None:
        """Show the share, from 0 to 1, if it has moved enough to be seen."""
        line = f"\r{self._name}: {share:.0%} "
        if self._is_terminal and line != self._shown:
            self._show(line)

    def close(self) -> None:
        """Remove the line, for whatever comes next."""
        if self._shown:
            self._show("\r\x1b[K")

    def _show(self, line: str) -> None:
        self._shown = line
        sys.stderr.write(line)
        sys.stderr.flush()
