# apikeys: API keys for PostgreSQL
#
#   make demo            see it work, on a throwaway server
#   make dashboard       a dashboard in the browser, likewise
#   make check           build it and run every test, likewise
#   make check-examples  run all examples, the dashboard and the monitoring, likewise
#   make && make install && make installcheck
#                        for the server that PG_CONFIG names, the usual PGXS way
#
# make CURL_LIBS= ZLIB_LIBS= builds as where the headers of libcurl, or of zlib, are missing.
#
# make check ONLY=regress|isolation|tap TESTS='name name' runs a part. See scripts/ for the others:
# dist, check-dist, format, check-asan, check-valgrind, check-clang, check-package, check-dashboard, check-monitoring, coverage, majors, bench, bench-peers, fuzz, sqlsmith. LONG=1 is the long form of make check, with the fuzzers.

EXTENSION = apikeys
# The tree, also where make builds out of it: make -f TREE/Makefile VPATH=TREE
top = $(or $(VPATH),.)
# The install script is its parts, in the order of their numbers.
SQL_PARTS = $(sort $(wildcard $(top)/sql/[0-9]*.sql))
EXTVERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" $(top)/apikeys.control)
DATA_built = sql/apikeys--$(EXTVERSION).sql
# From a version before, by ALTER EXTENSION apikeys UPDATE
DATA = $(patsubst $(top)/%,%,$(wildcard $(top)/sql/apikeys--*--*.sql))

# The extension proper.
MODULE_big = apikeys
OBJS = $(patsubst $(top)/%.c,%.o,$(sort $(wildcard $(top)/src/*.c $(top)/src/*/*.c)))
PG_CPPFLAGS = -I$(top)/src -DAK_VERSION='"$(EXTVERSION)"'
ifdef VPATH
$(shell mkdir -p $(dir $(OBJS)))
endif

# SHA-256 straight from libcrypto, where the server was built with it.
SHLIB_LINK += $(filter -lcrypto, $(LIBS))

# Sending mail is a library of its own, so that no backend ever loads libcurl. Without zlib's headers it does not
# compress.
CURL_LIBS := $(shell curl-config --libs 2>/dev/null || pkg-config --libs libcurl 2>/dev/null)
ifneq ($(CURL_LIBS),)
MODULES = apikeys_mail
ZLIB_LIBS := $(shell echo '\#include <zlib.h>' | cc -E - >/dev/null 2>&1 && echo -lz)
endif

# Every file makes the extension anew and stands alone; test/sql/NAME.sql has its result in expected/NAME.out.
REGRESS := $(sort $(patsubst test/sql/%.sql,%,$(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test --encoding=UTF8 --launcher=test/lib/launch

# Every spec asks the oracle, which the first one makes, whichever are run.
ISOLATION := $(sort $(patsubst test/specs/%.spec,%,$(wildcard test/specs/*.spec)))
ifneq ($(filter $(REGRESS),$(ISOLATION)),)
$(error $(filter $(REGRESS),$(ISOLATION)): of test/sql and of test/specs, but there is one expected/)
endif
override ISOLATION := $(if $(strip $(ISOLATION)),oracle $(filter-out oracle,$(ISOLATION)))
ISOLATION_OPTS = --inputdir=test --encoding=UTF8 --launcher=test/lib/launch

PROVE_TESTS := $(sort $(wildcard test/t/*.pl))
TAP_TESTS := $(if $(PROVE_TESTS),1)

REGRESS_PREP = output_iso/expected

PG_CONFIG ?= pg_config
PGXS := $(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null))

# STRICT=1 (the checks do) refuses what a user's compiler of tomorrow may warn of. PostgreSQL's call conventions leave
# parameters unused, and its own headers compare signs. (As system headers they would be silent about that, but also about
# an undeclared function that one of their macros calls for us.)
ifdef STRICT
PG_CFLAGS = -std=gnu99 -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare
endif

# What has a script and needs neither a server nor its headers.
SCRIPTED = demo dashboard check format check-asan check-valgrind check-clang check-package check-dashboard check-examples check-monitoring check-dist coverage dist majors bench bench-peers fuzz sqlsmith
.PHONY: $(SCRIPTED)

ifneq ($(filter $(SCRIPTED),$(MAKECMDGOALS)),)

demo dashboard:
	@scripts/$@
check:
	@scripts/check
check-asan check-valgrind check-clang: check-%:
	@scripts/check $*
check-package check-dashboard check-examples check-monitoring check-dist:
	@scripts/$@
coverage:
	@scripts/check coverage
bench-peers:
	@scripts/bench peers
dist format majors bench fuzz sqlsmith:
	@scripts/$@

# Other goals beside them get a make of their own.
OTHERS = $(filter-out $(SCRIPTED),$(MAKECMDGOALS))
ifneq ($(OTHERS),)
.PHONY: $(OTHERS)
$(OTHERS):
	@$(MAKE) $@
endif

else ifeq ($(PGXS),)

$(error No server headers found through "$(PG_CONFIG)". Install them (Debian: postgresql-server-dev-all), \
	or name the server by PG_CONFIG=/path/to/pg_config)

else

# Bitcode for the JIT compiler only where the clang that the server was built with is here, too.
ifeq ($(shell command -v $$(sed -n 's/^CLANG *= *//p' $(dir $(PGXS))../Makefile.global) 2>/dev/null),)
override with_llvm = no
endif

include $(PGXS)

ifeq ($(CURL_LIBS),)
all: no-mail
.PHONY: no-mail
no-mail:
	@echo "libcurl's headers were not found: reports by email are left out"
else ifeq ($(ZLIB_LIBS),)
all: no-gzip
.PHONY: no-gzip
no-gzip:
	@echo "zlib's headers were not found: large reports by email are not compressed"
endif

$(DATA_built): $(SQL_PARTS)
	$(MKDIR_P) $(@D)
	cat $^ >$@

$(OBJS) $(OBJS:.o=.bc) apikeys_mail.o apikeys_mail.bc: $(wildcard $(top)/src/*/*.h) $(top)/apikeys.control
vpath apikeys_mail.c $(top)/src/mail/lib
apikeys_mail.o apikeys_mail.bc: override CPPFLAGS += $(shell curl-config --cflags 2>/dev/null) $(if $(ZLIB_LIBS),-DAK_HAVE_ZLIB)
apikeys_mail.so: LDFLAGS_SL += $(CURL_LIBS) $(ZLIB_LIBS)

# pg_isolation_regress looks for expected/ in its output directory alone.
output_iso/expected:
	$(MKDIR_P) $(@D)
	ln -s ../expected $@

endif
