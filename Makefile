# make demo    a photomosaic and a jigsaw from assets/, in demo/
# make test    everything CI asks: lint, types, tests
# make test-slow        what takes minutes, or gigabytes (needs ../shared/data)
# make test-gimp-next   the same plug-in in GIMP 3.2
# make test-krita       the plug-in for Krita, in Krita 5
# make fuzz             an hour of fuzzing every parser, guided by coverage (FUZZ_SECONDS=3600)
# make format  tidy the code
# make bench   the tables and plots of docs/ (needs ../shared/data)

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-slow test-gimp-next test-krita fuzz format bench clean
.DELETE_ON_ERROR:

demo: .venv/smalti.stamp
	@mkdir -p demo
	@$(BIN)/smalti photo @demo @demo -o demo/photomosaic.jpg
	@$(BIN)/smalti render demo/photomosaic.smalti.json -o demo/photomosaic.html -q
	@$(BIN)/smalti jigsaw @scarlet-macaw @demo -o demo/jigsaw.jpg
	@echo
	@echo "picture  $(CURDIR)/demo/photomosaic.jpg"
	@echo "page     $(CURDIR)/demo/photomosaic.html   (open it in a browser and zoom in)"
	@echo "jigsaw   $(CURDIR)/demo/jigsaw.jpg"

test: .venv/test.stamp
	@sh tests/need_chromium.sh
	@sh tests/need_display.sh
	@sh tests/need_gimp.sh
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto

test-slow: .venv/test.stamp
	$(BIN)/python -m pytest -m slow

test-gimp-next: .venv/test.stamp
	@sh tests/need_gimp.sh forky
	SMALTI_GIMP_SUITE=forky $(BIN)/python -m pytest tests/test_gimp_real.py

test-krita: .venv/test.stamp
	@sh tests/need_krita.sh
	$(BIN)/python -m pytest -m krita -s

FUZZ_SECONDS ?= 3600
fuzz: .venv/test.stamp
	$(BIN)/pip install --disable-pip-version-check -q -e '.[fuzz]'
	PYTHONPATH=tests $(BIN)/python -m fuzz $(FUZZ_SECONDS)

format: .venv/test.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/test.stamp
	$(BIN)/python -m bench photo
	$(BIN)/python -m bench solvers
	$(BIN)/python -m bench jigsaw
	$(BIN)/python -m bench forecast

clean:
	rm -rf .venv demo build *.egg-info

.venv/python.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "smalti needs Python 3.11 or later: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || sh tests/need_venv.sh $(PYTHON)
	@echo "making a virtual environment in .venv"
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/smalti.stamp: .venv/python.stamp pyproject.toml
	@echo "installing smalti into .venv"
	@$(BIN)/pip install --disable-pip-version-check -e .
	@touch $@

.venv/test.stamp: .venv/python.stamp pyproject.toml
	$(BIN)/pip install --disable-pip-version-check -q -e '.[test]'
	@touch $@ .venv/smalti.stamp
