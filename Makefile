# SPDX-License-Identifier: GPL-2.0-or-later
# natshim: build, tests, installation. Everything that is made lies in build/, but the program: ./natshim.
#
#   make                 the program                make check       all tests (closes with a count)
#   make install         DESTDIR, PREFIX            make fuzz-short  fuzz targets, two minutes in all
#   make uninstall                                  make bench       the figures of docs/performance.md
#   make demo            see it work (as root)      make lint        clang-format, clang-tidy, cppcheck, man pages
#   make deps            install what is needed     V=1              show the commands
#   make check-quick     what runs in a minute      make format      clang-format of every file
#   make coverage        lines that unit tests run  make compile_commands.json   for editors
#   make GOAL RELEASE=trixie    the same on another Debian release (tests/release), in build/trixie; as root

ifeq ($(origin RELEASE),command line)
GOALS := $(or $(MAKECMDGOALS),all)
.PHONY: $(GOALS) release
.NOTPARALLEL:
$(GOALS): release
	@:
release:
	@tests/release $(RELEASE) make -j$(shell nproc) V=$(V) $(GOALS)
else

VERSION := $(shell cat tools/version)
PREFIX ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
MANDIR ?= $(PREFIX)/share/man
SYSCONFDIR ?= /etc
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
PYTHON ?= /usr/bin/python3
CLANG ?= clang
PKG_CONFIG ?= pkg-config
B := build

PKGS := libnetfilter_queue libmnl libnftnl libnl-3.0 libcrypto libevent_core inih jansson \
	libcap-ng libseccomp
# libpcap is loaded by `natshim rewrite' and `natshim explain' alone (nfq/libpcap.h).
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PKGS) libpcap 2>/dev/null)
PKG_LIBS := $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null)

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual \
	-Wformat=2 -Wundef -Wvla -Wwrite-strings -Wold-style-definition -Wimplicit-fallthrough
HARDEN := -fPIE -fstack-protector-strong -fcf-protection -D_FORTIFY_SOURCE=2
CFLAGS ?= -O2 -g
BASE_CFLAGS := -std=c11 -D_GNU_SOURCE -DNATSHIM_VERSION='"$(VERSION)"' -I. $(PKG_CFLAGS) $(WARN) -MMD -MP
SAN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LINK_HARDEN := -pie -Wl,-z,relro,-z,now

SRC := $(sort $(wildcard shim/*.c shim/*/*.c nfq/*.c rules/*.c rules/*/*.c))
LIB_SRC := $(filter-out shim/main.c,$(SRC))
UNIT := $(sort $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c)))
FUZZ := $(sort $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c)))
# What the tests in namespaces use beside the program.
NET_TOOLS := $B/tests/inject.so $B/tests/confined $B/tests/flood
BENCH := $(sort $(patsubst tests/bench/%.c,%,$(wildcard tests/bench/bench_*.c)))

ifeq ($(V),1)
Q :=
say := @:
else
Q := @
say := @printf '  %-7s %s\n'
endif

.PHONY: all help coverage format check-quick compile_commands.json deps check check-build check-release check-unit check-net check-vm fuzz fuzz-short bench lint analyze demo install uninstall clean
.DELETE_ON_ERROR:
.SECONDARY:

all: natshim

natshim: $(SRC:%.c=$B/rel/%.o)
	$(say) LINK $@
	$(Q)$(CC) $(LINK_HARDEN) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

$B/rel/%.o: %.c tools/version
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE_CFLAGS) $(HARDEN) $(CFLAGS) -c -o $@ $<

# The same sources with ASan and UBSan, as a library for the unit tests and as a program for the others.
$B/san/%.o: %.c tools/version
	$(say) CC-SAN $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE_CFLAGS) -O1 -g $(SAN) -c -o $@ $<

$B/san/libnatshim.a: $(LIB_SRC:%.c=$B/san/%.o)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$B/san/natshim: $B/san/shim/main.o $B/san/libnatshim.a
	$(say) LINK $@
	$(Q)$(CC) $(SAN) -o $@ $^ $(PKG_LIBS)

$B/san/test_l2tp_message: TEST_LIBS := -lpcap
$B/san/test_bridge_wiped: TEST_LIBS := -Wl,--wrap=free
$B/san/test_daemon_tick: TEST_LIBS := -Wl,--wrap=packets_allow_waiting,--wrap=bridge_mode_allow_waiting,--wrap=aliases_tick,--wrap=aliases_unload,--wrap=queues_drain \
	-Wl,--wrap=ruleset_upkeep_tick,--wrap=journal_tick,--wrap=packets_journal,--wrap=parent_tell
$B/san/test_packets_l2tp: TEST_LIBS := -Wl,--wrap=nfq_inject,--wrap=l2tp_wait_put,--wrap=sessions_l2tp
$B/san/test_%: $B/san/tests/unit/test_%.o $B/san/libnatshim.a
	$(say) LINK $@
	$(Q)$(CC) $(SAN) -o $@ $^ -lcmocka $(TEST_LIBS) $(PKG_LIBS)

# libFuzzer: clang only.
$B/fuzz/%.o: %.c tools/version
	$(say) CC-FUZZ $<
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BASE_CFLAGS) -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -c -o $@ $<

$B/fuzz/libnatshim.a: $(LIB_SRC:%.c=$B/fuzz/%.o)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$B/fuzz/fuzz_%: $B/fuzz/tests/fuzz/fuzz_%.o $B/fuzz/libnatshim.a
	$(say) LINK $@
	$(Q)$(CLANG) -fsanitize=fuzzer,address,undefined -o $@ $^ $(PKG_LIBS)

