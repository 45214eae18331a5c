# shellcheck shell=bash disable=SC2016,SC2154
# A partition with users of its own and its cgroup delegated to them: they make groups below it, and no others.
# timeout: 120

config own <<'END'
[partition.own]
namespaces = ["user", "pid", "mnt", "cgroup"]
[partition.own.user]
uid_map = [{ inside = 0, outside = 1000000, count = 65536 }]
[partition.own.cgroup]
delegate = true
pids.max = 40
END
partctl check 2>&1 | grep -q 'not supported yet' && cannot_run "this partctl knows no delegation yet"
apply
check "root inside makes a group" inside own mkdir /sys/fs/cgroup/below
check "with a limit of its own" inside own sh -c 'echo +pids >/sys/fs/cgroup/cgroup.subtree_control; echo 5 >/sys/fs/cgroup/below/pids.max'
check_fails "but does not change the partition's" 1 inside own sh -c 'echo max >/sys/fs/cgroup/pids.max'
expect "pids.max" 40 "$(attribute own pids.max)"
check "systemctl daemon-reload" systemctl daemon-reload
check "nothing differs" partctl diff
