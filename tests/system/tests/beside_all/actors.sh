# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# The programs of beside_all.sh, each in a loop of its own: it draws something to do, does it, and waits a little.
# Each deed is a line of $actions, `BEGIN END CODE ACTOR DEED`; a failure that would be partd's goes to $broken.

uptime_now() { cut -d' ' -f1 /proc/uptime; }

# actor NAME PAUSE DEED…: until $stop is there.
actor() {
    local name=$1 pause=$2 deed began code
    shift 2
    # A sequence of its own for each: bash hands the same state to all of them.
    RANDOM=$((BASHPID % 32768))
    while [[ ! -e $stop ]]; do
        deed=${!#}
        (($# == 1)) || deed=${*:$((RANDOM % $# + 1)):1}
        began=$(uptime_now) code=0
        "$deed" >>"$scratch/$name.log" 2>&1 || code=$?
        echo "$began $(uptime_now) $code $name $deed" >>"$actions"
        sleep $((RANDOM % pause)).$((RANDOM % 10))
    done
}

broken() { echo "$(uptime_now) $*" >>"$broken"; }

# again UNIT VERB: whatever systemd thinks of so many starts.
again() {
    systemctl reset-failed "$1" 2>/dev/null
    timeout 300 systemctl "$2" "$1"
}

# --- containers

docker_restarts() { again docker.service restart; }
docker_reloads() { again docker.service reload; }
docker_ends_for_a_while() {
    systemctl stop docker.socket docker.service
    sleep 2
    again docker.service start
}
docker_publishes() {
    timeout 60 docker run --security-opt apparmor=unconfined --stop-signal KILL --detach --name passing --publish 18080:80 busybox httpd -f -p 80
    sleep $((RANDOM % 4))
    timeout 60 docker rm --force passing
}
docker_makes_a_network() {
    timeout 60 docker network create passing-network
    timeout 60 docker run --security-opt apparmor=unconfined --rm --network passing-network busybox ip route
    timeout 60 docker network rm passing-network
}
podman_publishes() {
    timeout 60 podman run --detach --name passing --publish 28080:80 localhost/busybox httpd -f -p 80
    sleep $((RANDOM % 4))
    timeout 60 podman rm --force --time 0 passing
}
podman_makes_a_network() {
    timeout 60 podman network create passing-network
    timeout 60 podman run --rm --network passing-network localhost/busybox ip route
    timeout 60 podman network rm --force passing-network
}
podman_reloads() { timeout 60 podman network reload --all; }

# --- firewalls and managers of networks

firewalld_reloads() { timeout 100 firewall-cmd --reload; }
firewalld_restarts() { again firewalld.service restart; }
firewalld_ends_for_a_while() {
    systemctl stop firewalld.service
    sleep $((RANDOM % 5))
    again firewalld.service start
}
firewalld_opens_and_closes() {
    timeout 60 firewall-cmd --add-port=9999/tcp
    timeout 60 firewall-cmd --remove-port=9999/tcp
}
networkmanager_restarts() { again NetworkManager.service restart; }
networkmanager_reloads() { timeout 60 nmcli general reload; }
networkmanager_ends_for_a_while() {
    systemctl stop NetworkManager.service
    sleep $((RANDOM % 5))
    again NetworkManager.service start
}
networkmanager_makes_a_bridge() {
    timeout 60 nmcli connection add type bridge ifname nm-bridge con-name passing ipv4.method manual ipv4.addresses 10.200.7.1/24
    timeout 60 nmcli connection up passing
    timeout 60 nmcli connection delete passing
}
networkd_restarts() { again systemd-networkd.service restart; }
networkd_reloads() { timeout 60 networkctl reload; }
networkd_ends_for_a_while() {
    systemctl stop systemd-networkd.socket systemd-networkd.service
    sleep $((RANDOM % 5))
    again systemd-networkd.service start
}

# --- the host

host_sets_its_switches() { timeout 60 sysctl --quiet --system; }
host_turns_forwarding_off() { sysctl --quiet --write net.ipv4.ip_forward=0; }
host_reloads_units() { timeout 60 systemctl daemon-reload; }
host_triggers_udev() { timeout 60 udevadm trigger --subsystem-match=net --action=add; }
host_ends_dbus_connections() { timeout 60 busctl call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus ReloadConfig; }

# --- links, namespaces and tables of strangers, which must stay as they were made

nature() {
    ip -json -details link show "$1" |
        jq --compact-output '.[] | [.ifindex, .ifalias, .altnames, .mtu, .master, .inet6_addr_gen_mode, (.flags | index("UP") != null)]'
}
as_made() { # as_made LINK NATURE
    local now
    now=$(nature "$1") || now=gone
    [[ $now == "$2" ]] || broken "stranger $1: $2 became $now"
}
strangers_make_links() {
    local bridge=sb$((RANDOM % 100)) end before
    end=${bridge/b/v}
    ip link add "$bridge" type bridge
    ip link add "$end" type veth peer name "${bridge/b/w}"
    ip link set "$end" master "$bridge" up
    ip address add 192.168.77.1/24 dev "$bridge"
    before=$(nature "$bridge") after=$(nature "$end")
    sleep 1
    as_made "$bridge" "$before"
    as_made "$end" "$after"
    [[ $(ip -json -4 address show "$bridge" | jq -r '.[].addr_info[].local') == 192.168.77.1 ]] || broken "the address of $bridge"
    ip link delete "$end"
    ip link delete "$bridge"
}
strangers_make_namespaces() {
    local name=stranger$((RANDOM % 100))
    ip netns add "$name"
    ip -n "$name" link add inner type dummy
    sleep 1
    ip -n "$name" link show inner >/dev/null || broken "the namespace $name"
    ip netns delete "$name"
}
strangers_make_tables() {
    local name=stranger$((RANDOM % 100))
    nft -f - <<NFT
table inet $name {
    set hosts { type ipv4_addr; elements = { 192.0.2.1 } }
    chain inbound { type filter hook input priority 10; ip saddr @hosts counter drop; }
}
NFT
    sleep 1
    [[ $(nft --json list table inet "$name" | jq '.nftables | length') == 5 ]] || broken "the table $name"
    nft delete table inet "$name"
}

# --- partd

partd_restarts() { again partd.service restart || broken "partd does not restart"; }
partd_reloads() { again partd.service reload || broken "partd does not reload"; }
partd_is_killed() {
    systemctl reset-failed partd.service
    systemctl kill --signal=KILL --kill-who=main partd.service
    sleep 2
}
partd_ends_for_a_while() {
    systemctl stop partd.socket partd.service
    sleep $((RANDOM % 4))
    { again partd.socket start && again partd.service start; } || broken "partd does not start"
}
partd_gets_an_edit() { sed -i "1i # $RANDOM" /etc/partd/p5.toml; }
partd_gets_a_partition() {
    printf '[partition.guest.link.eth0]\naddress = ["10.78.1.1/24"]\npeer = { address = ["10.78.1.2/24"] }\n' | config guest
    sleep $((RANDOM % 5 + 1))
    rm -f /etc/partd/guest.toml
}

# Everybody at the same time, in the background; their ids are in $actors.
start_actors() {
    actors=()
    actor docker 5 docker_restarts docker_reloads docker_ends_for_a_while docker_publishes docker_publishes docker_makes_a_network & actors+=($!)
    actor podman 5 podman_publishes podman_publishes podman_makes_a_network podman_reloads & actors+=($!)
    actor firewalld 6 firewalld_reloads firewalld_restarts firewalld_ends_for_a_while firewalld_opens_and_closes & actors+=($!)
    actor networkmanager 6 networkmanager_restarts networkmanager_reloads networkmanager_ends_for_a_while networkmanager_makes_a_bridge & actors+=($!)
    actor networkd 6 networkd_restarts networkd_reloads networkd_ends_for_a_while & actors+=($!)
    actor host 8 host_sets_its_switches host_turns_forwarding_off host_reloads_units host_triggers_udev host_ends_dbus_connections & actors+=($!)
    actor strangers 2 strangers_make_links strangers_make_namespaces strangers_make_tables & actors+=($!)
    actor partd 8 partd_restarts partd_reloads partd_is_killed partd_ends_for_a_while partd_gets_an_edit partd_gets_a_partition & actors+=($!)
}
