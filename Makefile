# KQueue. Every target sets up what it needs, as often as it is called, and is quick when nothing changed.
# What is made lies in .build; `make clean` removes it.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
SHELL := /bin/bash
.NOTPARALLEL:      # cargo uses all cores by itself

# The tests in which lanes, copies and exchanges handle memory by hand, and in which timeouts, exceptions and ends of jobs cut in.
MEMORY_TESTS := $(addprefix tests/phpt/,clone concurrently state engine/fresh.phpt engine/lanes.phpt engine/permits.phpt fatal/inline.phpt \
  hooks/php.phpt hooks/shared-arguments.phpt $(addprefix runtime/,callback-throws.phpt exit.phpt nested.phpt reentrant.phpt timeout.phpt \
  timeout-afterwards.phpt timeout-arguments.phpt timeout-caught.phpt timeout-results.phpt))

.PHONY: help setup build demo test test-extensions test-rust test-phpt test-phpt-82 test-phpt-host test-valgrind valgrind asan debug-php fuzz test-laravel test-oracle test-e2e test-docker test-matrix lint fmt docker docker-run clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install compilers, headers, PHP 8.2 and servers, and make the private PHP 8.4 with Laravel
	@tools/setup

build: ## Build kqueue.so for PHP 8.4; tools/php then runs PHP with it
	@tools/build 8.4

demo: build ## Run examples/demo.php, then 200 mixed jobs of a Laravel application
	@tools/php examples/demo.php
	@echo; PHP=$(CURDIR)/tools/php examples/laravel/demo.sh --quiet

test: test-rust test-phpt test-phpt-82 test-valgrind test-laravel test-oracle test-e2e test-docker ## Run all tests, the cheapest first

test-rust: ## Test the crates that know no PHP
	@tools/setup system
	@CARGO_TARGET_DIR=.build/target cargo test --locked -p kqueue-core -p kqueue-engine

test-phpt: ## Test kqueue.so alone in PHP 8.4, with servers
	@tools/setup servers databases
	@tools/phpt 8.4

test-phpt-82: ## Test kqueue.so alone in PHP 8.2, with servers
	@tools/setup servers databases
	@tools/phpt 8.2

test-phpt-host: ## Test kqueue.so alone in the PHP on the path, 8.2 to 8.5, with what servers there are
	@tools/setup servers
	@tools/phpt host

test-valgrind: ## Test what handles memory by hand in PHP 8.4 under valgrind
	@tools/setup servers
	@tools/phpt valgrind $(MEMORY_TESTS)

valgrind: ## Test kqueue.so alone in PHP 8.4 under valgrind; not the tests in tests/phpt/slow.txt
	@tools/setup servers
	@tools/phpt valgrind

asan: ## Test kqueue.so, built with AddressSanitizer, alone in PHP 8.4
	@tools/setup servers databases
	@tools/phpt asan

debug-php: ## Build PHP with its assertions (KQUEUE_PHP_SOURCE: a folder with its source) and test kqueue.so alone in it
	@tools/setup servers databases
	@tools/phpt debug

test-extensions: ## Try every extension that Debian packages, and write docs/extensions.md; fetches 600 MB. Not part of CI
	@tools/test-extensions

fuzz: ## Fuzz everything that decodes bytes, SECONDS=60 for each
	@tools/fuzz $(or $(SECONDS),60)

test-laravel: build ## Test the Laravel package with no runner; some tests use Redis
	@tools/setup servers
	@tools/phpunit laravel

test-oracle: build ## Compare kqueue:run with queue:work: the same jobs, processes, servers
	@tools/setup servers
	@tools/phpunit oracle

test-e2e: build ## Test all of it, with servers, kills and load
	@tools/setup servers databases
	@tools/phpunit e2e

test-docker: ## Build the image and try it
	@tools/image test

test-matrix: build ## Run the suites with Laravel 10, and with Laravel 13 those drivers that `make test` leaves out
	@tools/setup servers databases
	@tools/php-tree trixie
	@status=0; for suite in laravel oracle e2e; do \
	  KQUEUE_TREE=php84-trixie KQUEUE_TEST_MATRIX=1 tools/phpunit $$suite --display-skipped || status=1; \
	done; exit $$status
	@KQUEUE_TEST_MATRIX=1 tools/php .build/php84/bin/phpunit --colors=auto --fail-on-empty-test-suite --display-skipped -c tests/e2e/phpunit.xml --filter DriversTest

lint: ## Check formatting, clippy, and the syntax of PHP files and scripts
	@tools/lint

fmt: ## Format the Rust code
	@tools/setup system
	@cargo fmt

docker: ## Build the image, with Docker or without
	@tools/image build

docker-run: ## Run the demo in the image
	@tools/image run

clean: ## Remove everything that was made
	@tools/image clean
	@rm -rf --one-file-system .build
