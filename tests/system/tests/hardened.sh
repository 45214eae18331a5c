# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2154
# The drop-ins that bound the daemon: it does all its work with them.
# timeout: 400

drop_ins=/etc/systemd/system/partd.service.d
mkdir -p "$drop_ins"
at_end 'rm -r /etc/systemd/system/partd.service.d; systemctl daemon-reload'

for card in eth0 eth1; do
    ip link add "$card" type dummy
    ip link set "$card" up
    at_end "ip link del $card"
done

# bound DROP-IN HIGHEST: the daemon runs with it, and its exposure is at most HIGHEST tenths.
bound() {
    without_daemon
    cp "$EXAMPLES/$1" "$drop_ins/$1"
    systemctl daemon-reload
    with_daemon
    check "the exposure with $1 is bounded" systemd-analyze security --threshold="$2" --no-pager partd.service
    systemd-analyze security --no-pager partd.service | tail -n 1
}

stands() { partctl status --check && [[ $(partctl status --json | jq -r '.partitions[].state' | sort -u) == active ]]; }

# daemon_does EXAMPLE: the daemon makes it from the file and takes it away with the file.
daemon_does() {
    echo "--- $1"
    example "$1"
    check "partctl apply" partctl apply --no-legend
    eventually "$1 stands" 30 stands
    check "nothing differs" partctl diff
    expect "the journal has no error of partd" "" "$(journalctl --quiet --unit=partd.service --priority=err --since=-20s --output=cat)"
    rm "/etc/partd/$1.toml"
    check "partctl apply removes it" partctl apply --allow-delete --no-legend
    eventually "nothing is left of $1" 20 nothing_left
}

# What only the daemon's own rights decide: repairs, and a host that stays closed without the table.
repairs_and_closes() {
    example routed-nat
    check "partctl apply" partctl apply --no-legend
    check "the partition answers" ping -c 1 -W 5 172.16.99.100
    ip link set pv-test_net down
    eventually "a link that was set down is put back" 20 ping -c 1 -W 1 172.16.99.100
    nft flush ruleset
    eventually "flushed tables are put back" 20 nft list table inet partd
    check "the partition reaches the host" inside test_net ping -c 1 -W 5 172.16.99.1
    without_daemon
    nft flush ruleset
    check_fails "without the table and partd the host is closed to it" 1 inside test_net ping -c 1 -W 2 172.16.99.1
    with_daemon
    eventually "and open when partd is back" 20 inside test_net ping -c 1 -W 1 172.16.99.1
    rm /etc/partd/routed-nat.toml
    check "partctl apply removes it" partctl apply --allow-delete --no-legend
}

networks=(workshop switch tenants blue-green service-address bond vlan vrf vxlan macvlan)

bound hardened.conf 61
for name in "${networks[@]}"; do daemon_does "$name"; done
repairs_and_closes
config several <<'TOML'
[partition.all]
namespaces = ["net", "mnt", "uts", "ipc", "user", "cgroup", "time"]
hostname = "all"
time.boottime = "1h"
[partition.all.user]
uid_map = [{ inside = 0, outside = 200000, count = 65536 }]
gid_map = [{ inside = 0, outside = 200000, count = 65536 }]
[partition.all.link.eth0]
address = ["10.8.1.1/24"]
peer.address = ["10.8.1.2/24"]
[partition.all.cgroup]
memory.max = "64M"
[partition.all.dns]
nameserver = ["10.8.1.2"]
TOML
check "partctl apply" partctl apply --no-legend
eventually "all namespaces but pid stand" 30 stands
expect "the host's name inside" all "$(inside all hostname)"
expect "it has a map of its own" 200000 "$(inside all awk '{ print $2 }' /proc/self/uid_map)"
rm /etc/partd/several.toml
check "partctl apply removes it" partctl apply --allow-delete --no-legend

bound network-only.conf 42
for name in "${networks[@]}"; do daemon_does "$name"; done
repairs_and_closes
without_daemon
