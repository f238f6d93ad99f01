#!/bin/sh
# runs: -
if=eth0 dir=IN
rule() {
	local if=$1
	dir=$2
	iptables -A "${dir}PUT" -i "$if" -j ACCEPT 2>/dev/null || iptables -A "${dir}PUT" -o "$if" -j ACCEPT
}
outer() { local if=eth5; rule eth6 IN; iptables -A FORWARD -i $if -j DROP; }
iptables -A ${dir}PUT -i $if -j DROP
rule eth1 IN
iptables -A FORWARD -i $if -j ACCEPT
outer
iptables -A FORWARD -o $if -j ACCEPT
F="iptables -t nat"
F="$F -A"
$F POSTROUTING -o eth0 -j MASQUERADE
late() { iptables -A OUTPUT -j DROP; }
late
late() { iptables -A OUTPUT -j ACCEPT; }
late
deep() { [ "$1" = xxxx ] || { iptables -A FORWARD -m comment --comment "d$1" -j ACCEPT; deep "x$1"; }; }
deep ''
