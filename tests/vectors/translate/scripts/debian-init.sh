#!/bin/sh
### BEGIN INIT INFO
# Provides:          vpn-firewall
# Required-Start:    $network $syslog
# Default-Start:     S
### END INIT INFO
# runs: start / stop / restart / force-reload / reload
set -e
PATH=/sbin:/usr/sbin:/bin:/usr/bin
NAME=vpn-firewall
DESC="packet filter"
IPTABLES=`command -v iptables`
IPTABLES=${FW_IPTABLES:-iptables}
EXT=eth0
VPN="ipsec0"
LAN=192.168.1.0/24 LNS=192.168.1.98

test -x /usr/sbin/iptables || exit 0
[ -r /lib/lsb/init-functions ] && . /lib/lsb/init-functions
type log_daemon_msg > /dev/null 2>&1 || log_daemon_msg() { echo "$@"; }
type log_end_msg > /dev/null 2>&1 || log_end_msg() { :; }

flush() {
	for table in filter nat mangle; do
		$IPTABLES -t $table -F
		$IPTABLES -t $table -X
	done
}

start() {
	flush
	modprobe ip_conntrack_ftp 2>/dev/null || true
	echo 1 > /dev/null
	$IPTABLES -P INPUT DROP
	$IPTABLES -P FORWARD DROP
	$IPTABLES -A INPUT -i lo -j ACCEPT
	$IPTABLES -A INPUT -m state --state ESTABLISHED,RELATED -j ACCEPT
	# IKE and ESP
	$IPTABLES -A INPUT -i $EXT -p udp --dport 500 -j ACCEPT || exit 1
	$IPTABLES -A INPUT -i $EXT -p udp --dport 4500 -j ACCEPT || return 1
	$IPTABLES -A INPUT -i $EXT -p esp -j ACCEPT
	# decrypted L2TP only
	$IPTABLES -A INPUT -i $VPN -p udp --dport 1701 \
		-m comment --comment "L2TP in IPsec" \
		-j ACCEPT
	$IPTABLES -A FORWARD -i $VPN -d $LAN -j ACCEPT; $IPTABLES -A FORWARD -o $VPN -s $LAN -j ACCEPT
	$IPTABLES -t nat -A PREROUTING -i "$VPN" -p udp --dport 1701 -j DNAT --to-destination ${LNS}
	$IPTABLES -t nat -A POSTROUTING -o "${EXT}" -s "$LAN" -j MASQUERADE
}

stop() {
	flush
	for chain in INPUT FORWARD OUTPUT
	do
		$IPTABLES -P $chain ACCEPT
	done
}

case "$1" in
  start)
	log_daemon_msg "Starting $DESC" "$NAME"
	start
	log_end_msg 0
	;;
  stop)
	log_daemon_msg "Stopping $DESC" "$NAME"
	stop
	log_end_msg 0
	;;
  restart|force-reload)
	stop
	sleep 0
	start
	;;
  re*) # reload
	$0 start
	;;
  *)
	echo "Usage: $0 {start|stop|restart|force-reload}" >&2
	exit 3
	;;
esac

exit 0
