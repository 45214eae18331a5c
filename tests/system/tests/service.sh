# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2154
# partd.service: keeps the host as declared; reload, restart, stop, kill -9 and a hanging daemon harm no partition.
# timeout: 300

active_partd() { systemctl show --property=MainPID --value partd.service; }

with_daemon
expect "it is enabled, as its preset says" enabled "$(systemctl is-enabled partd.service)"
expect "it has told that it is ready" active "$(systemctl is-active partd.service)"
expect_match "its status" . "$(systemctl show --property=StatusText --value partd.service)"

# A file dropped, edited, removed.
example workshop
eventually "the partition appears" 15 bash -c 'partctl status workshop --json | jq -e ".. | .state? | select(. == \"active\")"'
eventually "it is as declared" 15 partctl diff
check "the host reaches it" ping -c 1 -W 5 10.1.1.1
sed -i 's/10.1.1.2/10.1.1.3/' /etc/partd/workshop.toml
eventually "an edited address" 15 bash -c 'ip -json address show veth0 | jq -e ".[].addr_info[] | select(.local == \"10.1.1.3\")"'
sed -i 's/10.1.1.3/10.1.1.2/' /etc/partd/workshop.toml
eventually "and back" 15 bash -c 'ip -json address show veth0 | jq -e ".[].addr_info[] | select(.local == \"10.1.1.2\")"'

# Drift.
ip link set veth0 down
eventually "a link set down comes up" 15 bash -c 'ip -json link show veth0 | jq -e ".[].flags | index(\"UP\")"'
ip netns exec workshop ip address flush dev veth1
eventually "flushed addresses come back" 15 ping -c 1 -W 1 10.1.1.1
nft flush ruleset
eventually "the nftables table comes back" 15 nft list table inet partd

# Nothing of what happens to the daemon reaches the packets: 20 a second, none may be lost.
partctl exec workshop -- ping -i 0.05 -W 5 10.1.1.2 >"$scratch/ping" &
flood=$!
partctl exec workshop -- iperf3 --server --one-off >/dev/null &
sleep 1
iperf3 --client 10.1.1.1 --time 25 --bitrate 2M --json >"$scratch/stream" &
stream=$!
first=$(active_partd)
check "systemctl reload" timeout 60 systemctl reload partd.service
expect "reload keeps the process" "$first" "$(active_partd)"
check "systemctl restart" timeout 60 systemctl restart partd.service
check_fails "restart makes a new one" 1 test "$first" = "$(active_partd)"
second=$(active_partd)
kill -KILL "$second"
eventually "killed, it is started again" 30 bash -c "pid=\$(systemctl show --property=MainPID --value partd.service); ((pid != 0 && pid != $second))"
eventually "and gets ready" 30 systemctl is-active partd.service
expect_number "NRestarts" 1 5 "$(systemctl show --property=NRestarts --value partd.service)"
check "systemctl stop" timeout 60 systemctl stop partd.socket partd.service
check "stopped, the partition stands" ip netns exec workshop ip address show veth1
check "daemon-reexec of systemd" systemctl daemon-reexec
with_daemon
check "nothing differs" partctl diff
wait "$stream"
expect "a TCP connection lived through it" 0 $?
expect "and stood still for no second" true "$(jq '[.intervals[].sum.bytes] | length >= 20 and all(. > 0)' "$scratch/stream")"
kill -INT "$flood"
wait "$flood"
expect_match "no packet is lost" " 0% packet loss" "$(cat "$scratch/ping")"
tail -n 3 "$scratch/ping"

# PID 1 of a partition and what runs in it outlive the daemon that made them.
config machine <<'END'
[partition.machine]
namespaces = ["pid", "mnt", "net"]
END
eventually "a partition with a PID 1" 20 pgrep --exact partd-init
init=$(pgrep --exact partd-init)
check "restart" timeout 60 systemctl restart partd.service
check "kill -9 of all that is partd.service" systemctl kill --signal=KILL partd.service
eventually "it is started again" 30 systemctl is-active partd.service
expect "PID 1 is the same" "$init" "$(pgrep --exact partd-init)"
expect_match "and lives in the partition's slice" "partd-machine.slice" "$(cat "/proc/$init/cgroup")"

# Frozen by whatever, the watchdog would find it; here only that the watchdog is on and answered.
expect_number "watchdog in µs" 1000000 1800000000 \
    "$(systemctl show --property=WatchdogUSec --value partd.service | sed 's/min$/ 60000000/; s/s$/ 1000000/' | awk '{ print $1 * $2 }')"
expect_number "memory in KiB" 1 15360 "$(awk '/^RssAnon/ { print $2 }' "/proc/$(active_partd)/status")"

# A file that is wrong is told of, and tears nothing down.
echo '[partition.workshop' >/etc/partd/workshop.toml
eventually "the journal names file and line" 15 bash -c 'journalctl --unit=partd.service --boot --no-pager | grep "workshop.toml:1"'
check "the partition stands" ping -c 1 -W 5 10.1.1.1
rm /etc/partd/*.toml
eventually "removed files remove the partitions" 30 nothing_left
