# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2154
# Joined means joined, over boots: with partd, without it, and with a file that is wrong the units never run on the host.
# boots: 3
# machine: own
# timeout: 500

log=/var/lib/bench/where
here=$(</proc/sys/kernel/random/boot_id)
state() { systemctl show --property=ActiveState --value "$1"; }
# Where a unit ran since the last boot: its network namespaces, the host's as "host".
ran() { grep "^$here $1 " "$log" | cut -d' ' -f3 | sort -u | paste -s -d ' '; }
joined='[partition.web.link.eth0]
address = ["10.55.0.2/24"]
peer = { address = ["10.55.0.1/24"] }
[partition.limited]
namespaces = []'
for unit in plain dynamic instance@one timed; do
    joined+="
[partition.web.service.${unit/@/-}]
unit = \"$unit.service\""
done
joined+='
[partition.limited.service.limited]
unit = "limited.service"'

case $BOOT in
    1)
        cat >/usr/local/bin/where-am-i <<'END'
#!/bin/sh
# Runs also as a user who may not look at PID 1: compares with what root wrote down.
here=$(readlink /proc/self/ns/net)
[ "$here" = "$(cat /run/host-netns)" ] && here=host
echo "$(cat /proc/sys/kernel/random/boot_id) $1 $here" >>/var/lib/bench/where
exec sleep infinity
END
        chmod 755 /usr/local/bin/where-am-i
        echo 'f /run/host-netns 0644 root root' >/etc/tmpfiles.d/host-netns.conf
        cat >/etc/systemd/system/host-netns.service <<'END'
[Unit]
DefaultDependencies=no
After=local-fs.target
Before=sysinit.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'readlink /proc/1/ns/net >/run/host-netns'
[Install]
WantedBy=sysinit.target
END
        for unit in plain dynamic instance@ limited; do
            cat >"/etc/systemd/system/$unit.service" <<END
[Service]
ExecStart=/usr/local/bin/where-am-i ${unit%@}
$([[ $unit == dynamic ]] && printf 'DynamicUser=yes\nReadWritePaths=/var/lib/bench/where')
[Install]
WantedBy=multi-user.target
END
        done
        cat >/etc/systemd/system/timed.service <<'END'
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'timeout 1 /usr/local/bin/where-am-i timed; true'
END
        printf '[Timer]\nOnBootSec=1s\nOnUnitActiveSec=5s\n[Install]\nWantedBy=timers.target\n' >/etc/systemd/system/timed.timer
        touch "$log"
        chmod 666 "$log"
        systemctl daemon-reload
        check "units are enabled" systemctl enable --quiet host-netns plain dynamic instance@one limited timed.timer
        check "and run" systemctl start host-netns plain dynamic instance@one limited timed.timer
        eventually "on the host" 10 grep -q "^$here plain host" "$log"
        echo "$joined" | config web
        with_daemon
        eventually "all have joined" 60 partctl diff
        for unit in plain dynamic instance@one; do
            eventually "$unit runs in the partition" 20 bash -c "[[ \$(readlink /proc/\$(systemctl show --property=MainPID --value $unit)/ns/net) == net:\[$(stat --format=%i /run/netns/web)\] ]]"
            check "what holds it survives" grep -q NetworkNamespacePath=/run/netns/web "/etc/systemd/system/$unit.service.d/49-partd-web.conf"
        done
        # A name that somebody takes away: whether the namespace is made anew or found by its process, the unit is in it.
        : >"$log"
        check "the namespace's name is taken away" ip netns delete web
        eventually "the name is back" 60 bash -c 'test -e /run/netns/web && partctl diff'
        expect "the unit is in its namespace" "net:[$(stat --format=%i /run/netns/web)]" "$(readlink "/proc/$(systemctl show --property=MainPID --value plain)/ns/net")"
        expect "and was not on the host in between" "" "$(ran plain | grep -o host)"
        # An upgrade from before the holds: the file comes, the unit stays.
        pid=$(systemctl show --property=MainPID --value plain)
        rm -r /etc/systemd/system/plain.service.d
        eventually "a missing hold comes back" 30 test -e /etc/systemd/system/plain.service.d/49-partd-web.conf
        eventually "nothing differs" 30 partctl diff
        expect "the unit was not restarted" "$pid" "$(systemctl show --property=MainPID --value plain)"
        : >"$log"
        persist
        ;;
    2)
        eventually "partd is ready" 60 systemctl is-active partd.service
        eventually "nothing differs" 60 partctl diff
        for unit in plain dynamic instance; do
            eventually "$unit runs" 30 grep -q "^$here $unit " "$log"
            expect_match "$unit ran in the partition alone" '^net:\[[0-9]+\]$' "$(ran "$unit")"
        done
        eventually "the timer's service too" 30 grep -q "^$here timed net" "$log"
        expect "and there alone" 0 "$(grep -c ' host$' <(grep -v ' limited ' "$log"))"
        eventually "the one with limits runs in its slice" 20 grep -q partd-limited.slice "/proc/$(systemctl show --property=MainPID --value limited)/cgroup"
        expect "no unit was dropped for a cycle" "" "$(journalctl --boot --no-pager | grep -i 'ordering cycle')"
        expect "no failed unit" "" "$(systemctl --failed --plain --no-legend)"
        : >"$log"
        systemctl mask --quiet partd.service partd.socket
        echo '[partition.web' >/etc/partd/web.toml
        rm -rf /var/lib/partd/*  # and nobody knows what it said when it was good
        persist
        ;;
    3)
        expect_number "the boot took s" 1 60 "$(systemctl show --property=UserspaceTimestampMonotonic --property=FinishTimestampMonotonic --value | sort -n | paste -s -d ' ' | awk '{ print int(($2 - $1) / 1000000) }')"
        for unit in plain dynamic instance@one; do
            expect "without partd $unit does not start" failed "$(state "$unit")"
        done
        expect "nor does the one with limits" inactive "$(state limited)"
        expect "nothing ran anywhere" "" "$(grep "^$here" "$log")"
        systemctl unmask --quiet partd.service partd.socket
        check "partd starts" systemctl start partd.socket partd.service
        sleep 3
        check "the wrong file lets nobody go" grep -q NetworkNamespacePath=/run/netns/web /etc/systemd/system/plain.service.d/49-partd-web.conf
        # Of a simple service systemctl tells only that it was begun.
        systemctl start plain
        eventually "a start by hand fails" 10 bash -c '[[ $(systemctl show --property=ActiveState --value plain) == failed ]]'
        expect "nothing ran anywhere" "" "$(grep "^$here" "$log")"
        echo "$joined" | config web
        for unit in plain dynamic instance limited; do
            eventually "the file is right again, and $unit runs" 60 grep -q "^$here $unit " "$log"
        done
        eventually "nothing differs" 30 partctl diff
        expect "none of them ran on the host" 0 "$(grep -c ' host$' <(grep -v ' limited ' "$log"))"
        rm /etc/partd/web.toml
        eventually "not declared any more, it runs on the host" 60 grep -q "^$here plain host" "$log"
        expect "no file is left" "" "$(find /etc/systemd/system /run/systemd/system -name '*partd-web*' -o -name '*partd-limited*')"
        systemctl disable --quiet --now plain dynamic instance@one limited timed.timer host-netns
        ;;
esac
