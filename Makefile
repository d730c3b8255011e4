# `make help` lists the targets. Everything is made below .venv, data and work_dirs; what was interrupted goes on.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check
UV := $(VENV)/bin/uv pip
# Two processes; the tests of a file stay together, because they share what they build. Files in their order: xdist's
# own begins with the files of many tests, and the few long tests of others would be the last, one process waiting.
PYTEST_FLAGS ?= -n 2 --dist loadfile --no-loadscope-reorder
# lite: mmcv-lite, whose operators mmdet_ext stands in for; compiled: mmcv, whose operators are compiled here
MMCV ?= lite
PYTHONS_lite := 3.11 3.12 3.13 3.14
PYTHONS_compiled := 3.11 3.12
COMMA := ,
export PIP_NO_INPUT := 1
# Python keeps the bytecode of a module when it first imports it. pip need not make that of all modules, for a minute,
# unless the environment keeps Python from it: then every program would compile thousands of modules, for half a minute.
COMPILE := $(if $(PYTHONDONTWRITEBYTECODE),--compile,--no-compile)
UV_COMPILE := $(if $(PYTHONDONTWRITEBYTECODE),--compile-bytecode)
# The index that pip is set to; uv does not read pip's settings.
INDEX = $(shell $(PIP) config list 2>/dev/null | sed -n "s/^[^=]*[.]index-url='\(.*\)'$$/\1/p" | head -n 1)
unexport PYTHONDONTWRITEBYTECODE

ifeq ($(filter lite compiled,$(MMCV)),)
$(error MMCV=$(MMCV): it is lite or compiled)
endif
ifneq ($(words $(VENV)),1)
$(error VENV=$(VENV): make takes no path with spaces)
endif

# $(call check_python,INTERPRETER,WHAT TO DO): stop if it is not there, or of a version without wheels
define check_python
@command -v '$(1)' >/dev/null || { echo 'There is no interpreter $(1): $(2)' >&2; exit 1; }
@'$(1)' -c 'import sys; found = "%d.%d" % sys.version_info[:2]; known = "$(PYTHONS_$(MMCV))".split(); \
  found in known or sys.exit("$(1) is Python %s; MMCV=$(MMCV) needs one of %s: $(2)" % (found, ", ".join(known)))'
endef

# $(call install,FILE): what a file of requirements names, and mmdet_ext, editable, in the versions that were tested
# together: requirements.txt names them, requirements.lock adds what these packages need themselves. uv does this in
# seconds, pip in a minute; where uv cannot, pip may: it knows more settings (other indexes, certificates).
define install
@$(UV) install -q $(UV_COMPILE) --python $(VENV)/bin/python $(if $(INDEX),--default-index '$(INDEX)') \
  -c requirements.lock -r $(1) -e . || { echo 'uv did not install it; pip tries.'; \
  $(PIP) install -qq $(COMPILE) -c requirements.lock -r $(1) -e .; }
endef

.PHONY: help install app demo demo-rd demo-mdetr demo-mdetr-qa demo-mdetr-seg demo-text lint docs test test-gpu lock \
  clean
.DELETE_ON_ERROR:

help:
	@echo 'make install  $(VENV) with torch, the MM packages and mmdet_ext; needs Python 3.11 to 3.14'
	@echo 'make install MMCV=compiled   the same with compiled operators; needs Python 3.11 or 3.12 and a C++ compiler'
	@echo 'make demo     install, draw the Shapes data, train a small YOLOv9 on it, evaluate it, report, export: 5 to 15 minutes'
	@echo 'make demo-rd  the same without and with a dictionary (YOLO-RD) of features of the first: 12 minutes more'
	@echo 'make demo-mdetr  install, train a small MDETR on captions of Shapes, evaluate it: half an hour'
	@echo 'make demo-mdetr-qa   questions, after demo-mdetr, which comes first if it was not made: half an hour more'
	@echo 'make demo-mdetr-seg  the same with masks of expressions: ten minutes more'
	@echo 'make demo-text  install, train a YOLOv9 asked by words without some pairs of words, look for these: half an hour'
	@echo 'make app      install, open the models of these demos in a page of the browser'
	@echo 'make lint     install, check the code with ruff (settings: pyproject.toml)'
	@echo 'make docs     install, write the documentation as a site to site/index.html'
	@echo 'make test     install, run the tests: 10 to 20 minutes on 2 cores'
	@echo 'make test-gpu install, run what needs a CUDA device: published numbers, mixed precision, an epoch of each'
	@echo 'make lock     install, write requirements.lock for the versions of requirements.txt'
	@echo 'make clean    remove $(VENV) and what was built'
	@echo 'PYTHON=...    the interpreter to make $(VENV) with (python3)'

