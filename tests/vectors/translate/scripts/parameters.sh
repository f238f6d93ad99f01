#!/bin/sh
# runs: start eth3 / stop / start
ACTION=${1:-start}
EXT="${2:-eth0}"
usage() { echo "usage"; exit 2; }
[ $# -le 2 ] || usage
shift
rules() {
	iptables -$1 INPUT -i $EXT -p udp --dport 500 -j ACCEPT
	iptables "-$1" INPUT -i ipsec0 -j ACCEPT
}
if [ "x$ACTION" = xstart ]; then
	rules A
elif [ "x$ACTION" = xstop ]; then
	rules A
	rules D
	exit 0
fi
set -- one "two words"
for w in "$@"; do iptables -A FORWARD -m comment --comment "$w" -j ACCEPT; done
for w in $*; do iptables -A FORWARD -m comment --comment "$w" -j DROP; done
iptables -A FORWARD -m comment --comment "$# of them" -j LOG
unset EXT
[ -z "$EXT" ] && iptables -A OUTPUT -j ACCEPT
