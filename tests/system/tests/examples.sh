# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2154
# Each example of the documentation on a host with systemd: check, diff, apply, status, and gone again.
# timeout: 300

mkdir -p /srv/machines/lightvm
chmod 700 /srv/machines
# lightvm's root is this machine's own Debian tree; the overlay keeps what it writes.
mount --bind / /srv/machines/lightvm
at_end 'umount /srv/machines/lightvm && rm -r /srv/machines'

# service.toml wants a web server that is there, and a cache with a user: stand-ins.
printf '[Service]\nExecStart=/usr/bin/sleep infinity\n' >/etc/systemd/system/nginx.service
printf '#!/bin/sh\nexec sleep infinity\n' >/usr/bin/memcached
chmod 755 /usr/bin/memcached
useradd --system memcache
systemctl daemon-reload
at_end 'userdel memcache; systemctl daemon-reload'
at_end 'systemctl stop nginx.service; rm -f /etc/systemd/system/nginx.service /usr/bin/memcached'

# vpn.toml wants a key; its peer's name resolves nowhere, which is not a failure.
(umask 077; wg genkey >/etc/partd/vpn.key)
at_end 'rm /etc/partd/vpn.key'

# Cards of the host, for the examples whose links stand on them.
for card in eth0 eth1; do
    ip link add "$card" type dummy
    ip link set "$card" up
    at_end "ip link del $card"
done

for file in "$EXAMPLES"/*.toml; do
    name=$(basename "$file" .toml)
    echo "--- $name"
    example "$name"
    check "partctl check" partctl check
    # settings.toml declares nothing that would be made
    declared=$(partctl list --json | jq '.objects | length')
    check_fails "partctl diff tells of differences" $((declared > 0)) partctl diff
    apply
    check "partctl status --check" partctl status --check
    expect "all partitions are active" "$( ((declared == 0)) || echo active)" \
        "$(partctl status --json | jq -r '.partitions[].state' | sort -u)"
    partctl status
    rm "/etc/partd/$name.toml"
    check "partctl apply removes it" partctl apply --allow-delete --no-legend
    # what a machine wrote stays until it is purged
    partctl status --layers --json | jq -r '.layers[].name' | while read -r layer; do
        check "partctl purge $layer" partctl purge --yes "$layer"
    done
    eventually "nothing is left of $name" 10 nothing_left
done
