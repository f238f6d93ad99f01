#!/bin/bash
# runs: start / stop / restart
# chkconfig: 2345 08 92
[ -f /etc/rc.d/init.d/functions ] && . /etc/rc.d/init.d/functions
IPT=$(which iptables)
IP6="`which ip6tables 2>/dev/null`"
[ $UID -eq 0 ] || exit 1
if [ ! -x $IPT ]; then
	echo -n $"iptables is missing"; echo
	exit 0
fi
trap '' HUP
RETVAL=0
function clear_tables {
	for table in $(cat /proc/net/ip_tables_names 2>/dev/null) filter; do
		$IPT -t $table -F && $IPT -t $table -X || RETVAL=1
	done
}
start() {
	echo -n $"Applying rules: "
	clear_tables
	"$IPT" -P INPUT DROP
	if [ -f /proc/net/if_inet6 ]; then
		$IP6 -P INPUT DROP
	fi
	for proto in udp tcp; do for port in 53 ; do
		$IPT -A INPUT -i eth0 -p $proto --dport $port -j ACCEPT
	done; done
	$IPT -A INPUT -i ipsec+ -j ACCEPT
	RETVAL=$?
	[ $RETVAL -eq 0 ] && touch /tmp/lock.$$ && rm -f /tmp/lock.$$
	echo
	return $RETVAL
}
stop() { clear_tables; $IPT -P INPUT ACCEPT; }
if [ "$1" == "start" ]; then
	start
elif [ "$1" == "stop" ]; then
	stop
elif [ "$1" == "restart" ]; then
	stop
	start
else
	echo $"Usage: $0 {start|stop|restart}"
	exit 1
fi
exit $RETVAL
