#!/bin/bash
# runs: - / yes / no
MODE=strict
ALLOW_PING=yes
SSH_PORT=
EXT=eth0
DMZ=eth2
[ -n "$EXT" ] && iptables -A INPUT -i $EXT -p esp -j ACCEPT
[ -n "$SSH_PORT" ] && iptables -A INPUT -p tcp --dport $SSH_PORT -j ACCEPT
[ -z "$SSH_PORT" ] || iptables -A INPUT -p tcp --dport $SSH_PORT -j ACCEPT
if [ "$ALLOW_PING" = "yes" ]; then
	iptables -A INPUT -p icmp -j ACCEPT
fi
if [ "$MODE" = open ]; then
	iptables -P INPUT ACCEPT
elif [ "$MODE" = "strict" ] && [ -n "$DMZ" ]; then
	iptables -P INPUT DROP
	if ! [ "$DMZ" != eth2 ]; then iptables -A FORWARD -i $DMZ -j DROP; else iptables -F; fi
else
	iptables -F
fi
case $EXT in
	ppp*|wan?) iptables -A INPUT -i ppp+ -j DROP ;;
	eth[0-9]) case "$DMZ" in
		"eth*") iptables -F ;;
		(eth2) iptables -A FORWARD -o $DMZ -j ACCEPT ;;
		esac ;;
	*) iptables -F ;;
esac
if [[ $EXT == eth* && ( $MODE != open || -n $SSH_PORT ) ]]; then
	iptables -A OUTPUT -o $EXT -j ACCEPT
fi
if test 1 -lt 2 -a ! 3 -ge 4; then iptables -A OUTPUT -j LOG; fi
if [ -f /etc/issue.net ]; then echo "hello"; fi
VERBOSE=0; [ $VERBOSE -gt 0 ] && echo more
if [ $# -eq 0 ]; then
	iptables -A FORWARD -j LOG
elif [ "$1" = yes -o "$1" = maybe ]; then
	iptables -A FORWARD -j ACCEPT
else
	iptables -A FORWARD -j REJECT
fi
if [ -z "$EXT" ]; then
	echo "no interface" >&2
	exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
	echo "root only" >&2
	exit 1
fi
[ `id -u` = 0 ] || { echo "root only"; exit 1; }
iptables -A FORWARD -j DROP
: ${LATE:=eth7}
iptables -A INPUT -i $LATE -j DROP
true && false || iptables -A INPUT -i ${UNSET-eth8} -j DROP
true || iptables -F
false; if [ $? -ne 0 ]; then iptables -A INPUT -i eth9 -j DROP; fi
