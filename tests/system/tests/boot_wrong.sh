# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2154
# The boot with the worst that partd may meet: a file that is wrong, a disk that is full, partd that does not start. It
# takes hardly longer, says why, and what was last good is there.
# boots: 4
# machine: own
# timeout: 180

at() { systemctl show --property="$2" --value "$1"; }
seconds() { echo $(($1 / 1000000)); }
# took UNIT: how long its process ran, in seconds.
took() { seconds $(($(at "$1" ExecMainExitTimestampMonotonic) - $(at "$1" ExecMainStartTimestampMonotonic))); }
# A unit that needs a partition, wanted at boot.
unit_for() {
    cat >"/etc/systemd/system/needs-$1.service" <<END
[Unit]
Requires=partd-ready@$1.target
After=partd-ready@$1.target
[Service]
Type=oneshot
RemainAfterExit=yes
NetworkNamespacePath=/run/netns/$1
ExecStart=/bin/true
[Install]
WantedBy=multi-user.target
END
    systemctl enable --quiet "needs-$1.service"
}
quick() {
    expect_number "network.target, in s, usually $(cat /var/lib/bench/usual)" 0 $(($(cat /var/lib/bench/usual) + 10)) \
        "$(seconds "$(at network.target ActiveEnterTimestampMonotonic)")"
}

# left_waiting NAME SECONDS PATTERN: the unit that needs that partition was not started, soon, and the journal says why.
left_waiting() {
    local wait=partd-wait@$1.service
    eventually "what needs $1 is given up" 60 systemctl is-failed "$wait"
    expect "needs-$1.service" inactive "$(at "needs-$1.service" ActiveState)"
    expect_number "it was waited for, in s" 0 "$2" "$(took "$wait")"
    expect_match "and the journal says why" "$3" "$(journalctl --boot --no-pager -u "$wait" | tr '\n' ' ')"
}

case $BOOT in
    1)
        with_daemon
        example workshop
        eventually "all is made" 30 partctl diff
        unit_for workshop
        persist
        ;;
    2)
        check "the workshop answers" ping -c 1 -W 5 10.1.1.1
        seconds "$(at network.target ActiveEnterTimestampMonotonic)" >/var/lib/bench/usual
        echo '[half' >>/etc/partd/workshop.toml
        echo '[partition.never' >/etc/partd/never.toml
        unit_for never
        persist
        ;;
    3)
        quick
        expect "partd.service" active "$(at partd.service ActiveState)"
        check "what was last good is there" ping -c 1 -W 5 10.1.1.1
        eventually "the unit that needs it has started" 30 systemctl is-active needs-workshop.service
        expect_match "status" "workshop +invalid" "$(partctl status 2>&1)"
        left_waiting never 12 "never.toml:1.*no file that is valid declares never"
        systemctl mask --quiet partd.service
        persist
        ;;
    4)
        quick
        left_waiting workshop 15 "partd does not run"
        systemctl unmask --quiet partd.service
        systemctl disable --quiet needs-workshop.service needs-never.service
        rm -f /etc/systemd/system/needs-*.service
        systemctl daemon-reload
        # A disk that is full, and nothing is known of before.
        mount -t tmpfs -o size=64k tmpfs /var/lib/partd
        at_end 'umount /var/lib/partd'
        dd if=/dev/zero of=/var/lib/partd/fill bs=4k 2>/dev/null
        example workshop
        rm -f /etc/partd/never.toml
        with_daemon
        check "with a full disk the workshop is made" ping -c 1 -W 5 10.1.1.1
        expect_match "and the journal says what is missing" "not kept for later.*No space left" \
            "$(journalctl --boot --no-pager -u partd.service | tr '\n' ' ')"
        ;;
esac
