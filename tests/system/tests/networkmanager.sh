# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2154
# NetworkManager beside partd, with a profile for whatever Ethernet there is: no address comes from inside a partition.
# timeout: 500

at_end 'systemctl stop NetworkManager.service; rm -f /etc/NetworkManager/system-connections/any.nmconnection'
cat >/etc/NetworkManager/system-connections/any.nmconnection <<'END'
[connection]
id=any
type=ethernet
multi-connect=3
autoconnect-priority=10
[ipv4]
method=auto
[ipv6]
method=ignore
END
chmod 600 /etc/NetworkManager/system-connections/any.nmconnection
check "NetworkManager starts" systemctl start NetworkManager.service
# It leaves veth pairs alone by itself, but for those that are called so.
dhcp_servers eth7 pv-own eth9
eventually "it gets an address on somebody else's link" 60 bash -c 'ip -4 address show dev eth9 | grep -q 10.66.3.1'
nmcli --terse --fields DEVICE,STATE device
unmanaged() {
    for link in eth7 pv-own; do
        expect "no address on $link" "" "$(leases $link)"
        expect "$link is left alone" unmanaged "$(nmcli --terse --fields DEVICE,STATE device | sed -n "s/^$link://p")"
    done
    expect "no route through a partition" "" "$(ip -json route show default | jq -r '.[] | select(.dev == "eth7" or .dev == "pv-own") | .gateway')"
    check "nothing differs" partctl diff
}
unmanaged
check "it starts anew" systemctl restart NetworkManager.service
sleep 8
unmanaged
