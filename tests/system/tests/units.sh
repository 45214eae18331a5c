# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2154
# The units as systemd 252 on this machine judges them.

# Other tests mask them; here they are looked at.
systemctl unmask --runtime --quiet partd.service partd.socket
check "systemd-analyze verify" systemd-analyze verify --man=no partd.service partd.socket partd-ready@web.target partd-wait@web.service
expect "it has nothing to say" "" \
    "$(systemd-analyze verify --man=no partd.service partd.socket partd-ready@web.target partd-wait@web.service 2>&1)"
# units/README.md says what keeps the exposure from less.
check "systemd-analyze security, with a bound" systemd-analyze security --threshold=90 --no-pager partd.service
systemd-analyze security --no-pager partd.service | tail -n 1
check "systemd-tmpfiles" systemd-tmpfiles --create partd.conf
expect "directories of tmpfiles" "755 root /etc/partd 755 root /run/partd 711 root /var/lib/partd" \
    "$(stat --format='%a %U %n' /etc/partd /run/partd /var/lib/partd | paste -s -d ' ')"
check "the group partd" getent group partd
check "polkit knows the actions" bash -c 'pkaction | grep -x org.partd1.apply'
check "polkit knows that a text of one's own is another action" bash -c 'pkaction | grep -x org.partd1.apply-text'
check "D-Bus knows the service" bash -c 'busctl list --activatable --no-legend | grep "^org.partd1 "'
check "the catalog knows the messages" journalctl --dump-catalog 2bd486c691864b529ff55be66253bdab

# Another unit that needs one partition, by the two that are instantiated.
with_daemon
example workshop
check "a target for one partition" timeout 60 systemctl start partd-ready@workshop.target
check "then the partition stands" ping -c 1 -W 5 10.1.1.1
