"""Complete the bill of materials on standard input: ``sbom.py VERSION``, the version of the exporter itself."""

import json
import sys


def completed(text: str, version: str) -> str:
    """Return the bill with the exporter's version, which is not in pyproject.toml, and in a settled order."""
    bill = json.loads(text)
    bill["metadata"]["component"] |= {"version": version, "purl": f"pkg:pypi/joulo-exporter@{version}"}
    return json.dumps(bill, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(completed(sys.stdin.read(), sys.argv[1]))
