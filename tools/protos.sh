#!/usr/bin/env bash
# Regenerates the stubs in codearena/v1 from protos/. The generator is pinned: stubs of a newer one refuse the
# older protobuf runtimes that training clusters carry. It lives in an environment of its own, because the
# services need a newer protobuf than it allows.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
venv=.venv-protos
if [ ! -x "$venv/bin/protoc-gen-mypy" ]; then
  "$python" -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check grpcio-tools==1.71.2 mypy-protobuf==3.6.0 "setuptools<81"
fi
out=${1:-.}
PATH="$PWD/$venv/bin:$PATH" "$venv/bin/python" -m grpc_tools.protoc -Iprotos \
  --python_out="$out" --grpc_python_out="$out" --mypy_out="quiet:$out" --mypy_grpc_out="quiet:$out" \
  protos/codearena/v1/*.proto
