# `make help` lists the targets; BUILD.md says how to do the same without make.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Variables to set on the command line: make VENV=.venv-latest REQUIREMENTS=requirements-latest.txt PYTHON=python3.13 test
PYTHON ?=
VENV ?= .venv
REQUIREMENTS ?= requirements.txt
WORKDIR ?= workdirs
VIDEOS ?=
MAX_BAD_VIDEOS ?= 0
PYTEST_ARGS ?=
# Of the tests: two where there is memory for them; XLA keeps what it compiles for as long as a process lives.
PROCESSES ?= $(shell awk '/^MemTotal/ { print ($$2 > 22e6) ? 2 : 0 }' /proc/meminfo)
FAULTS ?=
MUTANTS ?=
LATEST_VENV ?= .venv-latest
TRITON_VENV ?= .venv-triton

# What the versions of the latest stack can break: arrays, layers, gradients, records, video files, and one run from
# training to the exported model. BUILD.md says when to run all tests there.
latest_tests := $(addprefix tests/tclsta_tf/,layers data evaluation fusion training/test_losses.py \
  training/test_optimizers.py training/test_schedules.py \
  recipes/test_whole_run.py::test_the_exported_model_needs_tensorflow_only) \
  $(addprefix tests/tfrecords_tools/test_,codec.py jpeg.py quiet_import.py record_file.py schema.py stacks.py video.py)

bin := $(VENV)/bin
pytest = -m pytest -n $(PROCESSES) --dist=loadfile
# One stamp per requirements file, so that changing the stack installs it.
stamp := $(VENV)/.installed-$(basename $(notdir $(REQUIREMENTS)))
torch_stamp := $(VENV)/.installed-requirements-torch
serve_stamp := $(VENV)/.installed-requirements-serve
onnx_stamp := $(VENV)/.installed-requirements-onnx
docs_stamp := $(VENV)/.installed-requirements-docs

# Prints the first candidate that runs: a name on PATH may be a launcher for a version that is not there.
define find_python
for name in $(or $(PYTHON),python3.11 python3.12 python3.13 python3 python); do \
  for candidate in $$(type -aP "$$name"); do \
    if "$$candidate" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
        >/dev/null 2>&1; then \
      echo "$$candidate"; exit; \
    fi; \
  done; \
done
endef

.PHONY: help
help:  ## list the targets
	@sed -nE 's/^([a-z-]+):.*  ## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

.PHONY: install
install: $(stamp)  ## make the environment in .venv, nothing else

$(stamp): $(REQUIREMENTS) requirements-cluster.txt requirements-dev.txt pyproject.toml
	@python=$$($(find_python)); \
	if [ -z "$$python" ]; then \
	  echo "error: no working Python 3.11 to 3.13 with venv and ensurepip found$(if $(PYTHON), as $(PYTHON));" \
	    "name one: make PYTHON=/path/to/python3.11 install" >&2; \
	  exit 1; \
	fi; \
	echo "making $(VENV) with $$python ($$("$$python" --version)) from $(REQUIREMENTS)"; \
	"$$python" -m venv "$(VENV)"
	@rm -f $(VENV)/.installed-*
	$(bin)/python -m pip install --disable-pip-version-check -r $(REQUIREMENTS) -r requirements-cluster.txt \
	  -r requirements-dev.txt
	$(bin)/python -m pip install --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

.PHONY: install-torch
install-torch: $(torch_stamp)  ## add PyTorch, which importing its weights needs and nothing else

$(torch_stamp): $(stamp) requirements-torch.txt
	$(bin)/python -m pip install --disable-pip-version-check -r requirements-torch.txt
	@touch $@

.PHONY: install-serve
install-serve: $(serve_stamp)  ## add KServe, which serving a model needs and nothing else

$(serve_stamp): $(stamp) requirements-serve.txt requirements-serve-dev.txt
	$(bin)/python -m pip install --disable-pip-version-check -r requirements-serve.txt -r requirements-serve-dev.txt
	@touch $@

.PHONY: install-triton
install-triton: $(TRITON_VENV)/.installed  ## make .venv-triton, in which Triton can run the exported model

$(TRITON_VENV)/.installed: $(stamp) requirements-triton.txt
	$(bin)/python -m venv "$(TRITON_VENV)"
	$(TRITON_VENV)/bin/python -m pip install --disable-pip-version-check -r requirements-triton.txt
	@touch $@

.PHONY: install-onnx
install-onnx: $(onnx_stamp)  ## add what writing and running ONNX models needs

$(onnx_stamp): $(stamp) requirements-onnx.txt
	$(bin)/python -m pip install --disable-pip-version-check -r requirements-onnx.txt
	@touch $@

