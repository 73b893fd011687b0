# Set-up, demo, tests and lint; each target works alone on a fresh clone.
PY    ?= python3
TORCH ?= torch==2.13.0
BIN   := .venv/bin

.PHONY: install demo test lint

install: .venv/ready
demo: .venv/ready
	$(BIN)/python tools/demo.py --work-dir work_dirs/demo
test: .venv/ready-test
	$(BIN)/python -m pytest -n auto --dist worksteal
lint: .venv/ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy slotkd
	$(BIN)/codespell

# torch first and pinned: left to itself, pip picks the newest CUDA build.
.venv/ready: setup.py
	$(PY) -m venv .venv
	$(BIN)/pip install $(TORCH)
	$(BIN)/pip install -e '.[lite]'
	touch $@

.venv/ready-test: .venv/ready
	$(BIN)/pip install -e '.[lite,vis,scenes,test]'
	touch $@
