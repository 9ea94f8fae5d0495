# `make` lists the targets. `make test` and `make demo` are meant to be the
# first command on a fresh machine: they install what they need.

# The version that the binary reports: that of CHANGELOG.md, and the commit if it is not
# tagged as that version.
VERSION = $(or $(shell scripts/version.sh),dev)

# Where `make build` puts it.
OUT = xbr-script

# Where `make install` puts things; DESTDIR goes in front of all of them.
prefix  = /usr/local
sbindir = $(prefix)/sbin
mandir  = $(prefix)/share/man
zshdir  = $(prefix)/share/zsh/site-functions
unitdir = $(prefix)/lib/systemd/system
xendir  = /etc/xen/scripts
# What starts services: systemd, openrc or sysv (LSB scripts). The last two get a
# script beside systemd's unit.
init    = systemd
initdir = /etc/init.d
INSTALL = DESTDIR='$(DESTDIR)' init='$(init)' initdir='$(initdir)' prefix='$(prefix)' sbindir='$(sbindir)' mandir='$(mandir)' \
	zshdir='$(zshdir)' unitdir='$(unitdir)' xendir='$(xendir)' scripts/install.sh

# How long `make fuzz` runs each target, and further flags for `go test`.
FUZZTIME  = 30s
TESTFLAGS =
# Which scenarios of scripts/vm `make vm-test` runs, or of scripts/xen `make
# xen-test`, all by default; and on which Debian: bookworm, trixie (the default),
# or, at best, forky and sid.
SCENARIOS =
export SUITE

# With AGAIN=FILE a test that fails is run once more, alone, and counts as passed
# if it passes then; what failed at first is listed in FILE.PID. CI does so.
ifdef AGAIN
tests = $(GO) tool -modfile=tools/go.mod gotestsum --format=standard-quiet --hide-summary=skipped \
	--rerun-fails=1 --rerun-fails-max-failures=8 --rerun-fails-run-root-test --rerun-fails-report='$(AGAIN)'.$$$$ \
	--packages='$(2)' -- $(1)
else
tests = $(GO) test $(1) $(2)
endif

# How long each storm of `make storm` lasts.
STORMTIME = 5m

# What `make bench` does instead of everything: see tools/bench.
BENCHFLAGS =

