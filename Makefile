# Every target sets up what it needs in .venv, once. Needed: make, and Python >= 3.11 with venv.

PYTHON ?= python3
WORKERS ?= 2
UV ?= uv

SHELL := /bin/sh
# Compiled modules are kept, for both tiers of the tests and the programs that they start.
unexport PYTHONDONTWRITEBYTECODE
python := .venv/bin/python
pip := $(python) -m pip --disable-pip-version-check -qq
rnnjax := .venv/bin/rnnjax
published = $(basename $(notdir $(shell grep -lE '^REPRODUCES|reproduces=' experiments/*.py)))
results = $(sort $(patsubst %/cube.nc,%,$(wildcard results/*/cube.nc)))

# The stamps carry a checksum of what was installed and where, so that a changed lock, a changed
# pyproject.toml or a moved folder installs again, and anything else installs nothing.
checksum := $(shell { pwd -P; cat requirements.lock pyproject.toml; } | cksum | cut -d ' ' -f 1)
installed := .venv/.installed-$(checksum)
bench_installed := .venv/.bench-$(checksum)
docs_installed := .venv/.docs-$(checksum)

# Why PYTHON cannot be used, in one line; empty when it can.
another := name another Python, as in: make test PYTHON=python3.12
problem = $(shell \
	command -v "$(PYTHON)" >/dev/null || { echo "There is no $(PYTHON) here: $(another)"; exit; }; \
	"$(PYTHON)" -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null || { \
		echo "rnnjax needs Python 3.11 or newer, but $(PYTHON) is" \
			"$$("$(PYTHON)" --version 2>&1): $(another)"; exit; }; \
	{ "$(PYTHON)" -c "import ensurepip" && "$(PYTHON)" -m venv --help; } >/dev/null 2>&1 || \
		echo "$(PYTHON) cannot make virtual environments: install its venv module" \
			"(on Debian and Ubuntu the package python3-venv), or $(another)")

.PHONY: help demo test test-all lint docs slides docs-links figures papers papers-page bench bench-quick dist try-dist lock clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile

demo: $(installed) ## the gradient over lag and gain, on digits and on white noise, then characters.html: a trained network diagnosed; in results/demo
	$(rnnjax) run gradient_norms --out results/demo/digits
	$(rnnjax) run gradient_norms --task white_noise --out results/demo/white_noise
	$(python) examples/characters.py results/demo/characters.html

test: $(installed) ## run the tests that every change needs (WORKERS=2 processes)
	$(python) -m pytest -n $(WORKERS) --dist loadfile

test-all: test ## the tests, then real sweeps, kills, clusters, benchmarks and wider samples
	$(python) -m pytest -n $(WORKERS) --dist loadfile --wide

lint: $(installed) ## check style, format and types
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy

docs: $(docs_installed) ## build the documentation in docs/_build/html: warnings are errors, notebooks and the code of pages are run
	@start=$$(date +%s); $(python) docs/_extensions/page_code.py & pages=$$!; \
	$(python) -m sphinx -W --keep-going -q -b html docs docs/_build/html; built=$$?; \
	wait $$pages && test $$built -eq 0 || exit 1; \
	echo "docs/_build/html/index.html, built in $$(($$(date +%s) - start)) s"

slides: ## write the slides of the lecture, docs/lecture/_build/slides.html (needs npx, of Node.js)
	@mkdir -p docs/lecture/_build
	sed 's#(\.\./\.\./results#(../../../results#' docs/lecture/slides.md | \
		npx --yes @marp-team/marp-cli@4 --output docs/lecture/_build/slides.html

docs-links: $(docs_installed) ## look up the addresses that the documentation names (needs a network)
	$(python) -m sphinx -q -b linkcheck docs docs/_build/links

