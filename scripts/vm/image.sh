#!/usr/bin/env bash
# Makes what a virtual machine boots: Debian's kernel, and an initramfs with
# Debian's programs. Prints the folder that has them: vmlinux, base.cpio and
# made-from, the list of packages.
#
#   scripts/vm/image.sh           kernel and programs
#   scripts/vm/image.sh --xen     and Xen with its programs: there is also a
#                                 file xen, and what guests boot lies in
#                                 base.cpio under /guest
#   scripts/vm/image.sh --over IMAGE ROOT PACKAGE...
#                                 unpacks these besides over the programs in ROOT,
#                                 with what they depend on and that image lacks
#
# SUITE says of which Debian (see suite.sh). Its packages come from the mirror
# that this machine's own apt is configured for, with package lists of their own,
# so it makes no difference which Debian the machine has. They are unpacked, never
# installed: none of their scripts runs. The result is kept in .cache/vm/SUITE,
# under the hash of what it is made from; that folder may be removed at any time.
set -eEu
set -o pipefail
export LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/vm/suite.sh
. scripts/vm/suite.sh

# The names under which an apt may know Debian's archive, and its security updates.
archive='^((old)*stable|testing|unstable|sid|bullseye|bookworm|trixie|forky|duke)$'
security='^(stable|bullseye|bookworm|trixie|forky|duke)-security$'
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The newest kernel of the suite, and what scenarios call.
kernel=linux-image-amd64
programs=(
	base-files bash bridge-utils busybox-static coreutils debianutils diffutils grep
	ifupdown iproute2 iptables iputils-ping kmod libc-bin mawk mount procps sed
	systemd udev usr-is-merged util-linux
)
# What some suites have no longer; scenarios say that they need it.
perhaps=(isc-dhcp-client)
# What only the machine without Xen needs.
vm_programs=(network-manager openrc dhcpcd-base wireguard-tools rdmacm-utils ibverbs-providers)
# Of Xen, the newest version in that release, and all that it depends on but
# python, which nothing here runs.
xen_programs=(xen-system-amd64 busybox-static)
unwanted='^(lib|)python3'

# Of the kernel's modules only these: all of them are half a gigabyte.
modules=(
	crypto drivers/block/xen-blkback drivers/dca drivers/i2c/algos
	'drivers/net/*.ko*' drivers/net/bonding drivers/net/ethernet/intel/{e1000,e1000e,igb}
	'drivers/net/ethernet/realtek/8139*' drivers/net/vmxnet3 drivers/net/xen-netback
	drivers/ptp drivers/pps drivers/virtio drivers/xen lib
	net/{802,8021q,bridge,core,ipv4,ipv6,llc,netfilter,packet,sched,tls}
)
# And only the machine without Xen these: kinds of interfaces, and what they need.
vm_modules=(
	arch/x86/crypto drivers/infiniband/{core,sw/rxe} 'drivers/scsi/scsi_*.ko*' drivers/scsi/{fcoe,libfc} drivers/net/ethernet/intel/igbvf
	drivers/net/{ipvlan,ppp,slip,team,vxlan,wireguard} fs/configfs
	net/{batman-adv,mpls,nsh,openvswitch,psample,rfkill,tipc,wireless,xfrm}
)
# Those of them that some kernels lack.
perhaps_modules=(net/{hsr,mac80211,xdp} 'drivers/net/wireless/virtual/mac80211_hwsim.ko.xz' 'drivers/net/wireless/mac80211_hwsim.ko')

say() { echo "image.sh: $*" >&2; }

