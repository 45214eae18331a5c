# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2154
# Limits that bite: each is hit by a program inside, and the same program outside gets what it wants.
# timeout: 300

config bite <<'END'
[partition.bite.cgroup]
cpu.max = "20%"
memory.max = "64M"
pids.max = 20
io.max = [{ device = "/dev/nvme0n1", wbps = "4M" }]

[partition.pinned.cgroup]
cpuset.cpus = "1"

[partition.heavy.cgroup]
cpu.weight = 900
cpuset.cpus = "0"

[partition.light.cgroup]
cpu.weight = 100
cpuset.cpus = "0"
END
apply
expect "memory.max" 67108864 "$(attribute bite memory.max)"
expect "pids.max" 20 "$(attribute bite pids.max)"
expect "cpu.max" "20000 100000" "$(attribute bite cpu.max)"
expect_match "io.max" "wbps=4194304" "$(attribute bite io.max)"

# memory.max: the kernel ends who wants more, and only inside.
eat='import sys; data = bytearray(int(sys.argv[1]) << 20); print(len(data) >> 20)'
expect "outside 128 MiB are there" 128 "$(python3 -c "$eat" 128)"
expect "inside 16 MiB are there" 16 "$(inside bite python3 -c "$eat" 16)"
check_fails "inside 128 MiB are not: SIGKILL" 137 bash -c "partctl exec bite -- python3 -c '$eat' 128; exit \$?"
expect_number "memory.events counts the kill" 1 9 "$(attribute bite memory.events | sed -n 's/^oom_kill //p')"

# pids.max: all in all, so that the program itself and the shell count as well.
spawn='import os, signal, time
children = []
try:
    for _ in range(60):
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        children.append(child)
except BlockingIOError:
    pass
print(len(children))
for child in children:
    os.kill(child, signal.SIGKILL)'
expect "outside 60 children" 60 "$(python3 -c "$spawn")"
expect "inside 19, and their parent" 19 "$(inside bite python3 -c "$spawn")"

# cpu.max: a busy loop of five seconds gets one.
usage() { attribute "$1" cpu.stat | sed -n 's/^usage_usec //p'; }
before=$(usage bite)
check_fails "five seconds of a busy loop" 124 partctl exec bite -- timeout 5 bash -c 'while :; do :; done'
expect_number "processor time in µs" 600000 1500000 "$(($(usage bite) - before))"
expect_number "throttled periods" 10 1000 "$(attribute bite cpu.stat | sed -n 's/^nr_throttled //p')"

# cpuset.cpus: one of the two.
expect "outside two processors" 2 "$(nproc)"
expect "inside one" 1 "$(inside pinned nproc)"
expect "inside the second" "Cpus_allowed_list: 1" "$(inside pinned grep Cpus_allowed_list /proc/self/status | tr '\t' ' ')"

# cpu.weight: two busy loops on one processor share it nine to one.
for name in heavy light; do
    partctl exec "$name" -- timeout 8 bash -c 'while :; do :; done' &
done
sleep 2
heavy=$(usage heavy) light=$(usage light)
sleep 5
heavy=$(($(usage heavy) - heavy)) light=$(($(usage light) - light))
wait
expect_number "tenths of the processor that weigh 900 of 1000" 8 9 "$((heavy * 10 / (heavy + light)))"

# io.max: 16 MiB at 4 MiB a second.
write_ms() {
    local started
    started=$(date +%s%3N)
    "$@" dd if=/dev/zero of=/var/tmp/written bs=1M count=16 oflag=direct status=none
    echo "$(($(date +%s%3N) - started))"
}
at_end 'rm -f /var/tmp/written'
expect_number "outside the writing takes ms" 0 2500 "$(write_ms env)"
expect_number "inside it takes ms" 3000 8000 "$(write_ms inside bite)"

# A limit that is changed by hand is put back; one that is taken out of the file is none any more.
echo max >"$(group bite)/memory.max"
check_fails "drift is seen" 1 partctl diff
apply
expect "memory.max again" 67108864 "$(attribute bite memory.max)"
sed -i '/memory.max\|io.max/d' /etc/partd/bite.toml
apply
expect "no memory.max any more" max "$(attribute bite memory.max)"
expect "no io.max any more" "" "$(attribute bite io.max | grep wbps=4194304)"
expect "pids.max as before" 20 "$(attribute bite pids.max)"