GO = go
# Tools have a go.mod of their own, apart from the product's.
TOOL = $(GO) tool -modfile=tools/go.mod
SHELLSCRIPTS = .ci/run scripts/libvirt/qemu $(wildcard scripts/*.sh scripts/packages/*.sh scripts/vm/*.sh scripts/vm/scenarios/*.sh scripts/xen/*.sh scripts/xen/scenarios/*.sh)

# The product is pure Go: it is built, tested and linted so. Only the race
# detector wants cgo.
export CGO_ENABLED = 0

# One line of a recipe stops at its first failing command.
.SHELLFLAGS = -ec
.DEFAULT_GOAL = help
.PHONY: help deps build test test-hosts test-long test-whole test-upgrade race lint demo bench packages packages-test fleet-test vm-test xen-test storm fuzz fuzz-strict vuln install uninstall clean

help: ## list the targets
	@echo "usage: make TARGET"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' Makefile

deps:
	@scripts/deps.sh

# The same commit and the same Go give the same bytes in any folder.
build: ## build the static binary, ./xbr-script
	$(GO) build -trimpath -buildvcs=false -ldflags '-s -w -buildid= -X main.version=$(VERSION)' -o $(OUT) .

# -count=1: the tests look at the kernel, which go's cache of results does not
# know. -p 3: much of their time is the kernel's, which they wait for.
test: deps ## run the tests (as root: they make network namespaces)
	$(call tests,-short -count=1 -p 3 -timeout 30m $(LINK) $(TESTFLAGS),$(LONGEST) ./...)

# They take as long as all others together, and begin first.
LONGEST = ./internal/operate . ./bridge

# No debug information is linked into what is run once, which saves a third of the
# linker's time.
LINK = -ldflags=-w

# The tests of a kind, as a pattern for -run: those that -short makes shorter, or that
# start goroutines.
picked = "$$($(GO) run ./internal/testing/pick $(1))"

test-long: deps test-hosts ## run in full what test shortens: every fault at every step of every network
	$(call tests,-count=1 -p 3 -timeout 60m $(LINK) -run $(call picked,short) $(TESTFLAGS),./...)

# Tables that take hours, of which test-long tries one case in several.
test-whole: deps ## try every theft and every series of faults (hours)
	XBR_TEST_WHOLE=1 $(GO) test -count=1 -timeout 12h -run '^(TestSeries|TestTheft|TestRulesStolen)$$' $(TESTFLAGS) ./bridge ./internal/operate

# It needs the history of this repository. FORMER is a commit whose program
# writes records in forms that can still be read.
FORMER = f64d0df

test-upgrade: deps ## start networks with the program of FORMER, stop them with this one
	@dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	git archive $(FORMER) | tar -x -C "$$dir"; \
	echo "$(GO) build   # $(FORMER)"; $(GO) -C "$$dir" build -o "$$dir/former" .; \
	XBR_TEST_FORMER="$$dir/former" $(GO) test -count=1 -v -run '^TestUpgrade' $(TESTFLAGS) .

# What namespaces inherit on a router with strict filters, on a host with
# Docker, on a desktop, and where IPv6 is switched off (see
# internal/testing/nstest, whose tests check that each of them still begins with
# the same settings). These are the tests that need that.
TUNED = net/ipv4/ip_forward=1 net/ipv6/conf/all/forwarding=1 net/ipv6/conf/default/forwarding=1 \
	net/ipv4/conf/all/rp_filter=1 net/ipv4/conf/default/rp_filter=1 net/ipv4/conf/all/arp_ignore=2 \
	net/ipv4/conf/default/promote_secondaries=1 net/ipv4/conf/all/accept_redirects=0 \
	net/bridge/bridge-nf-call-iptables=1 net/bridge/bridge-nf-call-ip6tables=1 net/bridge/bridge-nf-call-arptables=1 \
	net/ipv6/conf/default/use_tempaddr=2 net/ipv6/conf/default/accept_ra=0 net/ipv6/conf/default/addr_gen_mode=1 \
	net/ipv6/conf/all/disable_ipv6=1 net/ipv6/conf/default/disable_ipv6=1

test-hosts: deps ## run tests with the kernel settings of other machines
	XBR_TEST_HOST='$(TUNED)' $(call tests,-short -count=1 $(TESTFLAGS),./forward ./internal/reach ./internal/host)
	XBR_TEST_HOST='$(TUNED)' $(call tests,-short -count=1 -run '^(TestScript|TestBetween|TestCheck)$$' $(TESTFLAGS),. ./bridge)

# Tables of many cases that a single goroutine works through, and what runs the
# whole program again and again, as other tests do: there is nothing more to
# race. In some packages that is so of all tests but those that start goroutines
# themselves: what a call of the program does there, it does in one.
SEQUENTIAL = antispoof antispoof/strict bridge bridge/divert bridge/routes forward internal/carry internal/operate
ONE_GOROUTINE = ^(TestEveryStepFails|TestRandomHosts|TestSeries|TestTheft|TestRadvd|TestStorm|TestFailingCalls|TestFailingTakeBack|TestAsks|TestHotplug|TestKilled|TestHostile.*|TestAnswers|TestMixed)$$
# Scripts that have the program do what others do, with other words and on other hosts.
SAME_GOROUTINES = ^TestScript$$/^(legacy|altnames|chosen|churn|dry-run|errors|first-tries|guests|hidden-nic|hosts|install|kvm|leases|libvirt|long-names|lost-record|managed|no-carrier|seed000|seed002-line|start-stop|verbose|vif-xbr|words|worlds|wrappers|xend)$$

race: ## run the tests with the race detector
	@scripts/deps.sh --race
	CGO_ENABLED=1 $(call tests,-race -short -count=1 -p 3 -timeout 60m -skip '$(ONE_GOROUTINE)|$(SAME_GOROUTINES)' $(TESTFLAGS),$(filter-out $(SEQUENTIAL:%=xbr-script/%),$(shell $(GO) list ./...)))
	CGO_ENABLED=1 $(call tests,-race -short -count=1 -p 3 -timeout 60m -skip '$(ONE_GOROUTINE)' -run $(call picked,goroutines) $(TESTFLAGS),$(SEQUENTIAL:%=./%))

lint: ## check format, go.mod, code, shell scripts and man pages
	@scripts/deps.sh --lint
	@echo 'gofmt -s -l .'; unformatted=$$(gofmt -s -l .); \
	if [ -n "$$unformatted" ]; then \
		printf 'not formatted (gofmt -s -w):\n%s\n' "$$unformatted" >&2; exit 1; \
	fi
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) -C tools/bench vet ./...
	$(TOOL) golangci-lint run --allow-parallel-runners ./...
	shellcheck -x $(SHELLSCRIPTS)
	mandoc -Tlint -Wwarning scripts/*.[58]

demo: deps build ## show a whole network come up, work and come down
	scripts/demo.sh

# Debian's packages for it are kept in .cache/vm/SUITE, which may be removed.
vm-test: build ## run scenarios under QEMU, on SUITE's kernel with emulated NICs
	@scripts/deps.sh --vm
	scripts/vm/run.sh $(SCENARIOS)

xen-test: build ## run scenarios under QEMU, on SUITE's Xen with guests
	@scripts/deps.sh --vm
	scripts/vm/run.sh --xen $(SCENARIOS)

# BENCHFLAGS=-quick is a look of two minutes, and leaves docs/ alone.
bench: deps build ## measure loss, time and scale against other tools (10 minutes)
	$(GO) -C tools/bench test -count=1 ./...
	scripts/bench.sh $(or $(BENCHFLAGS),-json docs/performance.json -plots docs) ./xbr-script

storm: deps ## change the host all the time while the program is at work, each way for STORMTIME (5m)
	$(GO) test -count=1 -timeout 3h -v -run '^TestStorm$$' -storm $(STORMTIME) .

# Two at a time, each with one processor. On a busy machine Go's fuzzer may take the end of
# its time for a failure, without an input that fails: then it has another try.
fuzz: ## run each fuzz target for FUZZTIME (30s)
	@packages=$$($(GO) list ./...); \
	for package in $$packages; do \
		listed=$$($(GO) test -list '^Fuzz' "$$package"); \
		for target in $$(printf '%s\n' "$$listed" | grep '^Fuzz'); do \
			echo "$$package $$target"; \
		done; \
	done | xargs -P 2 -L 1 sh -c 'for try in 1 2 3; do \
			said=$$($(GO) test -run "^$$" -fuzz "^$$1\$$" -fuzztime $(FUZZTIME) -parallel 1 "$$0" 2>&1) && ended=0 || ended=$$?; \
			printf "fuzz %s %s\n%s\n" "$$0" "$$1" "$$said"; \
			case $$ended:$$said in \
			0:* | *"Failing input"*) break ;; \
			*"context deadline exceeded"*) ;; \
			*) break ;; \
			esac; \
		done; \
		exit $$ended'

# FRAMES from each of three guests.
FRAMES = 333334

fuzz-strict: deps ## send a million random frames through antispoof=strict (half a minute)
	XBR_TEST_FRAMES=$(FRAMES) $(GO) test -count=1 -timeout 2h -v -run '^TestFuzz$$' $(TESTFLAGS) ./antispoof/strict

# Not part of lint: it asks the Go vulnerability database.
vuln: ## look the dependencies up in the Go vulnerability database
	$(TOOL) govulncheck ./...

# Builds only if there is no binary yet, so that `make build && sudo make
# install` installs the bytes that were built, without Go in root's PATH.
xbr-script:
	$(MAKE) build

# scripts/install.sh says what goes where.
install: xbr-script ## install the binary, man pages, completions, the boot unit, Xen's links
	@$(INSTALL) install

uninstall: ## remove what install put there
	@$(INSTALL) uninstall

# nfpm has a go.mod of its own, so that it and the linters can differ about what both use.
packages: deps build ## build .deb, .rpm and .apk into dist/, for ARCH (this machine)
	ARCH='$(ARCH)' scripts/packages/build.sh

# Not part of CI: it makes trees of two Debians.
packages-test: packages ## install, upgrade and remove the packages in Debian 12 and 13
	@scripts/deps.sh --packages
	scripts/packages/test.sh

# Not part of CI: it takes some minutes. KEEP=DIR keeps what Ansible has said.
fleet-test: deps build ## move nine hosts with Ansible, some of them broken on purpose
	@scripts/deps.sh --fleet
	scripts/fleet.sh

clean: ## remove what build and packages made
	rm -rf xbr-script dist
