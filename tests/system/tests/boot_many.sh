# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2154
# The boot with 200 partitions: how much longer it takes, and how much of that udev does. The bounds are those of a machine
# without hardware acceleration beside other work; the figures stand in the log.
# boots: 3
# machine: own
# timeout: 300

# How long the boot took, in seconds, from the first program on.
took() {
    systemctl show --property=UserspaceTimestampMonotonic --property=FinishTimestampMonotonic --value |
        sort --numeric-sort | paste --serial --delimiters=' ' | awk '{ print int(($2 - $1) / 1000000) }'
}
# Processor time of udev, in seconds.
udev_used() { echo $(($(systemctl show --property=CPUUsageNSec --value systemd-udevd.service) / 1000000000)); }

case $BOOT in
    1)
        with_daemon
        systemctl enable --quiet partd.service partd.socket
        persist
        ;;
    2)
        eventually "the boot has ended" 60 bash -c '[[ $(systemctl is-system-running) != starting ]]'
        took >/var/lib/bench/usual
        for i in {1..200}; do
            printf '[partition.p%s.link.eth0]\naddress = ["10.100.%s.1/24"]\npeer = { address = ["10.100.%s.2/24"] }\n[partition.p%s.nat]\nmasquerade = true\n' "$i" "$i" "$i" "$i" >"/etc/partd/p$i.toml"
        done
        eventually "all are made" 120 bash -c '(($(ls /run/netns | wc -l) == 200)) && partctl diff'
        persist
        ;;
    3)
        eventually "the boot has ended" 60 bash -c '[[ $(systemctl is-system-running) != starting ]]'
        expect_number "it took, in s, usually $(cat /var/lib/bench/usual)" 0 $(($(cat /var/lib/bench/usual) + 60)) "$(took)"
        expect_number "udev used, in s of a processor" 0 40 "$(udev_used)"
        check "nothing differs" partctl diff
        check "the last one answers" ping -c 1 -W 5 10.100.200.1
        rm /etc/partd/p*.toml
        check "all go" partctl apply --allow-delete
        ;;
esac
