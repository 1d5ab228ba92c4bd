# What a person types here. `make` alone lists it.

.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test check durations install lint code lab-up lab-down jupyter notebooks handbook messages bench long faults fuzz shared site lock lab-packages test-packages
MAKEFLAGS += --no-print-directory
INVENTORY = lab
HOST = debian12
JUPYTER_OPTIONS =
# Where `make site` puts its pages, a folder a language; which there are, site/conf.py says.
SITE = .site
LANGUAGES = en ja
CATALOGUES = runbook_lib/messages/catalogues
# One run for everything that is done until a command ends.
NEW_RUN = RUNBOOK_RUN=$$(date -u +%Y%m%dT%H%M%SZ)-$$(od -An -N2 -tx2 /dev/urandom | tr -d ' ')

export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Without compiled modules each process that a test starts compiles the library anew.
unexport PYTHONDONTWRITEBYTECODE

help:         ## this list
	@sed -nE 's/^([a-z-]+):.*## /\1\t/p' Makefile | expand -t 12

demo: lab-up  ## the main job: every chapter on four real mail servers here, and a record to look at
	@.venv/bin/runbook apply --inventory lab

test: test-packages lint .venv/.site lab-up ## everything: checks, tests on real hosts, the notebooks against their outputs
	@.venv/bin/python -m lab check --labs 3
	@echo "Tests, most on real hosts: three processes, each with a lab of its own; and the notebooks, cell by cell"
	@.venv/bin/pytest -q -n 3 --dist loadscope --no-loadscope-reorder --durations-file .durations.txt --part test \
	  --nbval tests notebooks handbook

check: code   ## what needs neither lab nor browser, JupyterLab or another program that takes seconds: for whoever changes a line
	@echo "Tests of rules"
	@.venv/bin/pytest -q -n 2 --dist loadscope --no-loadscope-reorder --part check tests

durations:    ## keeps what each test took in the last `make test`: the next one begins with the longest
	@cp .durations.txt tests/durations.txt

# Where the checks are installed too, the runbook is there already.
INSTALLED = $(if $(wildcard .venv/.ready),.venv/.ready,.venv/.installed)

install: $(INSTALLED) ## the runbook alone, for your own servers: no lab, no root
	@echo "Ready: .venv/bin/runbook --help"

lint: code    ## style, types, layers, and what is generated or kept equal
	@echo "The inventory's schema; pyproject.toml, environment.yml and the lock; what chapters share"
	@.venv/bin/pytest -q --no-header --no-summary tests/test_dependencies_are_one.py tests/test_inventory_loads.py \
	  "tests/test_shared_cells.py::test_each_shared_cell_is_as_it_is_written" > .venv/equal.txt || { cat .venv/equal.txt; exit 1; }

# What `make lint` and `make check` have in common: the tests that lint adds are among those of check.
code: .venv/.ready
	@echo "Style"
	@.venv/bin/ruff check -q --output-format concise .
	@.venv/bin/ruff format -q --check .
	@echo "Types"
	@.venv/bin/mypy --no-error-summary
	@echo "Layers"
	@.venv/bin/lint-imports --no-logo > .venv/layers.txt || { cat .venv/layers.txt; exit 1; }

lab-up: lab-packages .venv/.ready ## real mail servers, Debian and the layout of Enterprise Linux, on a network of their own
	@.venv/bin/python -m lab up

lab-down:     ## removes what lab-up made
	@if [ -x .venv/bin/python ]; then .venv/bin/python -m lab down; fi

jupyter: $(INSTALLED) ## copies of the notebooks for one host, in JupyterLab (INVENTORY=site HOST=mail1; else the lab)
	@[ "$(INVENTORY)" != lab ] || .venv/bin/python -m lab up
	@.venv/bin/runbook jupyter "$(HOST)" --inventory "$(INVENTORY)" $(JUPYTER_OPTIONS)

