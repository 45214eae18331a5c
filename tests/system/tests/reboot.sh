# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2154
# Configuration in place, the machine boots again: everything stands before network.target, by partd.service alone.
# boots: 3
# timeout: 180

at() { systemctl show --property="$2" --value "$1"; }

case $BOOT in
    1)
        with_daemon
        example workshop
        example routed-nat
        example limits
        example pod
        eventually "all is made" 30 partctl diff
        cp /proc/sys/kernel/random/boot_id /var/lib/bench/first-boot
        persist
        ;;
    2)
        check_fails "another boot" 1 cmp /var/lib/bench/first-boot /proc/sys/kernel/random/boot_id
        expect "partd.service" active "$(at partd.service ActiveState)"
        ready=$(at partd.service ActiveEnterTimestampMonotonic)
        expect_number "ready at µs, before network.target" 1 "$(at network.target ActiveEnterTimestampMonotonic)" "$ready"
        expect_number "it took µs" 1 60000000 "$((ready - $(at partd.service ExecMainStartTimestampMonotonic)))"
        expect "no failed unit" "" "$(systemctl --failed --plain --no-legend)"
        expect "no unit was dropped for a cycle" "" "$(journalctl --boot --no-pager | grep -i 'ordering cycle')"
        check "nothing differs" partctl diff
        check "all is as declared" partctl status --check
        check "the workshop answers" ping -c 1 -W 5 10.1.1.1
        check "the routed network answers" ping -c 1 -W 5 172.16.99.100
        check "the pod answers" ping -c 1 -W 5 10.88.0.2
        expect "pids.max of a nested one" 16 "$(attribute batch-crunch pids.max)"
        expect "IPv4 is forwarded" 1 "$(cat /proc/sys/net/ipv4/ip_forward)"
        systemd-analyze critical-chain partd.service --no-pager

        # While the machine is down somebody takes a file away and changes another.
        rm /etc/partd/pod.toml
        sed -i 's/pids.max = 16/pids.max = 12/' /etc/partd/limits.toml
        persist
        ;;
    3)
        check "nothing differs" partctl diff
        check_fails "what is not declared any more is not there" 1 test -e /run/netns/shop
        expect "the changed limit" 12 "$(attribute batch-crunch pids.max)"
        check "the workshop answers" ping -c 1 -W 5 10.1.1.1
        ;;
esac
