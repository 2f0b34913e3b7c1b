# Paying Attention: every command that the README names. `make help` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# These files exist only when what they stand for is whole. An interrupted install leaves none, and is made anew.
ENVIRONMENT := $(VENV)/.environment-complete
PACKAGE := $(VENV)/.package-complete
# Two processes, each with the modules, or the notebooks, that it takes whole.
PARALLEL := --numprocesses 2 --dist loadscope
NOTEBOOKS = $(shell git ls-files ':(glob)notebooks/*.ipynb' 2>/dev/null || find notebooks -maxdepth 1 -name '*.ipynb')
SOLUTIONS = $(shell git ls-files ':(glob)notebooks/solutions/*/*.ipynb' 2>/dev/null || find notebooks/solutions -name '*.ipynb' -not -path '*/.*')
STUDENTS = $(shell git ls-files ':(glob)notebooks/exercises/*/*.ipynb' 2>/dev/null || find notebooks/exercises -name '*.ipynb' -not -path '*/.*')
# An environment of its own for each column of the matrix.
MATRIX = _build/matrix/$(notdir $(PYTHON))-$(VERSIONS)

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help install serve book models test lint unit nbval browser site pages lab notebooks assignments slides pdf scoreboard repository grade evidence checkpoints bench requirements new-chapter new-explorer new-exercise matrix-notebooks old-jupyterlab links lighthouse version release publish clean

help:  ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(ENVIRONMENT): requirements.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 14) else f"Python 3.11, 3.12 or 3.13 is needed, {sys.executable} is {v[0]}.{v[1]}. Name another one: make PYTHON=python3.12 ...")'
	@rm -f $(ENVIRONMENT) $(PACKAGE)
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); echo "Python's venv module is missing (Debian: apt-get install python3-venv)"; exit 1; }
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	@touch $@

$(PACKAGE): $(ENVIRONMENT) pyproject.toml
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

install: $(PACKAGE)  ## Create .venv with the exact environment and the library

serve: $(PACKAGE)  ## Build the website and serve it on 127.0.0.1:8000, or the next free port (PORT= to choose)
	@$(BIN)/python tools/serve.py $(if $(PORT),--port $(PORT))

book: $(PACKAGE)  ## Build the website into _build/html
	@$(BIN)/python tools/build_book.py

models: $(PACKAGE)  ## Export the models that run in the website's pages, and fetch what runs them (make book calls it)
	@$(BIN)/python tools/make_models.py

test: lint unit nbval browser  ## Run everything that CI runs

lint: $(PACKAGE)  ## Check style, in the notebooks too, spelling and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/codespell
	$(BIN)/python tools/spelling.py
	$(BIN)/mypy

unit: $(PACKAGE)  ## Test the library, its docstrings' examples and the notebooks' form
	@# In the files' order, so that the long modules (grading, above all) are not left for the end, when a core would wait.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PARALLEL) --no-loadscope-reorder --durations 20 --doctest-modules src tests --ignore tests/test_website.py --ignore tests/test_build.py --ignore tests/test_offline.py --ignore tests/test_page_models.py --ignore tests/test_page_minilm.py --ignore tests/test_api.py --ignore tests/test_exercise_pages.py --ignore tests/test_pdf.py --ignore tests/test_jupyterlab.py

nbval: $(PACKAGE)  ## Run every notebook and compare its outputs, and run the exercises' solutions
	TQDM_DISABLE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PARALLEL) --nbval --nbval-cell-timeout 300 --nbval-sanitize-with tests/nbval.cfg $(NOTEBOOKS)
	@# The solutions are stored without outputs, so there is nothing to compare. But they must run.
	TQDM_DISABLE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PARALLEL) --nbval-lax --nbval-cell-timeout 300 $(SOLUTIONS)

browser: site pages  ## Build the website and look at all of it in a real browser

site: $(PACKAGE)  ## Build the website with warnings as errors; try its models, its offline copy, its PDF
	$(BIN)/python -m pytest tests/test_build.py tests/test_offline.py tests/test_page_models.py tests/test_page_minilm.py tests/test_api.py tests/test_exercise_pages.py tests/test_pdf.py

pages: $(PACKAGE)  ## Open each of the website's pages in a real browser, and the explorers in JupyterLab
	@# A browser mostly waits, so there may be more of them than cores. Each takes some pages whole.
	$(BIN)/python -m pytest --numprocesses 3 --dist loadgroup --durations 20 tests/test_website.py tests/test_jupyterlab.py

lab: $(PACKAGE)  ## Open the chapters in JupyterLab
	$(BIN)/jupyter lab --notebook-dir notebooks

notebooks: $(PACKAGE)  ## Run every notebook in place and store its outputs
	$(BIN)/python tools/run_notebooks.py $(NOTEBOOKS)

assignments: $(PACKAGE)  ## Write the students' notebooks from notebooks/solutions; COURSE=course for a variant of your own
	@$(BIN)/python $(if $(COURSE),tools/course_variant.py "$(COURSE)",tools/make_assignments.py)

slides: $(PACKAGE)  ## Write a deck of slides for each chapter into _build/slides; NOTEBOOKS= for some of them
	@PYTHONPATH=tools $(BIN)/python -m slides $(NOTEBOOKS)

pdf: book  ## Print the book into _build/pdf/paying-attention.pdf, and look it through (it needs Chromium)
	@PYTHONPATH=tools $(BIN)/python -m pdf $(if $(VERSION),--version "$(VERSION)")

