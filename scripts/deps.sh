#!/bin/sh
# Installs with apt the programs that the tests and the demo run, and only
# those that are missing; when all are there it does nothing.
#
#   scripts/deps.sh           what `make test` and `make demo` need
#   scripts/deps.sh --race    and what `make race` needs (a C compiler)
#   scripts/deps.sh --lint    and what `make lint` needs
#   scripts/deps.sh --vm      and what `make vm-test` and `make xen-test` need (QEMU)
#   scripts/deps.sh --packages  and what `make packages-test` needs
#   scripts/deps.sh --fleet   and what `make fleet-test` needs (Ansible, sshd)
set -eu

# ip, iptables and brctl may live where only root's PATH looks.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

missing=

# need PROGRAM PACKAGE...: PACKAGEs are missing if PROGRAM is.
need() {
	program=$1
	shift
	command -v "$program" >/dev/null 2>&1 && return
	for package; do
		case " $missing " in
		*" $package "*) ;;
		*) missing="$missing${missing:+ }$package" ;;
		esac
	done
}

# look sets $missing, for the options given.
look() {
	missing=
	need ip iproute2
	need iptables iptables
	need nft nftables
	need brctl bridge-utils
	need ping iputils-ping
	need modprobe kmod
	need sysctl procps
	need ps procps
	need radvd radvd
	need systemd-analyze systemd
	need zsh zsh
	need fish fish
	for option; do
		case $option in
		--race) need gcc gcc libc6-dev ;;
		--lint)
			need shellcheck shellcheck
			need mandoc mandoc
			;;
		--vm)
			need qemu-system-x86_64 qemu-system-x86
			need cpio cpio
			need xz xz-utils
			need zstd zstd
			;;
		--packages)
			need lintian lintian
			need rpmlint rpmlint
			need rpm rpm
			need mmdebstrap mmdebstrap
			;;
		--fleet)
			need ansible-playbook ansible-core
			need ansible-lint ansible-lint
			need ssh openssh-client
			need sshd openssh-server
			need sudo sudo
			;;
		*)
			echo "deps.sh: unknown option '$option' (known: --race, --lint, --vm, --packages, --fleet)" >&2
			exit 2
			;;
		esac
	done
}

# give_up WHY: says what has to be installed by hand, and ends.
give_up() {
	{
		echo "deps.sh: cannot install what is missing: $1"
		echo "deps.sh: hint: as root: apt-get update && apt-get install $missing"
		echo "deps.sh: hint: or your system's packages of the same programs"
	} >&2
	exit 1
}

# Of openssh-server only the program is needed: no machine is to be open because somebody
# tries this. Debian's packages ask this script whether they may start a service.
start_no_services() {
	case " $missing " in *" openssh-server "*) ;; *) return 0 ;; esac
	[ ! -e "$policy" ] || return 0
	ours=$policy
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
}

# tidy is what is done at the end.
tidy() {
	rm -f "$log"
	[ -n "$ours" ] || return 0
	rm -f "$ours"
	if [ -d /run/systemd/system ]; then systemctl -q disable ssh.service ssh.socket 2>/dev/null || true; fi
}

install_missing() {
	# $missing is a list: it has to split into words.
	# shellcheck disable=SC2086
	apt-get -qq -y --no-install-recommends -o DPkg::Lock::Timeout=300 \
		install $missing </dev/null >"$log" 2>&1
}

look "$@"
[ -n "$missing" ] || exit 0
[ "$(id -u)" -eq 0 ] || give_up "not root"
command -v apt-get >/dev/null 2>&1 || give_up "no apt-get here"

echo "deps.sh: installing $missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
policy=/usr/sbin/policy-rc.d ours=
trap tidy EXIT
start_no_services

# Package lists may be absent (a fresh container) or too old: only then are they
# fetched.
if ! install_missing; then
	if ! apt-get -qq update </dev/null >"$log" 2>&1 || ! install_missing; then
		cat "$log" >&2
		give_up "apt-get failed"
	fi
fi

look "$@"
[ -z "$missing" ] || give_up "still not found after the installation"
