# Sourced by the scripts beside it: a clone of the last commit and a fresh
# virtual environment with torch, both below a new folder.
#
# Usage in a script: source setup.sh "${1:-}"
# Sets: FOLDER, CLONE (the clone), PYTHON and PIP (of the environment).

set -euo pipefail

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
FOLDER=${1:-$(mktemp -d)}
PYTHON=$FOLDER/env/bin/python
CLONE=$FOLDER/slotkd
# shellcheck disable=SC2206 # TORCH may hold options of pip too.
TORCH=(${TORCH:-torch==2.13.0})
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
PIP() { "$PYTHON" -m pip --disable-pip-version-check "$@"; }

step() { printf '\n=== %s (%s s)\n' "$1" "$SECONDS"; }

step "clone and environment in $FOLDER"
mkdir -p "$FOLDER"
[[ -d $CLONE ]] || git clone --quiet "$REPO" "$CLONE"
git -C "$CLONE" fetch --quiet "$REPO" HEAD
git -C "$CLONE" checkout --quiet --detach FETCH_HEAD
[[ -x $PYTHON ]] || "${PY:-python3}" -m venv "$FOLDER/env"
step "${TORCH[*]}"
PIP install --quiet "${TORCH[@]}"

# Install what slotkd requires, itself last, without any mm package: those
# own the same files as their forks and as other builds of mmcv.
# Arguments: extras whose requirements to install as well.
install_slotkd_without_stack() {
  PIP install --quiet --no-deps -e "$CLONE"
  "$PYTHON" - "$@" > "$FOLDER/requirements.txt" <<'PYTHON'
import re
import sys
from importlib.metadata import requires

for line in requires('slotkd'):
    extra = re.search(r"extra == ['\"](\w+)['\"]", line)
    wanted = extra is None or extra[1] in sys.argv[1:]
    if wanted and not re.match(r'(mm|ruff|mypy|codespell)', line):
        print(line.partition(';')[0])
PYTHON
  PIP install --quiet -r "$FOLDER/requirements.txt"
}
