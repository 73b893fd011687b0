#!/usr/bin/env bash
# The default test suite with the maintained fork of the stack: onedl-mmengine,
# onedl-mmcv without compiled operations, onedl-mmsegmentation,
# onedl-mmdetection, the same modules under other distribution names.
#
# Needs: Python 3.10 or later, git, network (or a package index), 3 GB.
# Usage: tools/environments/fork.sh [FOLDER [PYTEST_ARGUMENT...]]
#        FOLDER is kept and used again; default: a new temporary folder.

source "$(dirname "${BASH_SOURCE[0]}")/setup.sh" "${1:-}"
shift || true

step 'the fork'
MMCV_WITH_OPS=0 PIP install --quiet onedl-mmengine==0.10.12 \
  onedl-mmcv==2.3.6 onedl-mmsegmentation==1.4.2 onedl-mmdetection==3.5.1
step 'slotkd'
install_slotkd_without_stack scenes test
PIP install --quiet ftfy regex
PIP list 2>/dev/null | grep -iE '^(onedl|mm|torch|numpy|slotkd)'
step 'the suite'
cd "$CLONE"
"$PYTHON" -m pytest "$@"
step 'done'
