#!/usr/bin/env bash
# Runs scenarios with the binary, each in a virtual machine of its own that
# has Debian's kernel and emulated NICs. No KVM is needed, and no traffic
# leaves the machine: QEMU joins its NICs in pairs and to nothing else.
#
#   scripts/vm/run.sh [SCENARIO...]          all in scripts/vm/scenarios by
#                                            default, or those whose names begin so
#   scripts/vm/run.sh --xen [SCENARIO...]    with Xen in the machine, and the
#                                            scenarios in scripts/xen/scenarios
#
# SUITE says which Debian (see suite.sh). A scenario that says it needs what this
# one does not have is skipped. ROUNDS says how often the one about loss measures.
# QEMU may name another qemu-system-x86_64, with its options. With AGAIN=FILE a scenario
# that fails is run once more; what failed at first is listed in FILE.
#
# Exit status 0: no scenario failed. What a machine's kernel said is in
# .cache/vm/SUITE/console.SCENARIO or .cache/vm/SUITE/xen-console.SCENARIO.
set -eEu
set -o pipefail
export LC_ALL=C
cd "$(dirname "$0")/../.."

# A machine that says nothing for so many seconds hangs, and is ended.
limit=300

# The models of the NICs that a machine has, if a scenario does not say otherwise.
usual='e1000 e1000 e1000 virtio-net-pci'

# shellcheck source=scripts/vm/suite.sh
. scripts/vm/suite.sh
export SUITE=$suite

# What --xen makes different.
folder=scripts/vm
console=$cache/console
image_options=()

# What QEMU is called; its options may follow.
read -r -a command <<<"${QEMU:-qemu-system-x86_64}"

image=
tmp=
qemu=
nics=
passed=0
failed=()
skipped=()

main() {
	local scenario scenarios
	if [ "${1-}" = --xen ]; then
		folder=scripts/xen
		console=$cache/xen-console
		image_options=(--xen)
		shift
	fi
	[ -x xbr-script ] || refuse "no ./xbr-script (make build)"
	[ -z "$best_effort" ] || echo "$suite changes from day to day: what fails there may be its own fault"
	scenarios=$(chosen "$@")
	image=$(scripts/vm/image.sh "${image_options[@]}")
	trap clean_up EXIT
	trap 'exit 1' HUP INT TERM
	tmp=$(mktemp -d)
	prepare
	for scenario in $scenarios; do
		with_nics "$(nics_of "$folder/scenarios/$scenario")"
		run "$scenario"
	done
	sum_up
}

# sum_up ends with a failure if a scenario did.
sum_up() {
	echo
	[ "${#skipped[@]}" -eq 0 ] || printf 'skipped: %s\n' "${skipped[@]}"
	[ "${#failed[@]}" -eq 0 ] || echo "FAILED: ${failed[*]}"
	echo "$suite: $passed passed, ${#failed[@]} failed, ${#skipped[@]} skipped"
	echo "done in ${SECONDS}s"
	[ "${#failed[@]}" -eq 0 ]
}

refuse() {
	echo "run.sh: $*" >&2
	exit 1
}

clean_up() {
	[ -z "$qemu" ] || kill "$qemu" 2>/dev/null || true
	[ -z "$tmp" ] || rm -rf "$tmp"
}

# chosen [SCENARIO...]: the names of files.
chosen() {
	local start found
	[ "$#" -gt 0 ] || set -- ''
	for start; do
		found=$(cd "$folder/scenarios" && printf '%s\n' "$start"*.sh)
		case $found in
		*'*'*) refuse "no scenario $start*.sh in $folder/scenarios" ;;
		esac
		echo "$found"
	done
}

