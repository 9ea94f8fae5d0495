#!/usr/bin/env bash
# Runs scenarios on this machine's own kernel, in namespaces instead of a virtual
# machine: NICs are ends of veth pairs. An emulated machine's seconds are not real
# ones; these are.
#
#   make build; sudo SUITE=trixie scripts/vm/here.sh 20
#
# With TREE=FOLDER the programs are those of that folder, such as of a Debian that there
# is no image of: docs/vm.md says how to make one.
#
# Everything happens in namespaces: of mounts, on a copy of the image, network, process
# ids and control groups; of the kernel's settings only the network's can be written.
# Scenarios that need modules or drivers of the image's kernel cannot run here.
set -eEu
set -o pipefail
export LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/vm/suite.sh
. scripts/vm/suite.sh

main() {
	local tmp image start scenario failed=
	[ "$#" -gt 0 ] || set -- 20
	[ -x xbr-script ] || { echo "here.sh: no ./xbr-script (make build)" >&2 && exit 1; }
	[ -n "${TREE-}" ] || image=$(SUITE=$suite scripts/vm/image.sh)
	tmp=$(mktemp -d)
	# shellcheck disable=SC2064 # as it is now
	trap "rm -rf '$tmp'" EXIT
	for start; do
		for scenario in scripts/vm/scenarios/"$start"*.sh; do
			mkdir "$tmp/root"
			prepare "$tmp/root" "$scenario"
			echo "== $scenario, on Linux $(uname -r), ${TREE-$suite}'s programs"
			unshare --mount bash scripts/vm/here.sh --apart "$tmp/root" "${scenario##*/}" |
				sed -u '/^@/d' || failed+=" $scenario"
			unshare --mount bash scripts/vm/here.sh --cleared "$tmp/root"
			rm -rf "$tmp/root"
		done
	done
	[ -z "$failed" ] || { echo "FAILED:$failed" && exit 1; }
}

# prepare ROOT SCENARIO: the files of that machine, with the packages that the scenario
# wants besides.
prepare() {
	if [ -n "${TREE-}" ]; then
		cp -a "$TREE/." "$1"
	else
		(cd "$1" && cpio -id --quiet) <"$image/base.cpio"
	fi
	mkdir -p "$1/vm" "$1/usr/local/sbin"
	echo "$suite" >"$1/vm/suite"
	local packages
	read -r -a packages < <(sed -n 's/^# Packages: //p' "$2") || true
	[ "${#packages[@]}" = 0 ] || [ -n "${TREE-}" ] ||
		SUITE=$suite scripts/vm/image.sh --over "$image" "$1" "${packages[@]}"
	cp -r scripts/vm/scenarios scripts/vm/*.sh scripts/xbr-script.{service,openrc,sysv} "$1/vm"
	cp xbr-script "$1/usr/local/sbin"
	CGO_ENABLED=0 go build -o "$1/usr/local/sbin/probe" ./internal/testing/probe
}

# apart ROOT SCENARIO: in a control group of its own, or systemd would share its units'
# with that of another run: freeze one that is not its own, and remove what it finds empty.
apart() {
	control_group "$1"
	mkdir "$group"
	echo 0 >"$group/cgroup.procs"
	exec unshare --mount --net --pid --fork --kill-child --cgroup --uts --ipc \
		bash scripts/vm/here.sh --inside "$@"
}

# cleared ROOT: that control group is gone, once all that was in it has ended.
cleared() {
	control_group "$1"
	[ ! -e "$group/cgroup.kill" ] || echo 1 >"$group/cgroup.kill"
	for ((n = 0; n < 50; n++)); do
		find "$group" -depth -type d -exec rmdir {} + 2>/dev/null && return
		sleep 0.1
	done
}

# control_group ROOT sets $group to its folder, in this namespace of mounts.
control_group() {
	mount -t cgroup2 cgroup2 /mnt
	group=/mnt/here.$(basename "$(dirname "$1")")
}

# inside ROOT SCENARIO: in namespaces of its own.
inside() {
	local root=$1 device
	mount --make-rprivate /
	mount --bind "$root" "$root"
	mount -t proc proc "$root/proc"
	"$root/vm/guard.sh" "$root" true
	mount -t sysfs sysfs "$root/sys"
	mount -t tmpfs tmpfs "$root/run"
	mount -t tmpfs tmpfs "$root/tmp"
	mount -t tmpfs tmpfs "$root/dev"
	for device in null zero full random urandom tty; do
		touch "$root/dev/$device"
		mount --bind "/dev/$device" "$root/dev/$device"
	done
	ln -s /proc/self/fd "$root/dev/fd"
	ln -s fd/0 "$root/dev/stdin"
	ln -s fd/1 "$root/dev/stdout"
	ln -s fd/2 "$root/dev/stderr"
	# What systemd has in a /dev that it makes for a service.
	mkdir -p "$root/run/lock" "$root"/dev/{hugepages,mqueue,pts,shm} "$root/mnt"
	mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
	ln -s pts/ptmx "$root/dev/ptmx"
	cd "$root"
	pivot_root . mnt
	umount -l /mnt
	export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
	hash -r
	exec env HERE=yes /vm/scenario.sh "/vm/scenarios/$2" "$RANDOM" 1 </dev/null
}

case ${1-} in
--apart) apart "${@:2}" ;;
--cleared) cleared "${@:2}" ;;
--inside) inside "${@:2}" ;;
*) main "$@" ;;
esac
