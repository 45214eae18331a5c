# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2154
# The clock is set back a day and forth a year: the daemon goes on mending, and nothing waits for a time that is far off.

with_daemon
example workshop
eventually "the partition is made" 20 partctl diff
# Not by SECONDS, which is the clock's.
uptime_seconds() { cut --delimiter=. --fields=1 /proc/uptime; }
booted=$(($(date +%s) - $(uptime_seconds)))
at_end "date --set=@\$(($booted + \$(uptime_seconds))) >/dev/null"
heals() {
    ip netns exec workshop ip address flush dev veth1
    eventually "$1: flushed addresses come back" 15 ping -c 1 -W 1 10.1.1.1
    ip link set veth0 mtu 1400
    sed -i "s/^description.*/description = \"$1\"/" /etc/partd/workshop.toml
    check "$1: partctl diff comes to an end" timeout 30 bash -c 'partctl diff >/dev/null || test $? = 1'
    eventually "$1: and finds nothing" 15 partctl diff
    expect "$1: partd.service" active "$(systemctl is-active partd.service)"
}
heals "at first"
date --set='1 day ago' >/dev/null
heals "a day back"
date --set='1 year' >/dev/null
heals "a year on"
expect "it was not started anew" 0 "$(systemctl show --property=NRestarts --value partd.service)"
