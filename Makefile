PYTHON ?= python3
ARGS ?=
# Tests wait for servers most of the time: one job more than there are processors takes a third less time.
JOBS ?= $(shell $(bin)/python -c "import os; print(os.cpu_count() + 1)")
UPGRADE ?=

extras := aws azure digitalocean directory dns gcp oci postgresql proxmox simulation
bin := .venv/bin
pip := $(bin)/python -m pip --quiet --disable-pip-version-check --no-input
pytest = $(bin)/python -m pytest --numprocesses $(JOBS) --dist loadfile
pin := $(bin)/uv pip compile pyproject.toml --group build --universal --python-version 3.11 \
       --generate-hashes --no-header --no-annotate --quiet $(UPGRADE)

# A stamp is named after the content that was installed: a changed pin installs again, an unchanged one costs nothing.
checksum = $(shell cat pyproject.toml requirements/$(1).txt | cksum | cut -d ' ' -f 1)
run_installed := .venv/.installed-run-$(call checksum,run)
dev_installed := .venv/.installed-dev-$(call checksum,dev)

.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help run test check static format histories requirements clean

define HELP
Poolwright keeps pools of virtual machines ready for people's sessions.

  make run           start everything on this machine: Temporal, worker, endpoint. Ctrl-C stops it
                     ARGS="..." is handed to `poolwright up`; ARGS=--help shows what it takes
  make check         format, lint, types, import rules and the fast tests: before each commit
  make test          the same with every test: what CI runs (CONTRIBUTING.md says what they need)
  make format        put the code into the project's format and mend what the linter can mend
  make histories     record the workflow histories that tests/replay lacks; ARGS=--help shows what else there is
  make requirements  pin the packages named in pyproject.toml again, with hashes
                     UPGRADE=--upgrade takes the newest, UPGRADE="--upgrade-package NAME" one of them
  make clean         remove .venv and caches; what `make run` stored in .poolwright stays

The first run makes .venv and installs the pinned packages into it.
PYTHON=python3.12 says which Python (3.11 or newer) to make it with; JOBS=4 how many tests run at once.
endef
export HELP

help:
	@echo "$$HELP"

# exec, so that the signal which stops make stops poolwright: a shell in between would die and leave the servers running.
run: $(run_installed)
	@exec $(bin)/poolwright up $(ARGS)

test: static
	@$(pytest)

check: static
	@$(pytest) -m "not slow"

static: $(dev_installed)
	@$(bin)/ruff format --check .
	@$(bin)/ruff check .
	@$(bin)/mypy
	@$(bin)/lint-imports --no-cache --no-logo

format: $(dev_installed)
	@$(bin)/ruff check --fix-only .
	@$(bin)/ruff format .

histories: $(dev_installed)
	@$(bin)/python -m tests.replay.record $(ARGS)

# All others are cut out of dev's versions, so that what is tested is what runs.
requirements: $(dev_installed)
	@$(pin) --extra dev --output-file requirements/dev.txt
	@$(pin) --extra local-stack --constraints requirements/dev.txt --output-file requirements/run.txt
	@$(pin) --extra postgresql --extra directory --extra dns --constraints requirements/dev.txt --output-file requirements/deploy.txt
	@set -e; for extra in $(extras); do \
	$(pin) --extra $$extra --constraints requirements/dev.txt --output-file requirements/$$extra.txt; done

clean:
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info
	@find . -name __pycache__ -type d -not -path './.poolwright/*' -prune -exec rm -rf {} +

$(bin)/python:
	@$(PYTHON) -c '' 2>/dev/null || { echo "Poolwright needs Python 3.11 or newer, and '$(PYTHON)' does not start. \
	Install Python, or name the one to use: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Poolwright needs Python 3.11 or newer, \
	and '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Name a newer one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "'$(PYTHON)' has no venv module. \
	On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv .venv

# --require-hashes refuses whatever is not pinned; --no-build-isolation builds with the pinned setuptools, not the newest.
define install
@echo "Installing the packages of requirements/$(1).txt into .venv (only when they have changed)"
@rm -f .venv/.installed-*
@{ $(pip) install --require-hashes --requirement requirements/$(1).txt \
   && $(pip) install --no-deps --no-build-isolation --editable .; } >.venv/install.log 2>&1 \
 || { cat .venv/install.log >&2; echo "The packages could not be installed; pip's own words are above." >&2; exit 1; }
endef

$(run_installed): | $(bin)/python
	$(call install,run)
	@touch $@

$(dev_installed): | $(bin)/python
	$(call install,dev)
	@touch $@ $(run_installed)
