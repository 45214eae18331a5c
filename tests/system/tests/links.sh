# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Types of links that Debian's kernel has: made, put back when somebody deletes or changes them, and removed.
# timeout: 300

in_partition() { ip netns exec "$@"; }
reached() { check "$1 reaches $2" ip netns exec "$1" ping -c 1 -W 5 "$2"; }
settled() {
    check "nothing differs" partctl diff
    check "status is well" partctl status --check
}

example vlan
apply
settled
expect "the VLAN's number" 10 "$(in_partition left ip -d -j link show dev office | jq '.[0].linkinfo.info_data.id')"
expect "its lower link" trunk "$(in_partition left ip -j link show dev office | jq -r '.[0].link')"
reached left 10.50.10.2
reached right 10.50.20.1
reached left fd00:50:10::2
in_partition left ip link del office
in_partition left ip link set guests mtu 1300
in_partition right ip link del office
in_partition right ip link add link trunk name office type vlan id 11
check_fails "partctl diff tells of it" 1 partctl diff
apply
settled
reached left 10.50.10.2
in_partition left ip link del trunk
apply
settled
reached left 10.50.10.2
reached right 10.50.20.1
rm /etc/partd/vlan.toml

example service-address
apply
settled
expect "the service's address" 10.40.9.9 "$(in_partition server ip -4 -j address show dev svc0 | jq -r '.[0].addr_info[0].local')"
for way in 10.40.0.2 10.40.0.6; do
    ip route replace 10.40.9.9 via "$way"
    check "10.40.9.9 answers by $way" ping -c 1 -W 5 10.40.9.9
done
in_partition server ip link del svc0
apply
settled
check "10.40.9.9 answers again" ping -c 1 -W 5 10.40.9.9
rm /etc/partd/service-address.toml

example switch
apply
settled
reached alice 10.30.0.12
in_partition switch ip link set br0 type bridge vlan_filtering 1
sed -i 's/^kind = "bridge"/&\nvlan_filtering = true/' /etc/partd/switch.toml
settled
in_partition switch ip link set br0 type bridge vlan_filtering 0
check_fails "partctl diff tells of vlan_filtering" 1 partctl diff
apply
settled
expect "vlan_filtering" 1 "$(in_partition switch ip -d -j link show dev br0 | jq '.[0].linkinfo.info_data.vlan_filtering')"
rm /etc/partd/switch.toml
check "partctl apply removes all" partctl apply --allow-delete --no-legend

example vrf
apply
settled
for tenant in red blue; do
    check "router reaches tenant-$tenant" ip netns exec router ip vrf exec "$tenant" ping -c 1 -W 5 10.70.0.2
done
in_partition router ip link del red
in_partition router ip link set blue0 nomaster
check_fails "partctl diff tells of it" 1 partctl diff
apply
settled
expect "the table of blue0's route" 1 "$(in_partition router ip -j route show table 20 10.70.0.0/24 | jq length)"
rm /etc/partd/vrf.toml
check "partctl apply removes all" partctl apply --allow-delete --no-legend

for card in eth0 eth1; do
    ip link add "$card" type dummy
    ip link set "$card" up
    at_end "ip link del $card"
done
example bond
apply
settled
in_partition server ip link set up1 nomaster
in_partition server ip link set bond0 type bond miimon 7
apply
settled
expect "the bond's interval" 50 "$(in_partition server ip -d -j link show dev bond0 | jq '.[0].linkinfo.info_data.miimon')"
rm /etc/partd/bond.toml
check "partctl apply removes all" partctl apply --allow-delete --no-legend

# On a card of the host's, which is not touched.
ip link add card type dummy
ip link set card up
at_end 'ip link del card'
before=$(ip -d -j link show dev card)
printf '[partition.tagged.link.wan]\nkind = "vlan"\nparent = "host:card"\nid = 7\n' >/etc/partd/tagged.toml
apply
settled
expect "the VLAN is in the partition" wan "$(in_partition tagged ip -j link show type vlan | jq -r '.[0].ifname')"
rm /etc/partd/tagged.toml
check "partctl apply removes it" partctl apply --allow-delete --no-legend
expect "the card is as it was" "$before" "$(ip -d -j link show dev card)"
