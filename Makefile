# etatrick: `make` or `make help` lists the commands. Needs Python 3.11 or newer and GNU make.

PYTHON ?= python3

VENV := .venv
BIN := $(VENV)/bin
PINS := constraints.txt
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
INSTALL := $(PIP) install --no-compile --constraint $(PINS)

# The default torch wheel for Linux on x86-64 carries CUDA (gigabytes that nothing here needs): ask for the CPU build.
TORCH_PIN := $(shell sed -n 's/^torch==/torch==/p' $(PINS))
ifeq ($(shell uname -s)-$(shell uname -m),Linux-x86_64)
TORCH ?= $(TORCH_PIN)+cpu
else
TORCH ?= $(TORCH_PIN)
endif

.DEFAULT_GOAL := help
.PHONY: help venv verify test docs bench peers clean

help: ## list the commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1 \2/p' Makefile | awk '{ c = $$2; $$1 = $$2 = ""; printf "  make %-8s%s\n", c, $$0 }'

venv: $(VENV)/.run ## create .venv with the package (editable) and its pinned dependencies

verify: $(VENV)/.run ## settle every claim and write the ledger to report/
	@$(BIN)/etatrick verify --out report

test: $(VENV)/.test ## format, lint, types, tests, documentation, and the built wheel
	@echo '[1/6] format: ruff format --check'
	@$(BIN)/ruff format --check .
	@echo '[2/6] lint: ruff check'
	@$(BIN)/ruff check .
	@echo '[3/6] types: mypy'
	@$(BIN)/mypy
	@echo '[4/6] tests and doctests: pytest'
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q --numprocesses auto --dist worksteal --ignore tests/benchmarks
	@echo '[5/6] documentation: sphinx-build, warnings are errors'
	@$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html
	@echo '[6/6] wheel: built, installed into a fresh environment, used'
	@$(BIN)/python tests/packaging/check_wheel.py --torch '$(TORCH)'

docs: $(VENV)/.test ## build the documentation into docs/_build/html
	@$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

# Freed memory is kept: else page faults after large tensors, which depend on the heap's layout, decide ratios of steps.
RETAIN_FREED_MEMORY := MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=4294967296

bench: $(VENV)/.test ## run the benchmarks and write the table in docs/benchmarks.json
	@mkdir -p .benchmarks
	@OMP_NUM_THREADS=1 $(RETAIN_FREED_MEMORY) $(BIN)/python -m pytest tests/benchmarks --benchmark-enable --benchmark-only --benchmark-json .benchmarks/latest.json
	@$(BIN)/python tests/benchmarks/benchmark_table.py .benchmarks/latest.json docs/benchmarks.json

peers: $(VENV)/.test ## install the packages that the benchmarks compare with, about 400 MB
	@$(PIP) install --no-deps --requirement tests/benchmarks/peers.txt

clean: ## remove .venv and everything generated
	rm -rf $(VENV) report dist build docs/_build docs/api/generated docs/.jupyter_cache
	rm -rf .mypy_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment, in steps; each leaves a stamp, so an interrupted installation is taken up where it stopped.

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "etatrick needs Python 3.11 or newer, which '$(PYTHON)' is not: name one, as in 'make $(MAKECMDGOALS) PYTHON=python3.12'." >&2; exit 1; }
	@echo 'environment: $(VENV)'
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.torch: $(VENV)/.created $(PINS)
	@echo 'install: $(TORCH)'
	@$(INSTALL) --upgrade pip
	@$(INSTALL) '$(TORCH)' 2> $(VENV)/torch.log; status=$$?; cat $(VENV)/torch.log >&2; \
	if [ $$status -ne 0 ] && grep -q -e 'No matching distribution found for torch' -e 'Cannot install torch=' $(VENV)/torch.log; then \
	  echo "No configured package index offers '$(TORCH)': add PyTorch's index of CPU wheels (pytorch.org, 'Get Started') through PIP_EXTRA_INDEX_URL," >&2; \
	  echo "or accept the default build, which may be large: make $(MAKECMDGOALS) TORCH=$(TORCH_PIN)" >&2; \
	fi; exit $$status
	@touch $@

$(VENV)/.run: $(VENV)/.torch pyproject.toml $(PINS)
	@echo 'install: etatrick and its pinned dependencies'
	@$(INSTALL) hatchling editables
	@$(INSTALL) --no-build-isolation --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.run
	@echo 'install: the tools for tests and documentation'
	@$(INSTALL) --no-build-isolation --editable '.[test]'
	@touch $@
