#!/usr/bin/env bash
# The default test suite with the compiled mmcv, built here once: no stub is
# in use, compiled operations run, and what slotkd computes by itself equals
# what they compute.
#
# Needs: Python 3.10 or later, git, g++, network (or a package index), 4 GB.
# The build takes 20 to 45 minutes with one job (MAX_JOBS=1, the default); the
# wheel stays in FOLDER/wheels and is used again. A CPU torch builds the
# operations that have a CPU version; for CUDA kernels have a CUDA torch
# (TORCH=...), nvcc and FORCE_CUDA=1.
# Usage: tools/environments/full_mmcv.sh [FOLDER [PYTEST_ARGUMENT...]]
#        FOLDER is kept and used again; default: a new temporary folder.

source "$(dirname "${BASH_SOURCE[0]}")/setup.sh" "${1:-}"
shift || true

# An isolated build would find no torch and make a wheel without operations.
step 'the compiled mmcv'
PIP install --quiet setuptools==80.9.0 wheel ninja psutil
if ! compgen -G "$FOLDER/wheels/mmcv-2.1.0-*.whl" > /dev/null; then
  MMCV_WITH_OPS=1 MAX_JOBS=${MAX_JOBS:-1} PIP wheel --quiet --no-deps \
    --no-build-isolation -w "$FOLDER/wheels" mmcv==2.1.0
fi
PIP install --quiet "$FOLDER"/wheels/mmcv-2.1.0-*.whl
step 'slotkd'
# Not the extra `vis`: it brings mmcv-lite, which owns the same files.
PIP install --quiet -e "$CLONE[full,scenes,test]" 'mmdet>=3.3.0,<3.4'
PIP check
cd "$CLONE"
"$PYTHON" - <<'PYTHON'
import slotkd
import torch
from mmcv import _ext
from mmcv.ops import nms
from mmcv.utils.ext_loader import check_ops_exist

from slotkd import compat

assert not isinstance(_ext, compat.MissingOps), 'the stub is in use'
assert check_ops_exist()
boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 5], [9, 9, 12, 12]])
kept = nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5)[1]
assert kept.tolist() == [0, 2], kept
print('compiled operations run beside slotkd', slotkd.__version__)
PYTHON
step 'models of mmseg that need operations'
"$PYTHON" -W ignore tools/mmseg_model_table.py psanet
step 'the suite'
"$PYTHON" -m pytest "$@"
step 'done'
