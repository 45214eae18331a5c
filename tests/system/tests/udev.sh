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