install: $(VENV)/.installed-$(MMCV)

demo: install
	$(VENV)/bin/python tools/demo.py

demo-rd: install
	$(VENV)/bin/python tools/demo.py yolo_rd

demo-mdetr: install
	$(VENV)/bin/python tools/demo.py mdetr

demo-mdetr-qa: install
	$(VENV)/bin/python tools/demo.py mdetr_qa

demo-mdetr-seg: install
	$(VENV)/bin/python tools/demo.py mdetr_seg

demo-text: install
	$(VENV)/bin/python tools/demo.py text_yolov9

app: install
	$(VENV)/bin/python tools/app.py

lint: install
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff check --preview --select PLW1514 mmdet_ext tools benchmarks  # text files without encoding=

docs: install
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/python -m mkdocs build

test: install
	$(VENV)/bin/python -m pytest $(PYTEST_FLAGS) tests

test-gpu: install
	@$(VENV)/bin/python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' || \
	  { echo 'make test-gpu: torch sees no CUDA device' >&2; exit 2; }
	$(VENV)/bin/python -m pytest --device cuda tests/parity
	$(VENV)/bin/python -m pytest -m gpu tests

clean:
	rm -rf $(VENV) build dist site mmdet_ext.egg-info mmdet_ext/.mim .pytest_cache .ruff_cache

lock: install
	$(UV) compile requirements.txt --universal --python-version 3.11 --strip-extras --no-annotate --quiet \
	  --custom-compile-command 'make lock' -o requirements.lock

$(VENV)/.made:
	$(call check_python,$(PYTHON),make PYTHON=python3.12 ...)
	@'$(PYTHON)' -m venv $(VENV)
	@touch $@

$(VENV)/.installed-lite: requirements.txt requirements.lock setup.py | $(VENV)/.made
	$(call check_python,$(VENV)/bin/python,make clean$(COMMA) and then make PYTHON=python3.12 ...)
	@echo 'Installing torch (up to 3 GB to load, minutes) in $(VENV).'
	@rm -f $(VENV)/.installed-*
	@$(PIP) install -qq $(COMPILE) -c requirements.lock torch torchvision uv
	@echo 'Installing the MM packages and mmdet_ext itself, editable.'
	@$(UV) uninstall -qq --python $(VENV)/bin/python mmcv
	$(call install,requirements.txt)
	@touch $@
	@echo 'Installed. The interpreter is $(VENV)/bin/python.'

$(VENV)/.installed-compiled: requirements.txt requirements.lock setup.py tools/install_mmcv.sh | $(VENV)/.made
	$(call check_python,$(VENV)/bin/python,make clean$(COMMA) and then make PYTHON=python3.12 ...)
	@echo 'Installing torch (up to 3 GB to load, minutes) in $(VENV).'
	@rm -f $(VENV)/.installed-*
	@$(PIP) install -qq $(COMPILE) -c requirements.lock torch torchvision uv setuptools wheel ninja
	@$(UV) uninstall -qq --python $(VENV)/bin/python mmcv-lite
	@PYTHON=$(VENV)/bin/python PIP_CONSTRAINT=requirements.lock bash tools/install_mmcv.sh
	@echo 'Installing the MM packages and mmdet_ext itself, editable.'
	@grep -v '^mmcv-lite' requirements.txt >$(VENV)/requirements.txt
	$(call install,$(VENV)/requirements.txt)
	@touch $@
	@echo 'Installed. The interpreter is $(VENV)/bin/python.'
