# limn. The words people know:
#   make            ./limn, liblimn.a, liblimn.so
#   make demo       install what is missing, build, draw the first picture
#   make test       install what is missing, build, run every test
#   make bench      what this machine can do, and what share of it limn uses
#   make asan       the unit and tool tests under AddressSanitizer and UBSan
#   make soak       the elementary functions over every float there is
#   make big        checkpoints of the true size: time and memory to load (15 GB of disk)
#   make fuzz       libFuzzer at every reader of strangers' files, FUZZ_SECONDS (30) each
#   make install    to $(DESTDIR)$(PREFIX);  make uninstall takes it away again
#   make format     clang-format;  make lint: warnings, clang-tidy, the house rules
#   make pins       the pinned hashes of tests/bits/pins.txt made again;  make gallery: the README's
#                   pictures;  make model-pins: both, and the expected values, after new weights (PyTorch)
#   make pairs      how near int8's pictures are to float32's, and docs/pairs.png (Python 3)
# Variables: CC, OPT (-O3), CFLAGS, LDFLAGS, PREFIX, DESTDIR, BUILD (the folder for objects), V=1
# (show whole command lines), and SIMDE=1: the AVX-512 kernels run on any x86-64 with AVX2 (slow).

PREFIX ?= /usr/local
DESTDIR ?=
BUILD ?= build
CC ?= cc
OPT ?= -O3
VERSION := $(shell awk '/define LIMN_VERSION_(MAJOR|MINOR|PATCH)/ {v = v s $$3; s = "."} END {print v}' include/limn.h)
SOVERSION := $(firstword $(subst ., ,$(VERSION)))
MACHINE := $(shell $(CC) -dumpmachine 2>/dev/null)
PKG_CONFIG ?= pkg-config
PKGS := libpng libjpeg jansson libutf8proc
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-4s %s\n' $(1) $(2))
JOBS := $(shell nproc 2>/dev/null || echo 2)

# The numeric contract (docs/numerics.md): no contraction, no fast-math, no -march=native. That nobody
# reads exception flags or errno changes no value, and lets gcc vectorise comparisons and sqrt.
NUMERIC := -ffp-contract=off -fno-fast-math -fno-trapping-math -fno-math-errno
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith -Wundef
ALL_CPPFLAGS = -Iinclude -Isrc -D_GNU_SOURCE $(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null) $(CPPFLAGS)
ALL_CFLAGS = -std=c11 $(OPT) -g $(WARN) -fPIC -fvisibility=hidden -fopenmp -pthread $(CFLAGS) $(NUMERIC)
ALL_LDLIBS = $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null) -lm $(LDLIBS)
ALL_LDFLAGS = -fopenmp -pthread $(LDFLAGS)

# src/kernels/simd is compiled once for each SIMD level that the target can have.
LEVELS :=
ifneq (,$(findstring x86_64,$(MACHINE)))
LEVELS := avx2 avx512
endif
ifneq (,$(findstring aarch64,$(MACHINE)))
LEVELS := neon
endif
LEVEL_avx2 := -mavx2 -mfma -mf16c -DLIMN_LEVEL=avx2 -DLIMN_LEVEL_AVX2=1
LEVEL_avx512 := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mf16c -DLIMN_LEVEL=avx512 -DLIMN_LEVEL_AVX512=1
ifdef SIMDE
# The AVX-512 kernels' logic through SIMDe, which needs AVX2 only: no -mavx512*.
LEVEL_avx512 := -O2 -mavx2 -mfma -mf16c -Wno-psabi -DLIMN_LEVEL=avx512 -DLIMN_LEVEL_AVX512=1
CPPFLAGS += -DLIMN_SIMDE=1
endif
LEVEL_neon := -DLIMN_LEVEL=neon -DLIMN_LEVEL_NEON=1

