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

.PHONY: chat test train eval slow lint docs sanitize sanitize-guard aarch64 integrations clean
.DELETE_ON_ERROR:

chat: $(VENV)/core.stamp
	@$(VENV)/bin/fathom chat $(ARGS)

test: $(VENV)/test.stamp lint
	@$(PY) -m pytest $(ARGS)

train: $(VENV)/train.stamp

eval: $(VENV)/eval.stamp

slow: $(VENV)/oracle.stamp $(VENV)/eval.stamp
	@$(PY) -m pytest -m slow $(ARGS)

# The guardrail and the filter inside the real LiteLLM and Open WebUI, each in an environment of its own (3 GB).
integrations: $(VENV)/test.stamp build/integrations/litellm.stamp build/integrations/openwebui.stamp
	@$(PY) -m pytest -m slow tests/integrations $(ARGS)

lint: $(VENV)/test.stamp
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

docs: $(VENV)/core.stamp
	@for language in en zh; do FATHOM_LANG=$$language $(PY) docs/generate.py > docs/$$language/cli.md; done

# csrc without Python (tests/native/unit) under sanitizers: addresses and undefined behaviour first, then threads.
sanitize: export UBSAN_OPTIONS = print_stacktrace=1
sanitize: export TSAN_OPTIONS = halt_on_error=1
sanitize:
	@$(call need,cmake g++,cmake $${CXX:-g++})
	@$(call unit,asan,-DCMAKE_CXX_FLAGS_RELEASE="-O1 -g -fsanitize=address$(comma)undefined -fno-sanitize-recover=all")
	@build/asan/fathom_unit
	@$(call unit,tsan,-DCMAKE_CXX_FLAGS_RELEASE="-O1 -g -fsanitize=thread")
	@build/tsan/fathom_unit

# csrc/guard as Python calls it, with hostile texts, under the sanitizers of addresses and undefined behaviour.
sanitize-guard: $(VENV)/test.stamp
	@$(call need,cmake g++,cmake $${CXX:-g++})
	@echo "fathom: compiling build/asan-guard" >&2
	@cmake -S . -B build/asan-guard -DPython_EXECUTABLE=$(abspath $(PY)) \
	  -DCMAKE_CXX_FLAGS_RELEASE="-O1 -g -fsanitize=address$(comma)undefined -fno-sanitize-recover=all" >/dev/null
	@cmake --build build/asan-guard --target _guard --parallel $$(nproc) >/dev/null
	@LD_PRELOAD="$$(g++ -print-file-name=libasan.so) $$(g++ -print-file-name=libubsan.so)" ASAN_OPTIONS=detect_leaks=0 \
	  $(PY) tests/native/guard_sanitized.py build/asan-guard

# The program of `sanitize` for 64-bit ARM, in an emulator.
aarch64:
	@$(call need,cmake g++-aarch64-linux-gnu qemu-user,cmake aarch64-linux-gnu-g++ qemu-aarch64)
	@$(call unit,aarch64,-DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
	  -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ -DCMAKE_EXE_LINKER_FLAGS=-static)
	@qemu-aarch64 build/aarch64/fathom_unit

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

$(VENV)/eval.stamp: $(VENV)/core.stamp
	@echo "fathom: installing lm-evaluation-harness (up to 700 MB)" >&2
	@$(call install,eval) >&2
	@touch $@

$(VENV)/test.stamp: $(VENV)/train.stamp
	@echo "fathom: installing the test extras" >&2
	@$(call install,test) >&2
	@touch $@

$(VENV)/oracle.stamp: $(VENV)/test.stamp
	@echo "fathom: compiling llama.cpp to compare with (about 7 minutes, once)" >&2
	@$(call install,oracle) >&2
	@touch $@

# torch first: the exact version is the small CPU build, which satisfies Open WebUI.
GUARD_PACKAGES := python-stdnum phonenumberslite google-re2 cryptography numpy
build/integrations/litellm.stamp: PACKAGES = 'litellm[proxy]'
build/integrations/openwebui.stamp: PACKAGES = torch==2.13.0 open-webui
build/integrations/%.stamp: | $(PY)
	@echo "fathom: installing $*" >&2
	@mkdir -p $(@D) && $(PY) -m venv build/integrations/$* && \
	  build/integrations/$*/bin/python -m pip --disable-pip-version-check --no-input install -q $(PACKAGES) $(GUARD_PACKAGES) >&2
	@touch $@

# Installs the packages of the core or of one extra, but not fathom itself.
install = $(PIP) install $$($(PY) -c 'import tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; print(*{"core": project["dependencies"], **project["optional-dependencies"]}["$(1)"])')

# Builds tests/native/unit into build/$(1) with these options of CMake.
comma := ,
unit = echo "fathom: compiling build/$(1)" >&2; \
  cmake -S . -B build/$(1) -DFATHOM_UNIT_TESTS=ON $(2) >/dev/null && cmake --build build/$(1) --parallel $$(nproc) >/dev/null

# Unless the commands (2) are there, installs the Debian packages (1), or says that they are missing.
need = { $(foreach command,$(2),command -v $(command) >/dev/null &&) true; } \
  || { test $$(id -u) = 0 && apt-get update -qq && apt-get install --yes --no-install-recommends $(1); } >&2 \
  || { echo "fathom: $@ needs $(2); install them: sudo apt install $(1)" >&2; exit 1; }