main() {
	local image key tmp
	kind=vm
	if [ "${1-}" = --over ]; then
		over "${@:2}"
		return
	fi
	if [ "${1-}" = --xen ]; then
		kind=xen
		programs+=("${xen_programs[@]}")
	else
		programs+=("${vm_programs[@]}")
		modules+=("${vm_modules[@]}")
	fi
	command -v apt-get >/dev/null || {
		say "no apt-get here: the machine is made of Debian's packages"
		exit 1
	}
	# One at a time: apt locks what it changes, and does not wait.
	mkdir -p "$cache"
	exec 9>"$cache/lock"
	flock 9
	configure
	resolve || update
	key=$(key)
	image=$cache/$key
	if [ ! -e "$image/made-from" ]; then
		say "making the machine's image (.cache/vm/$suite/$key) of $(wc -l <<<"$wanted") packages"
		download || {
			update
			download
			key=$(key)
			image=$cache/$key
		}
		tmp=$(mktemp -d "$cache/new.XXXXXX")
		# shellcheck disable=SC2064 # this very folder
		trap "rm -rf '$tmp'" EXIT
		make_image "$tmp"
		echo "$wanted" >"$tmp/image/made-from"
		rm -rf "$image"
		mv "$tmp/image" "$image"
	fi
	forget_others "$key"
	echo "$image"
}

# over IMAGE ROOT PACKAGE...: the image is there already, and so are the lists of packages.
over() {
	local deb lacks
	exec 9>"$cache/lock"
	flock 9
	configure
	lacks=$(apt -o Dir::Cache::archives="$cache/none" --print-uris install "${@:3}" |
		sed -n "s/^'[^']*' \([^ ]*\.deb\) .*/\1/p" | sort | comm -23 - <(cut -d ' ' -f 1 "$1/made-from" | sort))
	apt --download-only install "${@:3}" >&2
	for deb in $lacks; do unpack "$cache/debs/$deb" "$2"; done
	ldconfig -r "$2"
}

# key is the hash of what an image is made from.
key() { { echo "$wanted" && cat scripts/vm/image.sh; } | sha256sum | sed "s/^/$kind-/" | cut -c1-20; }

# configure writes what apt is told of this suite. It is read after the machine's
# own configuration, which still says by which proxy, say, a mirror is reached.
configure() {
	mkdir -p "$cache"/{debs,none}/partial "$cache/lists/partial"
	cat >"$cache/apt.conf" <<-END
		Dir::Etc::sourcelist "$cache/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		Dir::State::lists "$cache/lists";
		Dir::State::status "/dev/null"; // as if nothing were installed here
		Dir::Cache "$cache";
		Dir::Cache::archives "debs";
		Acquire::Languages "none";
		APT::Default-Release "";
		APT::Get::AllowUnauthenticated "false";
		APT::Install-Recommends "false";
		APT::Sandbox::User "root";
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
	END
}

# apt ARGUMENT...: apt-get, for this suite.
apt() { apt-get -c "$cache/apt.conf" -qq -y "$@" </dev/null; }

# mirrors RELEASES: where this machine's apt gets these from, whichever it is.
mirrors() {
	# shellcheck disable=SC2016 # apt's variables
	apt-get indextargets --no-release-info --format '$(RELEASE) $(REPO_URI)' \
		'Created-By: Packages' 'Component: main' |
		awk -v releases="$1" '$1 ~ releases && !seen[$2]++ { print $2 }'
}

# update: the package lists are absent (a fresh checkout) or too old. What is no
# mirror of Debian's whole archive does not have the suite, or signed by others.
update() {
	local mirror
	for mirror in $(mirrors "$archive"); do
		say "apt-get update: $suite"
		sources "$mirror" >"$cache/sources.list"
		if apt --error-on=any update >&2 && resolve; then return; fi
	done
	[ -n "${mirror-}" ] || say "this machine's apt knows no mirror of Debian"
	say "cannot find in $suite $kernel and all of: ${programs[*]}"
	exit 1
}

# sources MIRROR: a line for apt for each part of the suite. What is not yet
# released has everything in one.
sources() {
	local signed='' updates
	[ ! -e "$keyring" ] || signed="[signed-by=$keyring] "
	echo "deb $signed$1 $suite main"
	[ -z "$best_effort" ] || return 0
	echo "deb $signed$1 $suite-updates main"
	for updates in $(mirrors "$security" | head -n 1); do
		echo "deb $signed$updates $suite-security main"
	done
}

