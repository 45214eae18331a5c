# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2154
# org.partd1 on the system bus: what busctl shows, what polkit lets an ordinary user do.
# timeout: 240

with_daemon
manager=(org.partd1 /org/partd1 org.partd1.Manager)
call() { busctl --json=short call "${manager[@]}" "$@"; }
eventually "partd is on the system bus" 10 busctl status org.partd1
example workshop
eventually "all is made" 15 partctl diff
for method in Check Diff Status List Show Namespaces History Doctor Apply Confirm Rollback Reload Pause Resume; do
    expect "method $method" method "$(busctl introspect "${manager[@]}" | awk -v name=".$method" '$1 == name { print $2 }')"
done
expect "the partitions" '["workshop"]' "$(busctl --json=short get-property "${manager[@]}" Partitions | jq -c .data)"
expect "root asks for the differences: exit code" 0 "$(call Diff 'a{sv}' 0 | jq '.data[2]')"
expect_match "and for the status" "workshop +active" "$(call Status 'a{sv}' 0 | jq -r '.data[0]')"
check "root reloads" call Reload
expect_match "the private socket is a bus too" "workshop +active" \
    "$(busctl --json=short --address=unix:path=/run/partd/bus call "${manager[@]}" Status 'a{sv}' 0 | jq -r '.data[0]')"

# An ordinary user that is not logged in: polkit wants an administrator, and there is none to ask.
as_user() { runuser -u ordinary -- "$@"; }
for method in Status Apply Pause; do
    refused=$(as_user busctl call "${manager[@]}" "$method" 'a{sv}' 0 2>&1)
    expect_match "$method is refused to an ordinary user" "Access denied" "$refused"
done
expect "Reload too" "$refused" "$(as_user busctl call "${manager[@]}" Reload 2>&1)"
for access in r w; do
    check_fails "the private socket is closed to an ordinary user ($access)" 1 as_user test -$access /run/partd/bus
done
check_fails "no program of his becomes org.partd1" 1 as_user busctl call org.freedesktop.DBus /org/freedesktop/DBus \
    org.freedesktop.DBus RequestName su org.partd1 0
expect "nothing was changed" "" "$(partctl diff --no-legend)"

# A rule of the administrator's opens one action, and that one alone.
cat >/etc/polkit-1/rules.d/10-partd.rules <<'END'
polkit.addRule(function(action, subject) {
    if (action.id == "org.partd1.read" && subject.user == "ordinary") { return polkit.Result.YES; }
});
END
at_end 'rm -f /etc/polkit-1/rules.d/10-partd.rules'
eventually "reading is allowed by a rule" 10 as_user busctl call "${manager[@]}" Status 'a{sv}' 0
for method in Apply Pause; do
    expect_match "$method is not" "Access denied" "$(as_user busctl call "${manager[@]}" "$method" 'a{sv}' 0 2>&1)"
done

# A member of the group partd reads by the socket, and changes nothing.
usermod --append --groups partd ordinary
at_end 'gpasswd --delete ordinary partd >/dev/null'
expect_match "the group partd reads" "workshop +active" "$(as_user partctl status)"
check_fails "but applies nothing" 5 as_user partctl apply
check_fails "nor kills" 5 as_user partctl kill workshop

# Asked for while it is stopped, it is started: by D-Bus and by its socket.
systemctl stop partd.service
check "D-Bus activates it" call Diff 'a{sv}' 0
expect "partd.service" active "$(systemctl is-active partd.service)"
systemctl stop partd.service
check "its socket activates it" busctl --address=unix:path=/run/partd/bus call "${manager[@]}" Diff 'a{sv}' 0
expect "partd.service" active "$(systemctl is-active partd.service)"
