# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2154
# WireGuard: two partitions as both ends, judged by wg, ping and tcpdump; a partition that can leave by the tunnel alone.
# timeout: 1200

dump() { ip netns exec "$1" wg show wg0 dump; }
# device NETNS FIELD: private key, public key, port, mark.
device() { dump "$1" | head -n 1 | cut -f "$2"; }
# peer NETNS KEY FIELD: key, preshared key, endpoint, allowed ips, handshake, received, sent, keepalive.
peer() { dump "$1" | awk -F '\t' -v key="$2" -v field="$3" '$1 == key && NF == 8 { print $field }'; }
has_peer() { [[ -n $(peer "$1" "$2" 1) ]]; }
index_of() { ip -n "$1" -j link show dev wg0 | jq '.[0].ifindex'; }
settled() {
    check "nothing differs" partctl diff
    check "status is well" partctl status --check
}
# put_back WHAT COMMAND…: what was changed by hand in the partition vpn is a difference, and is put back.
put_back() {
    local what=$1
    shift
    check "by hand: $what" ip netns exec vpn "$@"
    check_fails "partctl diff tells of: $what" 1 partctl diff
    apply
    settled
}

keys=$scratch/keys
mkdir -m 700 "$keys"
umask 077
for name in vpn provider stranger other; do
    wg genkey >"$keys/$name"
    wg pubkey <"$keys/$name" >"$keys/$name.pub"
done
wg genpsk >"$keys/psk"
vpn=$(<"$keys/vpn.pub") provider=$(<"$keys/provider.pub") stranger=$(<"$keys/stranger.pub")

# The provider: a partition of its own, whose tunnel is born in it. It is the only way to 10.64.0.1 and 198.51.100.1.
config provider <<END
[partition.provider.link.eth0]
address = ["10.99.0.2/30"]
peer = { address = ["10.99.0.1/30"] }
[partition.provider.link.lo]
address = ["198.51.100.1/32"]
[partition.provider.link.wg0]
kind = "wireguard"
birth = "provider"
private_key_file = "$keys/provider"
listen_port = 51820
address = ["10.64.0.1/24", "fd00:64::1/64"]
[[partition.provider.link.wg0.wireguard_peer]]
public_key = "$vpn"
allowed_ips = ["10.64.0.2", "fd00:64::2"]
END
tunnel() {
    sed -e "s|^private_key_file.*|private_key_file = \"$keys/vpn\"|" -e "s|^public_key.*|public_key = \"$provider\"|" \
        "$@" "$EXAMPLES/vpn.toml" | config vpn
}
cp /etc/hosts "$scratch/hosts"
at_end "cat '$scratch/hosts' >/etc/hosts"

echo '--- a name that does not resolve'
tunnel
check "partctl check" partctl check
output=$(partctl apply --no-legend 2>&1)
expect "partctl apply" 0 $?
expect_match "it tells what it waits for" 'vpn.toml:[0-9:]+ .*link vpn/wg0 waits for an address of vpn.example.org' "$output"
settled
expect_match "status tells it" 'waits for an address of vpn.example.org' "$(partctl status vpn 2>&1)"
expect "the peer has no endpoint" '(none)' "$(peer vpn "$provider" 3)"
expect "nothing else is missing" '0.0.0.0/0,::/0' "$(peer vpn "$provider" 4)"

echo '--- it resolves'
echo '10.99.0.2 vpn.example.org' >>/etc/hosts
apply
settled
expect "the endpoint" 10.99.0.2:51820 "$(peer vpn "$provider" 3)"
expect "the private key is the file's" "$(<"$keys/vpn")" "$(device vpn 1)"
expect "the keepalive" 25 "$(peer vpn "$provider" 8)"
check "the tunnel carries" ip netns exec vpn ping -c 1 -W 10 10.64.0.1
check "it carries IPv6" ip netns exec vpn ping -c 1 -W 10 fd00:64::1
check "and what is behind" ip netns exec vpn ping -c 1 -W 10 198.51.100.1
check "the socket is the host's" ss -Hnlu "sport = :$(device vpn 3)"
expect "on the host" 1 "$(ss -Hnlu4 "sport = :$(device vpn 3)" | wc -l)"
expect "and not inside" 0 "$(ip netns exec vpn ss -Hnlu | wc -l)"
expect "the provider's is inside" 1 "$(ip netns exec provider ss -Hnlu4 'sport = :51820' | wc -l)"
expect "the MTU fits the way" 1420 "$(ip -n vpn -j link show dev wg0 | jq '.[0].mtu')"
expect "no other link" '["lo","wg0"]' "$(ip -n vpn -j link | jq -c 'map(.ifname)')"

