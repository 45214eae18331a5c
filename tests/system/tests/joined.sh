# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2154
# A unit that exists joins a partition and leaves it again; a command becomes a unit of the partition's own.
# timeout: 600

cat >/etc/systemd/system/greeter.service <<'END'
[Service]
ExecStart=/usr/bin/busybox nc -l -l -p 7000 -e echo hello
END
at_end 'systemctl stop greeter.service; rm -f /etc/systemd/system/greeter.service; systemctl daemon-reload'
systemctl daemon-reload
check "the unit runs on the host" systemctl start greeter.service
main() { systemctl show --property=MainPID --value "$1"; }
netns_of() { stat --dereference --format=%i "/proc/$1/ns/net"; }
expect "in the host's network" "$(netns_of 1)" "$(netns_of "$(main greeter.service)")"

config web <<'END'
[partition.web.link.eth0]
address = ["10.55.0.2/24"]
peer = { address = ["10.55.0.1/24"] }

[partition.web.cgroup]
pids.max = 30

[partition.web.service.greeter]
unit = "greeter.service"

[partition.web.service.other]
command = ["/usr/bin/busybox", "nc", "-l", "-l", "-p", "7001", "-e", "echo", "own"]
END
apply
there=$(stat --format=%i /run/netns/web)
eventually "it is in the partition's network" 15 bash -c "[[ \$(stat --dereference --format=%i /proc/\$(systemctl show --property=MainPID --value greeter.service)/ns/net) == $there ]]"
expect_match "and in its slice" "partd-web.slice" "$(systemctl show --property=ControlGroup --value greeter.service)"
asks() { [[ $(timeout 10 busybox nc -w 5 10.55.0.2 "$1" </dev/null) == "$2" ]]; }
eventually "the host reaches it there" 15 asks 7000 hello
eventually "and the partition's own service" 15 asks 7001 own
expect_match "which is a unit" "partd-web.slice" "$(systemctl show --property=ControlGroup --value partd-web-other.service)"
check "a drop-in says so" grep -r NetworkNamespacePath=/run/netns/web /run/systemd/system/greeter.service.d

check "another one holds it back until the partition is there" grep -q After=partd.service /etc/systemd/system/greeter.service.d/49-partd-web.conf

# A unit that cannot be joined is named, and stays as it is.
refused() { # refused UNIT REGEX: the apply fails and says why; nothing was written.
    { cat /etc/partd/web.toml; printf '[partition.web.service.no]\nunit = "%s"\n' "$1"; } | config refused
    mv /etc/partd/web.toml "$scratch/web.toml"
    check_fails "$1 is refused" 6 partctl apply --no-legend
    expect_match "and it is said why" "$2" "$output"
    check_fails "it has no drop-in" 2 grep -r partd "/run/systemd/system/$1.d" "/etc/systemd/system/$1.d"
    mv "$scratch/web.toml" /etc/partd/web.toml
    rm /etc/partd/refused.toml
    partctl apply --no-legend >/dev/null
}
at_end 'systemctl stop talker.socket talker.service; rm -f /etc/systemd/system/{talker,early}.*; systemctl daemon-reload'
printf '[Service]\nExecStart=/bin/sleep infinity\n' >/etc/systemd/system/talker.service
printf '[Socket]\nListenStream=7005\n' >/etc/systemd/system/talker.socket
printf '[Unit]\nBefore=network-pre.target\nWants=network-pre.target\n[Service]\nExecStart=/bin/sleep infinity\n' >/etc/systemd/system/early.service
systemctl daemon-reload
systemctl start talker.socket
refused talker.service "talker.socket \(Stream [^)]*7005\) listens for talker.service.*disable --now talker.socket"
# What is masked is ordered behind nothing.
systemctl unmask --runtime --quiet partd.service
refused early.service "early.service is started before partd.service"
systemctl mask --runtime --quiet partd.service
refused nowhere.service "systemd has no unit nowhere.service"
systemctl stop talker.socket
printf '[Socket]\nListenStream=/run/talker\n' >/etc/systemd/system/talker.socket
systemctl daemon-reload
systemctl start talker.socket
printf '[partition.web.service.talker]\nunit = "talker.service"\n' | config talker
apply
rm /etc/partd/talker.toml
apply
# Where /etc cannot be written it joins, and it is said that this ends with the boot.
mount --bind /etc/systemd/system /etc/systemd/system
mount -o remount,bind,ro /etc/systemd/system
printf '[partition.web.service.talker]\nunit = "talker.service"\n' | config talker
check_fails "a hold that cannot be written is a failure" 6 partctl apply --no-legend
expect_match "and it is said what that means" "at the next boot it starts on the host.*Read-only file system" "$output"
check "the unit has joined all the same" grep -q NetworkNamespacePath /run/systemd/system/talker.service.d/50-partd-web.conf
umount /etc/systemd/system
apply
rm /etc/partd/talker.toml
apply

check "it is restarted by hand" systemctl restart greeter.service
expect "and is in the partition" "$there" "$(netns_of "$(main greeter.service)")"
check "nothing differs" partctl diff
rm -r /run/systemd/system/greeter.service.d
systemctl daemon-reload
check_fails "a lost drop-in is seen" 1 partctl diff
apply

rm /etc/partd/web.toml
check "partctl apply takes it back" partctl apply --allow-delete --no-legend
eventually "it runs on the host again" 15 bash -c "[[ \$(stat --dereference --format=%i /proc/\$(systemctl show --property=MainPID --value greeter.service)/ns/net) == $(netns_of 1) ]]"
check_fails "no drop-in is left" 1 test -e /run/systemd/system/greeter.service.d
check_fails "nor what held it back" 1 test -e /etc/systemd/system/greeter.service.d
check_fails "nor the unit of its own" 1 systemctl cat partd-web-other.service
