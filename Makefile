# What a person types here. `make` alone lists it.

.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test install lint lab-up lab-down jupyter notebooks bench faults fuzz lock lab-packages test-packages
MAKEFLAGS += --no-print-directory
INVENTORY = lab
HOST = debian12
JUPYTER_OPTIONS =
# One run for everything that is done by hand until JupyterLab ends.
NEW_RUN = RUNBOOK_RUN=$$(date -u +%Y%m%dT%H%M%SZ)-$$(od -An -N2 -tx2 /dev/urandom | tr -d ' ')

export PIP_DISABLE_PIP_VERSION_CHECK = 1

help:         ## this list
	@sed -nE 's/^([a-z-]+):.*## /\1\t/p' Makefile | expand -t 12

demo: lab-up  ## the main job: every chapter on four real mail servers here, and a record to look at
	@.venv/bin/runbook apply --inventory lab

test: test-packages lint lab-up ## everything: checks, tests on real hosts, the notebooks against their outputs
	@echo "Tests of the lab"
	@.venv/bin/pytest -q tests/test_lab_*.py
	@echo "Tests of the promises, on real hosts: three processes, each with a lab of its own"
	@.venv/bin/pytest -q -n 3 --dist loadfile --ignore-glob 'tests/test_lab_*' tests
	@echo "The notebooks, against their stored outputs"
	@.venv/bin/pytest -q --nbval notebooks

install: .venv/.ready ## the runbook alone, for your own servers: no lab, no root
	@echo "Ready: .venv/bin/runbook --help"

lint: .venv/.ready ## style, types, layers, and what is generated or kept equal
	@echo "Style"
	@.venv/bin/ruff check -q --output-format concise .
	@.venv/bin/ruff format -q --check .
	@echo "Types"
	@.venv/bin/mypy --no-error-summary
	@echo "Layers"
	@.venv/bin/lint-imports --no-logo > .venv/layers.txt || { cat .venv/layers.txt; exit 1; }
	@echo "The inventory's schema; pyproject.toml, environment.yml and the lock"
	@.venv/bin/pytest -q --no-header --no-summary \
	  tests/test_dependencies_are_one.py tests/test_inventory_loads.py > .venv/equal.txt || { cat .venv/equal.txt; exit 1; }

lab-up: lab-packages .venv/.ready ## real mail servers, Debian and the layout of Enterprise Linux, on a network of their own
	@.venv/bin/python -m lab up

lab-down:     ## removes what lab-up made
	@if [ -x .venv/bin/python ]; then .venv/bin/python -m lab down; fi