# kernel_packages sets $kernels: the newest kernel, which after Debian 13 is in
# several packages. What else these depend on is for making an initramfs.
kernel_packages() {
	local image
	image=$(parts "$kernel" image)
	mapfile -t kernels < <(echo "$image" && parts "$image" 'base\|binary\|modules')
	[ -n "$image" ] || kernels=()
}

# parts PACKAGE KINDS: what it depends on of the kernel.
parts() {
	apt-cache -c "$cache/apt.conf" depends "$1" 2>/dev/null |
		sed -n "s/^ *Depends: \(linux-\($2\)-[0-9].*\)/\1/p"
}

# resolve sets $wanted to a line for each package: its file and hash.
resolve() {
	local program
	kernel_packages
	[ "${#kernels[@]}" -gt 0 ] || return 1
	install=("${programs[@]}")
	for program in "${perhaps[@]}"; do
		# Of a package that others only name it shows nothing, and does not fail.
		[ -z "$(apt-cache -c "$cache/apt.conf" show "$program" 2>/dev/null)" ] || install+=("$program")
	done
	# What apt has fetched already it does not print, hence the other folder.
	wanted=$({
		apt -o Dir::Cache::archives="$cache/none" --print-uris install "${install[@]}" &&
			apt --print-uris download "${kernels[@]}"
	} | sed -n "s/^'[^']*' \([^ ]*\.deb\) [0-9]* \(.*\)/\1 \2/p" | sort -u)
	wanted=$(grep -v -E "$unwanted" <<<"$wanted")
	[ -n "$wanted" ]
}

# download fetches what is not there already; apt compares the hashes.
download() {
	apt --download-only install "${install[@]}" >&2 &&
		(cd "$cache/debs" && apt download "${kernels[@]}" >&2)
}

make_image() {
	local root=$1/root image=$1/image deb kernel_debs=()
	mkdir -p "$root" "$image"
	# /bin and its like are links, as on every Debian today.
	mkdir -p "$root"/usr/{bin,sbin,lib,lib64}
	ln -s usr/bin usr/sbin usr/lib usr/lib64 "$root"

	while read -r deb _; do
		case $deb in
		linux-*-[0-9]*) kernel_debs+=("$cache/debs/$deb") ;;
		xen-hypervisor-[0-9]*) unpack_hypervisor "$cache/debs/$deb" "$image" ;;
		*) unpack "$cache/debs/$deb" "$root" ;;
		esac
	done <<<"$wanted"
	unpack_kernel "$1" "${kernel_debs[@]}"

	# What the packages' own scripts would have done.
	mkdir -p "$root"/{dev,proc,sys,run,tmp,root,var,etc}
	rm -rf "$root"/var/{run,lock}
	ln -s /run "$root/var/run"
	ln -s /run/lock "$root/var/lock"
	ldconfig -r "$root"
	depmod -b "$root" "$(ls "$root/usr/lib/modules")"
	local name
	for name in iptables{,-save,-restore} ip6tables{,-save,-restore}; do
		ln -s xtables-nft-multi "$root/usr/sbin/$name"
	done
	ln -s mawk "$root/usr/bin/awk"
	ln -sf bash "$root/usr/bin/sh"
	echo 'root:x:0:0:root:/root:/bin/bash' >"$root/etc/passwd"
	echo 'root:x:0:' >"$root/etc/group"
	echo xen-host >"$root/etc/hostname"
	[ "$kind" != xen ] || make_guest "$1"

	pack "$root" >"$image/base.cpio"
}

# unpack DEB ROOT [TAR'S ARGUMENT...]: a package's files without its papers.
unpack() {
	dpkg-deb --fsys-tarfile "$1" | tar -x --keep-directory-symlink -C "$2" \
		--exclude='./usr/share/doc' --exclude='./usr/share/man' \
		--exclude='./usr/share/locale' --exclude='./usr/share/info' \
		--exclude='./usr/share/bash-completion' --exclude='./usr/share/i18n' \
		--exclude='./usr/lib/x86_64-linux-gnu/gconv' \
		--exclude='./lib/udev/hwdb.d' --exclude='./usr/lib/udev/hwdb.d' \
		--wildcards "${@:3}"
}

