"""Print the licences of the packages that are installed in a folder, as a table: ``licences.py FOLDER``."""

import sys
from importlib.metadata import Distribution, distributions

# What older packages write in words. text-unidecode leaves the choice between Perl's licence and the GPL.
_SPDX = {
    "Apache 2.0": "Apache-2.0",
    "Artistic License": "Artistic-1.0-Perl OR GPL-2.0-or-later",
}
# Names only a family of licences; the text in its wheel is that of the three clauses.
_BY_TEXT = {"Jinja2": "BSD-3-Clause"}
_HEAD = """\
# Licences of the dependencies

What the exporter needs to run, as locked in `requirements.lock`. The container image contains these packages, each
with its licence text (`*.dist-info` in `/opt/joulo-exporter/lib`); the wheel and the sdist contain none of them.
Made by `make lock`, not by hand.

| package | version | licence |
|---|---|---|
"""


def licence(distribution: Distribution) -> str:
    """Return the licence as an SPDX expression, or in the package's own words where it is not known as one."""
    metadata = distribution.metadata
    words = metadata.get("License-Expression") or metadata.get("License")
    if words is None:
        return _BY_TEXT.get(metadata["Name"], "unknown")
    return _SPDX.get(words, words)


def table(folder: str) -> str:
    """Return the page on the packages in a folder, by their names."""
    rows = sorted(
        (found.metadata["Name"].lower().replace("_", "-"), found.version, licence(found))
        for found in distributions(path=[folder])
    )
    return _HEAD + "".join(f"| {name} | {version} | {terms} |\n" for name, version, terms in rows)


if __name__ == "__main__":
    sys.stdout.write(table(sys.argv[1]))
