# Each target sets up what it needs: a virtual environment in .venv, made once and renewed when pyproject.toml changes.
PYTHON ?= python3
BIN := .venv/bin
# The text that the benchmarks read: tinyshakespeare where README's figures come from, or any other.
TEXT ?= ../shared/data/tinyshakespeare.txt

.PHONY: demo test test-everywhere check bench bench-quality bench-plan bench-base bench-writing bench-scoring bench-bulk \
	bench-serving bench-gpu torture soak base format

demo: .venv/ready
	$(BIN)/afterword demo --out .demo

test: .venv/ready-dev
	$(BIN)/pytest

# The tests with the kernels of other processors, other numbers of threads, in other places, with other Pythons.
test-everywhere: .venv/ready-dev
	$(BIN)/python -m tests.everywhere

check: .venv/ready-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/ready-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Kills, power cuts, full disks, damage and lost ranks at length; prints the table of docs/reliability.md.
torture: .venv/ready-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.torture

# Every figure that README quotes, one command each; alone on the machine, some half an hour.
bench: .venv/ready-dev
	@test -f "$(TEXT)" || { echo "make bench: there is no text $(TEXT); name one: make bench TEXT=book.txt"; exit 2; }
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python -m benchmarks.bits
	$(BIN)/python benchmarks/parity.py
	$(BIN)/python -m benchmarks.stream_speed
	$(BIN)/python -m benchmarks.stream_speed $(TEXT)
	$(BIN)/python -m benchmarks.engine steps
	$(BIN)/python -m benchmarks.engine streams $(TEXT)
	$(BIN)/python -m benchmarks.engine batch $(TEXT)
	$(BIN)/python benchmarks/gates.py
	$(BIN)/python benchmarks/subjects.py
	$(BIN)/python benchmarks/horizon.py $(TEXT)
	$(BIN)/python benchmarks/encoding.py
	$(BIN)/python -m benchmarks.disclosure
	$(BIN)/python benchmarks/labels.py
	$(BIN)/python benchmarks/quality.py $(TEXT) --seeds 0
	$(BIN)/python benchmarks/small_texts.py
	$(BIN)/python benchmarks/training_speed.py
	$(BIN)/python benchmarks/classic.py
	$(BIN)/python benchmarks/classic.py --epoch
	$(BIN)/python -m benchmarks.ranks
	$(BIN)/python benchmarks/vocabularies.py $(TEXT)
	$(BIN)/python benchmarks/large_text.py
	$(BIN)/python benchmarks/checkpoint_cost.py $(TEXT)

# What docs/planning.md says of the plan: against a grid of settings, its own forecast and the clock. Alone, some 40 minutes.
bench-plan: .venv/ready-dev
	$(BIN)/python benchmarks/plan.py grid
	$(BIN)/python benchmarks/plan.py planning
	$(BIN)/python benchmarks/plan.py busy
	$(BIN)/python benchmarks/plan.py clock
	$(BIN)/python benchmarks/plan.py table

# What is learned in a given time: every row of the table in docs/quality.md, then the table. Alone, some 75 minutes.
bench-quality: .venv/ready-dev
	$(BIN)/python benchmarks/quality.py tinyshakespeare-2
	$(BIN)/python benchmarks/quality.py tinyshakespeare-5
	$(BIN)/python benchmarks/quality.py tinyshakespeare-20
	$(BIN)/python benchmarks/quality.py julius-caesar-2
	$(BIN)/python benchmarks/quality.py names-2
	$(BIN)/python benchmarks/quality.py --table

# What the base model brings: docs/base.md's figures. Alone, some 100 minutes; with the books that it read
# (python -m benchmarks.base_texts --books DIR --out BOOKS) also what of them it writes, and what held-out ones cost it.
bench-base: .venv/ready-dev
	$(BIN)/python -m benchmarks.base_subjects
	$(BIN)/python -m benchmarks.base start
	$(BIN)/python -m benchmarks.base untouched
	$(BIN)/python -m benchmarks.base ppmd
	$(BIN)/python -m benchmarks.base rows
	$(BIN)/python -m benchmarks.base choice
	$(if $(BOOKS),$(BIN)/python -m benchmarks.base kinds $(BOOKS)/held-out)
	$(if $(BOOKS),$(BIN)/python -m benchmarks.base_overlap $(BOOKS)/train.txt --model english --human $(BOOKS)/held-out/novel.txt)
	$(BIN)/python -m benchmarks.base table

