#!/bin/sh
# runs: - / a b c
IPT="iptables -w"
IFACES="eth0 eth1"
PORTS='500 4500
1701'
NETS="10.1.0.0/16"
NETS="$NETS 10.2.0.0/16"
for i in $IFACES; do
	for p in $PORTS; do
		[ "$p" = 1701 ] && continue
		$IPT -A INPUT -i $i -p udp --dport $p -j ACCEPT
	done
done
for net in $NETS "10.3.0.0/16" 10.4.0.0/16
do
	case $net in
	10.2.*) continue ;;
	10.4.*) break ;;
	esac
	$IPT -A FORWARD -i ipsec0 -s $net -j ACCEPT
done
for a; do
	$IPT -A OUTPUT -m comment --comment "$a" -j ACCEPT
done
for a in "$@"; do $IPT -N "chain-$a"; done
while [ $# -gt 1 ]; do
	$IPT -A chain-$1 -j RETURN
	shift
done
n=
until [ "$n" = xxx ]; do
	n=x$n
	$IPT -A OUTPUT -m comment --comment $n -j ACCEPT
done
for outer in 1 2; do
	for inner in 1 2 3; do
		[ $inner -eq 2 ] && continue 2
		$IPT -A OUTPUT -d 10.$outer.$inner.1 -j DROP
	done
	$IPT -A OUTPUT -d 10.99.99.99 -j DROP
done
for none in; do $IPT -F; done
