# limn. The words people know:
#   make            ./limn, liblimn.a, liblimn.so
#   make demo       install what is missing, build, draw the first picture
#   make test       install what is missing, build, run every test
#   make bench      what this machine can do, and what share of it limn uses
#   make asan       the unit and tool tests under AddressSanitizer and UBSan
#   make install    to $(DESTDIR)$(PREFIX)
#   make format     clang-format;  make lint: warnings, clang-tidy, the house rules

PREFIX ?= /usr/local
DESTDIR ?=
BUILD ?= build
CC ?= cc
OPT ?= -O3
VERSION := $(shell awk '/define LIMN_VERSION_(MAJOR|MINOR|PATCH)/ {v = v s $$3; s = "."} END {print v}' include/limn.h)
SOVERSION := $(firstword $(subst ., ,$(VERSION)))
MACHINE := $(shell $(CC) -dumpmachine 2>/dev/null)
PKG_CONFIG ?= pkg-config
PKGS := libpng jansson libutf8proc

# The numeric contract (docs/numerics.md): no contraction, no fast-math, no -march=native.
NUMERIC := -ffp-contract=off -fno-fast-math -fno-unsafe-math-optimizations
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith -Wundef
CPPFLAGS += -Iinclude -Isrc -D_GNU_SOURCE -DLIMN_PREFIX='"$(PREFIX)"' $(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null)
ALL_CFLAGS = -std=c11 $(OPT) -g $(NUMERIC) $(WARN) -fPIC -fvisibility=hidden -fopenmp -pthread $(CFLAGS)
LDLIBS += $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null) -lm
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
LEVEL_neon := -DLIMN_LEVEL=neon -DLIMN_LEVEL_NEON=1

LIB_SRC := $(sort $(filter-out src/tool/%,$(wildcard src/*/*.c src/kernels/c/*.c src/kernels/x86/*.c src/kernels/arm/*.c)))
SIMD_SRC := $(sort $(wildcard src/kernels/simd/*.c))
TOOL_SRC := $(sort $(wildcard src/tool/*.c))
LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/%.o) $(foreach l,$(LEVELS),$(SIMD_SRC:%.c=$(BUILD)/%.$(l).o))
TOOL_OBJ := $(TOOL_SRC:%.c=$(BUILD)/%.o)
TEST_BIN := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/unit/test_*.c tests/golden/test_*.c tests/kernels/test_*.c)))
SUPPORT_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard tests/support/*.c)))

all: limn liblimn.a liblimn.so

# The products stand at the top only for the default build; other builds keep to their folder.
limn: $(BUILD)/limn
	cp $< $@
liblimn.a: $(BUILD)/liblimn.a
	cp $< $@
liblimn.so: $(BUILD)/liblimn.so
	cp $< $@

$(BUILD)/limn: $(TOOL_OBJ) $(BUILD)/liblimn.a
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)
$(BUILD)/liblimn.a: $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^
$(BUILD)/liblimn.so: $(LIB_OBJ)
	$(CC) -shared -Wl,-soname,liblimn.so.$(SOVERSION) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(EXTRA_$*) -MMD -MP -c -o $@ $<
define simd_rule
$(BUILD)/%.$(1).o: %.c
	@mkdir -p $$(@D)
	$$(CC) $$(CPPFLAGS) $$(ALL_CFLAGS) $$(LEVEL_$(1)) -MMD -MP -c -o $$@ $$<
endef
$(foreach l,$(LEVELS),$(eval $(call simd_rule,$(l))))

# One file needs instructions that not every x86-64 has; it is called only where they are.
ifneq (,$(findstring x86_64,$(MACHINE)))
EXTRA_src/base/sha256_x86 := -msha -msse4.1 -mssse3
endif

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(SUPPORT_OBJ) $(BUILD)/liblimn.a
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)
$(BUILD)/tests/%.o: CPPFLAGS += -Itests
.SECONDARY:

tests-bin: $(TEST_BIN)

clean:
	rm -rf build limn liblimn.a liblimn.so

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.PHONY: all clean tests-bin
.DELETE_ON_ERROR:
