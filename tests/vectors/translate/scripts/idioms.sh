#!/bin/sh
# runs: -
# What scripts do to be run twice.
iptables -N vpn 2>/dev/null || iptables -F vpn
iptables -N vpn 2>/dev/null || iptables -A vpn -j RETURN
iptables -C INPUT -j vpn 2>/dev/null || iptables -I INPUT -j vpn
iptables -C INPUT -j vpn 2>/dev/null || iptables -I INPUT -j vpn
iptables -D INPUT -i ipsec0 -j ACCEPT 2>/dev/null
iptables -A INPUT -i ipsec0 -j ACCEPT
while iptables -D INPUT -i ipsec0 -j ACCEPT 2>/dev/null; do :; done
iptables -A INPUT -i ipsec0 -p udp -j ACCEPT
if ! iptables -C FORWARD -o ipsec0 -j ACCEPT > /dev/null 2>&1; then
	iptables -A FORWARD -o ipsec0 -j ACCEPT
fi
iptables -nL > /dev/null && iptables -A FORWARD -i ipsec0 -j ACCEPT
iptables -F gone 2>/dev/null || true
iptables -X gone > /dev/null 2>&1
(
	EXT=eth1
	iptables -A INPUT -i $EXT -j DROP
	exit 0
)
EXT=${EXT:-eth0}
iptables -A INPUT -i $EXT -j DROP
{ iptables -A OUTPUT -o eth0 -j ACCEPT; iptables -A OUTPUT -o lo -j ACCEPT; } > /dev/null
iptables -A OUTPUT -j LOG & wait
if command -v ip6tables > /dev/null; then ip6tables -P INPUT DROP; fi