# The first pass runs them, the second drops what differs from machine to machine (times, versions of Python).
RUN_IN_PLACE = .venv/bin/jupyter nbconvert --log-level ERROR --to notebook --inplace --execute \
  --ExecutePreprocessor.record_timing=False
CLEAN_IN_PLACE = .venv/bin/jupyter nbconvert --log-level ERROR --to notebook --inplace \
  --ClearMetadataPreprocessor.enabled=True "--ClearMetadataPreprocessor.preserve_cell_metadata_mask=['tags']" \
  "--ClearMetadataPreprocessor.preserve_nb_metadata_mask=[('kernelspec',), ('language_info', 'name')]"

notebooks: lab-up ## runs the notebooks, in each language, on the lab's first host and stores their outputs, cleaned
	@.venv/bin/runbook ca init --inventory lab > /dev/null
	@for folder in notebooks notebooks/ja; do \
	  for host in debian12 el9; do .venv/bin/python -m lab reset $$host || exit 1; done; \
	  records=$$(mktemp -d) && $(NEW_RUN) RUNBOOK_RECORDS=$$records && export RUNBOOK_RUN RUNBOOK_RECORDS && \
	  for chapter in 11-key-and-csr 12-signing; do .venv/bin/papermill --log-level ERROR --no-progress-bar \
	    -r host el9 "$$folder/$$chapter.ipynb" "$$records/$$chapter.ipynb" || exit 1; done && \
	  $(RUN_IN_PLACE) $$folder/[0-9]*.ipynb && rm -r "$$records" && $(CLEAN_IN_PLACE) $$folder/[0-9]*.ipynb || exit 1; done

shared: .venv/.ready ## writes what several chapters say, cells with the tag `shared`, from the first of them into the others
	@.venv/bin/python tests/shared_cells.py

handbook: lab-packages .venv/.ready ## runs the handbook on a lab host: faults made and cured, a server with a past, a certificate's life, the record; and stores what was said, cleaned
	@.venv/bin/python -m lab up debian12
	@$(RUN_IN_PLACE) handbook/[0-9]*.ipynb
	@$(CLEAN_IN_PLACE) handbook/[0-9]*.ipynb

# New words come in untranslated, and those that nothing says any more go. A file is named, not its line: who moves code
# changes no catalogue.
messages: .venv/.ready ## the catalogues of other languages, made anew from what the code says: translations stay
	@pot=$$(mktemp) && trap "rm -f $$pot" EXIT && \
	  .venv/bin/pybabel -q extract -F pyproject.toml --no-default-keywords -k message -k Said:1 --add-location file --sort-by-file \
	    --no-wrap --project runbook -o "$$pot" runbook_lib && \
	  .venv/bin/pybabel -q update -i "$$pot" -d $(CATALOGUES) -D runbook --no-fuzzy-matching --ignore-obsolete --no-wrap \
	    --ignore-pot-creation-date && \
	  .venv/bin/pybabel -q compile -d $(CATALOGUES) -D runbook

bench: lab-up .venv-bench/.ready ## measured side by side: the job on 20 hosts with pyinfra and Ansible, the engine against papermill's own, what the controller spends, long output, seals and signatures, a second apply, what an apply costs a host, the command's start, a reset of the lab, what grows to a thousand hosts
	@failed=0; for one in controller engine fleet host_cost imports long_output records reset second_apply thousand; do .venv/bin/python "benchmarks/$$one.py" || failed=1; done; exit $$failed

fuzz: .venv/.fuzz ## hostile input for everything that is parsed: 10,000 each by grammar, and by coverage (FUZZ=TARGET)
	@.venv/bin/python tests/fuzz.py $(FUZZ)

long: test-packages lint .venv/.site lab-up ## what `make test` leaves out, since it takes long: tests of over 35 s, and those of over 10 s on their other hosts
	@.venv/bin/pytest -q -n 3 --dist loadscope --no-loadscope-reorder --durations-file .durations.txt --part long tests

