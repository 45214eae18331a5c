# shellcheck shell=bash disable=SC2016,SC2154
# A unit that exists joins a partition and leaves it again; a command becomes a unit of the partition's own.
# timeout: 240

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
check_fails "nor the unit of its own" 1 systemctl cat partd-web-other.service