# unpack_kernel TMP DEB...: the modules into TMP/root, vmlinux into TMP/image.
unpack_kernel() {
	local kernel=$1/kernel deb from to module vmlinuz
	# Here, too, /lib is a link: Debian 12's kernel has its modules there.
	mkdir -p "$kernel/usr/lib"
	ln -s usr/lib "$kernel"
	for deb in "${@:2}"; do
		unpack "$deb" "$kernel"
	done
	from=$(echo "$kernel"/usr/lib/modules/*)
	to=$1/root/usr/lib/modules/${from##*/}
	mkdir -p "$to"
	cp "$from"/modules.* "$to"
	for module in "${perhaps_modules[@]}"; do
		[ "$kind" = xen ] || [ ! -e "$from/kernel/$module" ] || modules+=("$module")
	done
	for module in "${modules[@]}"; do
		# shellcheck disable=SC2086 # it may be a pattern
		(cd "$from" && cp -r --parents kernel/$module "$to")
	done
	# An emulated machine would be long about unpacking each that it loads.
	find "$to" -name '*.ko.xz' -exec xz --decompress {} +
	for vmlinuz in "$kernel"/boot/vmlinuz-* "$from/vmlinuz"; do
		[ ! -e "$vmlinuz" ] || extract_vmlinux "$vmlinuz" >"$1/image/vmlinux"
	done
	rm -r "$kernel"
}

# unpack_hypervisor DEB IMAGE: QEMU starts it unpacked.
unpack_hypervisor() {
	dpkg-deb --fsys-tarfile "$1" | tar -x -O --wildcards './boot/xen-*.gz' | gunzip >"$2/xen"
}

# make_guest TMP: what guests boot, the same kernel and busybox with the module
# for their NICs. It lies in dom0's /guest.
make_guest() {
	local guest=$1/guest to=$1/root/guest program
	mkdir -p "$guest"/{bin,dev,proc,sys,tmp} "$to"
	cp "$1/root/bin/busybox" "$guest/bin/busybox"
	for program in $("$guest/bin/busybox" --list); do
		[ -e "$guest/bin/$program" ] || ln -s busybox "$guest/bin/$program"
	done
	cp "$1"/root/lib/modules/*/kernel/drivers/net/xen-netfront.ko "$guest"
	pack "$guest" >"$to/base.cpio"
	ln "$1/image/vmlinux" "$to/vmlinux"
}

# pack FOLDER: its files as an archive for the kernel.
pack() { (cd "$1" && find . -print0 | sort -z | cpio --null --quiet -o -H newc); }

# extract_vmlinux VMLINUZ: the kernel itself. An emulated machine takes many
# seconds to unpack it, and this one does not. Where it lies is said by the
# header (Documentation/arch/x86/boot.rst: setup_sects, payload_offset and
# payload_length), how it is compressed by its own first bytes.
extract_vmlinux() {
	local sectors offset length unpack
	sectors=$(number "$1" 0x1f1 1)
	offset=$(((sectors + 1) * 512 + $(number "$1" 0x248 4)))
	length=$(number "$1" 0x24c 4)
	case $(od -An -v -t x1 -j "$offset" -N 4 "$1") in
	' fd 37 7a 58') unpack=xz ;;
	' 28 b5 2f fd') unpack=zstd ;;
	*)
		say "$1: compressed by neither xz nor zstd"
		return 1
		;;
	esac
	# After the compressed kernel come four bytes with its length.
	dd status=none if="$1" bs=1M iflag=skip_bytes,count_bytes,fullblock \
		skip="$offset" count="$((length - 4))" | "$unpack" -dc
}

# number FILE OFFSET BYTES
number() { od -An -v -t "u$3" -j "$(($2))" -N "$3" "$1" | tr -d ' '; }

# forget_others KEY: an image is two hundred megabytes and easily made again. One
# that was used today may be in use.
forget_others() {
	touch "$cache/$1"
	find "$cache" -maxdepth 1 -name "$kind-*" ! -name "$1" -mmin +1440 -exec rm -rf {} +
}

main "$@"
