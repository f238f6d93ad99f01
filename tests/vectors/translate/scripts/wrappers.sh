#!/bin/sh
# runs: -
# Functions that stand before each command, for both families.
ipt4() { iptables "$@"; }
ipt6() { ip6tables "$@"; }
both() {
	ipt4 "$@"
	ipt6 "$@"
}
run() {
	echo "$*" > /dev/null
	"$@" || die "failed: $*"
}
die() {
	echo "$1" >&2
	exit 1
}
allow() { # PROTOCOL PORT [INTERFACE]
	local proto="$1" port=$2
	if [ $# -gt 2 ]; then
		run both -A INPUT -i "$3" -p "$proto" --dport "$port" -j ACCEPT
	else
		run both -A INPUT -p $proto --dport ${port} -j ACCEPT
	fi
}
port=9
both -P INPUT DROP
allow udp 500 eth0
allow udp 4500 eth0
allow udp 1701 ipsec0
allow tcp 22
allow tcp $port
ipt4 -A INPUT -p icmp --icmp-type echo-request -j ACCEPT
ipt6 -A INPUT -p ipv6-icmp -j ACCEPT
never() {
	iptables -F
}
log_and_drop() {
	for chain in "$@"; do
		iptables -A $chain -m limit --limit 5/min -j LOG --log-prefix "$PREFIX$chain: "
		iptables -A $chain -j DROP
	done
}
PREFIX="fw "
log_and_drop INPUT FORWARD
