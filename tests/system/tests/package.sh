# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2154
# The Debian package: installed, upgraded under ping, on a full disk too, downgraded, removed and purged. Partitions stay
# until the purge; then nothing is left but layers.
# machine: own
# packages: yes
# timeout: 500

export PATH=/usr/sbin:/usr/bin DEBIAN_FRONTEND=noninteractive
packages=/run/bench/packages
first=$(echo "$packages"/partd_*partd1_*.deb)
second=$(echo "$packages"/partd_*partd2_*.deb)
EXAMPLES=/usr/share/doc/partd/examples
state() { dpkg-query --show --showformat='${db:Status-Abbrev}' partd 2>/dev/null | tr -d ' '; }
main_pid() { systemctl show --property=MainPID --value partd.service; }
# said WHAT REGEX: the output of the command before has it.
said() { expect_match "it says: $1" "$1" "$(tr '\n' ' ' <"$scratch/said" | tr -s ' ')"; }
package() { # package WHAT CODE COMMAND…
    local what=$1 code=$2 ended=0
    shift 2
    "$@" >"$scratch/said" 2>&1 || ended=$?
    expect "$what" "$code" "$ended"
    ((ended == code)) || cat "$scratch/said"
}
# What partd has made on this host, as the kernel numbers it: a partition that was made anew has other numbers.
made() {
    stat --dereference --format='%n %i' /run/netns/* /run/partd/ns/*/* | grep -v '/net '
    ip -json link | jq -r '.[] | select((.ifalias // "") | startswith("partd:")) | "\(.ifname) \(.ifindex) \(.address)"'
    pgrep --list-full partd-init
}
same() { # same WHAT: nothing was made anew
    expect "$1: partitions, links and PID 1 are the same ones" "$(cat "$scratch/made")" "$(made)"
    check "$1: the workshop answers" ping -c 1 -W 5 10.1.1.1
}
files_left() {
    find / -xdev \( -path /proc -o -path /run/bench -o -path /var/lib/bench -o -path /var/log -o -path "$scratch" \) -prune -o \
        -iname '*partd*' -print | grep -v '^/etc/hostname'
    find /run -iname '*partd*' -not -path '/run/bench/*'
}

