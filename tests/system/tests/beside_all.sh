# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2154
# docker, podman, firewalld, NetworkManager, networkd, udev and strangers act at the same time, in random order, beside 20
# partitions under traffic and restarts of partd. No foreign object changes, no forward and no masquerade is lost for more
# than a second, no packet gets out of a closed partition, nothing stays contested. Then `nft flush ruleset`, by itself.
# machine: own
# run: by hand, since chance has a part in it
# timeout: 1100

seconds=$(cat /run/bench/soak 2>/dev/null || echo 120)
kept=/var/lib/bench/results
actions=$kept/beside_all-actions.txt
notes=$kept/beside_all-notes.txt
broken=$scratch/broken
stop=$scratch/stop
touch "$actions" "$broken"
here=/run/bench/tests/beside_all
# shellcheck disable=SC1091
source "$here/actors.sh"

# --- the world: an outside, the control beside the partitions, objects of somebody else

# place NAME LINK NUMBER: a namespace behind a link of the host, with the addresses that world.py has for that number.
place() {
    ip netns add "$1"
    at_end "ip netns delete $1"
    ip link add "$2" type veth peer name eth0 netns "$1"
    ip address add "10.77.$3.2/24" dev "$2"
    ip address add "fd77:$3::2/64" dev "$2" nodad
    ip link set "$2" up
    ip -n "$1" address add "10.77.$3.1/24" dev eth0
    ip -n "$1" address add "fd77:$3::1/64" dev eth0 nodad
    ip -n "$1" link set lo up
    ip -n "$1" link set eth0 up
    ip -n "$1" route add default via "10.77.$3.2"
    ip -n "$1" route add default via "fd77:$3::2"
}
ip netns add outside
at_end 'ip netns delete outside'
ip link add up0 type veth peer name eth0 netns outside
ip address add 203.0.113.1/24 dev up0
ip address add fd00:113::1/64 dev up0 nodad
ip link set up0 up
ip -n outside address add 203.0.113.2/24 dev eth0
ip -n outside address add fd00:113::2/64 dev eth0 nodad
ip -n outside link set eth0 up
place control101 ctl101 101
place control102 ctl102 102
nft -f - <<'NFT'
table inet theirs {
    chain prerouting {
        type nat hook prerouting priority dstnat;
        ip daddr 203.0.113.1 udp dport 7101 dnat ip to 10.77.101.1:7
        ip6 daddr fd00:113::1 udp dport 7102 dnat ip6 to [fd77:102::1]:7
    }
    chain postrouting {
        type nat hook postrouting priority srcnat;
        ip saddr 10.77.101.0/24 oif "up0" masquerade
        ip6 saddr fd77:102::/64 oif "up0" masquerade
    }
}
table ip other {
    chain input { type filter hook input priority 5; tcp dport 31337 counter drop; }
}
NFT
ip link add theirs0 type bridge
ip link add theirs1 type veth peer name theirs2
ip link set theirs1 master theirs0 up
ip link set theirs2 up
ip link set theirs0 up
ip address add 192.168.99.1/24 dev theirs0
ip address add fd00:99::1/64 dev theirs0 nodad
ip link set theirs0 alias "somebody else's"
ip route add 192.168.98.0/24 via 192.168.99.2 dev theirs0
ip route add 192.168.97.0/24 via 192.168.99.2 dev theirs0 table 77
ip rule add from 192.168.99.0/24 table 77 priority 30077
sysctl --quiet --write net.ipv4.conf.theirs0.rp_filter=2 net.ipv4.conf.theirs2.arp_ignore=1
at_end 'ip rule delete priority 30077; ip link delete theirs0; ip link delete theirs1'

# All of the foreign objects that do not change by themselves.
picture() {
    local link
    for link in theirs0 theirs1 theirs2 up0 ctl101 ctl102; do
        ip -json -details link show "$link" |
            jq 'del(.. | .hello_timer?, .tcn_timer?, .topology_change_timer?, .gc_timer?, .fdb_n_learned?) | del(.[].linkinfo.info_slave_data | (.hold_timer?, .message_age_timer?, .forward_delay_timer?))'
        ip -json address show "$link" | jq 'del(.. | .valid_life_time?, .preferred_life_time?)'
        grep --recursive --exclude=stable_secret . "/proc/sys/net/ipv4/conf/$link" "/proc/sys/net/ipv6/conf/$link"
    done
    ip -json -4 route show table all | jq '.[] | select(.dev | IN("theirs0", "theirs1", "theirs2", "up0", "ctl101", "ctl102"))'
    ip -json -6 route show table all | jq '.[] | select(.dev | IN("theirs0", "theirs1", "theirs2", "up0", "ctl101", "ctl102")) | del(.expires)'
    ip -json rule | jq '.[] | select(.priority == 30077)'
    ip -n control101 -json address | jq 'del(.. | .valid_life_time?, .preferred_life_time?)'
    nft --json list table inet theirs
    nft --json list table ip other | jq 'del(.. | .counter?)'
}

# --- the other programs