# Benchmarks: the release flags, the program's own objects.
$B/rel/libnatshim.a: $(LIB_SRC:%.c=$B/rel/%.o)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$B/rel/bench_%: $B/rel/tests/bench/bench_%.o $B/rel/libnatshim.a
	$(say) LINK $@
	$(Q)$(CC) $(LINK_HARDEN) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

$B/tests/inject.so: tests/lib/inject.c
	$(say) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE $(WARN) -O2 -g -fPIC -shared -o $@ $< -ldl

$B/tests/flood: tests/lib/flood.c
	$(say) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE $(WARN) -O2 -g -o $@ $<

$B/tests/confined: $B/rel/tests/lib/confined.o $B/rel/libnatshim.a
	$(say) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(LINK_HARDEN) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

# Prints this file's first lines.
help:
	@sed -n '2,/^$$/s/^# \{0,1\}//p' Makefile

deps:
	tools/install-deps

# What all tests use.
check-build: natshim $B/san/natshim $(UNIT:%=$B/san/%) $(NET_TOOLS)

check: check-build
	$(Q)PYTHON=$(PYTHON) tests/run

# What a second release needs beside a whole "make check" of the first: the package, and all that meets its own kernel and servers. Not what is
# about natshim itself rather than about them, and takes long: crashes of the bridge, keys in memory, twenty clients at once (vm-alias and its twin have
# three), two gateways.
check-release: check-build
	$(Q)PYTHON=$(PYTHON) tests/run unit net-package net-check net-check_conf net-phase1 \
		$(patsubst tests/vm/test_%,vm-%,$(filter-out $(addprefix %/test_,alias_many alias_many_strongswan bridge_crash keys_memory several_gateways),$(wildcard tests/vm/test_*)))

check-unit: $(UNIT:%=$B/san/%)
	$(Q)PYTHON=$(PYTHON) tests/run unit

check-quick: check-build
	$(Q)PYTHON=$(PYTHON) tests/run quick

check-vm: $(patsubst %,$B/san/%,$(filter test_rules_% test_xfrm_kernel test_rekey_kernel test_rekeyer_kernel,$(UNIT)))
check-net check-vm: check-%: natshim $B/san/natshim $(NET_TOOLS)
	$(Q)PYTHON=$(PYTHON) tests/run $*

fuzz-short fuzz: $(FUZZ:%=$B/fuzz/%)
	$(Q)$(if $(filter fuzz,$@),,FUZZ_SEED=1) tests/fuzz/run $(if $(filter fuzz,$@),7200,120) $(FUZZ:%=$B/fuzz/%)

bench: natshim $(BENCH:%=$B/rel/%) $B/tests/flood
	$(Q)PYTHON=$(PYTHON) tests/bench/run

lint:
	$(Q)tools/lint

coverage:
	$(Q)tools/coverage

# Comments are not reflowed (ReflowComments), so tables in them stay.
format:
	$(Q)git ls-files -- '*.c' '*.h' | xargs clang-format -i

compile_commands.json:
	$(Q)printf '%s\n' $(SRC) | $(PYTHON) -c 'import json, os, sys; print(json.dumps([{"directory": os.getcwd(), "file": f, \
		"arguments": sys.argv[1:] + ["-c", f]} for f in sys.stdin.read().split()], indent=1))' \
		$(CC) $(filter-out -MMD -MP,$(BASE_CFLAGS)) > $@

# gcc's own analysis; what it finds ends the run. gcc 12 loses sight of memory whose only pointer lies in an array, in an option or in a
# table of uthash, and calls it leaked; the unit tests run these files under the leak sanitizer, which sees it.
analyze: $(SRC:%.c=$B/analyze/%.o)
$B/analyze/shim/check/settings.o $B/analyze/shim/cmd/roles.o $B/analyze/shim/bridge/bridge.o $B/analyze/shim/config.o: ANALYZE_OFF := -Wno-analyzer-malloc-leak
# gcc 14 believes that a list whose count says otherwise may be empty, and does not follow the copy of a struct endpoint.
$B/analyze/shim/bridge/bridge.o $B/analyze/shim/daemon/line.o: ANALYZE_OFF += -Wno-analyzer-null-dereference
$B/analyze/shim/daemon/sessions.o: ANALYZE_OFF += -Wno-analyzer-use-of-uninitialized-value

$B/analyze/%.o: %.c tools/version
	$(say) ANALYZE $<
	@mkdir -p $(@D)
	$(Q)gcc $(BASE_CFLAGS) -O2 -fanalyzer $(ANALYZE_OFF) -c -o $@ $<

demo: natshim
	$(Q)PYTHON=$(PYTHON) tools/demo

install: natshim
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(MANDIR)/man8 $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(COMPLETIONDIR) $(DESTDIR)$(SYSCONFDIR)
	install -m 755 natshim $(DESTDIR)$(SBINDIR)/natshim
	install -m 644 docs/natshim.8 $(DESTDIR)$(MANDIR)/man8/natshim.8
	install -m 644 docs/natshim.conf.5 $(DESTDIR)$(MANDIR)/man5/natshim.conf.5
	install -m 644 tools/natshim.bash-completion $(DESTDIR)$(COMPLETIONDIR)/natshim
	test -e $(DESTDIR)$(SYSCONFDIR)/natshim.conf || install -m 644 tools/natshim.conf $(DESTDIR)$(SYSCONFDIR)/natshim.conf

# The configuration stays: it is the admin's.
uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/natshim $(DESTDIR)$(MANDIR)/man8/natshim.8 $(DESTDIR)$(MANDIR)/man5/natshim.conf.5 \
		$(DESTDIR)$(COMPLETIONDIR)/natshim

clean:
	rm -rf $B natshim

-include $(shell find $(addprefix $B/,rel san fuzz analyze) -name '*.d' 2>/dev/null)

endif
