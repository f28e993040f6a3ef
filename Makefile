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
STORE := .venv-store
# Progress bars for people; plain lines for log files.
LOGGER := $(shell [ -t 2 ] && echo --logger vebi)
# Ctrl-C says how to go on.
export VEBI_COMMAND := make $(MAKECMDGOALS) $(MAKEOVERRIDES)
RUN_SNAKEMAKE = $(VENV)/bin/snakemake --cores $(CORES) $(LOGGER) $(ARGS)

.PHONY: help env dev-env slurm-env store-env quick reproduce smoke verify reference test test-slurm test-faults fuzz soak mutants check wheel docs lock bench coverage pages clean-env
help:
	@echo "make quick       digits alone, to a report, in two minutes (needs no Blender)"
	@echo "make reproduce   the default run, from nothing to tables and figures (ARGS=, CONFIG=, CORES=)"
	@echo "make smoke       the same graph on toy sizes, a few minutes"
	@echo "make verify      the default run, then compared with results/reference (CONFIG= for another one)"
	@echo "make bench       speed against other tools, to results/bench"
	@echo "make pages       docs/claims.md, docs/results.md, README's findings and the figures, from results/reference"
	@echo "make coverage    how often the intervals hold the truth, by simulation, to results/reference/statistics"
	@echo "make test        every test that this machine can run"
	@echo "make test-slurm  the workflow on a real Slurm that is started here (root; apt installs it)"
	@echo "make slurm-env   .venv-slurm, to submit to a cluster with Slurm"
	@echo "make store-env   .venv-store, to keep a run's files in S3"
	@echo "make test-faults runs that are killed 30 times (KILLS=), then compared with an undisturbed one"
	@echo "make fuzz        an hour of hostile input for every reader, with a summary by outcome (FUZZ=)"
	@echo "make soak        every property on 20 times as many examples, other ones on every run (TIMES=)"
	@echo "make mutants     small changes of the code, each of which a test must find (AREA=statistics for one part)"
	@echo "make check       lint, format, types, layers"
	@echo "make wheel       the package in bare environments, with the oldest and the newest versions"
	@echo "make docs        the documentation as a site, to site/"
	@echo "make lock        requirements.lock, made again from requirements.txt"
	@echo "make env         the two environments only (.venv, .venv-render)"

# A stamp per environment: made again when its list of packages changes.
$(VENV)/.installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(not (3, 11) <= v <= (3, 13) and "Python 3.11, 3.12 or 3.13 is needed, not %d.%d: make PYTHON=/path/to/python3.13" % v)'
	@PYTHON=$(PYTHON) bash envs/system-packages.sh
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -q --disable-pip-version-check torch==2.13.0
	$(VENV)/bin/python -m pip install -q --disable-pip-version-check -r requirements.txt
	$(VENV)/bin/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

# The one environment that needs Python 3.11: found on the machine, or fetched by uv.
$(RENDER)/.installed: requirements-render.txt $(VENV)/.installed
	@PYTHON=$(PYTHON) bash envs/system-packages.sh
	@python=$$(PYTHON=$(PYTHON) bash envs/blender-python.sh $(VENV)/bin/python) && \
	  echo "$$python -m venv $(RENDER)" && "$$python" -m venv $(RENDER)
	$(RENDER)/bin/python -m pip install -q --disable-pip-version-check -r requirements-render.txt
	$(RENDER)/bin/python -c "import bpy"
	@touch $@

# Without the right to install Chromium one goes on after a line that says how: its tests say that they were left out.
$(VENV)/.dev-installed: requirements-dev.txt $(VENV)/.installed
	@PYTHON=$(PYTHON) bash envs/system-packages.sh chromium || true
	$(VENV)/bin/python -m pip install -q --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# On top of the main one: what is installed there is seen, and not installed again. Plugins that would slow down
# every start of snakemake stand in such an environment: to submit to Slurm, to keep files in S3.
.venv-%/.installed: requirements-%.txt $(VENV)/.installed
	$(PYTHON) -m venv --without-pip $(@D)
	packages='import sysconfig; print(sysconfig.get_path("purelib"))'; \
	  echo "import site; site.addsitedir('$$($(VENV)/bin/python -c "$$packages")')" \
	  >"$$($(@D)/bin/python -c "$$packages")/vebi-main.pth"
	$(@D)/bin/python -m pip install -q --disable-pip-version-check -r $<
	printf '#!/bin/sh\nexec "%s" -m snakemake "$$@"\n' "$(CURDIR)/$(@D)/bin/python" >$(@D)/bin/snakemake
	chmod +x $(@D)/bin/snakemake
	@touch $@

