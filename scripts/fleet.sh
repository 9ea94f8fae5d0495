#!/usr/bin/env bash
# Moves a small fleet with Ansible, as docs/fleet.md says: hosts in namespaces of their own
# (network, mounts, processes), with a real sshd each, reached over the very NIC that moves. Some
# of them are broken on purpose. `make fleet-test` calls it, as root.
#
#   scripts/fleet.sh [BINARY]     BINARY: ./xbr-script by default
#
# What it does to the hosts it does by ansible-playbook with scripts/ansible/fleet.yml. All keys
# are made for the occasion. With KEEP=DIR the output of each run is kept there.
set -eEu
set -o pipefail
export LC_ALL=C.UTF-8
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
cd "$(dirname "$0")/.."

hosts=9
# Seconds: long enough for a busy machine to come back, and short enough to wait for.
confirm=30

# shellcheck source=scripts/checks.sh
. scripts/checks.sh

refuse() {
	echo "fleet: $*" >&2
	exit 1
}

#
# Outside: on the machine itself.
#

main() {
	local program
	[ "$(id -u)" -eq 0 ] || refuse "it makes network namespaces, and that needs root: sudo $0"
	for program in ansible-playbook ansible-doc ip nft nsenter ssh ssh-keygen sshd sudo unshare; do
		command -v "$program" >/dev/null || refuse "not installed: $program (scripts/deps.sh --fleet)"
	done
	[ -x "${1-./xbr-script}" ] || refuse "no program ${1-./xbr-script} (make build)"
	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp"' EXIT
	chmod 755 "$tmp"
	install "${1-./xbr-script}" "$tmp/xbr-script"
	unshare --net --mount --pid --fork --kill-child --mount-proc "$BASH" "$0" --inside "$tmp" "$(readlink /proc/self/ns/net)"
}

#
# Inside: the controller, on the LAN.
#

inside() {
	tmp=$1
	# The safety catch.
	if [ "$$" -ne 1 ] || [ "$(readlink /proc/self/ns/net)" = "$2" ]; then
		refuse "not in namespaces of its own: call it without --inside"
	fi
	trap 'echo "fleet: failed: $BASH_COMMAND" >&2' ERR
	mount -n -t tmpfs tmpfs /run
	mkdir -p "$tmp/home" "$tmp/logs" "$tmp/own" "${KEEP:=$tmp/runs}"
	export ANSIBLE_PIPELINING=1 # some minutes less
	export HOME=$tmp/home ANSIBLE_CONFIG=$tmp/ansible.cfg ANSIBLE_NOCOLOR=1 ANSIBLE_LOCALHOST_WARNING=0
	lay_out
	write_ansible
	documentation

	try_check_mode
	try_broken
	try_cut
	try_rest
	try_refused
	try_stop
	try_module
	[ "$failures" -eq 0 ] || refuse "$failures of the things above FAILED"
	say "all is as it should be"
}

say() { printf '\n== %s\n' "$*"; }

#
# The hosts.
#

lay_out() {
	local n
	say "$hosts hosts, $(sshd -V 2>&1 | grep -o 'OpenSSH[^,]*' || true), $(ansible --version | grep -o "core[^]]*")"
	ip link set lo up
	ip link add lan type bridge mcast_snooping 0
	ip addr add 10.77.0.1/24 dev lan
	ip link set lan up
	ssh-keygen -q -t ed25519 -N '' -f "$tmp/key"
	for ((n = 1; n <= hosts; n++)); do
		ip netns add "host$n"
		ip link add "port$n" type veth peer name eth0 netns "host$n"
		ip link set "port$n" master lan up
		ssh-keygen -q -t ed25519 -N '' -f "$tmp/host$n"
		echo "10.77.0.$((10 + n)) $(cat "$tmp/host$n.pub")" >>"$tmp/known_hosts"
		nsenter --net="/run/netns/host$n" unshare --mount --uts --pid --fork --kill-child --mount-proc \
			"$BASH" "$0" --host "$tmp" "$n" &
	done
	for ((n = 1; n <= hosts; n++)); do
		wait_for "$n"
	done
}

