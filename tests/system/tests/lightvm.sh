# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2154
# The light machine of the examples with a real Debian in it: this machine's own tree.
# timeout: 240

mkdir -p /srv/machines/lightvm
chmod 700 /srv/machines
mount --bind / /srv/machines/lightvm
at_end 'umount /srv/machines/lightvm && rm -r /srv/machines'
example lightvm
apply

expect "its release" "$(cat /etc/debian_version)" "$(inside lightvm cat /etc/debian_version)"
expect "its name" lightvm "$(inside lightvm hostname)"
expect "root inside" 0 "$(inside lightvm id -u)"
expect_number "only its own processes" 2 3 "$(inside lightvm ps -e --no-headers -o pid | wc -l)"
expect "PID 1" partd-init "$(inside lightvm cat /proc/1/comm)"
expect "dpkg works" "install ok installed" "$(inside lightvm dpkg-query --show --showformat='${Status}' systemd)"
expect "name server" "nameserver 9.9.9.9" "$(inside lightvm grep -m1 '^nameserver' /etc/resolv.conf)"
check "files can be written" inside lightvm sh -c 'echo changed >/etc/motd; mkdir /opt/own; chown 1000:1000 /opt/own'
expect "they stay" changed "$(inside lightvm cat /etc/motd)"
check_fails "the tree below stays as it is" 1 grep -q changed /etc/motd
check_fails "so do its directories" 1 test -e /opt/own
check "the host answers" inside lightvm ping -c 1 -W 5 10.99.0.1
check "by IPv6 too" inside lightvm ping -c 1 -W 5 fd00:99::1

# On the host: an ordinary process of nobody, in namespaces of its own, in its cgroup.
init=$(pgrep --exact partd-init)
expect "its user on the host" 1000000 "$(stat --format=%u "/proc/$init")"
for type in net mnt pid uts ipc user cgroup time; do
    check_fails "$type namespace of its own" 1 test "/proc/$init/ns/$type" -ef "/proc/1/ns/$type"
done
expect "lsns finds the user namespace's process" "$init" \
    "$(lsns --json --type user --output PID | jq -r '.namespaces[].pid' | grep -x "$init")"
expect_match "its cgroup" "partd-lightvm.slice" "$(cat "/proc/$init/cgroup")"
expect "pids.max" 256 "$(attribute lightvm pids.max)"

# What root inside must not do to the host.
check_fails "no kernel parameter" 2 inside lightvm sh -c 'echo 1 >/proc/sys/kernel/panic'
check_fails "no device" 1 inside lightvm mknod /tmp/disk b 259 0
# One that the machine has and that no test loads.
check_fails "no module" 1 inside lightvm modprobe team

# PID 1 ends: seen, made anew, with what was written.
kill -KILL "$init"
check_fails "its end is seen" 1 partctl diff
apply
expect "what it wrote is there" changed "$(inside lightvm cat /etc/motd)"