LIB_SRC := $(sort $(filter-out src/tool/%,$(wildcard src/*/*.c src/kernels/c/*.c src/kernels/x86/*.c src/kernels/arm/*.c)))
SIMD_SRC := $(sort $(wildcard src/kernels/simd/*.c))
TOOL_SRC := $(sort $(wildcard src/tool/*.c))
LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/%.o) $(foreach l,$(LEVELS),$(SIMD_SRC:%.c=$(BUILD)/%.$(l).o))
TOOL_OBJ := $(TOOL_SRC:%.c=$(BUILD)/%.o)
TEST_BIN := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/unit/test_*.c tests/golden/test_*.c tests/kernels/test_*.c)))
TEST_OBJ := $(TEST_BIN:%=%.o)
SUPPORT_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard tests/support/*.c)))
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BIN := $(FUZZ_SRC:%.c=$(BUILD)/%)
BENCH_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard tests/bench/*.c)))

ifeq ($(BUILD),build)
all: limn liblimn.a liblimn.so
else
all: $(BUILD)/limn $(BUILD)/liblimn.a $(BUILD)/liblimn.so
endif

# The products stand at the top only for the default build; other builds keep to their folder.
limn: $(BUILD)/limn
	cp $< $@
liblimn.a: $(BUILD)/liblimn.a
	cp $< $@
liblimn.so: $(BUILD)/liblimn.so
	cp $< $@

$(BUILD)/limn: $(TOOL_OBJ) $(BUILD)/liblimn.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LDLIBS)
$(BUILD)/liblimn.a: $(LIB_OBJ)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcs $@ $^
$(BUILD)/liblimn.so: $(LIB_OBJ)
	$(call say,LINK,$@)
	$(Q)$(CC) -shared -Wl,-soname,liblimn.so.$(SOVERSION) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LDLIBS)

# Objects are made again when the flags change, and only where the libraries are.
READY = $(BUILD)/flags | $(BUILD)/libraries
# SRC_CFLAGS is not for tests: with it tests/lint bounds what the library takes of the stack.
ONLY_CFLAGS = $(if $(filter src/%,$*),$(SRC_CFLAGS),-Itests) $(EXTRA_$*)

$(BUILD)/%.o: %.c $(READY)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ONLY_CFLAGS) -MMD -MP -c -o $@ $<
define simd_rule
$(BUILD)/%.$(1).o: %.c $$(READY)
	@mkdir -p $$(@D)
	$$(call say,CC,$$@)
	$$(Q)$$(CC) $$(ALL_CPPFLAGS) $$(ALL_CFLAGS) $$(LEVEL_$(1)) -MMD -MP -c -o $$@ $$<
endef
$(foreach l,$(LEVELS),$(eval $(call simd_rule,$(l))))

# One file needs instructions that not every x86-64 has; it is called only where they are.
ifneq (,$(findstring x86_64,$(MACHINE)))
EXTRA_src/base/sha256_x86 := -msha -msse4.1 -mssse3
endif
# stb_image_write shifts signed bits out on the left: harmless with gcc and clang, told by UBSan.
EXTRA_src/image/stb := -fno-sanitize=shift

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(SUPPORT_OBJ) $(BUILD)/liblimn.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(ALL_LDLIBS)
# A fuzz target with libFuzzer's main where there is one (make fuzz), else with one that replays.
FUZZ_MAIN ?= $(BUILD)/tests/fuzz/replay.o
$(FUZZ_BIN): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/tests/fuzz/replay.o $(BUILD)/liblimn.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(FUZZ_MAIN) $(BUILD)/liblimn.a $(ALL_LDLIBS)
.SECONDARY:

tests-bin: $(TEST_BIN) $(FUZZ_BIN)
fuzz-bin: $(FUZZ_BIN)
objects: $(LIB_OBJ) $(TOOL_OBJ) $(TEST_OBJ) $(SUPPORT_OBJ) $(BENCH_OBJ) $(FUZZ_SRC:%.c=$(BUILD)/%.o)

# Only the files that look for the installed model know PREFIX; they alone follow when it changes.
PREFIX_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(shell grep -ls LIMN_PREFIX $(LIB_SRC) $(TOOL_SRC)))
$(PREFIX_OBJ): private ALL_CPPFLAGS += -DLIMN_PREFIX='"$(PREFIX)"'
$(PREFIX_OBJ): $(BUILD)/prefix

# A file that changes when its text does.
define text_rule
$(BUILD)/$(1): always
	@mkdir -p $$(@D)
	@printf '%s\n' $$(TEXT_$(1)) | cmp -s - $$@ || printf '%s\n' $$(TEXT_$(1)) >$$@
endef
TEXT_flags = '$(subst ','\'',$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(foreach l,$(LEVELS),$(LEVEL_$(l))))'
TEXT_prefix = '$(PREFIX)'
$(eval $(call text_rule,flags))
$(eval $(call text_rule,prefix))

# One sentence instead of a page of compiler errors.
$(BUILD)/libraries:
	@mkdir -p $(@D)
	@missing=; \
	for p in $(PKGS); do $(PKG_CONFIG) --exists $$p 2>/dev/null || missing="$$missing $$p"; done; \
	command -v $(firstword $(PKG_CONFIG)) >/dev/null || missing=" pkg-config"; \
	echo '#include <stb/stb_image_write.h>' | $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -E - >/dev/null 2>&1 \
	    || missing="$$missing stb"; \
	echo '#include <stdio.h>' | $(CC) -fopenmp -E - >/dev/null 2>&1 || missing=" a C compiler ($(CC))"; \
	[ -z "$$missing" ] || { \
	    echo "limn: not on this machine:$$missing; 'tools/setup' (or 'make demo') installs what is missing" >&2; \
	    exit 1; }
	@touch $@

demo:
	@tools/setup build
	@$(MAKE) --no-print-directory -j$(JOBS) all
	./limn "a panda on a yellow background" --seed 6 --force -o panda.png
	@echo "The picture is panda.png, in this folder."

test:
	@tools/setup test
	@tests/run

asan:
	@tools/setup test
	@tests/run asan

# Minutes, and gigabytes below /tmp that are gone after.
big: limn $(BUILD)/tests/slow/big
	$(BUILD)/tests/slow/big

# Every float through exp, erf and the activations: several minutes.
soak: $(BUILD)/tests/kernels/test_math
	LIMN_SOAK=1 $<

# New inputs are kept in build/fuzz/found, what breaks a target in build/fuzz/faults.
FUZZ_SECONDS ?= 30
fuzz:
	@tools/setup fuzz
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=build/fuzz CC=clang OPT=-O1 FUZZ_MAIN=-fsanitize=fuzzer \
	    CFLAGS="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all" fuzz-bin
	@tests/fuzz/search $(FUZZ_SECONDS) $(ONLY)

lint:
	@tools/setup test
	@tests/run lint
	@if command -v clang-tidy >/dev/null; then tests/lint/tidy; \
	else echo "clang-tidy is not here: left out"; fi

format:
	clang-format -i $(shell find include src tests -name '*.[ch]')

pins: $(BUILD)/limn $(BUILD)/tests/bits/probe
	tests/bits/run --pin

# The README's pictures, and all that depends on the weights.
gallery: limn
	tools/gallery
# int8 beside float32: the PSNR over all of prompts/, and docs/pairs.png.
pairs: limn
	tools/pairs
model-pins: gallery pins
	tools/expected

# make bench ARGS="--quick --json": see tests/bench/bench.c. Calls on the layers pass through the
# bench first, so that it learns which shapes a network asks for (tests/bench/shapes.c).
BENCH_WRAPS := linear_run conv_run norm_conv_run attention_run group_norm_run layer_norm_run
bench: $(BUILD)/limn $(BUILD)/bench
	@$(BUILD)/bench --limn $(BUILD)/limn $(ARGS)
$(BUILD)/bench: $(BENCH_OBJ) $(BUILD)/liblimn.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(BENCH_WRAPS:%=-Wl,--wrap=limn_%) -o $@ $^ $(ALL_LDLIBS)

BINDIR = $(DESTDIR)$(PREFIX)/bin
LIBDIR = $(DESTDIR)$(PREFIX)/lib
INCDIR = $(DESTDIR)$(PREFIX)/include
SHAREDIR = $(DESTDIR)$(PREFIX)/share/limn

install: $(BUILD)/limn $(BUILD)/liblimn.a $(BUILD)/liblimn.so
	install -d $(BINDIR) $(LIBDIR)/pkgconfig $(INCDIR) $(SHAREDIR)
	install -m 755 $(BUILD)/limn $(BINDIR)/limn
	install -m 644 include/limn.h $(INCDIR)/limn.h
	install -m 644 $(BUILD)/liblimn.a $(LIBDIR)/liblimn.a
	install -m 755 $(BUILD)/liblimn.so $(LIBDIR)/liblimn.so.$(VERSION)
	ln -sf liblimn.so.$(VERSION) $(LIBDIR)/liblimn.so.$(SOVERSION)
	ln -sf liblimn.so.$(SOVERSION) $(LIBDIR)/liblimn.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' limn.pc.in >$(LIBDIR)/pkgconfig/limn.pc
	rm -rf $(SHAREDIR)/vignette
	cp -R weights/vignette $(SHAREDIR)/vignette
	chmod -R u=rwX,go=rX $(SHAREDIR)/vignette
	@[ -n "$(DESTDIR)" ] || ldconfig 2>/dev/null || true

uninstall:
	rm -f $(BINDIR)/limn $(INCDIR)/limn.h $(LIBDIR)/liblimn.a $(LIBDIR)/liblimn.so \
	    $(LIBDIR)/liblimn.so.$(SOVERSION) $(LIBDIR)/liblimn.so.$(VERSION) $(LIBDIR)/pkgconfig/limn.pc
	rm -rf $(SHAREDIR)/vignette
	@rmdir $(SHAREDIR) 2>/dev/null || true

clean:
	rm -rf build limn liblimn.a liblimn.so

-include $(patsubst %.o,%.d,$(LIB_OBJ) $(TOOL_OBJ) $(TEST_OBJ) $(SUPPORT_OBJ) $(BENCH_OBJ) $(FUZZ_SRC:%.c=$(BUILD)/%.o))
.PHONY: all clean tests-bin objects demo test asan lint format pins bench install uninstall always gallery pairs model-pins soak big fuzz fuzz-bin
.DELETE_ON_ERROR:
