#!/usr/bin/env bash
# What a user does: a fresh environment with torch, mmsegmentation and slotkd,
# a copy of the example project outside of the repository, and
# mmsegmentation's own tools from its wheel, which train, validate, resume and
# test each of its models. Nothing of slotkd's tools is used.
#
# Needs: Python 3.10 or later, git, network (or a package index), 2 GB.
# Takes: 4 minutes of processor time, installation included; it took 25
# minutes beside nine other programs on two cores.
# Usage: tools/environments/fresh_user.sh [FOLDER]
#        FOLDER is kept and used again; default: a new temporary folder.
#        ITERATIONS=N (default 10) trains each model that long; 500 trains
#        the slot model, and 300 the others, as long as the configs say.

source "$(dirname "${BASH_SOURCE[0]}")/setup.sh" "${1:-}"
ITERATIONS=${ITERATIONS:-10}

step 'slotkd with mmsegmentation, not editable'
PIP install --quiet "$CLONE[lite]"
PIP check
step 'the project'
rm -rf "$FOLDER/project"
cp -r "$CLONE/examples/mmseg_project" "$FOLDER/project"
cd "$FOLDER/project"
"$PYTHON" draw_data.py --train 20 --val 4
export PYTHONPATH=.
TOOLS=$("$PYTHON" -W ignore -c \
  "import mmseg; print(mmseg.__path__[0] + '/.mim/tools')")

# Arguments: config, iterations, '--resume' or '', options of the config.
train() {
  local config=$1 length=$2 resume=$3
  shift 3
  # shellcheck disable=SC2086 # one word or none
  "$PYTHON" -W ignore "$TOOLS/train.py" "configs/$config.py" $resume \
    --cfg-options train_cfg.max_iters="$length" \
    train_cfg.val_interval="$length" \
    default_hooks.checkpoint.interval="$length" "$@" \
    > "$config.log" 2>&1 || { tail -20 "$config.log"; exit 1; }
}

# Train, go on for as many iterations again, test.
try() {
  local config=$1
  shift
  step "$config"
  train "$config" "$ITERATIONS" '' "$@"
  train "$config" $((2 * ITERATIONS)) --resume "$@"
  grep -q "resumed epoch: 0, iter: $ITERATIONS" "$config.log"
  "$PYTHON" -W ignore "$TOOLS/test.py" "configs/$config.py" \
    "work_dirs/$config/iter_$((2 * ITERATIONS)).pth" \
    --cfg-options "${@:-log_level=INFO}" > "$config.test.log" 2>&1 ||
    { tail -20 "$config.test.log"; exit 1; }
  grep -oE '(mIoU|fg_ari): [0-9.]+' "$config.test.log" | tail -1
}

LAST=iter_$((2 * ITERATIONS)).pth
SLOTS=work_dirs/slots/$LAST
TEACHER=model.teacher_checkpoint=work_dirs/segformer_b1/$LAST
try slots
try fcn_slots model.backbone.checkpoint="$SLOTS"
try segformer_b1
try segformer_b0
try segformer_b0_from_b1 "$TEACHER"
try segformer_b0_from_b1_ssync "$TEACHER"
try segformer_b0_from_slots model.slot_teacher.checkpoint="$SLOTS"

step 'a misspelt type, and slotkd missing, are different errors'
expect() {
  local told=$1
  shift
  if "$PYTHON" -W ignore "$TOOLS/train.py" "$@" > error.log 2>&1; then
    echo 'the run did not fail' && exit 1
  fi
  grep -F "$told" error.log || { tail -5 error.log; exit 1; }
}
expect "did you mean 'SlotBackbone'?" configs/fcn_slots.py \
  --cfg-options model.backbone.type=slotkd.SlotBakbone
PIP uninstall --quiet --yes slotkd
expect "Failed to import custom modules from {'imports': ['slotkd'" \
  configs/fcn_slots.py
step 'done'
