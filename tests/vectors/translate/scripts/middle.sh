#!/bin/sh
# runs: -
iptables -A INPUT -i ipsec0 -j ACCEPT
iptables -A INPUT -i eth0 -p udp --dport 1701 -j DROP
exit 0
# an older try
iptables -F
iptables -P INPUT ACCEPT
if [ broken
