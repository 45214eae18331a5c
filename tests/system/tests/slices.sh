# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2154
# systemd is the only writer of cgroups: partitions are transient slices, which keep their limits whatever systemd does.
# timeout: 240

config web <<'END'
[partition.web]
namespaces = ["pid", "mnt"]
[partition.web.cgroup]
memory.max = "128M"
cpu.weight = 50
cpu.max = "40%"
pids.max = 40
END
apply
expect "a transient unit of systemd" yes "$(systemctl show --property=Transient --value partd-web.slice)"

limits() { for file in memory.max cpu.weight cpu.max pids.max; do attribute web "$file"; done | paste -s -d ' '; }
wanted="134217728 50 40000 100000 40"
property() { systemctl show --property="$1" --value partd-web.slice; }
expect "the kernel's values" "$wanted" "$(limits)"
expect "MemoryMax" 134217728 "$(property MemoryMax)"
expect "CPUWeight" 50 "$(property CPUWeight)"
expect "TasksMax" 40 "$(property TasksMax)"
expect "CPUQuotaPerSecUSec" 400ms "$(property CPUQuotaPerSecUSec)"
init=$(pgrep --exact partd-init)
expect_match "PID 1 is in a scope of the slice" "partd-web.slice/partd-web.*\.scope" "$(cat "/proc/$init/cgroup")"
systemd-cgls --no-pager --unit partd.slice
partctl exec web -- sleep 200 &
at_end 'wait'
eventually "a command that runs in it" 15 pgrep --full '^sleep 200'
expect_match "is in a scope of the slice" "partd-web.slice/.*\.scope" "$(cat "/proc/$(pgrep --full '^sleep 200')/cgroup")"

for doing in daemon-reload daemon-reexec daemon-reload; do
    check "systemctl $doing" systemctl "$doing"
    expect "limits after $doing" "$wanted" "$(limits)"
    check "nothing differs after $doing" partctl diff
    expect "PID 1 lives on" "$init" "$(pgrep --exact partd-init)"
done

check "somebody sets another limit" systemctl set-property --runtime partd-web.slice MemoryMax=64M
check_fails "drift is seen" 1 partctl diff
apply
expect "and put back" "$wanted" "$(limits)"
check "daemon-reload" systemctl daemon-reload
expect "that holds" "$wanted" "$(limits)"
check_fails "what wants more memory is killed" 137 bash -c "partctl exec web -- python3 -c 'bytearray(200 << 20)'; exit \$?"

check "stopped by hand, the slice" systemctl stop partd-web.slice
check_fails "its end is seen" 1 partctl diff
apply
expect "and it is made anew" "$wanted" "$(limits)"
expect "no failed unit" "" "$(systemctl --failed --plain --no-legend)"
