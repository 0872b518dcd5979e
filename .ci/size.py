"""Print the size of the project: lines and files of Python by room, and files that are too short or too long."""

import subprocess
from collections import defaultdict
from pathlib import Path

SHORTEST, LONGEST = 40, 500
EXEMPT = {"__init__.py", "__main__.py"}


def lines_of(folder: str) -> dict[Path, int]:
    """Return the lines of each file that git knows of, blank ones and comments included."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", f"{folder}/*.py"], check=True, capture_output=True, text=True
    )
    paths = (Path(name) for name in listed.stdout.split("\0") if name)
    return {path: len(path.read_text().splitlines()) for path in paths if path.is_file()}


def main() -> None:
    """Print the table."""
    package = lines_of("joulo_exporter")
    rooms = defaultdict(list)
    for path, lines in package.items():
        rooms[path.parts[1]].append(lines)
    for room, counted in sorted(rooms.items(), key=lambda item: -sum(item[1])):
        print(f"{sum(counted):7,}  {len(counted):3}  {room}")
    for name in ("joulo_exporter", "tests", "grafana", ".ci", "deploy"):
        counted = lines_of(name).values()
        print(f"{sum(counted):7,}  {len(counted):3}  {name}")
    for path, lines in sorted(package.items()):
        if path.name not in EXEMPT and not SHORTEST <= lines <= LONGEST:
            print(f"{path}: {lines} lines, outside {SHORTEST} to {LONGEST}")


if __name__ == "__main__":
    main()
