# Everything runs in .venv, which is made from constraints.txt; nothing else is needed first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
RUN := runs/demo

.PHONY: demo test test-slow test-services bench lint format clean

demo: $(STAMP)
	$(BIN)/nas run --data digits --target-macs 2M --out $(RUN)

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not slow and not services"

test-slow: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile -m slow

# A PostgreSQL server of the tests' own: found, or installed by apt-get where that may be.
test-services: $(STAMP)
	$(BIN)/python -m tests.services.postgres
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m services

bench: $(STAMP)
	$(BIN)/nas bench

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) runs exports

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@
