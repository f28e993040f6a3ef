# make help lists the targets; README.md says more.
SHELL := /bin/bash
PYTHON ?= python3
CONFIG ?= config/config.yaml
RUN := $(shell sed -n 's/^run: *//p' $(CONFIG))
CORES ?= all
ARGS ?=
VENV := .venv
RENDER := .venv-render
SLURM := .venv-slurm
# Progress bars for people; plain lines for log files.
LOGGER := $(shell [ -t 2 ] && echo --logger vebi)
RUN_SNAKEMAKE = $(VENV)/bin/snakemake --cores $(CORES) $(LOGGER) $(ARGS)

.PHONY: help env dev-env slurm-env reproduce smoke verify reference test test-slurm test-faults fuzz check bench coverage pages clean-env
help:
	@echo "make reproduce   the default run, from nothing to tables and figures (ARGS=, CONFIG=, CORES=)"
	@echo "make smoke       the same graph on toy sizes, a few minutes"
	@echo "make verify      the default run, then compared with results/reference (CONFIG= for another one)"
	@echo "make bench       speed against other tools, to results/bench"
	@echo "make pages       docs/claims.md, docs/results.md and README's findings, from results/reference"
	@echo "make coverage    how often the intervals hold the truth, by simulation, to results/reference/statistics"
	@echo "make test        every test that this machine can run"
	@echo "make test-slurm  the workflow on a real Slurm that is started here (root; apt installs it)"
	@echo "make slurm-env   .venv-slurm, to submit to a cluster with Slurm"
	@echo "make test-faults runs that are killed 30 times (KILLS=), then compared with an undisturbed one"
	@echo "make fuzz        an hour of hostile input for every reader, with a summary by outcome (FUZZ=)"
	@echo "make check       lint, format, types, layers"
	@echo "make env         the two environments only (.venv, .venv-render)"

# A stamp per environment: made again when its list of packages changes.
$(VENV)/.installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "Python 3.11 is needed, the one that bpy is made for: make PYTHON=/path/to/python3.11")'
	@PYTHON=$(PYTHON) bash envs/system-packages.sh
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -q --disable-pip-version-check torch==2.13.0
	$(VENV)/bin/python -m pip install -q --disable-pip-version-check -r requirements.txt
	$(VENV)/bin/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

$(RENDER)/.installed: requirements-render.txt
	@PYTHON=$(PYTHON) bash envs/system-packages.sh
	$(PYTHON) -m venv $(RENDER)
	$(RENDER)/bin/python -m pip install -q --disable-pip-version-check -r requirements-render.txt
	$(RENDER)/bin/python -c "import bpy"
	@touch $@

# Without the right to install Chromium one goes on after a line that says how: its tests say that they were left out.
$(VENV)/.dev-installed: requirements-dev.txt $(VENV)/.installed
	@PYTHON=$(PYTHON) bash envs/system-packages.sh chromium || true
	$(VENV)/bin/python -m pip install -q --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# On top of the main one: what is installed there is seen, and not installed again.
$(SLURM)/.installed: requirements-slurm.txt $(VENV)/.installed
	$(PYTHON) -m venv --without-pip $(SLURM)
	echo "import site; site.addsitedir('$(CURDIR)/$(VENV)/lib/python3.11/site-packages')" \
	  >$(SLURM)/lib/python3.11/site-packages/vebi-main.pth
	$(SLURM)/bin/python -m pip install -q --disable-pip-version-check -r requirements-slurm.txt
	printf '#!/bin/sh\nexec "%s" -m snakemake "$$@"\n' "$(CURDIR)/$(SLURM)/bin/python" >$(SLURM)/bin/snakemake
	chmod +x $(SLURM)/bin/snakemake
	@touch $@

env: $(VENV)/.installed $(RENDER)/.installed
slurm-env: env $(SLURM)/.installed
dev-env: env $(VENV)/.dev-installed

reproduce: env
	$(RUN_SNAKEMAKE) $(if $(filter-out config/config.yaml,$(CONFIG)),--configfile $(CONFIG))

smoke: env
	$(RUN_SNAKEMAKE) --configfile config/smoke.yaml

verify: reproduce
	$(VENV)/bin/vebi diff results/$(RUN) results/reference/$(RUN)

# What is committed of a run (the default one, or CONFIG=): every table, and as PNG the figures that are
# about all data sets or about double-12c.
reference: reproduce
	rm -rf results/reference/$(RUN)
	mkdir -p results/reference/$(RUN)/figures
	cp -r results/$(RUN)/tables results/reference/$(RUN)/tables
	cp $(filter-out %single-6c_an8flower-strided.png %single-6c.png %digits.png %matconvnet-digits.png, \
	  $(wildcard results/$(RUN)/figures/*.png)) results/reference/$(RUN)/figures/

# A file's tests share what they made, so a worker takes whole files, the long ones of the workflow first.
test: dev-env
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# A real Slurm on this machine, started and ended by the tests; exit code 3 means that none can be installed.
test-slurm: dev-env slurm-env
	@bash tests/workflow/slurm/install.sh; code=$$?; \
	  if [ $$code -eq 0 ]; then PATH="$$PATH:/usr/sbin" $(SLURM)/bin/python -m pytest -m slurm tests/workflow/slurm; \
	  else [ $$code -eq 3 ]; fi

# The main process, its jobs and its renderers are killed in runs that must end as if nothing had been.
KILLS ?= 30
test-faults: dev-env
	VEBI_KILLS=$(KILLS) $(VENV)/bin/python -m pytest -s tests/faults

# Hostile input for every reader (FUZZ=--only N for one case again); `make test` runs the first 252 cases.
FUZZ ?= --minutes 60
fuzz: dev-env
	PYTHONPATH=workflow $(VENV)/bin/python -m tests.fuzz $(FUZZ)

# Peers that are no dependencies are measured where they are installed: pip install spams-bin celer grad-cam
bench: dev-env reproduce
	for benchmark in $(filter-out bench/summarise.py,$(wildcard bench/*.py)); do \
	  $(VENV)/bin/python $$benchmark || exit 1; done
	$(VENV)/bin/python bench/summarise.py

# The written page's tables come from it, too.
coverage: env
	$(VENV)/bin/python tools/coverage.py

pages: env
	$(VENV)/bin/python tools/pages.py

check: dev-env
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python tools/check_rules.py
	$(VENV)/bin/lint-imports
	$(VENV)/bin/snakefmt --check Snakefile workflow
	$(VENV)/bin/snakemake --lint

clean-env:
	rm -rf $(VENV) $(RENDER) $(SLURM)
