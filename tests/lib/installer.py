# SPDX-License-Identifier: GPL-2.0-or-later
"""A server as the most used installer leaves it (hwdsl2/setup-ipsec-vpn): its settings and rules, in this file's own arrangement. Newer
clients connect to it, so natshim check may have hints for it, and nothing else.
"""
USER, PASSWORD, PSK = "alice", "pw", "a long random secret"
POOL, GATEWAY, NET, XAUTH_NET = "192.168.42.10-192.168.42.250", "192.168.42.1", "192.168.42.0/24", "192.168.43.0/24"
# For client.vpn.Vpn: what macOS from 10.11 on, iPhones and Windows offer first.
CLIENT = {"cipher": "aes256", "hash_name": "sha1", "group": 14}

COMMON = {
    "left": "%defaultroute", "right": "%any", "encapsulation": "yes", "authby": "secret", "pfs": "no", "rekey": "no", "keyingtries": "5",
    "dpddelay": "30", "dpdtimeout": "300", "dpdaction": "clear", "ikev2": "never",
    "ike": ",".join(f"{one};modp2048" for one in ("aes256-sha2", "aes128-sha2", "aes256-sha1", "aes128-sha1")),
    "phase2alg": "aes_gcm-null,aes128-sha1,aes256-sha1,aes256-sha2_512,aes128-sha2,aes256-sha2",
    "ikelifetime": "24h", "salifetime": "24h", "sha2-truncbug": "no"}
L2TP = {"auto": "add", "leftprotoport": "17/1701", "rightprotoport": "17/%any", "type": "transport", "also": "shared"}
XAUTH = {
    "auto": "add", "leftsubnet": "0.0.0.0/0", "rightaddresspool": "192.168.43.10-192.168.43.250", "modecfgdns": '"8.8.8.8 8.8.4.4"',
    "leftxauthserver": "yes", "rightxauthclient": "yes", "leftmodecfgserver": "yes", "rightmodecfgclient": "yes", "modecfgpull": "yes",
    "cisco-unity": "yes", "also": "shared"}
SETUP = {"ikev1-policy": "accept", "uniqueids": "no",
         "virtual-private": f"%v4:10.0.0.0/8,%v4:192.168.0.0/16,%v4:172.16.0.0/12,%v4:!{NET},%v4:!{XAUTH_NET}"}

XL2TPD = f"""[global]
port = 1701

[lns default]
ip range = {POOL}
local ip = {GATEWAY}
require chap = yes
refuse pap = yes
require authentication = yes
name = l2tpd
length bit = yes
pppoptfile = """
OPTIONS = """+mschap-v2
auth
noccp
ipcp-accept-local
ipcp-accept-remote
proxyarp
mtu 1280
mru 1280
connect-delay 5000
lcp-echo-interval 30
lcp-echo-failure 4
ms-dns 8.8.8.8
ms-dns 8.8.4.4
"""
KNOWN = "-m conntrack --ctstate RELATED,ESTABLISHED"
RULES = (
    "-A INPUT -p udp --dport 1701 -m policy --dir in --pol none -j DROP",
    "-A INPUT -m conntrack --ctstate INVALID -j DROP",
    f"-A INPUT {KNOWN} -j ACCEPT",
    "-A INPUT -p udp -m multiport --dports 500,4500 -j ACCEPT",
    "-A INPUT -p udp --dport 1701 -m policy --dir in --pol ipsec -j ACCEPT",
    "-A INPUT -p udp --dport 1701 -j DROP",
    "-A FORWARD -m conntrack --ctstate INVALID -j DROP",
    f"-A FORWARD -i wan -o ppp+ {KNOWN} -j ACCEPT",
    "-A FORWARD -i ppp+ -o wan -j ACCEPT",
    "-A FORWARD -i ppp+ -o ppp+ -j ACCEPT",
    f"-A FORWARD -i wan -d {XAUTH_NET} {KNOWN} -j ACCEPT",
    f"-A FORWARD -s {XAUTH_NET} -o wan -j ACCEPT",
    f"-A FORWARD -s {XAUTH_NET} -o ppp+ -j ACCEPT",
    "-A FORWARD -j DROP",
    f"-t nat -A POSTROUTING -s {XAUTH_NET} -o wan -m policy --dir out --pol none -j MASQUERADE",
    f"-t nat -A POSTROUTING -s {NET} -o wan -j MASQUERADE")


def ipsec_conf(identity):
    sections = {"config setup": SETUP, "conn shared": COMMON | {"leftid": identity}, "conn l2tp-psk": L2TP, "conn xauth-psk": XAUTH}
    return "version 2.0\n\n" + "\n".join(
        f"{name}\n" + "".join(f"  {key}={value}\n" for key, value in settings.items()) for name, settings in sections.items()
    ) + "\ninclude /etc/ipsec.d/*.conf\n"


def put(host, xl2tpd_conf, ppp_options, identity):
    """Writes its files, into those places, and sets its firewall. identity: the server's public address."""
    files = {"/etc/ipsec.conf": ipsec_conf(identity), "/etc/ipsec.secrets": f'%any  %any  : PSK "{PSK}"\n', xl2tpd_conf: f"{XL2TPD}{ppp_options}\n",
             ppp_options: OPTIONS, "/etc/ppp/chap-secrets": f'"{USER}" l2tpd "{PASSWORD}" *\n'}
    for path, text in files.items():
        host.run("tee", path, input=text)
    for words in RULES:
        host.run("iptables", *words.split())