env: $(VENV)/.installed $(RENDER)/.installed
slurm-env: env $(SLURM)/.installed
store-env: env $(STORE)/.installed
dev-env: env $(VENV)/.dev-installed

# Needs no Blender.
quick: $(VENV)/.installed
	$(RUN_SNAKEMAKE) --configfile config/quick.yaml

reproduce: env
	$(RUN_SNAKEMAKE) $(if $(filter-out config/config.yaml,$(CONFIG)),--configfile $(CONFIG))

smoke: env
	$(RUN_SNAKEMAKE) --configfile config/smoke.yaml

verify: reproduce
	$(VENV)/bin/vebi diff results/$(RUN) results/reference/$(RUN)

# What is committed of a run (the default one, or CONFIG=): every table, and as PNG the figures that are
# about all data sets or about double-12c, but for the examples: README's picture shows two of them.
# The largest tables stay away, all together are below 12 MB; `vebi diff` reads from left_out.txt which.
LEFT_OUT := $(if $(filter-out default,$(RUN)),selected_features iou_curve)
reference: reproduce
	rm -rf results/reference/$(RUN)
	mkdir -p results/reference/$(RUN)/figures
	cp -r results/$(RUN)/tables results/reference/$(RUN)/tables
	@cd results/reference/$(RUN) && for table in $(LEFT_OUT); do [ ! -f tables/$$table.csv ] || \
	  { rm tables/$$table.csv && echo "tables/$$table.csv" >>left_out.txt; }; done
	cp $(filter-out %single-6c_an8flower-strided.png %single-6c.png %digits.png %matconvnet-digits.png \
	  %/examples_an8flower-double-12c_an8flower-strided.png, \
	  $(wildcard results/$(RUN)/figures/*.png)) results/reference/$(RUN)/figures/
	$(if $(filter default,$(RUN)),$(VENV)/bin/python tools/figures.py --overview)

# A file's tests share what they made, so a worker takes whole files, the long ones of the workflow first.
test: dev-env store-env
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

TIMES ?= 20
soak: dev-env
	VEBI_SOAK=$(TIMES) $(VENV)/bin/python -m pytest -n 2 --dist worksteal -m hypothesis tests/unit

# Hours for all areas; a second call goes on.
mutants: dev-env
	$(VENV)/bin/python -m pip install -q --disable-pip-version-check -c requirements.txt -r requirements-mutants.txt
	$(VENV)/bin/python tools/mutants.py $(AREA)

# Peers that are not dependencies are measured where they are installed: pip install spams-bin celer grad-cam
bench: dev-env reproduce
	for benchmark in $(filter-out bench/summarise.py,$(wildcard bench/*.py)); do \
	  $(VENV)/bin/python $$benchmark || exit 1; done
	$(VENV)/bin/python bench/summarise.py

# The written page's tables come from it, too.
coverage: env
	$(VENV)/bin/python tools/interval_coverage.py

pages: env
	$(VENV)/bin/python tools/pages.py
	$(VENV)/bin/python tools/figures.py

check: dev-env
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python tools/check_rules.py
	$(VENV)/bin/lint-imports
	$(VENV)/bin/snakefmt --check Snakefile workflow
	$(VENV)/bin/snakemake --lint

# Tutorials are executed, so it takes a minute or two.
$(VENV)/.docs-installed: requirements-docs.txt $(VENV)/.dev-installed
	$(VENV)/bin/python -m pip install -q --disable-pip-version-check -c requirements.txt -r requirements-docs.txt
	@touch $@

docs: env $(VENV)/.docs-installed
	$(VENV)/bin/python -m mkdocs build -q
	@echo "The site is in site/: open site/index.html"

# What requirements.txt leads to, on every Python from 3.11 on, with a hash of each file.
lock: dev-env
	$(VENV)/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --custom-compile-command "make lock" requirements.txt -o requirements.lock

# In environments of their own, made and removed again.
wheel: $(VENV)/.installed
	$(PYTHON) tools/check_wheel.py --versions lowest
	$(PYTHON) tools/check_wheel.py

clean-env:
	rm -rf $(VENV) $(RENDER) $(SLURM) $(STORE)
