# Two commands do all the set-up on a Debian machine with a Swift toolchain: `make demo` and `make test`.

SHELL := /bin/bash
BUILD := .build/release

# What the build needs of Debian, and what the tests call besides.
BUILD_PACKAGES := libmd-dev libopenblas-dev libpng-dev libsystemd-dev pkg-config
TEST_PACKAGES := curl python3

.PHONY: help build demo test lint format bench dependencies test-dependencies clean

help:  ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: dependencies  ## pixelcnnd, pixelcnn and pixelcnn-train, in $(BUILD)
	swift build -c release --product pixelcnnd
	swift build -c release --product pixelcnn
	swift build -c release --product pixelcnn-train

demo: dependencies  ## build, start the daemon on the bundled model, draw a grid of pictures, stop it
	swift build -c release --product pixelcnnd
	swift build -c release --product pixelcnn
	scripts/demo $(BUILD) samples.png

test: dependencies test-dependencies  ## all tests, as CI runs them
	swift test -c release -Xswiftc -enable-testing

lint:  ## the formatter has nothing to say, the scripts parse
	swift format lint --strict --recursive --parallel Package.swift Sources Tests Benchmarks
	bash -n scripts/* .ci/run

format:  ## let the formatter have its way
	swift format --in-place --recursive --parallel Package.swift Sources Tests Benchmarks

bench: dependencies  ## speed beside PyTorch's on this machine, in one run: docs/PERFORMANCE.md
	swift build -c release --product pixelcnn-bench
	Benchmarks/run $(BUILD)/pixelcnn-bench

dependencies:
	@scripts/install-packages $(BUILD_PACKAGES)

test-dependencies:
	@scripts/install-packages $(TEST_PACKAGES)

clean:  ## remove what was built
	swift package clean
