# make diagnose   report on a real chest film              make bench     our kernels against PyTorch's
# make test       all tests, lessons included              make lessons   build the notebooks from their sources
# make learn      open the lessons in JupyterLab           make clean     remove .venv
#
# Each target makes .venv and installs what it needs, in the versions of constraints.txt. It needs Python 3.10 or later
# and nothing else; `make test PYTHON=python3.12` names one. Without make: the same commands stand in README.md.

VENV ?= .venv
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python3.10 python3.14 python; do \
	"$$name" -c 'import sys, ensurepip, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null \
	&& echo "$$name" && break; done)
BIN := $(VENV)/bin
JOBS ?= 2
TESTS ?= tests

# Build requirements come from the same list: the first variable for pip before 25.3, the second from then on.
export PIP_CONSTRAINT = constraints.txt
export PIP_BUILD_CONSTRAINT = constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# PyTorch's threads wait without spinning: the tests run in several processes at once.
export OMP_WAIT_POLICY = passive

NBVAL := --nbval --nbval-current-env --nbval-cell-timeout 120 --nbval-kernel-startup-timeout 60 \
	--nbval-sanitize-with lessons/sanitize.cfg

.PHONY: diagnose test test-code test-cuda test-lessons learn bench lessons clean
.DEFAULT_GOAL := diagnose

diagnose: $(VENV)/.with-base
	$(BIN)/mediml diagnose $(INPUT) --out report

test: test-code test-cuda test-lessons

test-code: $(VENV)/.with-dev
	$(BIN)/python -m pytest -n $(JOBS) --ignore=tests/cuda $(TESTS)

# Every CUDA kernel in Numba's simulator, which must be chosen before Python starts; then the same examined by the kernel
# doctor. On a machine with a GPU and the extra "cuda": pytest -m gpu tests/cuda
test-cuda: $(VENV)/.with-dev
	NUMBA_ENABLE_CUDASIM=1 $(BIN)/python -m pytest -n $(JOBS) tests/cuda tests/exercises/test_project_kernels.py

test-lessons: $(VENV)/.with-dev
	$(BIN)/python lessons/build.py --check
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(NBVAL) lessons/en lessons/zh

learn: $(VENV)/.with-lessons
	$(BIN)/jupyter lab --notebook-dir=lessons

bench: $(VENV)/.with-dev
	$(BIN)/mediml bench ops
	$(BIN)/mediml bench steps

lessons: $(VENV)/.with-dev
	$(BIN)/python lessons/build.py

clean:
	rm -rf $(VENV)

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "make: no Python found with the modules venv and ensurepip; expected Python 3.10 to" \
		"3.14. Install one (Debian and Ubuntu: apt install python3 python3-venv) or name one:" \
		"make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
		echo "make: $(PYTHON) is older than Python 3.10, or lacks the modules venv and ensurepip" >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	@touch $@

$(VENV)/.with-base: $(VENV)/.made pyproject.toml setup.py constraints.txt
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.with-lessons: $(VENV)/.made pyproject.toml setup.py constraints.txt
	$(BIN)/python -m pip install --quiet --editable ".[lessons]"
	@touch $@ $(VENV)/.with-base

$(VENV)/.with-dev: $(VENV)/.made pyproject.toml setup.py constraints.txt
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $@ $(VENV)/.with-base $(VENV)/.with-lessons
