PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SERVE_ARGS ?=
FUZZ_SECONDS ?= 3600
SOAK_TURNS ?= 200
CORE := $(wildcard app/elf/core/*.h app/elf/core/*/*.h app/elf/core/*/*.c)

.PHONY: run dev test check bench fuzz soak lock clean

run: $(VENV)/.run
	@requirements/install-system requirements/system-run.txt || echo "probescope: going on without what is missing; tracing needs bpftrace"
	@exec $(BIN)/probescope serve $(SERVE_ARGS)

dev: $(VENV)/.run
	@exec $(BIN)/probescope serve --reload $(SERVE_ARGS)

test: $(VENV)/.test
	requirements/install-system requirements/system-test.txt
	requirements/mount-tracing
	$(BIN)/python -m pytest

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.test
	$(BIN)/python -m benchmarks

# libFuzzer over the core; FUZZ_SECONDS is the whole run's.
fuzz: $(VENV)/.test
	requirements/install-system requirements/system-fuzz.txt
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

# Kills of what writes, at random moments, over and over.
soak: $(VENV)/.test
	$(BIN)/python -m tests.soak --turns $(SOAK_TURNS)

# The locks hold every dependency with its hashes, for Python 3.11 and later.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q pyproject.toml -o requirements/run.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q pyproject.toml --extra test -o requirements/test.txt

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || requirements/install-system requirements/system-run.txt
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements/run.txt requirements/system-run.txt pyproject.toml setup.py $(CORE) | $(VENV)/bin/pip
	@requirements/install-system requirements/system-run.txt || echo "probescope: going on without what is missing"
	$(BIN)/pip install -q --require-hashes -r requirements/run.txt
	$(BIN)/pip install -q --no-deps -e .
	$(BIN)/python -m compileall -q app
	@touch $@

$(VENV)/.test: requirements/test.txt $(VENV)/.run
	$(BIN)/pip install -q --require-hashes -r requirements/test.txt
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
