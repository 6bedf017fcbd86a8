# Two commands for users, on a machine with Python 3.11+, make and g++:
#
#   make chat    build everything into .venv (no PyTorch) and start a conversation; ARGS="-m MODEL ..." go to `fathom chat`
#   make test    the same with the test extras; every test not marked slow, and the linters
#
# Lines piped into `make chat` are the turns of one conversation; standard output carries the answers alone.

MAKEFLAGS += --no-print-directory
NEW_ENOUGH := -c 'import sys; sys.exit(sys.version_info < (3, 11))'
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do $$p $(NEW_ENOUGH) 2>/dev/null && echo $$p && break; done)
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input
APT := sudo apt install g++ make python3-venv python3-dev

.PHONY: chat test train slow lint docs clean
.DELETE_ON_ERROR:

chat: $(VENV)/core.stamp
	@$(VENV)/bin/fathom chat $(ARGS)

test: $(VENV)/test.stamp lint
	@$(PY) -m pytest $(ARGS)

train: $(VENV)/train.stamp

slow: $(VENV)/oracle.stamp
	@$(PY) -m pytest -m slow $(ARGS)

lint: $(VENV)/test.stamp
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

docs: $(VENV)/core.stamp
	@for language in en zh; do FATHOM_LANG=$$language $(PY) docs/generate.py > docs/$$language/cli.md; done

clean:
	rm -rf $(VENV) build

# What is missing is named before anything is built.
$(PY):
	@test -n "$(PYTHON)" && $(PYTHON) $(NEW_ENOUGH) || { \
	  echo "fathom: Python 3.11 or newer is needed, found: $$($(or $(PYTHON),python3) -V 2>/dev/null || echo none); if it is there under another name: make PYTHON=... chat" >&2; exit 1; }
	@command -v $${CXX:-g++} >/dev/null || { echo "fathom: no C++ compiler; install one: $(APT)" >&2; exit 1; }
	@$(PYTHON) -c 'import os, sysconfig; open(os.path.join(sysconfig.get_path("include"), "Python.h"))' 2>/dev/null || { \
	  echo "fathom: no Python headers (Python.h); install them: $(APT)" >&2; exit 1; }
	@echo "fathom: creating $(VENV)" >&2
	@$(PYTHON) -m venv $(VENV) >&2 || { rm -rf $(VENV); \
	  echo "fathom: Python has no working venv; install it: $(APT)" >&2; exit 1; }

$(VENV)/packages.stamp: pyproject.toml | $(PY)
	@echo "fathom: installing packages" >&2
	@$(call install,core) >&2
	@touch $@

$(VENV)/core.stamp: $(VENV)/packages.stamp CMakeLists.txt $(wildcard csrc/*)
	@echo "fathom: compiling (once; a minute on two free cores)" >&2
	@mkdir -p build; $(PIP) install -v --no-deps -e . > build/install.log 2>&1 & pip=$$!; \
	trap "kill $$pip; exit 130" INT TERM; shown=; \
	while sleep 1; kill -0 $$pip 2>/dev/null; do \
	  step=$$(grep -o '\[[ 0-9/%]*\] [A-Z][a-z]* CXX .*' build/install.log | tail -n 1 | sed 's| [^ ]*/| |; s|\.o$$||'); \
	  [ "$$step" = "$$shown" ] || echo "  $$step" >&2; shown=$$step; \
	done; wait $$pip || { grep -E -A 3 'error:|#error|FAILED' build/install.log | head -n 12 >&2; echo "fathom: compiling failed; all of it: build/install.log" >&2; exit 1; }
	@touch $@

# PyTorch (tests and training only): its own CPU wheels where reachable, else the registry's build of the same version.
$(VENV)/train.stamp: $(VENV)/core.stamp
	@echo "fathom: installing PyTorch" >&2
	@$(PIP) install --timeout 3 --retries 0 --index-url https://download.pytorch.org/whl/cpu torch==2.13.0 >&2 2>/dev/null \
	  || $(PIP) install torch==2.13.0 >&2
	@$(call install,train) >&2
	@touch $@

$(VENV)/test.stamp: $(VENV)/train.stamp
	@echo "fathom: installing the test extras" >&2
	@$(call install,test) >&2
	@touch $@

$(VENV)/oracle.stamp: $(VENV)/test.stamp
	@echo "fathom: compiling llama.cpp to compare with (about 7 minutes, once)" >&2
	@$(call install,oracle) >&2
	@touch $@

# Installs the packages of the core or of one extra, but not fathom itself.
install = $(PIP) install $$($(PY) -c 'import tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; print(*{"core": project["dependencies"], **project["optional-dependencies"]}["$(1)"])')