# The machine's partd is cmake's; the package's comes in its place.
systemctl unmask --runtime --quiet partd.socket partd.service
systemctl --quiet disable partd.socket partd.service
(cd /run/bench/installed && find . -type f | sed 's/^\.//') | xargs rm -f
rm -rf /usr/local/share/{doc/,}partd /usr/local/libexec/partd /etc/partd /var/lib/partd /run/partd
# The machine's dpkg installs no documentation.
sed -i '/^path-exclude/d' /etc/dpkg/dpkg.cfg.d/*
groupdel partd
systemctl daemon-reload
expect "the machine has no partd" "" "$(files_left)"

# On a host without files the daemon runs at once, as the preset says.
package "dpkg --install" 0 dpkg --install "$first"
for unit in partd.service partd.socket; do
    expect "$unit" "active enabled" "$(systemctl is-active $unit) $(systemctl is-enabled $unit)"
done
expect "/usr/sbin/partctl" "755 root:root" "$(stat --format='%a %U:%G' /usr/sbin/partctl)"
check "the group partd" getent group partd
check "the catalog" journalctl --dump-catalog 2bd486c691864b529ff55be66253bdab
check "D-Bus has it" busctl status org.partd1
check "its own test passes" sh "$packages/example" "$EXAMPLES"
example workshop
example pod
at_end 'rm -rf /srv/package'
mkdir -p /srv/package/bin /srv/package/proc /srv/package/sys /srv/package/dev /srv/package/tmp
chmod 700 /srv/package
cp /usr/bin/busybox /srv/package/bin/
printf '[partition.box]\nnamespaces = ["mnt", "pid"]\n[partition.box.rootfs]\npath = "/srv/package"\noverlay = true\n' | config box
check "partctl apply" partctl apply --wait 60s --no-legend
check "something is written to a layer" partctl exec box -- /bin/busybox touch /kept
printf '[Service]\nExecStart=/bin/sleep infinity\n' >/etc/systemd/system/joiner.service
at_end 'systemctl stop joiner.service; rm -f /etc/systemd/system/joiner.service; systemctl daemon-reload'
systemctl daemon-reload
systemctl start joiner.service
printf '[partition.joined.service.joiner]\nunit = "joiner.service"\n' | config joined
eventually "all is made" 60 partctl diff
made >"$scratch/made"
check "the unit is held" test -e /etc/systemd/system/joiner.service.d/49-partd-joined.conf

# Upgrade and downgrade: the daemon is another one, all else the same, and no packet is lost.
ping -i 0.05 -q 10.1.1.1 >"$scratch/ping" 2>&1 &
pinging=$!
iperf3 --server --one-off --bind 10.1.1.2 >/dev/null 2>&1 &
sleep 0.5
partctl exec workshop -- iperf3 --client 10.1.1.2 --bitrate 10M --time 30 --json >"$scratch/tcp" &
streaming=$!
replaced_by() { # replaced_by ARCHIVE: with the daemon running
    local before
    before=$(main_pid)
    package "dpkg --install $(basename "$1")" 0 dpkg --install "$1"
    expect "it is that version" "ii $(dpkg-deb --field "$1" Version)" "$(state) $(dpkg-query --show --showformat='${Version}' partd)"
    check "the daemon is another one" test "$before" -ne "$(main_pid)"
    expect "partd.service" active "$(systemctl is-active partd.service)"
    check "nothing differs" partctl diff
}
replaced_by "$second"
same "after the upgrade"

# The disk is full in the middle: the version before runs on.
before=$(main_pid)
fill() { # but for two megabytes
    fallocate --length "$(($(stat --file-system --format='%f * %S' /) - 67108864))" /var/tmp/fill-1
    dd if=/dev/zero of=/var/tmp/fill-2 bs=1M status=none 2>/dev/null
    truncate --size=-2M /var/tmp/fill-2
}
fill
package "dpkg --install fails on a full disk" 1 dpkg --install "$first"
said 'No space left on device'
expect "the daemon is the one before" "$before" "$(main_pid)"
expect "the version before is installed" "ii $(dpkg-deb --field "$second" Version)" "$(state) $(dpkg-query --show --showformat='${Version}' partd)"
same "on a full disk"
rm -f /var/tmp/fill-1 /var/tmp/fill-2
replaced_by "$first"
same "after the downgrade"

# A ledger of the format before, which this version does not read: the marks tell what is partd's, and it is written anew.
# Between the end of the daemon and the upgrade, as where an older version was stopped first.
systemctl stop partd.service partd.socket
sed -i '1s/^partd-ledger 2/partd-ledger 1/' /run/partd/ledger
expect "the ledger is of the format before" "partd-ledger 1" "$(head -n 1 /run/partd/ledger | cut -d ' ' -f 1,2)"
package "dpkg --install over an older ledger" 0 dpkg --install "$second"
systemctl start partd.socket partd.service
eventually "the ledger is of this format" 15 grep -q '^partd-ledger 2' /run/partd/ledger
check "nothing differs" partctl diff
same "after the ledger of the format before"
replaced_by "$first"

# Removal: the partitions stay, and it says how they end.
package "dpkg --remove" 0 dpkg --remove partd
said 'the partitions of this host stay as they are, until it boots or partd is purged'
said 'apt purge partd'
said 'units that joined a partition do not start after a boot until then'
expect "the programs are gone" "" "$(ls /usr/sbin/partd /usr/sbin/partctl /usr/libexec/partd 2>/dev/null)"
expect "the files are there" 4 "$(find /etc/partd -name '*.toml' | wc -l)"
expect "no partd runs" "" "$(pgrep -x partd)"
same "after the removal"

# Installed again: the daemon takes the partitions over.
package "dpkg --install after a removal" 0 dpkg --install "$first"
expect "partd.service" active "$(systemctl is-active partd.service)"
check "nothing differs" partctl diff
same "after installing again"
wait "$streaming"
kill -INT "$pinging"
wait "$pinging"
expect_match "no packet was lost" ' 0% packet loss' "$(cat "$scratch/ping")"
sed -n 's/^/         | /; /packets/p' "$scratch/ping"
expect "TCP went on to its end" null "$(jq -r .error "$scratch/tcp")"

# A purge that may not end a process says so and can be asked for again.
sed -i '1a on_remove = "refuse"' /etc/partd/box.toml
partctl apply --wait 60s --no-legend >/dev/null
partctl exec box -- /bin/busybox sleep 3000 &
sleeper=$!
eventually "something lives in the box" 20 pgrep --full 'busybox sleep 3000'
package "dpkg --remove" 0 dpkg --remove partd
# As apt autoremove may do: the libraries are not there any more.
mkdir "$scratch/libraries"
mv /usr/lib/*/lib{spdlog,fmt,tomlplusplus,nftnl}.so* "$scratch/libraries/"
package "dpkg --purge while on_remove says refuse" 1 dpkg --purge partd
said 'on_remove is "refuse"'
said 'Purge again'
expect "the state" pc "$(state)"
pkill --full 'busybox sleep 3000'
wait "$sleeper"
echo 'not ours' >/etc/partd/notes.txt
package "dpkg --purge" 0 dpkg --purge partd
said '/etc/partd has files that are not partd.s'
said '/var/lib/partd/layers/box'
mv "$scratch"/libraries/* /usr/lib/*-linux-gnu/
expect "no link, namespace, group or process" "" "$(leftovers | grep -v '^file /var/lib/partd/layers/')"
expect "the file of others stays" "/etc/partd/notes.txt" "$(find /etc/partd -type f)"
expect "of the files nothing but that and layers" "/etc/partd /var/lib/partd" "$(files_left | sort | paste -s -d ' ')"
expect "they are whole" "/var/lib/partd/layers/box/upper/kept" "$(find /var/lib/partd -name kept)"
expect "the unit is on the host" "net:[$(stat --dereference --format=%i /proc/1/ns/net)]" "$(readlink "/proc/$(systemctl show --property=MainPID --value joiner.service)/ns/net")"
expect "dpkg knows nothing of it" "" "$(state)"
expect "no unit" "" "$(systemctl list-units --all --plain --no-legend '*partd*' | grep -v not-found)"
rm -r /var/lib/partd

# Beside files that declare something: they are the administrator's, and an installation changes nothing. (The end of the test
# takes that away.)
printf '[partition.early]\n' >/etc/partd/early.toml
package "dpkg --install beside files" 0 dpkg --install "$first"
said 'the daemon has not been started'
expect "partd.service" "inactive enabled" "$(systemctl is-active partd.service) $(systemctl is-enabled partd.service)"
check_fails "the partition has not been made" 1 test -e /run/netns/early
# Nor does an upgrade start a daemon that does not run: it would apply what was edited meanwhile.
package "dpkg --install with the daemon stopped" 0 dpkg --install "$second"
expect "partd.service" inactive "$(systemctl is-active partd.service)"
