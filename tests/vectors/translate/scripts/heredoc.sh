#!/bin/sh
# runs: -
LNS=192.168.1.98
EXT=eth0
iptables -t mangle -A FORWARD -j ACCEPT
iptables -A OUTPUT -j DROP
cat > /dev/null <<USAGE
iptables -F is what this text does not do.
	don't take "it for code
USAGE
iptables-restore <<END
# a comment
*filter
:INPUT DROP [0:0]
:vpn - [0:0]
-A INPUT -i ipsec0 -j vpn
-A INPUT -i $EXT -p udp -m udp --dport 500 -j ACCEPT
-A vpn -p udp -m udp --dport 1701 -m comment --comment "L2TP & more" -j ACCEPT
COMMIT
*nat
-A PREROUTING -i ipsec0 -p udp -m udp --dport 1701 -j DNAT --to-destination ${LNS}
COMMIT
END
if true; then
	iptables-restore -n <<-'END'
	*filter
	-A OUTPUT -o ipsec0 -j ACCEPT
	COMMIT
	END
fi
cat <<EOF | ip6tables-restore
*filter
:INPUT DROP [0:0]
-A INPUT -i ipsec0 -j ACCEPT
COMMIT
EOF
iptables -A INPUT -p tcp --dport 22 -j ACCEPT
echo "*raw
-A PREROUTING -i ipsec0 -j NOTRACK
COMMIT" | iptables-restore --noflush
