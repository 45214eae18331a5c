# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2154
# systemd-networkd beside partd: it leaves partd's links, addresses, routes and rules alone, also as it starts anew.
# timeout: 500

cat >/etc/systemd/network/50-everything.network <<'END'
# As careless hosts have it: whatever Ethernet there is.
[Match]
Name=up*

[Network]
Address=203.0.113.1/24
END
at_end 'rm -f /etc/systemd/network/50-everything.network; systemctl stop systemd-networkd.service systemd-networkd.socket'
check "networkd starts" systemctl start systemd-networkd.service
example routed-nat
example tenants
apply
udevadm settle --timeout=60
sleep 3
check "nothing differs after a while" partctl diff
check "networkd starts anew" systemctl restart systemd-networkd.service
sleep 3
check "nothing differs after that" partctl diff
check "networkctl reload" networkctl reload
sleep 3
check "nothing differs after that" partctl diff
networkctl list --no-pager
expect "networkd manages none of partd's links" "" \
    "$(networkctl --json=short list | jq -r '.Interfaces[] | select(.Name | test("^(pv-|tn-)")) | select(.AdministrativeState != "unmanaged") | .Name')"

# A file that takes whatever Ethernet there is, and asks for addresses on it.
rm /etc/partd/*.toml
apply --allow-delete
rm /etc/systemd/network/50-everything.network
printf '[Match]\nName=*\nType=ether\n[Network]\nDHCP=ipv4\n' >/etc/systemd/network/90-dhcp.network
at_end 'rm -f /etc/systemd/network/90-dhcp.network'
systemctl restart systemd-networkd.service
dhcp_servers veth0 tn-acme other0
eventually "networkd gets an address on somebody else's link" 30 bash -c 'ip -4 address show dev other0 | grep -q 10.66.3.1'
unmanaged() {
    for link in veth0 tn-acme; do
        expect "no address on $link" "" "$(leases $link)"
        expect "$link is left alone" unmanaged "$(networkctl --json=short list | jq -r --arg name $link '.Interfaces[] | select(.Name == $name) | .AdministrativeState')"
    done
    expect "no route through a partition" "" "$(ip -json route show default | jq -r '.[] | select(.dev == "veth0" or .dev == "tn-acme") | .gateway')"
    check "nothing differs" partctl diff
}
unmanaged
check "networkd starts anew" systemctl restart systemd-networkd.service
sleep 5
unmanaged
# Many at once: each is known before networkd or udev looks at it.
{
    for i in $(seq 1 60); do
        printf '[partition.many-%s.link.eth0]\naddress = ["10.70.%s.1/30"]\npeer = { name = "cust%s", address = ["10.70.%s.2/30"] }\n' "$i" "$i" "$i" "$i"
    done
} | config many
apply
udevadm settle --timeout=60
sleep 3
expect "networkd manages none of 60" 60 "$(networkctl --json=short list | jq '[.Interfaces[] | select(.Name | startswith("cust")) | select(.AdministrativeState == "unmanaged")] | length')"
check "nothing differs" partctl diff
