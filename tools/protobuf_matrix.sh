#!/usr/bin/env bash
# Proves that one wheel works beside every protobuf that a training cluster may carry: 5 (with the oldest grpcio
# that we allow), 6 and 7.
#
#   tools/protobuf_matrix.sh [ADDRESS]
#
# Installs the wheel beside each of them, in .venv-matrix/N, and imports it. With the address of an arena it also
# plays an episode of easy-1, with the arena's own proposals. Prints one line for each version; fails if one fails.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
address=${1:-}
python=${PYTHON:-$root/.venv/bin/python}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1

isolation=()
if "$python" -c "import hatchling" 2>/dev/null; then isolation=(--no-isolation); fi
if ! "$python" -m build --wheel "${isolation[@]}" --outdir "$work" "$root" >"$work/build.log" 2>&1; then
  cat "$work/build.log" >&2
  exit 1
fi

cat >"$work/check.py" <<'PYTHON'
import sys
from importlib.metadata import version

from codearena import ArenaClient, InvalidArgumentError
from codearena._status import parse_details

# google.rpc.Status { details: ErrorInfo { reason: "BUG" domain: "codearena" } }
info = b"\n\x03BUG\x12\tcodearena"
url = b"type.googleapis.com/google.rpc.ErrorInfo"
detail = b"\n" + bytes([len(url)]) + url + b"\x12" + bytes([len(info)]) + info
assert parse_details(b"\x1a" + bytes([len(detail)]) + detail).reason == "BUG"

played = "imported"
if address := sys.argv[1]:
    with ArenaClient(address) as arena, arena.reset("easy-1") as episode:
        reward, outcome = 0.0, "no step"
        while not episode.done:
            code = episode.propose_fix().code
            if code in (attempt.proposed_fix for attempt in episode.observation.previous_attempts):
                break
            result = episode.step(code)
            reward, outcome = result.reward, result.outcome
        assert outcome == "PASSED", outcome
        try:
            arena.grade("easy-1", " ")
        except InvalidArgumentError as error:
            assert error.reason == "EMPTY_FIX", error
    played = f"easy-1 {outcome} in step {episode.observation.step}, reward {reward:.3f}"
print(f"protobuf {version('protobuf')}, grpcio {version('grpcio')}, python {sys.version.split()[0]}: {played}")
PYTHON

failed=0
for major in 5 6 7; do
  venv=$root/.venv-matrix/$major
  packages=("protobuf==$major.*")
  if [ "$major" = 5 ]; then packages=("protobuf==5.29.1" "grpcio==1.71.2"); fi
  "$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear "$venv" # also if it is half made
  "$venv/bin/pip" install --quiet "${packages[@]}" "$work"/*.whl
  "$venv/bin/pip" install --quiet --force-reinstall --no-deps "$work"/*.whl
  "$venv/bin/python" -I "$work/check.py" "$address" || failed=1
done
exit "$failed"
