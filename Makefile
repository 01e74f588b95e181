# weighd.  make run: look at it; make test: believe it; make check: before a commit.
# Missing Debian packages are installed first (scripts/need).
BUILD = build
FUZZ_SECONDS ?= 60
export WEIGHD_SERVERS = build/servers

build:
	scripts/need build
	scripts/configure $(BUILD) $(CC)
	ninja -C $(BUILD)

run: build
	scripts/run $(BUILD)

test:
	scripts/need test
	$(MAKE) --no-print-directory build
	scripts/tests $(BUILD)

bench:
	scripts/need build bench
	bench/run

# Each gate can be passed alone: make check-format, make check-fuzz FUZZ_SECONDS=600, ...
GATES = check-format check-clang check-analysis check-asan check-tsan check-fuzz

check:
	scripts/need build test check
	scripts/gates $(GATES)

check-format:
	@clang-format --dry-run -Werror $(SOURCES)

check-clang:
	scripts/configure build-clang clang
	ninja -C build-clang

check-analysis:
	scripts/analyse

# Where the kernel scatters addresses widely, sanitizers do not find room for their shadows.
FIXED = $(shell setarch -R true 2>/dev/null && echo setarch -R)

check-asan:
	scripts/configure build-asan gcc -Db_sanitize=address,undefined
	ninja -C build-asan
	$(FIXED) scripts/tests build-asan --no-suite=load --no-suite=side

# What threads share: the rooms that have any, and the whole daemon with two workers.
check-tsan:
	scripts/configure build-tsan gcc -Db_sanitize=thread
	ninja -C build-tsan
	$(FIXED) scripts/tests build-tsan sources store effects serve daemon e2e

check-fuzz:
	scripts/configure build-fuzz clang -Db_sanitize=address,undefined -Dfuzz=true \
		-Dc_args=-fsanitize=fuzzer-no-link
	$(FIXED) scripts/fuzz build-fuzz $(FUZZ_SECONDS)

SOURCES = $(shell find src tests bench -name '*.[ch]')

format:
	clang-format -i $(SOURCES)

doc:
	scripts/need doc
	python3 tests/meta/manual.py --write
	mkdir -p $(BUILD)/doc
	for page in doc/*.scd; do \
		scdoc <$$page >$(BUILD)/doc/$$(basename $$page .scd) || exit; done

clean:
	rm -rf build build-* run

.PHONY: build run test bench check $(GATES) format doc clean