# wait_for N: until somebody can log in there.
wait_for() {
	local until=$((SECONDS + 60))
	until login "$1" true 2>/dev/null; do
		[ "$SECONDS" -lt "$until" ] || refuse "nobody can log in to host$1: $(cat "$tmp/logs/host$1")"
		sleep 0.2
	done
}

# login N COMMAND...: over a connection of its own.
login() {
	ssh -F none -i "$tmp/key" -o UserKnownHostsFile="$tmp/known_hosts" -o ConnectTimeout=10 -o BatchMode=yes \
		"admin@10.77.0.$((10 + $1))" "${@:2}"
}

# host DIR N: the first process of a host.
host() {
	tmp=$1
	hostname "host$2"
	mount -n -t sysfs sysfs /sys
	own /etc /root /home /run /usr/local/sbin
	mkdir /run/sshd
	install "$tmp/xbr-script" /usr/local/sbin/xbr-script
	rm -rf /etc/xen
	mkdir -p /etc/xen
	install scripts/xbr-script.sysv /etc/init.d/xbr-script

	echo "127.0.1.1 host$2" >>/etc/hosts
	useradd --create-home --home-dir /home/admin --shell /bin/sh --password '*' admin
	mkdir /home/admin/.ssh
	cp "$tmp/key.pub" /home/admin/.ssh/authorized_keys
	chown -R admin: /home/admin
	echo 'admin ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/admin

	ip link set lo up
	sysctl -qw net.ipv6.conf.{all,default,eth0}.disable_ipv6=0 net.ipv6.conf.eth0.accept_ra=0 net.ipv4.ip_forward=0
	ip link set eth0 up
	ip addr add "10.77.0.$((10 + $2))/24" dev eth0
	ip addr add "192.0.2.$2/28" dev eth0 label eth0:web
	ip addr add "2001:db8:77::$2/64" dev eth0 nodad
	ip route add default via 10.77.0.1
	ip route add 198.51.100.0/24 via 10.77.0.1 metric 50

	exec "$(command -v sshd)" -D -E "$tmp/logs/host$2" -f /dev/null -h "$tmp/host$2" -o UsePAM=no -o UseDNS=no \
		-o PasswordAuthentication=no -o MaxStartups=100 -o PidFile=none -o LogLevel=VERBOSE -o 'Subsystem=sftp internal-sftp'
}

# own FOLDER...: the host's own, with what the machine has there.
own() {
	local folder
	for folder; do
		mount -n -t tmpfs -o mode=755 tmpfs "$tmp/own"
		case $folder in /etc) cp -a /etc/. "$tmp/own" ;; esac
		mount -n --move "$tmp/own" "$folder"
	done
}

# state N: all that the host has.
state() {
	ip -n "host$1" -d addr | grep -v valid_lft
	ip -n "host$1" rule
	ip -n "host$1" route show table all
	ip -n "host$1" -6 route show table all | sed 's/ expires [0-9]*sec//' | sort
	login "$1" 'ls /etc/xen /etc/rc?.d/S??xbr-script; cat /etc/xen/xbr-script.conf' 2>/dev/null || true
}

remember() {
	local n
	for n; do
		state "$n" >"$tmp/state$n"
	done
}

same() { state "$1" | diff -U0 "$tmp/state$1" -; }
bridged() { ip -n "host$1" -br link show master xenbr0 2>/dev/null | grep '^peth0[ @]' >/dev/null; }
has_file() { login "$1" grep -qx bridge=xenbr0 /etc/xen/xbr-script.conf; }
starts_at_boot() { login "$1" 'ls /etc/rc2.d' | grep 'S..xbr-script' >/dev/null; }
status_says() { { login "$1" sudo xbr-script status || true; } | grep "$2" >/dev/null; }
kept_nothing() { ! login "$1" ls /run | grep ansible; }