figures: $(installed) ## redraw the figures of results/ from their cubes and check the claims
	@ls results/*/cube.nc >/dev/null 2>&1 || { echo "no cube in results/ to draw: make one with $(rnnjax) run"; exit 1; }
	@$(rnnjax) figure $(results)
	@$(rnnjax) check $(results) || echo "Some claims do not hold, see above; docs/development/papers.md has those of published figures."

papers: $(installed) ## run the sweeps behind published figures again, in results/papers (goes on where it stopped)
	@failed=; open=; for name in $(published); do \
		out=results/papers/$$name; \
		if [ -f $$out/sweep.json ]; then $(rnnjax) resume $$out; \
		else $(rnnjax) run $$name --out $$out; fi; \
		case $$? in 0) ;; 1) open="$$open $$name" ;; *) failed="$$failed $$name" ;; esac; \
	done; \
	$(rnnjax) papers results/papers/*; \
	test -z "$$open" || echo "Some claims do not hold (**no** in the table):$$open"; \
	test -z "$$failed" || { echo "failed:$$failed"; exit 1; }

papers-page: $(installed) ## write docs/development/papers.md, published numbers beside those of results/
	@$(rnnjax) papers $(results) > docs/development/papers.md.new && mv docs/development/papers.md.new docs/development/papers.md

bench: $(bench_installed) ## time rnnjax and its peers side by side (installs torch; about an hour)
	$(python) -m benchmarks
	$(python) -m benchmarks.online_rules

bench-quick: $(installed) ## see that the benchmarks run, at tiny sizes and with the peers at hand
	$(python) -m benchmarks --quick --out results/benchmarks/quick

dist: $(installed) ## build the wheel and the source distribution in dist, without the network
	@rm -rf dist
	@$(python) -m hatchling build --directory dist

try-dist: dist ## install the wheel in an empty environment of PYTHON and use it there (LOWEST=1: with the oldest dependencies, needs uv)
	@"$(PYTHON)" tests/install/try_wheel.py dist/*.whl --extras data,weights,xlsx,zarr $(if $(LOWEST),--lowest)

lock: ## pin the newest releases in requirements.lock (needs uv)
	@{ echo "# What make installs: rnnjax with the extras data, weights, xlsx, zarr and cluster, and the groups build, test and lint."; \
	echo "# Made by 'make lock', for Python 3.11 and newer on every platform; do not edit."; \
	$(UV) pip compile pyproject.toml --universal --python-version 3.11 --quiet --no-header \
		--no-annotate --extra data --extra weights --extra xlsx --extra zarr --extra cluster --group build --group test --group lint; \
	} > requirements.lock.new || { rm -f requirements.lock.new; exit 1; }
	@mv requirements.lock.new requirements.lock

clean: ## remove .venv, caches, builds, the built documentation, results/demo and results/papers
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist docs/lecture/_build results/demo results/papers docs/_build docs/_generated docs/gallery docs/reference/generated
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(python):
	$(if $(problem),$(error $(problem)))
	@"$(PYTHON)" -m venv --clear .venv

# Older stamps go first: after a failed install, none may say that all is well. Compiling comes
# last because pip compiles on one core only; a file that does not compile is its package's matter.
$(installed): $(python)
	@rm -f .venv/.installed-* .venv/.bench-* .venv/.docs-*
	@echo "Installing into .venv, once; this takes about a minute ..."
	@$(pip) install --no-deps --no-compile --requirement requirements.lock
	@$(pip) install --no-deps --no-build-isolation --editable .
	@$(python) -m compileall -qq -j 0 .venv/lib || true
	@touch $@

# Read from pyproject.toml, because older releases of pip cannot install a dependency group.
$(bench_installed): $(installed)
	@echo "Installing the peers of the benchmarks into .venv, once; torch is large ..."
	@$(pip) install --constraint requirements.lock $$($(python) -c "import tomllib; \
	print(*tomllib.load(open('pyproject.toml', 'rb'))['dependency-groups']['bench'])")
	@touch $@

$(docs_installed): $(installed)
	@echo "Installing what builds the documentation into .venv, once ..."
	@$(pip) install --constraint requirements.lock $$($(python) -c "import tomllib; \
	print(*tomllib.load(open('pyproject.toml', 'rb'))['dependency-groups']['docs'])")
	@touch $@
