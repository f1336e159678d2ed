# Every verb works alone on a fresh machine with Python 3.11 to 3.13 and make; `make help` lists them.

SHELL  := /bin/sh
PYTHON ?= python3
UV     ?= uv
HOST   ?= 127.0.0.1
PORT   ?= 8000
ARGS   ?=
IMAGE  ?= convoy:test
SLIM   ?= convoy:test-slim

VENV := .venv
BIN  := $(VENV)/bin
# A stamp is newer than the lock it was installed from; `.dev` implies `.serve`.
SERVE_STAMP := $(VENV)/.serve
DEV_STAMP   := $(VENV)/.dev
# Other people's clients live apart: kserve asks for other releases than the ones locked for serving.
CLIENTS       := .venv-clients
CLIENTS_STAMP := $(CLIENTS)/.installed
# Ray, too: 100 MB that nothing else needs.
RAY       := .venv-ray
RAY_STAMP := $(RAY)/.installed
# What asks the advisory service brings twenty packages of its own.
AUDIT       := .venv-audit
AUDIT_STAMP := $(AUDIT)/.installed

# Hashes checked, nothing resolved, nothing built from source (docs/adr/0002).
PIP_INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps
# The package itself, in place, with the locked build backend; --no-index: this step downloads nothing.
INSTALL_CONVOY := $(PIP_INSTALL) --no-index --no-build-isolation --editable .

.DEFAULT_GOAL := help
.PHONY: help install run test test-applications test-clients test-image test-ray test-soak test-wheel check-arm audit \
	compatibility lint format bench image screenshots lock wheel clean

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' Makefile

install: $(DEV_STAMP) ## put everything (to serve, build, test and lint) into .venv

run: $(SERVE_STAMP) ## set up what serving needs and serve ./models (HOST, PORT, ARGS)
	@exec $(BIN)/convoy serve models --host $(HOST) --port $(PORT) $(ARGS)

test: $(DEV_STAMP) ## set up and run the whole suite (ARGS goes to pytest)
	@exec $(BIN)/python -m pytest $(ARGS)

test-applications: $(DEV_STAMP) ## build, serve and compare every net of keras.applications (an hour or more; ARGS)
	@exec $(BIN)/python -m pytest tests/applications/sweep.py $(ARGS)

test-clients: $(DEV_STAMP) $(CLIENTS_STAMP) ## have the clients of Triton, KServe, Hugging Face and schemathesis try it (ARGS)
	@exec $(BIN)/python -m pytest tests/e2e/test_conformance.py $(ARGS)

test-ray: $(RAY_STAMP) ## have a Ray cluster of two nodes classify a folder, and kill one of them (ARGS)
	@exec $(RAY)/bin/python -m pytest tests/integration/offline/test_ray.py $(ARGS)

test-soak: $(DEV_STAMP) ## minutes at full speed of wrong requests, changing versions, killed workers (CONVOY_SOAK_SECONDS, 300; ARGS)
	@exec $(BIN)/python -m pytest tests/soak/abuse.py tests/soak/churn.py -s $(ARGS)

test-image: $(DEV_STAMP) image ## build both images and test them, alone and composed (needs a Docker engine; ARGS)
	@CONVOY_TEST_IMAGE=$(IMAGE) CONVOY_TEST_SLIM_IMAGE=$(SLIM) exec $(BIN)/python -m pytest tests/container $(ARGS)

test-wheel: $(DEV_STAMP) ## install the wheel into an empty environment elsewhere and serve with it (downloads TensorFlow; ARGS)
	@CONVOY_TEST_WHEEL=1 exec $(BIN)/python -m pytest tests/release $(ARGS)

VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' service/__init__.py)

image: ## build the images, full and slim (needs a Docker engine; IMAGE, SLIM, BUILD_ARGS)
	docker build $(BUILD_ARGS) --build-arg VERSION=$(VERSION) --tag $(IMAGE) .
	docker build $(BUILD_ARGS) --build-arg VERSION=$(VERSION) --tag $(SLIM) --target slim .

wheel: $(DEV_STAMP) ## make dist/convoy_serve-….whl and the source archive
	$(BIN)/python -m hatchling build -d dist

audit: $(AUDIT_STAMP) ## ask for known vulnerabilities of everything locked (needs a network; fails where it gets no answer)
	@for lock in serve build dev; do echo "requirements/$$lock.txt"; \
	  $(AUDIT)/bin/pip-audit --strict --progress-spinner off --disable-pip --no-deps --require-hashes \
	    -r requirements/$$lock.txt || { echo "convoy: not audited, or something found: see above" >&2; exit 1; }; \
	done

check-arm: ## find out whether every locked package has a wheel for 64-bit ARM (needs uv; reads their tags, downloads nothing)
	@command -v $(UV) >/dev/null || { echo "make check-arm needs uv: https://docs.astral.sh/uv/" >&2; exit 1; }
	@for lock in serve build ray; do \
	  $(UV) pip compile --quiet --no-deps --only-binary :all: --python-platform aarch64-manylinux_2_28 \
	    --python-version 3.13 requirements/$$lock.txt >/dev/null || exit 1; \
	  echo "requirements/$$lock.txt: every package has a wheel for 64-bit ARM and Python 3.13"; \
	done

