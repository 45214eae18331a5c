# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2154
# The manual's steps, as they stand there, on a machine with a joined unit and partd running: nothing is left but what it names.
# timeout: 500

at_end 'systemctl stop joiner.service; rm -f /etc/systemd/system/joiner.service; systemctl daemon-reload'
printf '[Service]\nExecStart=/bin/sleep infinity\n' >/etc/systemd/system/joiner.service
systemctl daemon-reload
systemctl start joiner.service
with_daemon
example pod
example routed-nat
printf '[partition.web.service.joiner]\nunit = "joiner.service"\n' | config web
eventually "all is made" 60 partctl diff
check "the unit is held" test -e /etc/systemd/system/joiner.service.d/49-partd-web.conf

# steps NUMBER: the commands of that example below the heading.
steps() {
    zcat -f /usr/local/share/man/man8/partd.8 |
        awk -v wanted="$1" '/^\.SH UNINSTALL/ { below = 1 } below && /^\.nf/ { number++; inside = 1; next } /^\.fi/ { inside = 0 } inside && number == wanted' |
        sed -n 's/^# //p'
}
expect "the manual has steps" "6 3" "$(steps 1 | wc -l) $(steps 2 | wc -l)"
while read -r step; do
    check "$step" bash -c "$step"
done < <(steps 1 | sed 's/\\-/-/g; s/\\&//g; s/\\(aq/'"'"'/g; s/\\(dq/"/g')
expect "the unit is on the host" "net:[$(stat --dereference --format=%i /proc/1/ns/net)]" "$(readlink "/proc/$(systemctl show --property=MainPID --value joiner.service)/ns/net")"
# The files of the package: cmake's list of them is on the machine that built it.
(cd /run/bench/installed && find . -type f | sed 's/^\.//') | xargs rm -f
systemctl daemon-reload
check "the group goes" groupdel partd
check "no file in /run, /etc or of the programs" bash -c '! { find /run /etc -iname "*partd*" -not -path "/run/bench/*"; find /usr -iname "*partd*" -not -type d; } | grep .'
expect "no mount" "" "$(findmnt --noheadings --list --output TARGET | grep -E '^/run/(netns|partd)')"
expect "no unit" "" "$(systemctl list-units --all --plain --no-legend '*partd*' | grep -v not-found)"
expect "what stays on disk is named" "/var/lib/partd" "$(find /var/lib -maxdepth 1 -name '*partd*')"
check "it can be installed again" bash /run/bench/guest/install
