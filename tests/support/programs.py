"""Real programs of the end-to-end tests: those of the machine's own packages, and today's beside them."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_TODAYS = Path(__file__).parents[2] / ".current-stack"
"""Where ``.ci/current-stack`` puts the current programs."""
_PROGRAMS = ("prometheus", "promtool", "prometheus-alertmanager", "amtool", "victoria-metrics", "vmalert")


@dataclass(frozen=True)
class Generation:
    """A Prometheus, promtool, Alertmanager and amtool that belong together."""

    name: str
    folder: Path | None = None
    """Without one the programs are those on the ``PATH``."""

    def path(self, program: str) -> str:
        """Return the path of a program, which ``make test`` and ``.ci/current-stack`` install."""
        found = shutil.which(program, path=self.folder)
        assert found, f"{program} is not installed"
        return found

    def version(self, program: str) -> tuple[int, ...]:
        """Return the version of a program, such as ``(2, 42, 0)``."""
        return tuple(map(int, _version(self.path(program)).split(".")))

    def versions(self) -> str:
        """Return the programs that are installed, with their versions."""
        paths = ((program, shutil.which(program, path=self.folder)) for program in _PROGRAMS)
        return ", ".join(f"{program} {_version(path)}" for program, path in paths if path)

    def run(self, program: str, *arguments: object, **options: object) -> subprocess.CompletedProcess:
        """Run a program to its end; its output is text."""
        command = [self.path(program), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, **options)

    def said(self, program: str, *arguments: object, **options: object) -> str:
        """Return what a program that succeeds writes, on both channels."""
        done = self.run(program, *arguments, **options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


@lru_cache
def _version(path: str) -> str:
    """Return what a program says of its version; of one that says nothing, what its package does."""
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
    version = re.search(r"version (\d+(?:\.\d+)+)", said.stdout + said.stderr)
    if version is None:
        packages = (_TODAYS / "versions").read_text()
        package = Path(path).name.replace("vmalert", "victoria-metrics")
        version = re.search(rf"^{package} (\d+(?:\.\d+)+)", packages, re.MULTILINE)
    return version[1]


OLD = Generation("old")
CURRENT = Generation("current", _TODAYS / "bin")
GENERATIONS = [OLD, CURRENT] if _TODAYS.is_dir() else [OLD]