# As partctl doctor has it for firewalld, for all host ends and for the control.
mkdir -p /etc/firewalld/zones /etc/firewalld/policies
cat >/etc/firewalld/zones/partd-out.xml <<'XML'
<zone><interface name="pv-+"/><interface name="ctl101"/><interface name="ctl102"/></zone>
XML
cat >/etc/firewalld/policies/partd-outside.xml <<'XML'
<policy target="ACCEPT"><ingress-zone name="partd-out"/><egress-zone name="ANY"/></policy>
XML
printf '[Match]\nName=net*\nType=ether\n[Network]\nDHCP=ipv4\n' >/etc/systemd/network/90-dhcp.network
at_end 'rm -f /etc/firewalld/{zones/partd-out,policies/partd-outside}.xml /etc/systemd/network/90-dhcp.network'
at_end 'systemctl stop docker.socket docker.service containerd.service firewalld.service NetworkManager.service systemd-networkd.socket systemd-networkd.service'

# A file system of busybox, of which both have made an image; no archive of images is asked.
mkdir -p "$scratch/image/bin" "$scratch/image/srv"
cp /bin/busybox "$scratch/image/bin/"
for name in sh httpd ip sleep; do ln -s busybox "$scratch/image/bin/$name"; done
echo 'from a container' >"$scratch/image/srv/index.html"
tar -C "$scratch/image" -cf "$scratch/image.tar" .

with_daemon
# Docker asks firewalld as it starts; one that comes later takes its rules along.
check "firewalld starts" systemctl start firewalld.service
check "docker starts" systemctl start docker.service
check "NetworkManager starts" systemctl start NetworkManager.service
check "networkd starts" systemctl start systemd-networkd.service
check "docker makes an image" docker import "$scratch/image.tar" busybox
# They end at once, since PID 1 of a container does not hear SIGTERM. Without AppArmor's parser, which the machine has not.
check "docker publishes a port" docker run --security-opt apparmor=unconfined --stop-signal KILL --detach --name web --restart always --publish 8090:80 busybox httpd -f -p 80 -h /srv
at_end 'docker rm --force web'
check "podman makes an image" podman import "$scratch/image.tar" localhost/busybox
check "podman publishes a port" podman run --stop-signal KILL --detach --name pod-web --publish 8091:80 localhost/busybox httpd -f -p 80 -h /srv
at_end 'podman rm --force --time 0 pod-web'
published() { ip netns exec outside timeout 20 busybox wget -q -O - "http://203.0.113.1:$1/" | grep -q 'from a container'; }
eventually "docker's container answers" 60 published 8090
eventually "podman's container answers" 60 published 8091

# --- an hour, or a moment of it

python3 -B "$here/world.py" /etc/partd >"$scratch/plan"
eventually "20 partitions are made" 120 bash -c '(($(ls /run/netns | grep -cx "p[0-9]*") == 20)) && partctl diff'
systemctl list-units --no-pager --plain --no-legend 'docker*' 'firewalld*' 'NetworkManager.service' 'systemd-networkd.service' 'partd*'
"$here/partd_probe" "$scratch/plan" "$notes" &
probe=$!
sleep 5
picture >"$scratch/before"
began=$(uptime_now)
start_actors
sleep "$seconds"
touch "$stop"
wait "${actors[@]}"
ended=$(uptime_now)
awk '{ count[$4 " " $5 ($3 ? " failed with " $3 : "")]++ } END { for (each in count) print count[each], each }' "$actions" | sort -k2
expect "what went wrong of strangers and partd" "" "$(cat "$broken")"
systemctl reset-failed
with_daemon
systemctl start docker.service firewalld.service NetworkManager.service systemd-networkd.service
eventually "nothing differs" 30 partctl diff
eventually "all is as declared, and nothing is contested" 90 partctl status --check
partctl status
picture >"$scratch/after"
check "no foreign object changed" diff "$scratch/before" "$scratch/after"
# firewalld takes rules of theirs along, whatever else runs; both make them anew when asked.
check "docker starts anew" again docker.service restart
check "podman makes its rules anew" podman network reload --all
eventually "docker's container answers" 90 published 8090
eventually "podman's container answers" 60 published 8091
sleep 5

# --- a flush of everything: the control's rules are gone with it, and partd's come back

flushes=()
for _ in 1 2 3; do
    flush=$(uptime_now)
    nft flush ruleset
    until nft list chain inet partd forward >/dev/null 2>&1; do sleep 0.02; done
    flushes+=("$flush $(uptime_now)")
    sleep 4
done
eventually "after the flushes nothing differs" 30 partctl diff
check "the probe is still there" kill -TERM "$probe"
wait "$probe"
judge() { python3 -B "$here/judge.py" "$notes" "$actions" "$@"; }
check "no loss, and nothing out of a closed partition" judge "$began" "$ended" 1
judge "$began" "$ended" 1
# How long that takes is the machine's matter; it is told.
for flush in "${flushes[@]}"; do
    read -r from to <<<"$flush"
    echo "flushed at $from, the table was seen again after $(awk "BEGIN { print $to - $from }") s:"
    judge "$from" "$(awk "BEGIN { print $to + 5 }")" 1 --alone
done