echo '--- drift'
made=$(index_of vpn)
put_back "another mark" wg set wg0 fwmark 7
expect "the mark" off "$(device vpn 4)"
put_back "a stranger among the peers" wg set wg0 peer "$stranger" allowed-ips 10.77.0.0/16
check_fails "the stranger is gone" 1 has_peer vpn "$stranger"
put_back "other prefixes" wg set wg0 peer "$provider" allowed-ips 10.64.0.0/24
expect "the prefixes" '0.0.0.0/0,::/0' "$(peer vpn "$provider" 4)"
put_back "another keepalive" wg set wg0 peer "$provider" persistent-keepalive 7
expect "the keepalive" 25 "$(peer vpn "$provider" 8)"
put_back "a preshared key" wg set wg0 peer "$provider" preshared-key "$keys/psk"
expect "the preshared key" '(none)' "$(peer vpn "$provider" 2)"
put_back "the peer is gone" wg set wg0 peer "$provider" remove
expect "the peer" 10.99.0.2:51820 "$(peer vpn "$provider" 3)"
put_back "another private key" wg set wg0 private-key "$keys/other"
expect "the key" "$(<"$keys/vpn")" "$(device vpn 1)"
put_back "no private key" wg set wg0 private-key /dev/null
expect "the key" "$(<"$keys/vpn")" "$(device vpn 1)"
# A peer that answers may be anywhere; one that never did is where the file says.
ip netns exec provider nft -f - <<<'table inet block { chain input { type filter hook input priority 0; udp dport 51820 drop; }; }'
ip netns exec vpn wg set wg0 peer "$provider" remove
partctl apply --no-legend
put_back "another endpoint of a peer that does not answer" wg set wg0 peer "$provider" endpoint 10.99.0.9:51820
expect "the endpoint" 10.99.0.2:51820 "$(peer vpn "$provider" 3)"
ip netns exec provider nft delete table inet block
put_back "down" ip link set wg0 down
put_back "no default route" ip route del default
expect "it is the same link all the time" "$made" "$(index_of vpn)"
put_back "deleted" ip link del wg0
check "the tunnel carries again" ip netns exec vpn ping -c 1 -W 10 10.64.0.1
put_back "one that was born inside" sh -c 'ip link del wg0; ip link add wg0 type wireguard; ip link set wg0 alias partd:vpn/wg0'
check "the tunnel carries again" ip netns exec vpn ping -c 1 -W 10 10.64.0.1

echo '--- a change sends only what differs'
shook=$(peer vpn "$provider" 5) made=$(index_of vpn)
expect_number "there was a handshake" 1 9999999999 "$shook"
tunnel -e 's|^allowed_ips.*|allowed_ips = ["10.64.0.0/24", "198.51.100.0/24"]\npreshared_key_file = "'"$keys"'/psk"|' -e '/^persistent_keepalive/d'
check_fails "partctl diff" 1 partctl diff
echo "$output"
apply
expect "the prefixes" '10.64.0.0/24,198.51.100.0/24' "$(peer vpn "$provider" 4)"
expect "the preshared key" "$(<"$keys/psk")" "$(peer vpn "$provider" 2)"
expect "the keepalive" off "$(peer vpn "$provider" 8)"
expect "the routes" '["10.64.0.0/24","198.51.100.0/24"]' \
    "$(ip -n vpn -j route show dev wg0 | jq -c 'map(.dst) | sort')"
expect "it is the same session" "$shook" "$(peer vpn "$provider" 5)"
expect "and the same link" "$made" "$(index_of vpn)"
tunnel
apply

echo '--- keys that are refused'
chmod 644 "$keys/vpn"
ip netns exec vpn wg set wg0 private-key "$keys/other"
check_fails "a key that others can read" 6 partctl apply --no-legend
expect_match "the message" 'vpn.toml:[0-9]+.*'"$keys"'/vpn can be read or written by others than root .mode 0644' "$output"
chmod 600 "$keys/vpn"
head -c 40 "$keys/vpn" >"$keys/short"
tunnel -e "s|$keys/vpn\"|$keys/short\"|"
sed -i "s|$keys/vpn\"|$keys/short\"|" /etc/partd/vpn.toml
check_fails "a key of fewer bytes" 6 partctl apply --no-legend
expect_match "the message" "$keys/short does not have a key of 32 bytes" "$output"
sed -i "s|$keys/short\"|$keys/none\"|" /etc/partd/vpn.toml
check_fails "a key that is not there" 6 partctl apply --no-legend
expect_match "the message" "open $keys/none: No such file or directory" "$output"
tunnel
apply
settled