compatibility: $(DEV_STAMP) ## read what nine releases of Keras write (downloads them; ARGS goes to it)
	@exec $(BIN)/python -m tests.compatibility $(ARGS)

lint: $(DEV_STAMP) ## ruff, mypy and the import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEV_STAMP) ## rewrite the sources as ruff wants them
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

screenshots: $(DEV_STAMP) ## take the pictures of the page in docs/images, while `make run` serves (needs Chromium; ARGS)
	@exec $(BIN)/python docs/screenshots.py $(ARGS)

bench: $(DEV_STAMP) ## run the benchmarks (ARGS goes to them)
	@exec $(BIN)/python -m benchmarks $(ARGS)

# dev.txt first: the two others hold the same versions of fewer packages. UPGRADE=--upgrade takes newer releases.
COMPILE := $(UV) pip compile --quiet pyproject.toml --universal --python-version 3.11 --fork-strategy fewest \
	--only-binary :all: --generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock" $(UPGRADE)

lock: ## write requirements/*.txt anew from pyproject.toml (needs uv; UPGRADE=--upgrade)
	@command -v $(UV) >/dev/null || { echo "make lock needs uv: https://docs.astral.sh/uv/" >&2; exit 1; }
	$(COMPILE) --extra build --group dev --output-file requirements/dev.txt
	$(COMPILE) --extra build --group backend --constraint requirements/dev.txt --output-file requirements/build.txt
	$(COMPILE) --constraint requirements/dev.txt --output-file requirements/serve.txt
	$(subst pyproject.toml,--group clients,$(COMPILE)) --output-file requirements/clients.txt
	$(COMPILE) --group ray-test --group backend --constraint requirements/dev.txt --output-file requirements/ray.txt
	$(subst pyproject.toml,--group audit,$(COMPILE)) --output-file requirements/audit.txt

clean: ## remove .venv and what the tools left behind
	rm -rf $(VENV) $(CLIENTS) $(RAY) $(AUDIT) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ------------------------------------------------------------------------------------------------ set-up

$(SERVE_STAMP): requirements/build.txt pyproject.toml | $(BIN)/python
	@set -e; start=$$(date +%s); \
	echo "convoy: installing what serving needs (requirements/build.txt); the first time takes minutes"; \
	$(PIP_INSTALL) --require-hashes --only-binary :all: -r requirements/build.txt; \
	$(INSTALL_CONVOY); \
	touch $@; echo "convoy: set up in $$(($$(date +%s) - start)) s"

$(DEV_STAMP): requirements/dev.txt pyproject.toml | $(BIN)/python
	@set -e; start=$$(date +%s); \
	echo "convoy: installing everything (requirements/dev.txt); the first time takes minutes"; \
	$(PIP_INSTALL) --require-hashes --only-binary :all: -r requirements/dev.txt; \
	$(INSTALL_CONVOY); \
	touch $(SERVE_STAMP) $@; echo "convoy: set up in $$(($$(date +%s) - start)) s"

$(CLIENTS_STAMP): requirements/clients.txt | $(BIN)/python
	@echo "convoy: installing other people's clients (requirements/clients.txt)"
	@$(BIN)/python -m venv $(CLIENTS)
	@$(CLIENTS)/bin/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
		-r requirements/clients.txt
	@touch $@

$(RAY_STAMP): requirements/ray.txt | $(BIN)/python
	@echo "convoy: installing what serving needs, and Ray (requirements/ray.txt)"
	@$(BIN)/python -m venv $(RAY)
	@$(RAY)/bin/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
		-r requirements/ray.txt
	@$(subst $(BIN),$(RAY)/bin,$(INSTALL_CONVOY))
	@touch $@

$(AUDIT_STAMP): requirements/audit.txt | $(BIN)/python
	@echo "convoy: installing pip-audit (requirements/audit.txt)"
	@$(BIN)/python -m venv $(AUDIT)
	@$(AUDIT)/bin/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
		-r requirements/audit.txt
	@touch $@

# The first Python that fits; where PYTHON was given by hand, only that one is looked at.
CANDIDATES := $(PYTHON) $(if $(filter file,$(origin PYTHON)),python3.13 python3.12 python3.11)

$(BIN)/python:
	@for python in $(CANDIDATES); do \
	  if $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then \
	    $$python -c 'import ensurepip, venv' 2>/dev/null || { \
	      echo "convoy: $$python cannot make virtual environments; install its venv module (Debian: apt-get install python3-venv)" >&2; exit 1; }; \
	    exec $$python -m venv $(VENV); \
	  fi; \
	done; \
	echo "convoy: Python 3.11, 3.12 or 3.13 is needed; $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo missing). Try: make PYTHON=/path/to/python3.11" >&2; exit 1
