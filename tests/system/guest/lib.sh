# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The words of the tests. A failed check is told and counted, and the test goes on; at its end partd has to have
# removed everything, which is a check of every test.

export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin
EXAMPLES=/usr/local/share/doc/partd/examples
failures=0
skipped=0
persists=0
scratch=
undo=()

pass() { echo "ok       $*"; }

fail() {
    echo "FAILED   $1"
    shift
    (($# == 0)) || printf '%s\n' "$@" | sed 's/^/         | /'
    failures=$((failures + 1))
}

# check WHAT COMMAND…: it succeeds.
check() {
    local what=$1 output
    shift
    if output=$("$@" 2>&1); then pass "$what"; else fail "$what" "$* ended with $?" "$output"; fi
}

# check_fails WHAT CODE COMMAND…: it ends with that code. Its output is in $output afterwards.
check_fails() {
    local what=$1 code=$2 ended=0
    shift 2
    output=$("$@" 2>&1) || ended=$?
    if ((ended == code)); then pass "$what"; else fail "$what" "$* ended with $ended, not $code" "$output"; fi
}

# expect WHAT EXPECTED FOUND: they are equal.
expect() {
    if [[ $2 == "$3" ]]; then pass "$1: $3"; else fail "$1" "expected: $2" "found:    $3"; fi
}

# expect_match WHAT REGEX FOUND
expect_match() {
    if [[ $3 =~ $2 ]]; then pass "$1"; else fail "$1" "expected a match of: $2" "found: $3"; fi
}

# expect_number WHAT LOWEST HIGHEST FOUND: all integers.
expect_number() {
    if [[ $4 =~ ^[0-9]+$ ]] && (($4 >= $2 && $4 <= $3)); then
        pass "$1: $4"
    else
        fail "$1" "expected: $2 to $3" "found:    $4"
    fi
}

# eventually WHAT SECONDS COMMAND…: it succeeds within that time.
eventually() {
    local what=$1 until=$((SECONDS + $2)) output
    shift 2
    while ! output=$("$@" 2>&1); do
        if ((SECONDS >= until)); then
            fail "$what" "$* still ends with failure" "$output"
            return
        fi
        sleep 0.2
    done
    pass "$what"
}

# The test cannot tell anything on this machine: counts as skipped.
cannot_run() {
    echo "CANNOT RUN HERE: $*"
    skipped=1
    exit
}

# at_end COMMAND: when the test ends, in reverse order, before the configuration is taken away.
at_end() { undo+=("$1"); }

# --- partd

# config NAME <text: as an editor does it, by a rename.
config() {
    cat >"/etc/partd/.$1.tmp"
    mv "/etc/partd/.$1.tmp" "/etc/partd/$1.toml"
}

example() { install --mode=644 "$EXAMPLES/$1.toml" /etc/partd/; }

# apply: it succeeds and leaves nothing to do.
apply() {
    check "partctl apply${*:+ $*}" partctl apply --no-legend "$@"
    check "then nothing differs" partctl diff
}

inside() {
    local name=$1
    shift
    partctl exec "$name" -- "$@"
}

# attribute NAME FILE: of the partition's cgroup, e.g. memory.max; of slices nested below others by their whole name.
group() { find /sys/fs/cgroup/partd.slice -type d -name "partd-$1.slice"; }
attribute() { cat "$(group "$1")/$2"; }

with_daemon() {
    systemctl unmask --runtime --quiet partd.socket partd.service
    check "partd.service starts" systemctl start partd.socket partd.service
}
# Masked, for partctl would have it started again.
without_daemon() {
    systemctl mask --runtime --now --quiet partd.socket partd.service
    systemctl reset-failed partd.service partd.socket 2>/dev/null
}

# --- nothing is left

# What on this host is partd's, one thing a line.
leftovers() {
    ip -json -details link | jq -r '.[] | select((.ifalias // "") | startswith("partd:")) | "link \(.ifname)"'
    ip -json address | jq -r '.[] | .ifname as $name | .addr_info[] | select(.protocol == "112") | "address \($name) \(.local)"'
    ip -json route show table all proto 112 | jq -r '.[] | "route \(.dst)"'
    ip -json -6 route show table all proto 112 | jq -r '.[] | "route \(.dst)"'
    ip -json netns | jq -r '.[] | "netns \(.name)"'
    nft --json list tables | jq -r '.nftables[].table | select(. != null and .name == "partd") | "nftables \(.family) \(.name)"'
    find /sys/fs/cgroup -type d -name 'partd-*' -o -type d -name 'partd.slice' | sed 's/^/cgroup /'
    systemctl list-units --all --plain --no-legend 'partd-*.slice' 'partd-*.scope' | sed 's/^/unit /'
    find /run/partd/ns -type f 2>/dev/null | sed 's/^/pin /'
    findmnt --noheadings --list --output TARGET | grep -E '^/run/(netns|partd/ns)/.' | sed 's/^/mount /'
    find /etc/netns /var/lib/partd/layers -mindepth 1 2>/dev/null | sed 's/^/file /'
    pgrep --list-full partd-init | sed 's/^/process /'
}

nothing_left() {
    local found
    found=$(leftovers)
    [[ -z $found ]] || { echo "$found"; return 1; }
}

begin() {
    scratch=$(mktemp --directory)
    mkdir -p /etc/partd
    trap finish EXIT
    ((BOOT > 1)) || without_daemon
    cd /
}

# persist: what is configured stays for the next boot of this test.
persist() { persists=1; }

finish() {
    local step layer
    trap - EXIT
    for ((step = ${#undo[@]} - 1; step >= 0; step--)); do
        eval "${undo[step]}"
    done
    if ((!persists)); then
        without_daemon
        find /etc/partd -mindepth 1 -delete
        check "partctl apply removes what is declared no more" partctl apply --allow-delete --no-legend
        # What a machine wrote stays until it is purged.
        for layer in /var/lib/partd/layers/*; do
            [[ ! -d $layer ]] || check "partctl purge ${layer##*/}" partctl purge --yes "${layer##*/}"
        done
        eventually "nothing is left" 10 nothing_left
    fi
    rm -rf -- "$scratch"
    ((failures == 0 && skipped)) && exit 77
    ((failures == 0)) && exit 0
    echo "$failures failed"
    exit 1
}

# --- other programs of networks

# Two partitions that offer addresses by DHCP on host ends of these names, and a stranger that does so on another.
dhcp_servers() { # dhcp_servers NAME NAME STRANGER
    local number=1 name
    for name in "$1" "$2"; do
        printf '[partition.dhcp%s.link.eth0]\naddress = ["10.66.%s.1/24"]\npeer.name = "%s"\n' $number $number "$name"
        number=$((number + 1))
    done | config dhcp
    apply "${@:4}"
    ip netns add stranger
    at_end 'ip netns delete stranger'
    ip link add "$3" type veth peer name eth0 netns stranger
    ip -n stranger address add 10.66.3.1/24 dev eth0
    ip -n stranger link set eth0 up
    ip link set "$3" up
    for number in 1 2; do dhcp_server $number partctl exec dhcp$number --; done
    dhcp_server 3 ip netns exec stranger
}
dhcp_server() { # dhcp_server NUMBER COMMAND…: runs until the test ends
    local number=$1
    shift
    cat >"$scratch/udhcpd-$number.conf" <<END
start 10.66.$number.100
end 10.66.$number.200
interface eth0
option router 10.66.$number.1
option subnet 255.255.255.0
lease_file $scratch/leases-$number
pidfile $scratch/pid-$number
END
    touch "$scratch/leases-$number"
    "$@" busybox udhcpd -f "$scratch/udhcpd-$number.conf" >"$scratch/udhcpd-$number.log" 2>&1 &
    at_end "kill $!"
}
leases() { ip -json -4 address show dev "$1" | jq -r '.[].addr_info[] | select(.local | startswith("10.66.")) | .local'; }