echo '--- a file of wg-quick'
conf() {
    printf '[Interface]\nPrivateKey = %s\nAddress = 10.64.0.2/32, fd00:64::2/128\nDNS = 10.64.0.1, vpn.example\n%s\n' \
        "$(<"$keys/vpn")" "$1"
    printf '[Peer]\nPublicKey = %s\nAllowedIPs = 0.0.0.0/0, ::/0\nEndpoint = vpn.example.org:51820\n' "$provider"
}
conf 'MTU = 1380' >/etc/partd/mole.conf
at_end 'rm -f /etc/partd/mole.conf'
made=$(index_of vpn)
config vpn <<END
[partition.vpn.link.wg0]
kind = "wireguard"
config_file = "/etc/partd/mole.conf"
END
expect "partctl check has nothing to say of the file" 0 "$(partctl check 2>&1 | grep -c mole.conf)"
check "partctl check" partctl check
apply
settled
expect "it is the same link" "$made" "$(index_of vpn)"
expect "the MTU" 1380 "$(ip -n vpn -j link show dev wg0 | jq '.[0].mtu')"
expect "the addresses" '["10.64.0.2","fd00:64::2"]' "$(ip -n vpn -j address show dev wg0 | jq -c '[.[0].addr_info[].local]')"
expect "the keepalive" off "$(peer vpn "$provider" 8)"
check "its name server" grep -q '^nameserver 10.64.0.1$' /etc/netns/vpn/resolv.conf
check "its domain" grep -q '^search vpn.example$' /etc/netns/vpn/resolv.conf
check "the tunnel carries" ip netns exec vpn ping -c 1 -W 10 198.51.100.1
conf 'PostUp = iptables -F' >/etc/partd/mole.conf
check_fails "a program" 3 partctl check
expect_match "the message" 'mole.conf:5:1: error: PostUp has programs run as root' "$output"
conf '' >/etc/partd/mole.conf
chmod 640 /etc/partd/mole.conf
chgrp nogroup /etc/partd/mole.conf
check_fails "a file that others can read" 3 partctl check
expect_match "the message" 'vpn.toml:3:15: error: /etc/partd/mole.conf can be read or written by others than root' "$output"
chmod 600 /etc/partd/mole.conf
sed -i '/^config_file/s/$/\nmtu = 1300/' /etc/partd/vpn.toml
apply
settled
expect "the .toml file comes first" 1300 "$(ip -n vpn -j link show dev wg0 | jq '.[0].mtu')"
with_daemon
eventually "partd is settled" 30 partctl status --check
conf 'FwMark = 0x7' >/etc/partd/mole.conf
eventually "partd hears an edit of the file" 30 bash -c '[[ $(ip netns exec vpn wg show wg0 fwmark) == 0x7 ]]'
without_daemon
tunnel
apply
settled

echo '--- a birth that changes'
made=$(index_of vpn)
sed -i 's|^kind = "wireguard"|&\nbirth = "vpn"|' /etc/partd/vpn.toml
check_fails "partctl diff" 1 partctl diff
expect_match "it is made anew" 'anew: birth host' "$output"
apply
settled
expect "the socket is inside" 1 "$(ip netns exec vpn ss -Hnlu4 "sport = :$(device vpn 3)" | wc -l)"
tunnel
apply
settled
check "the tunnel carries again" ip netns exec vpn ping -c 1 -W 10 10.64.0.1

