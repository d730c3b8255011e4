# `make help` lists the targets. Everything is made below .venv, data and work_dirs; what was interrupted goes on.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check
# Two processes; the tests of a file stay together, because they share what they build. Files in their order: xdist's
# own begins with the files of many tests, and the few long tests of others would be the last, one process waiting.
PYTEST_FLAGS ?= -n 2 --dist loadfile --no-loadscope-reorder
OTHER_PYTHON := Python 3.11 or 3.12 is needed (mmcv 2.1.0 does not build on 3.13): make PYTHON=python3.11 ...
export PIP_NO_INPUT := 1

.PHONY: help install app demo demo-rd demo-mdetr demo-mdetr-qa demo-mdetr-seg demo-text lint docs test test-gpu clean
.DELETE_ON_ERROR:

help:
	@echo 'make install  $(VENV) with torch, the MM packages and mmdet_ext; needs Python 3.11 or 3.12 and a C++ compiler'
	@echo 'make demo     install, draw the Shapes data, train a small YOLOv9 on it, evaluate it, report, export: 10 minutes'
	@echo 'make demo-rd  the same without and with a dictionary (YOLO-RD) of features of the first: 12 minutes more'
	@echo 'make demo-mdetr  install, train a small MDETR on captions of Shapes, evaluate it: half an hour'
	@echo 'make demo-mdetr-qa   questions, after demo-mdetr, which comes first if it was not made: half an hour more'
	@echo 'make demo-mdetr-seg  the same with masks of expressions: ten minutes more'
	@echo 'make demo-text  install, train a YOLOv9 asked by words without some pairs of words, look for these: half an hour'
	@echo 'make app      install, open the models of these demos in a page of the browser'
	@echo 'make lint     install, check the code with ruff (settings: pyproject.toml)'
	@echo 'make docs     install, write the documentation as a site to site/index.html'
	@echo 'make test     install, run the tests: 12 minutes on 2 cores'
	@echo 'make test-gpu install, run what needs a CUDA device: published numbers, mixed precision, an epoch of each'
	@echo 'make clean    remove $(VENV) and what was built'
	@echo 'PYTHON=...    the interpreter to make $(VENV) with (python3)'

install: $(VENV)/.installed

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

$(VENV)/.torch: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)) and "$(OTHER_PYTHON)")'
	@echo 'Making $(VENV) and installing torch (up to 3 GB to load, minutes).'
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install -qq -c requirements.txt torch torchvision setuptools wheel ninja
	@touch $@

$(VENV)/.mmcv: $(VENV)/.torch tools/install_mmcv.sh
	@PYTHON=$(VENV)/bin/python PIP_CONSTRAINT=requirements.txt bash tools/install_mmcv.sh
	@touch $@

$(VENV)/.installed: $(VENV)/.mmcv setup.py
	@echo 'Installing the MM packages and mmdet_ext itself, editable.'
	@$(PIP) install -qq --no-build-isolation --use-pep517 -r requirements.txt -e .
	@touch $@
	@echo 'Installed. The interpreter is $(VENV)/bin/python.'
