#!/usr/bin/env bash
# Looks up every installed dependency in the public lists of vulnerabilities. Fails for one that is vulnerable. Where the
# lists cannot be had it says so and passes, unless CODEARENA_REQUIRE names `advisories`.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
venv=.tools/audit
if [ ! -x "$venv/bin/pip-audit" ]; then
  "$python" -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check "pip-audit>=2.9,<3"
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
.venv/bin/python -m pip list --format=freeze --exclude-editable --exclude codearena-rl >"$work/installed.txt" 2>"$work/errors"
status=0
timeout 300 "$venv/bin/pip-audit" --disable-pip --no-deps --progress-spinner=off --timeout 10 --format=json \
  --requirement "$work/installed.txt" --output "$work/found.json" 2>>"$work/errors" || status=$?
"$venv/bin/python" - "$work" "$status" <<'REPORT'
import json, os, pathlib, sys

work, status = pathlib.Path(sys.argv[1]), int(sys.argv[2])
found = work / "found.json"
packages = json.loads(found.read_text())["dependencies"] if found.exists() and found.stat().st_size else []
looked_up = [package for package in packages if "skip_reason" not in package]
for package in looked_up:
    for flaw in package["vulns"]:
        fixed = ", ".join(flaw["fix_versions"]) or "no version"
        print(f"{package['name']} {package['version']}: {flaw['id']}, mended in {fixed}")
if any(package["vulns"] for package in looked_up):
    sys.exit(1)
if looked_up:
    print(f"no known vulnerability in {len(looked_up)} packages; {len(packages) - len(looked_up)} are in no list")
    sys.exit(0)
said = (work / "errors").read_text().strip().splitlines()[-1:] or [f"pip-audit ended with {status}"]
why = f"none of {len(packages)} packages was found in one" if packages else said[0][:200]
print(f"not scanned: the lists of vulnerabilities cannot be had here ({why})")
sys.exit("advisories" in os.environ.get("CODEARENA_REQUIRE", "").split(","))
REPORT