echo '--- keys are told nowhere'
with_daemon
eventually "partd is settled" 30 partctl status --check
{
    for verb in status list show metrics doctor ns events history "show vpn" "status vpn" "diff --generation 1"; do
        for words in '' --json; do
            # shellcheck disable=SC2086
            timeout 20 partctl $words $verb
        done
    done
    journalctl --no-pager --output=json
    cat /var/lib/partd/history/* /run/partd/ledger /run/partd/accepted /run/partd/relations
    busctl --address=unix:path=/run/partd/bus introspect org.partd1 /org/partd1
} >"$scratch/all" 2>&1 </dev/null
expect_number "something was told" 20000 999999999 "$(stat --format=%s "$scratch/all")"
for name in vpn provider psk; do
    expect "the key $name as text" 0 "$(grep --count --fixed-strings -f "$keys/$name" "$scratch/all")"
    hex=$(base64 --decode <"$keys/$name" | od -An -tx1 | tr -d ' \n')
    expect "the key $name as numbers" 0 "$(grep --count --ignore-case "$hex" "$scratch/all")"
done

echo '--- no packet leaves by another way'
ip netns exec provider nc -lu -k -p 53 >/dev/null &
nc=$!
at_end "kill $nc"
# The provider's own link is the only one with a name server in sight of the host.
tcpdump -i any -n -l --immediate-mode -w "$scratch/wire" 'not (udp and port 51820)' 2>/dev/null &
dumper=$!
sleep 2
check "the host reaches the provider" ping -c 3 -i 0.2 -W 5 10.99.0.2
for _ in $(seq 150); do
    ip netns exec vpn timeout 2 ping -c 1 -W 1 198.51.100.1
    ip netns exec vpn timeout 2 ping -c 1 -W 1 8.8.8.8
    partctl exec vpn -- timeout 2 getent hosts leak.example.org
done >/dev/null 2>&1 &
traffic=$!
at_end "kill $traffic 2>/dev/null"
main() { systemctl show --property=MainPID --value partd.service; }
check "partd is killed" kill -KILL "$(main)"
without_daemon
ip -n vpn link set wg0 down
sleep 1
partctl apply --no-legend
ip -n vpn link del wg0
sleep 1
for step in $(seq 8); do
    # an apply that is killed at another moment each time
    timeout --signal=KILL "0.$(printf '%02d' $((step * 5)))" partctl apply --no-legend
    ip -n vpn link del wg0
done 2>/dev/null
nft flush ruleset
sleep 1
apply
check "the tunnel carries again" ip netns exec vpn ping -c 1 -W 10 198.51.100.1
kill $traffic
wait $traffic 2>/dev/null
sleep 1
kill $dumper
wait $dumper
# The host's own pings show that the wire was watched; the rest is neighbour discovery between it and the provider.
expect_number "packets that were to be seen" 6 6 \
    "$(tcpdump -n -r "$scratch/wire" 'icmp and host 10.99.0.2' 2>/dev/null | wc -l)"
seen=$(tcpdump -n -r "$scratch/wire" \
    'port 53 or (icmp and not host 10.99.0.2) or net 10.64.0.0/24 or host 198.51.100.1 or host 8.8.8.8 or (icmp6 and ip6[40] == 128)' 2>/dev/null)
expect "packets by another way" '' "$(head -n 5 <<<"$seen")"
expect_number "packets in the tunnel" 10 999999999 "$(peer vpn "$provider" 7)"

echo '--- partd resolves again'
sed -i 's/10.99.0.2 vpn.example.org/10.99.0.77 vpn.example.org/' /etc/hosts
ip -n vpn link del wg0
with_daemon
eventually "the link is there, and goes to the new address" 60 \
    bash -c "[[ \$(ip netns exec vpn wg show wg0 endpoints) == *10.99.0.77:51820 ]]"
sed -i 's/10.99.0.77 vpn.example.org/10.99.0.2 vpn.example.org/' /etc/hosts
eventually "and back to the old one" 120 \
    bash -c "[[ \$(ip netns exec vpn wg show wg0 endpoints) == *10.99.0.2:51820 ]]"
check "the tunnel carries again" ip netns exec vpn ping -c 1 -W 10 198.51.100.1
sed -i '/vpn.example.org/d' /etc/hosts
without_daemon
ip -n vpn link del wg0
with_daemon
eventually "the journal tells of waiting" 60 \
    bash -c 'journalctl --quiet MESSAGE_ID=0d3b5c2f7a914e6cb1f28e4a90d7c365 | grep -q "link vpn/wg0 waits for"'
check "which is not a failure" partctl status --check
# Name servers that do not answer hold up nobody.
cp /etc/resolv.conf "$scratch/resolv.conf" 2>/dev/null || : >"$scratch/resolv.conf"
at_end "cat '$scratch/resolv.conf' >/etc/resolv.conf"
echo 'nameserver 10.99.0.2' >/etc/resolv.conf
sed -i 's/vpn.example.org/silent.example.org/' /etc/partd/vpn.toml
ip -n vpn link del wg0
eventually "partd goes on meanwhile" 60 \
    bash -c 'journalctl --quiet MESSAGE_ID=0d3b5c2f7a914e6cb1f28e4a90d7c365 | grep -q "silent.example.org (there is no answer yet)"'
eventually "and then it tells that" 90 \
    bash -c 'journalctl --quiet MESSAGE_ID=0d3b5c2f7a914e6cb1f28e4a90d7c365 | grep -Eq "silent.example.org .(no answer within 10 s|Temporary failure|Name or service)"'
without_daemon