# prepare makes what is to boot. The kernel reads archives that follow one
# another: the image, then what is laid over it.
prepare() {
	local over=$tmp/over
	mkdir -p "$over/vm" "$over/usr/local/sbin"
	echo "$suite" >"$over/vm/suite"
	cp -r "$folder/scenarios" scripts/vm/*.sh "$over/vm"
	cp scripts/vm/init.sh "$over/init"
	cp scripts/xbr-script.{service,openrc,sysv} "$over/vm"
	cp xbr-script "$over/usr/local/sbin"
	CGO_ENABLED=0 go build -o "$over/usr/local/sbin/probe" ./internal/testing/probe
	[ "$folder" != scripts/xen ] || prepare_xen "$over"
	pack "$over" | cat "$image/base.cpio" - >"$tmp/initramfs"
}

# prepare_xen OVER: the same for the guests of that machine.
prepare_xen() {
	local guest=$tmp/guest
	mkdir -p "$guest/bin" "$1/guest"
	cp -r scripts/xen/*.sh testdata/seeds "$1/vm"
	cp scripts/xen/guest.sh "$guest/init"
	cp "$1/usr/local/sbin/probe" "$guest/bin"
	pack "$guest" >"$1/guest/over.cpio"
}

# pack FOLDER: its files as an archive for the kernel.
pack() { (cd "$1" && find . | cpio --quiet -o -H newc); }

# nics_of FILE: the models that a scenario asks for, in a comment that begins so.
nics_of() { sed -n 's/^# NICs: //p' "$1" | grep . || echo "$usual"; }

# with_nics MODELS: boots a machine that has these, unless the last one has. Of
# models that this QEMU does not know there are none.
with_nics() {
	local model known=() unknown=()
	for model in $1; do
		# Its exit status is 0 even then.
		if [[ $("${command[@]}" -device "$model,help" 2>&1) == *"$model options:"* ]]; then
			known+=("$model")
		else
			unknown+=("$model")
		fi
	done
	[ "${known[*]}" != "$nics" ] || return 0
	nics=${known[*]}
	[ "${#unknown[@]}" -eq 0 ] || echo "not in $("${command[@]}" --version | head -n 1): ${unknown[*]}"
	boot_once
}

# boot_once boots a machine until it is ready for a scenario, and keeps it as
# it is then, which is what each scenario begins with. Emulated, booting takes
# a hundred times as long as going on from there.
boot_once() {
	local line booted=booted begin=$SECONDS
	machine "$console.boot"
	while hear; do
		case $line in
		@waiting)
			echo 'migrate_set_parameter max-bandwidth 100G' >&6
			echo "migrate \"exec:cat >$tmp/ready\"" >&6
			echo quit >&6
			wait "$qemu" || break
			switched_off
			echo "$booted in $((SECONDS - begin))s, with $nics"
			return
			;;
		'@ready '*) booted="Linux ${line#@ready } is up" ;;
		'@end '*) break ;;
		*) printf '%s\n' "$line" ;;
		esac
	done
	tail -n 40 "$console.boot"
	echo "run.sh: the machine does not boot" >&2
	exit 1
}

# run SCENARIO: once more if the machine hangs, which an emulated one may do where
# others want the processors, too.
run() {
	local name=${1%.sh} begin=$SECONDS status=none seed=${SEED:-$RANDOM} line lacking=
	echo
	echo "== $name: $(title "$folder/scenarios/$1")"
	attempt "$1"
	if [ "$status" = none ]; then
		echo "== $name: the machine hangs, after $((SECONDS - begin))s; once more"
		attempt "$1"
	fi
	if [ -n "$lacking" ]; then
		skipped+=("$name, which needs $lacking")
		echo "== $name: skipped, for it needs $lacking"
		return
	fi
	if [ "$status" = 0 ]; then
		passed=$((passed + 1))
		echo "== $name: passed in $((SECONDS - begin))s"
		return
	fi
	kernel_said
	if [ -n "${AGAIN-}" ]; then
		echo "== $name: failed after $((SECONDS - begin))s (SEED=$seed); once more"
		echo "$folder/scenarios/$1 on $suite, SEED=$seed" >>"$AGAIN"
		AGAIN='' run "$1"
		return
	fi
	failed+=("$name")
	echo "== $name: FAILED after $((SECONDS - begin))s (SEED=$seed)"
}

kernel_said() {
	if [ -s "$console.$name" ]; then
		echo "   the kernel said at the end:"
		tail -n 20 "$console.$name" | sed 's/^/     | /'
	fi
}

# attempt SCENARIO sets $status to how it ended, if it did, and $lacking to what
# it needs in vain.
attempt() {
	machine "$console.$name" -incoming "exec:cat $tmp/ready"
	while hear; do
		case $line in
		@waiting) echo "$1 $seed ${ROUNDS:-1}" >&5 ;;
		'@monitor '*) echo "${line#@monitor }" >&6 && echo @done >&5 ;;
		@alive) ;;
		'@needs '*) lacking=${line#@needs } ;;
		'@end '*) status=${line#@end } && break ;;
		*) printf '%s\n' "$line" ;;
		esac
	done
	switched_off
}

# title FILE: the first line that is a comment.
title() { sed -n 's/^# \(.*\)/\1/p' "$1" | grep -v shellcheck | head -n 1; }

# machine CONSOLE [QEMU'S ARGUMENT...]: starts one. QEMU's monitor is
# descriptor 6, its second serial port 5 (to it) and 7 (from it). On a busy
# machine interrupts come late, and Linux would panic for want of a timer.
machine() {
	local arguments=() n=0 model bus linux="loglevel=5 panic=-1 net.ifnames=0 tsc=reliable no_timer_check mitigations=off"
	# Time goes by what the processor has done (-icount): on a busy machine timeouts ran
	# out, such as those of xl's hotplug scripts and of DHCP. There can be only one
	# processor then. Where it has nothing to do, its clock jumps to the next event
	# (sleep=off). Two of them, with a thread each, are not even faster, and QEMU 7.2
	# cannot do that for Linux 6.12, which crashes under load.
	local clock=(-accel tcg -icount "shift=1,sleep=off")
	case $folder in
	scripts/vm)
		arguments=(
			"${clock[@]}" -cpu max -m 1000 -kernel "$image/vmlinux" -initrd "$tmp/initramfs"
			-append "console=ttyS0 $linux"
		)
		;;
	# As QEMU 7.2 emulates them, SMAP kills a PV dom0 and RDTSCP kills PVH guests.
	# With AVX, xenstore-write crashed once and brctl left out a port.
	scripts/xen) arguments=(
		"${clock[@]}" -cpu "max,-smap,-rdtscp,-xsave,-avx,-avx2" -m 1800
		-kernel "$image/xen"
		-append "console=com1 dom0_mem=800M,max:800M"
		-initrd "$image/vmlinux console=hvc0 $linux,$tmp/initramfs"
	) ;;
	esac
	for model in $nics; do
		bus=
		if [ "$model" = igb ]; then # its virtual functions are on a bus of their own
			arguments+=(-machine q35 -device "pcie-root-port,id=port$n,chassis=$n")
			bus=,bus=port$n
		fi
		arguments+=(
			-netdev "hubport,id=near$n,hubid=$n" -netdev "hubport,id=far$n,hubid=$n"
			-device "$model,netdev=near$n,mac=52:54:00:12:00:0$n$bus,romfile="
			-device "virtio-net-pci,netdev=far$n,mac=52:54:00:12:01:0$n,romfile="
		)
		n=$((n + 1))
	done
	rm -f "$tmp"/monitor.* "$tmp"/serial.*
	mkfifo "$tmp"/monitor.{in,out} "$tmp"/serial.{in,out}
	exec 5<>"$tmp/serial.in" 6<>"$tmp/monitor.in" 7<>"$tmp/serial.out" 8<>"$tmp/monitor.out"
	"${command[@]}" -nodefaults -no-user-config -display none -no-reboot \
		-serial "file:$1" -serial "pipe:$tmp/serial" -monitor "pipe:$tmp/monitor" \
		"${arguments[@]}" "${@:2}" 2> >(grep -v 'is not connected to host network' >&2) 5>&- 6>&- 7>&- 8>&- &
	qemu=$!
}

# hear sets $line to the next that the machine says. It fails when there is none:
# the machine has ended, or hangs.
hear() {
	local part begin=$SECONDS
	line=
	until IFS= read -r -t 2 -u 7 part; do
		line+=$part
		[ -e "/proc/$qemu/exe" ] && [ $((SECONDS - begin)) -lt "$limit" ] || return
	done
	line+=$part
}

# switched_off: a machine that has ended switches itself off, or else is ended.
switched_off() {
	local i
	for ((i = 0; i < 50; i++)); do
		kill -0 "$qemu" 2>/dev/null || break
		sleep 0.1
	done
	kill -KILL "$qemu" 2>/dev/null || true
	wait "$qemu" 2>/dev/null || true
	qemu=
	exec 5>&- 6>&- 7>&- 8>&-
}

main "$@"