.PHONY: install-docs
install-docs: $(docs_stamp)  ## add what making the documentation site needs

$(docs_stamp): $(stamp) requirements-docs.txt
	$(bin)/python -m pip install --disable-pip-version-check -r requirements-docs.txt
	@touch $@

.PHONY: test
test: $(stamp)  ## run the tests, but for the slow ones; PROCESSES=0 keeps them in one process, PYTEST_ARGS=... narrows
	$(bin)/python $(pytest) -m "not slow" $(PYTEST_ARGS)

.PHONY: test-slow
test-slow: $(stamp)  ## run the tests that take longer: whole runs, killed processes, notebook, README, packages
	$(bin)/python $(pytest) -m slow $(PYTEST_ARGS)

.PHONY: coverage
coverage: $(stamp)  ## run all tests and list the lines that none reaches; less than 90 % is an error
	$(bin)/python -m coverage erase
	$(bin)/python -m coverage run $(pytest) $(PYTEST_ARGS)
	$(bin)/python -m coverage combine --quiet
	$(bin)/python -m coverage report --show-missing

.PHONY: faults
faults: $(stamp)  ## plant 62 faults into layers and TV-L1, one by one; the tests must catch each
	$(bin)/python tests/planted_faults.py $(FAULTS)

.PHONY: mutants
mutants: $(stamp)  ## change fusion, sampling, quantisation and records at random places; 85 % must be noticed
	$(bin)/python tests/mutants.py $(MUTANTS)

.PHONY: test-jax
test-jax: $(stamp)  ## run the tests of layers and of TV-L1 on JAX, but for the slow ones
	KERAS_BACKEND=jax $(bin)/python -m pytest tests/tclsta_tf/layers tests/tfrecords_tools/flow/test_tvl1.py -m "not slow" $(PYTEST_ARGS)

.PHONY: install-latest
install-latest:  ## make the environment of the latest stack in .venv-latest
	$(MAKE) VENV=$(LATEST_VENV) REQUIREMENTS=requirements-latest.txt install

.PHONY: test-latest
test-latest:  ## run a part of the tests on the latest stack, in an environment of its own
	$(MAKE) VENV=$(LATEST_VENV) REQUIREMENTS=requirements-latest.txt test \
	  PYTEST_ARGS="$(latest_tests) $(PYTEST_ARGS)"

.PHONY: lint
lint: $(stamp)  ## check style and format, and the Dockerfiles
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/hadolint docker/Dockerfile configs/serving/*/Dockerfile

.PHONY: types
types: $(stamp)  ## check the type hints
	$(bin)/mypy

.PHONY: imports
imports: $(stamp)  ## check who imports whom
	$(bin)/lint-imports

.PHONY: format
format: $(stamp)  ## mend style and format where that can be done by itself
	$(bin)/ruff check --fix .
	$(bin)/ruff format .

.PHONY: docs
docs: $(docs_stamp)  ## write the documentation as a site to site/; a broken link or docstring is an error
	NO_MKDOCS_2_WARNING=1 $(bin)/mkdocs build --strict

.PHONY: demo
demo: $(stamp)  ## run the whole path on generated videos, or with VIDEOS=path on your path/<class>/*
ifeq ($(VIDEOS),)
	$(bin)/python -m tfrecords_tools.make_demo --output_dir=$(WORKDIR)/demo/generated
	$(bin)/python -m tfrecords_tools.convert --dataset=hmdb51 --resize=112x112 --workers=0 \
	  --videos_dir=$(WORKDIR)/demo/generated/videos --splits_dir=$(WORKDIR)/demo/generated/splits \
	  --output_dir=$(WORKDIR)/demo/records
	$(bin)/python -m tclsta_tf.experiment --flagfile=configs/demo.cfg --data_dir=$(WORKDIR)/demo/records \
	  --workdir=$(WORKDIR)/demo/run --variants=none
else
	@out="$(WORKDIR)/demo-$$(basename "$(VIDEOS)")"; set -x; \
	$(bin)/python -m tfrecords_tools.convert --dataset=folder --resize=148x112 --workers=0 \
	  --max_bad_videos=$(MAX_BAD_VIDEOS) --videos_dir="$(VIDEOS)" --output_dir="$$out/records"; \
	$(bin)/python -m tclsta_tf.experiment --flagfile=configs/demo.cfg --data_dir="$$out/records" --workdir="$$out/run"
endif

.PHONY: clean
clean:  ## remove the environment, caches and build products; results in workdirs stay
	rm -rf "$(VENV)" "$(LATEST_VENV)" "$(TRITON_VENV)" build dist site *.egg-info .coverage* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find tclsta_tf tfrecords_tools tests -name __pycache__ -type d -prune -exec rm -rf {} +
