# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2154
# The host's network card comes while partd makes its links at boot, after partd has started, and again and again while
# it works. It keeps all that is its own; udev names it; its IPv6 comes by router advertisements. A file that needs it is
# carried out when it is there, one that is wrong harms nobody.
# boots: 3
# machine: own
# card: yes
# timeout: 400

pci=/sys/bus/pci/devices/0000:00:09.0
card() { basename "$(echo "$pci"/virtio*/net/*)"; }

# Whatever partd gives to a link of its own, and a card must not have.
mine() {
    ip -json -details link show "$1" |
        jq --compact-output '.[] | [.ifalias, .inet6_addr_gen_mode, .group, .mtu, .address, (.altnames // [] | map(select(startswith("pv-"))))]'
}
# card_is_its_own WHEN: as it was seen before there was any partition. Turns it on, as whoever configures it would.
card_is_its_own() {
    local name
    name=$(cat /var/lib/bench/card)
    eventually "$1: udev has named the card" 30 test -e "/sys/class/net/$name"
    udevadm settle --timeout=60
    expect "$1: the card is off as long as nobody turns it on" null "$(ip -json link show "$name" | jq '.[0].flags | index("UP")')"
    expect "$1: it is as it was" "$(cat /var/lib/bench/mine)" "$(mine "$name")"
    ip link set "$name" up
    ip address add 10.0.2.15/24 dev "$name"
    eventually "$1: it has an address by a router's advertisement" 60 bash -c "ip -6 address show dev $name scope site | grep -q 'fec0:.*dynamic'"
    eventually "$1: and the route" 30 bash -c "ip -6 route show default dev $name | grep -q 'proto ra'"
    check "$1: the network beyond it answers" ping -c 1 -W 10 10.0.2.2
}
# Nothing differs but the file that is wrong.
others_are_well() {
    eventually "$1: what needs the card is carried out" 60 bash -c '[[ $(partctl status --json | jq -r ".partitions[] | select(.state != \"active\") | .name") == wrong ]]'
    check "$1: a partition gets out by the card" inside web ping -c 1 -W 10 10.0.2.2
    expect "$1: one has a link on it" macvlan "$(ip netns exec lan ip -json -details link show eth0 | jq -r '.[0].linkinfo.info_kind')"
    check "$1: the first of many answers" ping -c 1 -W 5 10.91.1.1
    check "$1: the last answers" ping -c 1 -W 5 10.91.20.1
}
many() {
    for i in {1..20}; do
        printf '[partition.m%s.link.eth0]\naddress = ["10.91.%s.1/24", "fd91:%s::1/64"]\npeer = { name = "veth%s", address = ["10.91.%s.2/24", "fd91:%s::2/64"] }\n' "$i" "$i" "$i" "$i" "$i" "$i"
    done | config many
}

case $BOOT in
    1)
        # Forwarding is turned on by partd alone.
        rm -f /etc/sysctl.d/50-router.conf
        udevadm settle --timeout=60
        card >/var/lib/bench/card
        mine "$(card)" >/var/lib/bench/mine
        expect_match "the card has udev's name" '^en' "$(card)"
        expect_match "and nothing of partd's" '^\[null,"eui64","default",' "$(mine "$(card)")"
        config web <<END
[partition.web.link.eth0]
address = ["10.90.1.1/24", "fd90:1::1/64"]
peer = { address = ["10.90.1.2/24", "fd90:1::2/64"] }
[[partition.web.route]]
to = "default"
via = "10.90.1.2"
[partition.web.nat]
masquerade = [{ source = "10.90.1.0/24", out = "$(card)" }, { source = "fd90:1::/64", out = "$(card)" }]
END
        printf '[partition.lan.link.eth0]\nkind = "macvlan"\nparent = "host:%s"\naddress = ["10.0.2.77/24"]\n' "$(card)" | config lan
        printf '[partition.wrong.link.eth0]\nkind = "macvlan"\nparent = "host:%sx"\n' "$(card)" | config wrong
        many
        echo 'blacklist virtio_net' >/etc/modprobe.d/late.conf
        systemctl unmask --runtime --quiet partd.socket partd.service
        systemctl enable --quiet partd.service partd.socket
        persist
        ;;
    2)
        expect "partd.service" active "$(systemctl show --property=ActiveState --value partd.service)"
        check_fails "there is no card yet" 1 bash -c "[[ -e \$(echo $pci/virtio*/net) ]]"
        check "the first of many answers without it" ping -c 1 -W 5 10.91.1.1
        expect "the partition that needs it is not as declared" false "$(partctl status --json | jq '.partitions[] | select(.name == "lan") | .state == "active"')"
        modprobe virtio_net
        card_is_its_own "after partd"
        others_are_well "after partd"
        # Pulled and put in, while links of partd's come and go.
        for round in 1 2 3 4 5; do
            echo 1 >$pci/remove
            eventually "round $round: it is gone" 20 bash -c "! test -e $pci"
            rm -f /etc/partd/many.toml
            partctl apply --allow-delete --no-legend >/dev/null 2>&1
            many
            echo 1 >/sys/bus/pci/rescan
            partctl apply --no-legend >/dev/null 2>&1
            card_is_its_own "round $round"
        done
        others_are_well "after five rounds"
        rm /etc/modprobe.d/late.conf
        persist
        ;;
    3)
        card_is_its_own "while partd starts"
        others_are_well "while partd starts"
        find /etc/partd -name '*.toml' -delete
        check "all go" partctl apply --allow-delete
        expect "the card stays" "$(cat /var/lib/bench/card)" "$(card)"
        # partd's guard of the host that it made a router stays until the next boot, and there is none.
        persist
        ;;
esac
