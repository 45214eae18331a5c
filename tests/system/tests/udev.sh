# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2154
# udev runs here, as on real hosts: it must not rename, and many links at once must come to an end.
# timeout: 240

{
    for i in $(seq 1 40); do
        echo "[partition.many-$i.link.eth0]"
        echo "address = [\"10.70.$i.1/30\"]"
        echo "peer = { address = [\"10.70.$i.2/30\"] }"
    done
} | config many
apply
check "udev settles" udevadm settle --timeout=60
expect "40 links on the host under their names" 40 "$(ip -json link | jq '[.[] | select(.ifname | startswith("pv-many-"))] | length')"
check "nothing differs after udev's work" partctl diff
check "the first answers" ping -c 1 -W 5 10.70.1.1
check "the last answers" ping -c 1 -W 5 10.70.40.1

# What udev knows of them, and what it leaves.
rm /etc/partd/many.toml
apply --allow-delete
many() { # many HOW: 40 partitions are made and removed; prints the processor time of udev in ms
    local before after
    before=$(systemctl show --property=CPUUsageNSec --value systemd-udevd.service)
    for i in $(seq 1 40); do
        printf '[partition.many-%s.link.eth0]\npeer.name = "cust%s"\n' "$i" "$i"
    done | config many
    partctl apply --no-legend >/dev/null || echo failed
    udevadm settle --timeout=60
    after=$(systemctl show --property=CPUUsageNSec --value systemd-udevd.service)
    echo $(((after - before) / 1000000))
}
with=$(many)
known=0
for i in $(seq 1 40); do
    udevadm info --query=property "/sys/class/net/cust$i" | grep -qx PARTD_HOST_END=1 && known=$((known + 1))
done
expect "udev knows all 40 by their group, whatever they are called" 40 "$known"
expect "it runs no program for one" "" "$(udevadm test --action=add /sys/class/net/cust1 2>/dev/null | grep "^run: '/")"
rm /etc/partd/many.toml
apply --allow-delete
udevadm settle --timeout=60
mv /usr/lib/udev/rules.d/10-partd.rules "$scratch"
at_end 'mv "$scratch/10-partd.rules" /usr/lib/udev/rules.d/; udevadm control --reload'
udevadm control --reload
without=$(many)
echo "udev's processor time for 40 links: $with ms, without the rules $without ms"
expect_number "the rules spare udev at least a third, in ms" 0 "$((without * 2 / 3))" "$with"