scoreboard: $(PACKAGE)  ## Count anew which wrong answers the exercises' feedback rejects and names, for the website
	@cd tests && OMP_NUM_THREADS=1 ../$(BIN)/python -m wrong_answers.scoreboard

repository: $(PACKAGE)  ## Make a fork name itself: URL=https://github.com/ORG/NAME goes into all notebooks and pages
	@$(BIN)/python tools/stamp_repository.py "$(URL)"

grade: $(PACKAGE)  ## Grade what students handed in: ASSIGNMENT=03_score_functions FROM=a folder, or an LMS's zip
	@PYTHONPATH=tools OMP_NUM_THREADS=1 $(BIN)/python -m grading "$(ASSIGNMENT)" $(if $(FROM),--from "$(FROM)") $(if $(COURSE),--course "$(COURSE)") $(if $(CLUSTER),--cluster "$(CLUSTER)") $(if $(UNSAFE),--unsafe)

evidence: $(PACKAGE)  ## Train every run again that the chapters quote (long), and write the results files
	$(BIN)/python -m attnbook.evidence

checkpoints: $(PACKAGE)  ## Train again only the models that the chapters open
	$(BIN)/python -m attnbook.evidence checkpoints

bench: $(PACKAGE)  ## Time our efficient attentions beside the packages that people install (long; on a quiet machine)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/bench.py

requirements: $(PACKAGE)  ## Pin requirements.txt anew from the ranges in pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --allow-unsafe --no-annotate --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --all-extras --output-file requirements.txt pyproject.toml
	@# A machine's own build of torch ("2.13.0+cpu") must not be asked of every other machine.
	@sed -i.unfinished 's/^\(torch==[0-9.]*\)+.*/\1/' requirements.txt && rm requirements.txt.unfinished

new-chapter: $(PACKAGE)  ## Begin a chapter: NAME=16_topic, TITLE="Its title" (CONTRIBUTING.md tells the way from there)
	@$(BIN)/python tools/begin.py chapter "$(NAME)" "$(TITLE)"

new-explorer: $(PACKAGE)  ## Begin an explorer: NAME=its_idea
	@$(BIN)/python tools/begin.py explorer "$(NAME)"

new-exercise: $(PACKAGE)  ## Begin a chapter's assignment: NAME=16_topic
	@$(BIN)/python tools/begin.py exercise "$(NAME)"

matrix-notebooks:  ## Run all notebooks with other versions: VERSIONS=pinned, colab or newest (PYTHON= to choose)
	$(PYTHON) tools/constraints.py "$(VERSIONS)" > /dev/null
	$(PYTHON) -m venv --clear $(MATRIX)
	$(PYTHON) tools/constraints.py "$(VERSIONS)" > $(MATRIX)/constraints.txt
	$(MATRIX)/bin/python -m pip install --quiet --upgrade --upgrade-strategy eager --constraint $(MATRIX)/constraints.txt --editable '.[lab,pretrained,beyond-text]'
	TQDM_DISABLE=1 OMP_NUM_THREADS=1 PATH="$(abspath $(MATRIX))/bin:$$PATH" $(MATRIX)/bin/python tools/try_notebooks.py $(NOTEBOOKS) $(SOLUTIONS) $(STUDENTS)

old-jupyterlab: $(PACKAGE)  ## Use every explorer in JupyterLab 3 with the ipywidgets 7 and the anywidget that Colab has
	$(PYTHON) tools/constraints.py colab > /dev/null
	$(BIN)/python -m venv --clear _build/old-jupyterlab
	$(PYTHON) tools/constraints.py colab | grep -E '^(anywidget|ipywidgets|traitlets)==' > _build/old-jupyterlab/versions.txt
	_build/old-jupyterlab/bin/python -m pip install --quiet --requirement _build/old-jupyterlab/versions.txt 'jupyterlab<4' 'jupyterlab-widgets<2'
	@# What these do not bring themselves, torch above all, is taken from .venv.
	@$(BIN)/python -c 'import sysconfig; print("$(abspath src)"); print(sysconfig.get_path("purelib"))' > "$$(_build/old-jupyterlab/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/below.pth"
	JUPYTERLAB_PYTHON=_build/old-jupyterlab/bin/python $(BIN)/python -m pytest tests/test_jupyterlab.py

lighthouse: $(PACKAGE)  ## Measure each page with Lighthouse, as on a phone (long; on a quiet machine); PAGES= for some of them
	@PYTHONPATH=tools $(BIN)/python -m lighthouse $(PAGES)

links: book  ## Ask other hosts whether the website's links to them still lead anywhere
	$(BIN)/lychee --no-progress --scheme https --scheme http --exclude '^file:' --exclude '^https://colab[.]' --max-retries 3 --host-concurrency 2 --accept '100..=103,200..=299,403,429' '_build/html/**/*.html'

version: $(PACKAGE)  ## Check that all files name the same version (VERSION= to say which)
	@$(BIN)/python tools/release.py --check $(if $(VERSION),"$(VERSION)")

release: $(PACKAGE)  ## Give all files a new version: VERSION=1.2.0
	@$(BIN)/python tools/release.py "$(VERSION)"

publish: book  ## Put the website into the folder that is served: VERSION=dev or a release's, TO=folder
	@$(BIN)/python tools/publish.py "$(VERSION)" "$(TO)"

clean:  ## Remove what was built and installed here
	rm -rf $(VENV) _build