# break N WHAT...: once the host has a bridge, frames of this kind do not get through it. What
# the program itself asks for, such as ARP and ping, is answered. (At priority 0 br_netfilter may pass
# over a chain that is older than the first bridge.)
break_it() {
	ip netns exec "host$1" nft -f - <<-END
		table bridge broken {
			chain forward {
				type filter hook forward priority -1
				${*:2} drop
			}
		}
	END
}

mend_it() { ip netns exec "host$1" nft delete table bridge broken; }

#
# Ansible.
#

write_ansible() {
	local n
	cat >"$ANSIBLE_CONFIG" <<-END
		[defaults]
		inventory = $tmp/inventory
		private_key_file = $tmp/key
		remote_user = admin
		timeout = 5
		forks = 5
		interpreter_python = /usr/bin/python3
		roles_path = $PWD/scripts/ansible/roles
		retry_files_enabled = false
		[ssh_connection]
		# As Ansible does by default: it keeps a connection for a minute.
		ssh_args = -F none -o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile=$tmp/known_hosts
		control_path_dir = $tmp/cp
	END
	echo '[dom0s]' >"$tmp/inventory"
	for ((n = 1; n <= hosts; n++)); do
		echo "host$n ansible_host=10.77.0.$((10 + n))" >>"$tmp/inventory"
	done
	cat >>"$tmp/inventory" <<-END
		[dom0s:vars]
		xbr_script_bridges=[{"bridge": "xenbr0"}]
		xbr_script_confirm=$confirm
	END
}

# play NAME ARGUMENT...: runs the playbook; its exit status is in $status.
play() {
	local began=$SECONDS
	status=0
	echo "# ansible-playbook fleet.yml ${*:2}"
	ansible-playbook scripts/ansible/fleet.yml "${@:2}" >"$KEEP/$1" 2>&1 </dev/null || status=$?
	sed 's/^/    /' "$KEEP/$1"
	last=$KEEP/$1
	echo "# exit status $status, $((SECONDS - began)) s"
}

# recap HOST PATTERN: the line of that host at the end fits.
recap() { grep -Eq "^$1 +: .*$2" "$last"; }
recaps() { grep -Ec ": ok=.*$1" "$last" || true; }
said() { tr -s ' \n' ' ' <"$last" | grep -qF -- "$1"; }

documentation() {
	say "the module's documentation, the role's, and what ansible-lint has to say"
	check "ansible-doc renders the module" \
		eval 'ansible-doc -M scripts/ansible/roles/xbr_script/library xbr_script | grep "OPTIONS" >/dev/null'
	check "ansible-doc renders the role" \
		eval 'ansible-doc -t role -r scripts/ansible/roles xbr_script | grep xbr_script_confirm >/dev/null'
	check "Python 3.5 could read the module" python3 - <<-END
		import ast
		ast.parse(open("scripts/ansible/roles/xbr_script/library/xbr_script.py").read(), feature_version=(3, 5))
	END
	if command -v ansible-lint >/dev/null; then
		check "ansible-lint has nothing to say" lint
	fi
}

# lint: in a folder without the rest, which it would look through.
lint() {
	cp -r scripts/ansible "$tmp/lint"
	(cd "$tmp/lint" && ansible-lint --offline --nocolor -q fleet.yml roles)
}

try_check_mode() {
	local n
	say "check mode: all hosts at once, and nothing changes"
	remember $(seq "$hosts")
	play check --check --diff
	check "exit status 0" [ "$status" -eq 0 ]
	check "each host would be changed" [ "$(recaps 'changed=[1-9].*failed=0')" -eq "$hosts" ]
	check "the commands are shown" said "# make peth0 a port of xenbr0"
	for ((n = 1; n <= hosts; n++)); do
		check "host$n is as before" same "$n"
	done
}

