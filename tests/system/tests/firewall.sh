# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2154
# Other users of nftables: a flush by hand is healed, firewalld's start, reload and end leave partd's table alone.
# timeout: 240

# An outside world behind a link of the host.
ip netns add outside
at_end 'ip netns del outside'
ip link add up0 type veth peer name eth0 netns outside
ip address add 203.0.113.1/24 dev up0
ip link set up0 up
ip -n outside address add 203.0.113.2/24 dev eth0
ip -n outside link set eth0 up

example routed-nat
apply
partctl exec test_net -- busybox nc -l -l -p 80 -e echo hello &
server=$!
at_end "kill $server; wait $server"
answers() { [[ $(timeout 10 "$@" busybox nc -w 5 "$target" 8080 </dev/null) == hello ]]; }
reach_from_everywhere() {
    local target=203.0.113.1
    eventually "$1: the forward answers from outside" 15 answers ip netns exec outside
    eventually "$1: and from the host" 15 answers env
    check "$1: the partition reaches the outside" inside test_net ping -c 2 -i 0.3 -W 3 203.0.113.2
}
# Without what changes by itself: handles and counters.
table() { nft --json list table inet partd | jq --sort-keys 'del(.. | .handle?) | del(.. | .counter?) | .nftables[1:]'; }

reach_from_everywhere "at first"
table >"$scratch/before"
check "nft lists the table" test -s "$scratch/before"

nft flush ruleset
check_fails "after nft flush ruleset there are differences" 1 partctl diff
apply
check "the table is what it was" diff <(table) "$scratch/before"
reach_from_everywhere "healed"

nft flush table inet partd
apply
check "the table is what it was after a flush of its rules" diff <(table) "$scratch/before"

nft add table ip other
nft add chain ip other input '{ type filter hook input priority 0; }'
at_end 'nft delete table ip other'
apply
check "a table of somebody else stays" nft list chain ip other input

check "firewalld starts" systemctl start firewalld
at_end 'systemctl stop firewalld'
eventually "firewalld has its table" 20 nft list table inet firewalld
check "nothing differs beside it" partctl diff
check "firewalld reloads" firewall-cmd --reload
check "nothing differs after its reload" partctl diff
check "firewalld reloads all" firewall-cmd --complete-reload
check "nothing differs after that" partctl diff
target=203.0.113.1
eventually "the forward answers from the host" 15 answers env
check "firewalld stops" systemctl stop firewalld
check "nothing differs after its end" partctl diff
reach_from_everywhere "after firewalld"
