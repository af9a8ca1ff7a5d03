# Each command first makes .venv and installs into it, if that has not been done: no other command is needed.
WINDOWS := $(filter Windows_NT,$(OS))
PY := .venv/$(if $(WINDOWS),Scripts/python.exe,bin/python)
PYTHON ?= $(if $(realpath $(PY)),$(PY),$(if $(WINDOWS),python,python3))
TESTS ?= tests
PIP := $(PY) -m pip install -qq --disable-pip-version-check -c constraints.txt

# Threads of torch that wait for work sleep meanwhile: on a busy machine they would otherwise take the cores from each other
run milestone test busy lab mutants mutants-all: export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: help run book milestone test busy lab workbook mutants mutants-all bench bench-long

help:
	@echo 'make run        regenerate exp/ from the lessons, run them all, write their pages to book/'
	@echo 'make book       write book/ from what the notebooks have saved, without running them'
	@echo 'make milestone  does what each part has built do what was asked of it? the exit status says'
	@echo 'make test       run the tests (some of them: make test TESTS=tests/test_nb_02.py)'
	@echo 'make busy       the lessons, and the tests that wait or measure, beside eight busy processes: up to an hour'
	@echo 'make lab        open the lessons in JupyterLab (the workbooks: make lab IN=workbooks)'
	@echo 'make workbook   a lesson to be written again, each piece checked: make workbook LESSON=02 (LEVEL=1, ONLY=Relu,Lin.backward)'
	@echo 'make mutants    put known mistakes into the modules; the tests must catch each one (MUTANTS=nb_02, MUTANTS=--changed)'
	@echo "make mutants-all  edits of every kind, for hours (MUTANTS='nb_02 --sample 60': some of one module)"
	@echo 'make bench      measure the published figures again (on a busy machine nothing is written, or with ANYWAY=1 all the same)'
	@echo 'make bench-long  train the published networks, for hours; broken off and started again it goes on where it was (LONG=5: 5 epochs only)'

run: .venv/installed
	@$(PY) notebook2script.py
	@echo 'Each page is in book/ as soon as its line is here; the first is book/00_exports.html'
	@$(PY) run_notebooks.py

book: .venv/installed
	@$(PY) run_notebooks.py --pages

# Each with the table of its gate, if it came so far
milestone: .venv/installed
	@$(PY) run_notebooks.py nbs/*_milestone.ipynb; status=$$?; \
	for lesson in nbs/*_milestone.ipynb; do echo; echo "$$lesson"; \
	sed -nE '/<pre[^>]*> +(at least|wanted) /,/<\/pre>/{ s/.*<pre[^>]*>//; s/<\/pre>.*//; /./p; }' "book/$$(basename "$$lesson" .ipynb).html"; done; exit $$status

# All of them: in as many processes as there are cores, and then, alone, what measures times
test: .venv/installed
ifeq ($(TESTS),tests)
	@OMP_NUM_THREADS=1 $(PY) -m pytest -q -n logical --maxprocesses 4 --dist worksteal -m 'not timing' $(TESTS)
	@$(PY) -m pytest -q -m timing $(TESTS)
else
	@$(PY) -m pytest -q $(TESTS)
endif

# On a machine that has other things to do: BUSY=--lessons or BUSY=--tests for half of it
busy: .venv/installed
	@$(PY) tests/busy.py $(BUSY)

lab: .venv/installed
	@$(PY) -m jupyterlab $(or $(IN),nbs) --ServerApp.jpserver_extensions=notebook2script_jupyter=True --LabApp.extra_labextensions_path='$(CURDIR)/labextensions'

workbook: .venv/installed
	@$(PY) workbook.py $(LESSON) $(if $(LEVEL),--level $(LEVEL)) $(if $(ONLY),--only '$(ONLY)') $(if $(FORCE),--force)
	@echo 'Open it with: make lab IN=workbooks'

mutants: .venv/installed
	@$(PY) tests/mutants $(MUTANTS)

# Every edit of a kind, not only the mistakes that somebody thought of: hours for all of them (MUTANTS='nb_02 --sample 60')
mutants-all: .venv/installed
	@$(PY) tests/mutants/systematic.py $(MUTANTS)

bench: .venv/bench
	@status=0; for script in bench/bench_*.py; do echo "$$script"; $(PY) "$$script" || status=1; done; exit $$status

# What bench does not run: each script takes hours, and goes on from its checkpoints in build/
bench-long: .venv/installed
	@status=0; for script in bench/long_*.py; do echo "$$script"; $(PY) "$$script" $(LONG) || status=1; done; exit $$status

.PHONY: always
# Also when a Python is named, or .venv has none that runs: install.py then looks whether .venv is that Python's
.venv/installed: setup.py constraints.txt $(if $(and $(realpath $(PY)),$(filter file,$(origin PYTHON))),,always)
	@$(PYTHON) install.py

# fastai without what it asks for: torchvision, whose usual build is for CUDA and breaks beside a torch for the CPU
.venv/bench: .venv/installed
	@echo 'Installing the peers that bench/ compares with'
	@$(PIP) -e '.[bench]'
	@$(PIP) --no-deps fastai
	@touch $@