try_broken() {
	local n
	say "host5 lets no new connection in after the change; the old ones go on"
	break_it 5 'tcp flags & (syn | ack) == syn'
	# Somebody is logged in there all the while.
	login 5 'while sleep 0.2; do echo here; done' >"$tmp/session" &
	local session=$!
	play broken --diff -e '{"xbr_script_serial": [1, 2, 3, 3]}'
	check "exit status is not 0" [ "$status" -ne 0 ]
	for n in 1 2 3 4 6; do
		check "host$n: bridged, confirmed, comes up at boot" \
			eval "bridged $n && status_says $n 'xenbr0  *up' && ! status_says $n waiting && has_file $n && starts_at_boot $n"
		check "host$n can be reached, and nothing of the call is left in /run" kept_nothing "$n"
	done
	check "the network before and after is shown" said "+xenbr0: up"
	check "host5 has failed" recap host5 'changed=0.*failed=1'
	check "host5 has put itself back: it is as before" same 5
	check "host5 can be reached anew, and says why" status_says 5 'put back'
	check "the run says so, too" said 'the host has put itself back'
	for n in 7 8 9; do
		check "host$n was not touched" eval "same $n && ! recap host$n ok"
	done
	check "who was logged in on host5 still is" goes_on "$session" "$tmp/session"
	kill "$session"
	mend_it 5
}

# goes_on PID FILE: the session is there, and lines come.
goes_on() {
	local lines until=$((SECONDS + 20))
	lines=$(wc -l <"$2")
	while [ "$(wc -l <"$2")" -le "$lines" ]; do
		[ "$SECONDS" -lt "$until" ] || return 1
		sleep 0.2
	done
	kill -0 "$1"
}

try_cut() {
	say "host7 and host8: after the change no frame of ssh gets through, not even of old connections;"
	echo "   host8 cannot be reached for some time after it has put itself back, either"
	break_it 7 'tcp dport 22'
	break_it 8 'tcp dport 22'
	(
		until bridged 8; do sleep 0.1; done
		ip link set port8 down
	) &
	# Modules travel by sftp here, as they do by default.
	ANSIBLE_PIPELINING=0 play cut --limit host7,host8 -e xbr_script_serial=100% -e xbr_script_come_back=15
	check "exit status is not 0" [ "$status" -ne 0 ]
	check "host7 has put itself back: it is as before" same 7
	check "the run says so" said 'the host has put itself back'
	check "host8 has failed" recap host8 'changed=0.*failed=1'
	check "the run says that it does not know how host8 is" said 'did not answer afterwards either'
	ip link set port8 up
	wait_for 8
	check "host8 had put itself back: it is as before" same 8
	mend_it 7
	mend_it 8
}

try_rest() {
	local n
	say "again, with both mended: the rest of the hosts"
	play rest
	check "exit status 0" [ "$status" -eq 0 ]
	for ((n = 1; n <= hosts; n++)); do
		check "host$n: bridged, confirmed, comes up at boot" \
			eval "bridged $n && status_says $n 'xenbr0  *up' && ! status_says $n waiting && has_file $n && starts_at_boot $n"
	done
	for n in 1 2 3 4 6; do
		check "host$n was not changed again" recap "host$n" 'changed=0.*failed=0'
	done
	check "what nobody had come back for is gone from host8" kept_nothing 8
	say "once more: nothing to do"
	play again -e xbr_script_serial=100%
	check "exit status 0" [ "$status" -eq 0 ]
	check "no host was changed" [ "$(recaps 'changed=0.*failed=0')" -eq "$hosts" ]
}

