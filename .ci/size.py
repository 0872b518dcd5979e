"""Print the size of the project: lines and files of Python by room, and files that are too short or too long."""

import subprocess
from collections import Counter
from pathlib import Path

SHORTEST, LONGEST = 40, 500
EXEMPT = {"__init__.py", "__main__.py"}


def tracked(*patterns: str) -> list[Path]:
    """Return the files that git knows of, as far as they are there."""
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], check=True, capture_output=True, text=True)
    return [path for name in listed.stdout.split("\0") if name and (path := Path(name)).is_file()]


def lines_of(path: Path) -> int:
    """Return the number of lines of a file, blank ones and comments included."""
    return len(path.read_text().splitlines())


def main() -> None:
    """Print the table."""
    package = {path: lines_of(path) for path in tracked("joulo_exporter/*.py")}
    rooms: Counter[str] = Counter()
    files: Counter[str] = Counter()
    for path, lines in package.items():
        room = path.parts[1] if len(path.parts) > 2 else path.name
        rooms[room] += lines
        files[room] += 1
    for room, lines in sorted(rooms.items(), key=lambda item: -item[1]):
        print(f"{lines:7,}  {files[room]:3}  {room}")
    print(f"{sum(package.values()):7,}  {len(package):3}  joulo_exporter")
    for name in ("tests", "grafana", ".ci", "deploy"):
        counted = [lines_of(path) for path in tracked(f"{name}/*.py")]
        print(f"{sum(counted):7,}  {len(counted):3}  {name}")
    for path, lines in sorted(package.items()):
        if path.name not in EXEMPT and not SHORTEST <= lines <= LONGEST:
            print(f"{path}: {lines} lines, outside {SHORTEST} to {LONGEST}")


if __name__ == "__main__":
    main()
