#!/bin/sh
# runs: -
# XFRM's time: policy matches, prefixes in variables.
IFACE=eth0
POOL=10.98.0.0/24
in='iptables -I INPUT'
nat='iptables -t nat -I POSTROUTING'
if [ -z "$ALREADY" ]; then
	$in 1 -p udp --dport 1701 -m policy --dir in --pol none -j DROP
	$in 2 -p udp --dport 1701 -m policy --dir in --pol ipsec -j ACCEPT
	$in 3 -i "$IFACE" -p udp -m multiport --dports 500,4500 -j ACCEPT
	$nat -s "$POOL" -o "$IFACE" -m policy --dir out --pol none -j MASQUERADE
	iptables -A FORWARD -i $IFACE -m policy --dir in --pol ipsec --reqid 7 -j ACCEPT
	iptables -A FORWARD -o $IFACE -m policy --dir out --pol ipsec --mode tunnel --tunnel-src 192.0.2.1 -j ACCEPT
fi
