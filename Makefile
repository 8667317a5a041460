# The commands of mixturelab. Each does its own set-up (scripts/setup.sh), says what it does, and is quick the second time.
#
#   make PYTHON=python3.12 test                                       choose the Python that .venv is made with
#   make TORCH_INDEX=https://download.pytorch.org/whl/cpu lab         choose the build of torch

WORKERS ?= 2
RUN := .venv/bin/python
# One thread for each worker: two workers on two cores are faster than four threads that wait for each other.
TEST := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 $(RUN) -m pytest -n $(WORKERS) --dist loadfile
NBVAL := --nbval --nbval-current-env --nbval-cell-timeout=300
export PYTHON TORCH_INDEX
# What you have done in the notebooks changes nothing that is built or tested, and is not changed by it.
notebooks test test-fast test-browser: export MIXTURELAB_PROGRESS = off

.PHONY: help setup lab test test-fast test-browser test-lowest torture lint demo notebooks book slides classroom wheelhouse bench bench-serve lock clean

help:
	@echo 'make lab           open the notebooks in JupyterLab'
	@echo 'make test          prove that everything works: style, layers, types, tests, every notebook'
	@echo 'make test-fast     the same without the notebooks and the slow tests'
	@echo 'make test-browser  open each notebook in JupyterLab, in a headless Chromium, and move its widgets by keyboard and mouse'
	@echo 'make test-lowest   the package with the lowest versions that pyproject.toml allows, in artifacts/lowest'
	@echo 'make torture       kill runs a thousand times while they write, and check what is left'
	@echo 'make demo          fit the data in data/dataset.csv and write artifacts/'
	@echo 'make notebooks     write and run the notebooks from notebooks/source'
	@echo 'make book          write the notebooks and the API reference as web pages into artifacts/book'
	@echo 'make slides        slides from the notebooks in artifacts/slides; NOTEBOOKS="01 02" chooses'
	@echo 'make classroom     an nbgrader course in artifacts/classroom; NOTEBOOKS="01 02" chooses'
	@echo 'make wheelhouse    all that laptops without a network need, in artifacts/wheelhouse'
	@echo 'make bench         time one iteration of EM, and of variational Bayes, beside scikit-learn'
	@echo 'make bench-serve   load the service and a naive one side by side (needs wrk)'
	@echo 'make lint          only style, layers and types'
	@echo 'make lock          write requirements.txt from pyproject.toml (needs Python 3.11)'
	@echo 'make clean         remove .venv, artifacts/lowest, artifacts/wheelhouse and what the tools cached'

setup:
	@sh scripts/setup.sh

lab: setup
	@echo 'mixturelab: JupyterLab on notebooks/00_start_here.ipynb (Ctrl-C twice ends it)'
	@$(RUN) -m mixturelab lab

test: setup
	@echo 'mixturelab: all tests (style, layers and types among them), and every notebook run and compared with its stored output'
	@$(TEST) tests notebooks $(NBVAL)

test-fast: setup
	@echo 'mixturelab: the tests without the slow ones and the notebooks'
	@$(TEST) tests -m 'not slow and not browser'

# One at a time: how quickly the widgets follow is measured too.
test-browser: setup
	@echo 'mixturelab: each notebook in JupyterLab, in a headless Chromium; both themes, 1280 and 800 pixels wide'
	@MIXTURELAB_BROWSER=required $(RUN) -m pytest tests/browser -m browser

test-lowest: setup
	@echo 'mixturelab: the lowest versions that pyproject.toml allows, in a virtual environment of their own'
	@$(RUN) scripts/lowest.py --workers $(WORKERS)

torture: setup
	@echo 'mixturelab: a thousand kills of writers and of whole runs; after each the files are checked (some ten minutes)'
	@$(RUN) tests/torture.py 1000

lint: setup
	@echo 'mixturelab: style (ruff), layers (import-linter), types (mypy)'
	@$(RUN) -m ruff check
	@$(RUN) -m ruff format --check
	@.venv/bin/lint-imports
	@$(RUN) -m mypy

demo: setup
	@echo 'mixturelab: choose, fit and draw a mixture for data/dataset.csv'
	@$(RUN) demo.py

notebooks: setup
	@echo 'mixturelab: write and run the notebooks from notebooks/source'
	@$(RUN) scripts/build_notebooks.py

book: setup
	@echo 'mixturelab: the book, offline, into artifacts/book (about a minute)'
	@$(RUN) scripts/build_book.py

slides: setup
	@echo 'mixturelab: write slides, for use without a network, into artifacts/slides'
	@$(RUN) scripts/slides.py $(NOTEBOOKS)

classroom: setup
	@echo 'mixturelab: prepare assignments for nbgrader in artifacts/classroom'
	@$(RUN) scripts/classroom.py $(NOTEBOOKS)

wheelhouse: setup
	@echo 'mixturelab: all that laptops need to install with no network, in artifacts/wheelhouse'
	@$(RUN) scripts/wheelhouse.py $(if $(PLATFORMS),--platforms $(PLATFORMS)) $(if $(PYTHONS),--pythons $(PYTHONS)) $(if $(SOLUTIONS),--solutions)

bench: setup
	@echo 'mixturelab: time one iteration of EM, and of variational Bayes, side by side with other libraries'
	@$(RUN) benchmarks/em_iteration.py
	@$(RUN) benchmarks/bayes_iteration.py

bench-serve: setup
	@echo 'mixturelab: load on the service, beside the same endpoint written naively (needs wrk)'
	@$(RUN) benchmarks/serve.py

lock: setup
	@echo 'mixturelab: write requirements.txt from pyproject.toml'
	@$(RUN) scripts/lock.py

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info build artifacts/lowest artifacts/wheelhouse