jupyter: .venv/.ready ## copies of the notebooks for one host, in JupyterLab (INVENTORY=site HOST=mail1; else the lab)
	@[ "$(INVENTORY)" != lab ] || .venv/bin/python -m lab up
	@mkdir -p "work/$(HOST)"
	@for notebook in notebooks/[0-9]*.ipynb; do \
	  .venv/bin/papermill --log-level ERROR --no-progress-bar --prepare-only -r inventory "$(INVENTORY)" -r host "$(HOST)" \
	    "$$notebook" "work/$(HOST)/$${notebook##*/}" || exit 1; done
	@.venv/bin/jupyter nbconvert --log-level ERROR --clear-output "work/$(HOST)"/*.ipynb
	@$(NEW_RUN) .venv/bin/jupyter lab --log-level ERROR $$([ "$$(id -u)" != 0 ] || echo --allow-root) \
	  --notebook-dir "work/$(HOST)" $(JUPYTER_OPTIONS)

# The first pass runs them, the second drops what differs from machine to machine (times, versions of Python).
notebooks: lab-up ## runs the notebooks on the lab's first host and stores their outputs, cleaned
	@for host in debian12 el9; do .venv/bin/python -m lab reset $$host; done
	@.venv/bin/runbook ca init --inventory lab > /dev/null
	@records=$$(mktemp -d) && $(NEW_RUN) RUNBOOK_RECORDS=$$records && export RUNBOOK_RUN RUNBOOK_RECORDS && \
	  for chapter in 11-key-and-csr 12-signing; do .venv/bin/papermill --log-level ERROR --no-progress-bar \
	    -r host el9 "notebooks/$$chapter.ipynb" "$$records/$$chapter.ipynb" || exit 1; done && \
	  .venv/bin/jupyter nbconvert --log-level ERROR --to notebook --inplace --execute \
	  --ExecutePreprocessor.record_timing=False notebooks/[0-9]*.ipynb && rm -r "$$records"
	@.venv/bin/jupyter nbconvert --log-level ERROR --to notebook --inplace --ClearMetadataPreprocessor.enabled=True \
	  "--ClearMetadataPreprocessor.preserve_cell_metadata_mask=['tags']" \
	  "--ClearMetadataPreprocessor.preserve_nb_metadata_mask=[('kernelspec',), ('language_info', 'name')]" \
	  notebooks/[0-9]*.ipynb

bench: lab-up ## measured side by side: the engine against papermill's own, long output, a second apply, the command's start
	@failed=0; for one in engine imports long_output second_apply; do .venv/bin/python "benchmarks/$$one.py" || failed=1; done; exit $$failed

fuzz: .venv/.fuzz ## hostile input for everything that is parsed: 10,000 each by grammar, and by coverage (FUZZ=TARGET)
	@.venv/bin/python tests/fuzz.py $(FUZZ)

faults: test-packages lab-up ## every fault of the table, on real hosts; writes docs/faults-survived.md
	@rm -rf .faults && mkdir .faults
	@began=$$(date +%s); RUNBOOK_FAULTS=.faults .venv/bin/pytest -q -n 3 --dist load tests/every_fault.py; \
	  echo $$((($$(date +%s) - began + 59) / 60)) > .faults/minutes
	@.venv/bin/python tests/faults_document.py .faults

lock: .venv/.ready ## makes requirements.lock anew from pyproject.toml (UPGRADE=--upgrade: newest versions)
	@.venv/bin/uv pip compile $(UPGRADE) --override overrides.txt --generate-hashes --python-version 3.11 \
	  --group dev pyproject.toml -o requirements.lock > /dev/null
	@.venv/bin/uv pip compile $(UPGRADE) --only-binary :all: --generate-hashes --python-version 3.11 \
	  --group fuzz -o requirements-fuzz.lock > /dev/null

# uv by the hash in the lock, then everything else by uv. Where uv reaches no index (it does not read pip's
# configuration) pip does the same, slower. Last, configuration: JupyterLab encrypts what goes between it and its
# kernels, and attaches a chapter that is saved to its record; kernels of papermill and nbval, which cannot encrypt, do
# not say so in each run.
.venv/.ready: requirements.lock pyproject.toml
	@echo "Setting up, 1 of 2: a virtual environment in .venv"
	@python=$$(for p in python3 python3.13 python3.12 python3.11; do \
	    "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done); \
	  [ -n "$$python" ] || { echo "Python 3.11 or later is needed, and not here." >&2; exit 1; }; \
	  .venv/bin/python -m pip --version >/dev/null 2>&1 || "$$python" -m venv --clear .venv || \
	    { echo "To do: install Python's venv module (on Debian: apt install python3-venv), then make again." >&2; exit 1; }
	@sed -nE '/^uv==/,/^    # via/p' requirements.lock > .venv/uv.txt
	@.venv/bin/python -m pip install -qq --require-hashes --no-deps -r .venv/uv.txt
	@echo "Setting up, 2 of 2: $$(grep -c '^[a-z].*==' requirements.lock) Python packages, by their hashes"
	@.venv/bin/uv -q pip sync --python .venv/bin/python --require-hashes --compile-bytecode requirements.lock \
	    2> .venv/uv.log || \
	  .venv/bin/python -m pip install -qq --require-hashes --no-deps -r requirements.lock || { cat .venv/uv.log >&2; exit 1; }
	@.venv/bin/uv -q pip install --python .venv/bin/python --offline --no-deps --no-build-isolation -e .
	@mkdir -p .venv/etc/ipython .venv/etc/jupyter
	@echo 'get_config().IPKernelApp.log_level = "ERROR"' > .venv/etc/ipython/ipython_kernel_config.py
	@echo '{"KernelManager": {"transport_encryption": "auto"},' \
	  '"FileContentsManager": {"post_save_hook": "runbook_lib.records.on_save.attach"}}' \
	  > .venv/etc/jupyter/jupyter_server_config.json
	@touch $@

# The fuzzer that looks at coverage is large, and only for some versions of Python: nothing else needs it. Without it
# `make fuzz` runs the other half, says so, and ends with 3.
.venv/.fuzz: .venv/.ready requirements-fuzz.lock
	@echo "Setting up the fuzzer"
	@.venv/bin/uv -q pip install --python .venv/bin/python --no-deps --require-hashes --only-binary :all: \
	    -r requirements-fuzz.lock 2> .venv/uv.log || \
	  .venv/bin/python -m pip install -qq --no-deps --require-hashes --only-binary :all: -r requirements-fuzz.lock \
	    2>> .venv/uv.log || echo "atheris is not to be had for this Python: the half by coverage will not be run."
	@touch $@

# What the lab needs of the system, and a browser and mail clients, which only the tests need.
lab-packages:
	@lab/install-system-packages

test-packages:
	@lab/install-system-packages test
