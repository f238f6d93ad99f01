#!/bin/sh
# runs: -
# OpenWrt's firewall.user, with the chains that its own firewall makes in front.
for c in input_rule output_rule forwarding_rule; do iptables -N $c; done
iptables -t nat -N prerouting_rule
iptables -t nat -N postrouting_rule
iptables -A INPUT -j input_rule
iptables -A FORWARD -j forwarding_rule
iptables -t nat -A PREROUTING -j prerouting_rule
iptables -t nat -A POSTROUTING -j postrouting_rule
WAN=eth0
LAN=br-lan

iptables -F input_rule
iptables -F output_rule
iptables -F forwarding_rule
iptables -t nat -F prerouting_rule
iptables -t nat -F postrouting_rule

### IPsec
iptables        -A input_rule      -i $WAN -p udp --dport 500  -j ACCEPT  # IKE
iptables        -A input_rule      -i $WAN -p esp              -j ACCEPT
iptables        -A input_rule      -i ipsec0 -p udp --dport 1701 -j ACCEPT
iptables        -A forwarding_rule -i $LAN -o ipsec0 -j ACCEPT
iptables        -A forwarding_rule -i ipsec0 -o $LAN -j ACCEPT
iptables -t nat -A postrouting_rule -o $WAN -d 192.168.2.0/24 -j ACCEPT
logger -t firewall "IPsec rules loaded"
# sysctl -w net.ipv4.ip_forward=1