faults: test-packages lab-up ## every fault of the table, and what `make test` does a few times ten times; writes docs/faults-survived.md
	@RUNBOOK_LONG=1 .venv/bin/pytest -q tests/test_mail_on_an_applied_host.py tests/test_attacks_during_a_run.py \
	  tests/test_engine.py -k "no_handshake or long_queue or runs_16_at_a_time"
	@rm -rf .faults && mkdir .faults
	@began=$$(date +%s); RUNBOOK_FAULTS=.faults .venv/bin/pytest -q -n 3 --dist load tests/every_fault.py; \
	  echo $$((($$(date +%s) - began + 59) / 60)) > .faults/minutes
	@.venv/bin/python tests/faults_document.py .faults

site: .venv/.site ## notebooks and docs as pages that need neither a server nor a network: .site/en/index.html, .site/ja/index.html
	@for language in $(LANGUAGES); do \
	  work=$$(mktemp -d) && trap "rm -rf $$work" EXIT && mkdir "$$work/source" "$$work/source/tests" && \
	  cp -r *.md LICENSE docs handbook notebooks runbook_lib "site/$$language/index.md" "$$work/source" && \
	  cp tests/README.md "$$work/source/tests" && \
	  SITE_LANGUAGE=$$language .venv/bin/sphinx-build -q -W -c site "$$work/source" "$$work/pages" && \
	  mkdir -p "$(SITE)" && rm -rf "$(SITE)/$$language" && mv "$$work/pages" "$(SITE)/$$language" || exit 1; done

lock: .venv/.ready ## makes the locks anew from pyproject.toml (UPGRADE=--upgrade: newest versions)
	@.venv/bin/uv pip compile $(UPGRADE) --override overrides.txt --generate-hashes --python-version 3.11 \
	  --extra jupyter --group dev pyproject.toml -o requirements.lock > /dev/null
	@.venv/bin/uv pip compile $(UPGRADE) --override overrides.txt --only-binary :all: --generate-hashes --python-version 3.11 \
	  --constraint requirements.lock --extra jupyter --extra keyring --group install pyproject.toml -o requirements-runtime.lock > /dev/null
	@.venv/bin/uv pip compile $(UPGRADE) --only-binary :all: --generate-hashes --python-version 3.11 \
	  --group fuzz -o requirements-fuzz.lock > /dev/null
	@.venv/bin/uv pip compile $(UPGRADE) --only-binary :all: --generate-hashes --python-version 3.11 \
	  --group bench -o requirements-bench.lock > /dev/null
	@.venv/bin/uv pip compile $(UPGRADE) --override overrides.txt --only-binary :all: --generate-hashes --python-version 3.11 \
	  --constraint requirements.lock --group site -o requirements-site.lock > /dev/null

