# shellcheck shell=bash disable=SC2016,SC2154
# systemd-networkd beside partd: it leaves partd's links, addresses, routes and rules alone, also as it starts anew.
# timeout: 240

cat >/etc/systemd/network/50-everything.network <<'END'
# As careless hosts have it: whatever Ethernet there is.
[Match]
Name=up*

[Network]
Address=203.0.113.1/24
END
at_end 'rm -f /etc/systemd/network/50-everything.network; systemctl stop systemd-networkd.service systemd-networkd.socket'
check "networkd starts" systemctl start systemd-networkd.service
example routed-nat
example tenants
apply
udevadm settle --timeout=60
sleep 3
check "nothing differs after a while" partctl diff
check "networkd starts anew" systemctl restart systemd-networkd.service
sleep 3
check "nothing differs after that" partctl diff
check "networkctl reload" networkctl reload
sleep 3
check "nothing differs after that" partctl diff
networkctl list --no-pager
expect "networkd manages none of partd's links" "" \
    "$(networkctl --json=short list | jq -r '.Interfaces[] | select(.Name | test("^(pv-|tn-)")) | select(.AdministrativeState != "unmanaged") | .Name')"