try_refused() {
	say "words that do not fit: refused before the first change, with a hint"
	play refused-check --check --limit host1,host2 -e '{"xbr_script_bridges": [{"bridge": "xenbr0", "netdev": "eth7"}]}'
	check "check mode: exit status is not 0" [ "$status" -ne 0 ]
	check "check mode goes through all hosts" eval "recap host1 failed=1 && recap host2 failed=1"
	play refused --limit host1,host2 -e '{"xbr_script_bridges": [{"bridge": "xenbr0", "netdev": "eth7"}]}'
	check "exit status is not 0" [ "$status" -ne 0 ]
	check "the reason is said" said 'eth7'
	check "host1 is as it was" eval 'bridged 1 && has_file 1'
	check "host2 was not touched" not recap host2 ok
}

try_stop() {
	local n
	say "stopped: the NICs are taken out of the bridges again"
	play stop-check --check -e xbr_script_state=stopped
	check "check mode: each host would be changed" [ "$(recaps 'changed=[1-9].*failed=0')" -eq "$hosts" ]
	play stop --diff -e xbr_script_state=stopped -e '{"xbr_script_serial": [1, "100%"]}'
	check "exit status 0" [ "$status" -eq 0 ]
	for ((n = 1; n <= hosts; n++)); do
		login "$n" sudo rm -f /etc/xen/xbr-script.conf
		check "host$n is as it was before the first run" same "$n"
	done
	play stop-again -e xbr_script_state=stopped -e xbr_script_serial=100%
	check "once more: no host was changed" [ "$(recaps 'changed=0.*failed=0')" -eq "$hosts" ]
}

# alone NAME ARGUMENT...: the module without the role.
alone() {
	last=$KEEP/$1
	shift
	status=0
	echo "# ansible $*"
	ANSIBLE_LIBRARY=scripts/ansible/roles/xbr_script/library ansible "$@" >"$last" 2>&1 </dev/null || status=$?
	sed 's/^/    /' "$last"
}

try_module() {
	local plugins=scripts/ansible/roles/xbr_script/action_plugins
	say "the module alone"
	login 1 'echo bridge=xenbr7 vifnum=7 netdev=eth0 | sudo tee /etc/xen/one.conf' >/dev/null
	alone bare host1 -b -m xbr_script -a config=/etc/xen/one.conf
	check "without the action plugin it refuses to wait for a confirmation" said 'confirm needs the action plugin'
	check "and has changed nothing" not status_says 1 peth0
	alone begin host1 -b -m xbr_script -a 'step=begin call=abc'
	until status_says 1 waiting; do sleep 0.5; done
	alone same host1 -b -m xbr_script -a 'step=end call=abc'
	check "over the connection by which the change was made it does not confirm" said 'this is the connection by which'
	check "so the change still waits" status_says 1 waiting
	ANSIBLE_SSH_ARGS="-F none -o ControlPath=none -o UserKnownHostsFile=$tmp/known_hosts" \
		alone new host1 -b -m xbr_script -a 'step=end call=abc'
	check "over a new one it does" eval "said '\"outcome\": \"done\"' && status_says 1 'xenbr0  *up' && not status_says 1 waiting"
	alone stop-bare host1 -b -m xbr_script -a 'state=stopped confirm=0'
	check "stopped" not status_says 1 peth0

	export ANSIBLE_ACTION_PLUGINS=$plugins
	alone file host1 -b -m xbr_script -a 'config=/etc/xen/one.conf confirm=0'
	check "a file, without confirm: done" said '"outcome": "done"'
	check "host1 is bridged by it" status_says 1 'xenbr7  *up'
	alone stop-alone host1 -b -m xbr_script -a state=stopped
	check "stopped, and confirmed" eval "said '\"outcome\": \"done\"' && not status_says 1 peth0"
	ip link add nic type veth peer name none
	alone local localhost -c local -m xbr_script -a "netdev=nic executable=$tmp/xbr-script"
	check "where no connection could be cut it refuses to wait for a confirmation" said 'with connection=local nobody would notice'
	alone user host1 -m xbr_script
	check "without root it says so" said 'changing the network needs root'
}

case ${1-} in
--inside) inside "${@:2}" ;;
--host) host "${@:2}" ;;
*) main "$@" ;;
esac