# uv by the hash in the lock, then everything else by uv. Where uv reaches no index (it does not read pip's
# configuration) pip does the same, slower.
define PACKAGES
	@echo "Setting up, 1 of 2: a virtual environment in .venv"
	@python=$$(for p in python3 python3.13 python3.12 python3.11; do \
	    "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done); \
	  [ -n "$$python" ] || { echo "Python 3.11 or later is needed, and not here." >&2; exit 1; }; \
	  .venv/bin/python -m pip --version >/dev/null 2>&1 || "$$python" -m venv --clear .venv || \
	    { echo "To do: install Python's venv module (on Debian: apt install python3-venv), then make again." >&2; exit 1; }
	@sed -nE '/^uv==/,/^    # via/p' $(LOCK) > .venv/uv.txt
	@.venv/bin/python -m pip install -qq --require-hashes --no-deps --only-binary :all: -r .venv/uv.txt
	@echo "Setting up, 2 of 2: $$(grep -c '^[a-z].*==' $(LOCK)) Python packages, by their hashes"
	@.venv/bin/uv -q pip sync --python .venv/bin/python --require-hashes $(WHEELS) --compile-bytecode $(LOCK) \
	    2> .venv/uv.log || \
	  .venv/bin/python -m pip install -qq --require-hashes --no-deps $(WHEELS) -r $(LOCK) || { cat .venv/uv.log >&2; exit 1; }
	@.venv/bin/uv -q pip install --python .venv/bin/python --offline --no-deps --no-build-isolation -e .
	@touch $@
endef

# Configuration. Kernels: those of papermill and nbval, which cannot encrypt, do not say so in each run; a cell that is
# run without those above it says what to do. JupyterLab: encrypts what goes between it and its kernels, attaches a
# chapter that is saved to its record, and asks nobody whether they want news.
define CONFIGURATION
	@mkdir -p .venv/etc/ipython .venv/etc/jupyter/labconfig
	@printf '%s\n' 'c = get_config()' 'c.IPKernelApp.log_level = "ERROR"' \
	  'c.IPKernelApp.extensions = ["runbook_lib.chapters.kernel"]' > .venv/etc/ipython/ipython_kernel_config.py
	@cp runbook_lib/jupyter/jupyter_server_config.json .venv/etc/jupyter/
	@cp runbook_lib/jupyter/labconfig/page_config.json .venv/etc/jupyter/labconfig/
	@touch $@
endef

# Who only runs it gets what it needs to run, as wheels: nothing is built, so no code of a package runs at installation.
.venv/.runtime: LOCK = requirements-runtime.lock
.venv/.runtime: WHEELS = --only-binary :all:
.venv/.packages: LOCK = requirements.lock
.venv/.runtime: requirements-runtime.lock pyproject.toml
	$(PACKAGES)
.venv/.packages: requirements.lock pyproject.toml
	$(PACKAGES)
.venv/.installed: .venv/.runtime Makefile
	$(CONFIGURATION)
.venv/.ready: .venv/.packages Makefile
	$(CONFIGURATION)

# The fuzzer that looks at coverage is large, and only for some versions of Python: nothing else needs it. Without it
# `make fuzz` runs the other half, says so, and ends with 3.
.venv/.fuzz: .venv/.ready requirements-fuzz.lock
	@echo "Setting up the fuzzer"
	@.venv/bin/uv -q pip install --python .venv/bin/python --no-deps --require-hashes --only-binary :all: \
	    -r requirements-fuzz.lock 2> .venv/uv.log || \
	  .venv/bin/python -m pip install -qq --no-deps --require-hashes --only-binary :all: -r requirements-fuzz.lock \
	    2>> .venv/uv.log || echo "atheris is not to be had for this Python: the half by coverage will not be run."
	@touch $@

# What others do the same job with: in an environment of its own, since it wants another paramiko.
.venv-bench/.ready: .venv/.ready requirements-bench.lock
	@echo "Setting up pyinfra and Ansible, to compare with"
	@.venv/bin/python -m venv --clear .venv-bench
	@.venv/bin/uv -q pip sync --python .venv-bench/bin/python --require-hashes --only-binary :all: requirements-bench.lock \
	    2> .venv-bench/uv.log || \
	  .venv-bench/bin/python -m pip install -qq --require-hashes --no-deps --only-binary :all: -r requirements-bench.lock || \
	  { cat .venv-bench/uv.log >&2; exit 1; }
	@touch $@

# What makes the site, in the versions that the rest has where it has them.
.venv/.site: .venv/.ready requirements-site.lock
	@echo "Setting up what makes the site"
	@.venv/bin/uv -q pip install --python .venv/bin/python --no-deps --require-hashes --only-binary :all: \
	    -r requirements-site.lock 2> .venv/uv.log || \
	  .venv/bin/python -m pip install -qq --no-deps --require-hashes --only-binary :all: -r requirements-site.lock || \
	  { cat .venv/uv.log >&2; exit 1; }
	@touch $@

# What the lab needs of the system, and a browser and mail clients, which only the tests need.
lab-packages:
	@lab/install-system-packages

test-packages:
	@lab/install-system-packages test
