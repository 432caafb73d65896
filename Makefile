# The commands of the project; CMake and Ninja do the work.
.PHONY: build all run test install bench format clean deps

PREFIX ?= /usr/local

build: deps
	@cmake --preset release >build.configure.log 2>&1 || { cat build.configure.log; exit 1; }
	@cmake --build build --target barnabas barnabas_shared barnabas_static

# With everything that tests it.
all: build
	@cmake --build build

run: build
	@dev/self_check

deps:
	@dev/deps

test: all
	@tests/run

# DESTDIR is honoured, too.
install: build
	cmake --install build --prefix $(abspath $(PREFIX))

# The Apache Kafka to compare with comes from Maven; bench/README.md has the method.
bench: build
	@cmake --build build --target bench_programs barnabas
	@bench/run

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

clean:
	rm -rf build build-debug build-asan build-tsan build-hostile build-fuzz build.configure.log
