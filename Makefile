# Two commands for a fresh machine: `make demo` and `make test`. Both set up everything they need in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_SECONDS ?= 60
AGAINST ?= HEAD~1
# What the compiled part is made from: when one of these changes, it is built again.
NATIVE := CMakeLists.txt pyproject.toml $(shell find kernels sdk/edge_sdk/runtime/_cffi -type f 2>/dev/null)

.PHONY: demo test check format sanitize campaign conformance fuzz bench wheels clean
demo: $(VENV)/demo-ready
	DEMO_SECONDS=$(DEMO_SECONDS) $(BIN)/python examples/demo/run.py

test: $(VENV)/test-ready check sanitize
	@sh tests/install_system.sh
	$(BIN)/python -m pytest

# Style and types; what pre-commit runs too.
check: $(VENV)/test-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	git ls-files -co --exclude-standard '*.c' '*.h' '*.inc' | xargs $(BIN)/clang-format --dry-run --Werror

format: $(VENV)/test-ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	git ls-files -co --exclude-standard '*.c' '*.h' '*.inc' | xargs $(BIN)/clang-format -i

# The host provider under AddressSanitizer and UBSan with generated descriptors; FUZZ_CASES=1000000 for a campaign.
sanitize: $(VENV)/test-ready
	@sh tests/install_system.sh
	$(BIN)/python tests/sanitize/run.py

# Hours: flashing killed at every step and at random moments, every write failed, connections dropped; see
# tests/campaigns/run.py. CAMPAIGN="--only faults --seed 7" for a part.
campaign: $(VENV)/test-ready
	@sh tests/install_system.sh
	$(BIN)/python -m tests.campaigns.run --out build/campaign.json $(CAMPAIGN)

# What every operator and model computes, against LiteRT's reference kernels; prints the table, writes
# docs/conformance.md. CONFORMANCE="--seed 7 --cases 5000 --inputs 200" is what it does, with seed 1.
conformance: $(VENV)/test-ready
	$(BIN)/python -m tests.conformance.campaign --page docs/conformance.md $(CONFORMANCE)

# Damaged models through the converter; findings go to build/fuzz. FUZZ="--seed 7 --executions 200000" is what it does.
fuzz: $(VENV)/test-ready
	$(BIN)/python -m tests.fuzz.run $(FUZZ)

bench: $(VENV)/demo-ready
	$(BIN)/python benchmarks/call_overhead.py
	$(BIN)/python benchmarks/kernels.py
	$(BIN)/python benchmarks/shapes.py
	$(BIN)/python benchmarks/conversion.py
	$(BIN)/python benchmarks/regression.py --against $(AGAINST)

wheels: $(VENV)/test-ready
	$(BIN)/python kernels/tools/build_wheels.py dist

clean:
	rm -rf build dist $(VENV)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "edge-sdk needs Python 3.10 or newer; try: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "Python's venv is missing; try: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import os, sysconfig, sys; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' || { echo "Python.h is missing; try: apt-get install python3-dev" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

# Build requirements go into the environment once, so that a change in C needs no second download.
$(VENV)/build-ready: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet "scikit-build-core>=0.11" "ziglang>=0.15,<0.18" "cffi>=1.17" "cmake>=3.22" ninja
	@touch $@

$(VENV)/demo-ready: $(VENV)/build-ready $(NATIVE)
	$(BIN)/python -m pip install --quiet --no-build-isolation -e ".[all]"
	@touch $@

$(VENV)/test-ready: $(VENV)/build-ready $(NATIVE)
	$(BIN)/python -m pip install --quiet --no-build-isolation -e ".[all,test,dev]"
	@touch $@ $(VENV)/demo-ready
