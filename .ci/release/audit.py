"""Known vulnerabilities of what is locked: ``audit.py LOCK ...``; fails as well where nobody can tell."""

import json
import subprocess
import sys
from pathlib import Path

_AUDIT = [
    str(Path(sys.executable).with_name("pip-audit")),
    *("--require-hashes", "--disable-pip", "--progress-spinner=off", "--format=json", "--requirement"),
]


def audit(lock: str) -> list[str]:
    """Return what is wrong with a lock, a line each: a vulnerability, or a package without an answer."""
    ran = subprocess.run([*_AUDIT, lock], capture_output=True, text=True, check=False)
    try:
        packages = json.loads(ran.stdout)["dependencies"]
    except (ValueError, KeyError):
        reason = ran.stderr.strip().rpartition("\n")[2] or f"exit status {ran.returncode}"
        return [f"{lock}: NOT AUDITED, the vulnerability service gave no answer: {reason}"]
    faults = [
        f"{lock}: {package['name']} {package['version']}: {found['id']}, fixed in "
        f"{', '.join(found['fix_versions']) or 'no version yet'}"
        for package in packages
        for found in package.get("vulns", [])
    ]
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    if unknown:
        faults.append(f"{lock}: NOT AUDITED, the vulnerability service does not answer for {', '.join(unknown)}")
    if not faults:
        sys.stdout.write(f"{lock}: {len(packages)} packages, no known vulnerability\n")
    return faults


if __name__ == "__main__":
    found = [fault for lock in sys.argv[1:] for fault in audit(lock)]
    sys.stderr.writelines(f"{fault}\n" for fault in found)
    sys.exit(1 if found else 0)