# What docs/writing.md says of speed, rules, defaults and molecules: alone, some 50 minutes. RUNS are run folders of
# running text, by which the defaults are judged.
bench-writing: .venv/ready-dev
	$(BIN)/python -m benchmarks.batch speed $(TEXT)
	$(BIN)/python -m benchmarks.batch names ../shared/data/names.txt
	$(BIN)/python -m benchmarks.batch differ english
	$(BIN)/python -m benchmarks.batch memory english
	$(BIN)/python -m benchmarks.rules english
	$(if $(RUNS),$(BIN)/python -m benchmarks.defaults loops $(RUNS))
	$(if $(RUNS),$(BIN)/python -m benchmarks.defaults words $(RUNS))
	$(BIN)/python -m benchmarks.molecules

# How well odd lines are told, how many false alarms there are, and how fast lines are scored, and what adapting
# brings: alone, some 60 minutes. MODEL is a run of running text, to write with.
bench-scoring: .venv/ready-dev
	$(BIN)/python -m benchmarks.odd dga
	$(BIN)/python -m benchmarks.odd adfa
	$(BIN)/python -m benchmarks.odd bgl
	$(BIN)/python -m benchmarks.odd planted
	$(BIN)/python -m benchmarks.odd alarms
	$(BIN)/python -m benchmarks.odd memory
	$(BIN)/python -m benchmarks.odd throughput
	$(BIN)/python -m benchmarks.adapting score
	$(if $(MODEL),$(BIN)/python -m benchmarks.adapting write $(MODEL))

# What docs/bulk.md says of engines: some 5 minutes. MODEL is a model of lines, LINES a file of them.
bench-bulk: .venv/ready-dev
	@test -n "$(MODEL)" -a -n "$(LINES)" || { echo 'make bench-bulk: name both: make bench-bulk MODEL=logs LINES=today.log'; exit 2; }
	$(BIN)/python -m benchmarks.bulk $(MODEL) $(LINES)

# What docs/serving.md says of load, of clients that leave or are slow, of other people's clients, and of made-up requests:
# alone, some 15 minutes. TEXT as above.
bench-serving: .venv/ready-dev
	$(BIN)/python -m benchmarks.serving streams $(TEXT)
	$(BIN)/python -m benchmarks.serving join english
	$(BIN)/python -m benchmarks.serving gone english
	$(BIN)/python -m benchmarks.serving slow english
	$(BIN)/python -m benchmarks.serving clients english $(TEXT)
	$(BIN)/python -m benchmarks.serving page english
	$(BIN)/python -m benchmarks.serving fuzz english

# Mixed load on the server for 20 minutes: does its memory grow?
soak: .venv/ready-dev
	$(BIN)/python -m tests.serving.soak --minutes 20

# What a GPU does, where there is one: speed beside a plain script, and what is learned in 3 minutes.
bench-gpu: .venv/ready-dev
	$(BIN)/python -m benchmarks.gpu

# A base of your own, to begin other runs from: TEXTS are books of one language or field, a file each, some 10 MB and more.
# It takes MINUTES, and leaves the model in BASE/run/model: train book.txt --base BASE/run/model.
BASE ?= base
MINUTES ?= 120
base: .venv/ready-dev
	@test -n "$(TEXTS)" || { echo 'make base: name its texts: make base TEXTS="one.txt two.txt" MINUTES=120'; exit 2; }
	$(BIN)/python -m benchmarks.base_texts $(TEXTS) --out $(BASE)/text
	$(BIN)/afterword train $(BASE)/text/train.txt --validation $(BASE)/text/held-out.txt --out $(BASE)/run --base none \
		--minutes $(MINUTES) --hidden-size 768 --batch-size 64 --ngram 0 --dropout 0

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/ready: .venv/bin/python pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[train]'
	touch $@

.venv/ready-dev: .venv/ready
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[train,dev]'
	touch $@
