# SPDX-License-Identifier: Apache-2.0
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
apply
# systemd keeps the slice; the scopes of PID 1 and of what partctl runs are those that are delegated.
# Without a root of its own it has the host's /sys.
here='here=/sys/fs/cgroup/partd.slice/partd-own.slice$(sed -n "s/^0:://p" /proc/self/cgroup)'
check "root inside makes a group" inside own sh -ec "$here"'; mkdir $here/below; ls -ld $here/below'
check "with a limit of its own" inside own sh -ec "$here"'; mkdir $here/below; echo $$ >$here/below/cgroup.procs
    echo +pids >$here/cgroup.subtree_control; echo 5 >$here/below/pids.max; grep -x 5 $here/below/pids.max'
check_fails "but does not change the partition's" 2 inside own sh -c 'echo max >/sys/fs/cgroup/partd.slice/partd-own.slice/pids.max'
expect "pids.max" 40 "$(attribute own pids.max)"
check "PID 1 makes a group" inside own sh -ec 'mkdir /sys/fs/cgroup/partd.slice/partd-own.slice/partd-own-init.scope/below'
check "systemctl daemon-reload" systemctl daemon-reload
check "nothing differs" partctl diff
