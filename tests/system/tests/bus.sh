# shellcheck shell=bash disable=SC2016,SC2154
# org.partd1 on the system bus: what busctl shows, what polkit lets an ordinary user do.
# timeout: 180

with_daemon
busctl list --no-legend | grep -q '^org.partd1 *[0-9]' || cannot_run "this partd is not on the bus yet"
manager=(org.partd1 /org/partd1 org.partd1.Manager)
example workshop
eventually "all is made" 15 partctl diff
check "busctl introspects it" busctl introspect "${manager[@]}"
for method in Check Diff Status List Show Namespaces Apply Confirm Rollback Reload Pause Resume; do
    expect "method $method" method "$(busctl introspect "${manager[@]}" | awk -v name=".$method" '$1 == name { print $2 }')"
done
check "root asks for the status" busctl call "${manager[@]}" Status s workshop

# An ordinary user that is not logged in: polkit wants an administrator, and there is none to ask.
as_user() { runuser -u ordinary -- "$@"; }
for method in Reload Status; do
    refused=$(as_user busctl call "${manager[@]}" "$method" 2>&1)
    expect_match "$method is refused to an ordinary user" "ccess denied|not authorized|uthentication|AccessDenied|Permission denied" "$refused"
done
check_fails "the private socket is closed to an ordinary user" 1 as_user test -w /run/partd/bus
expect "nothing was changed" "" "$(partctl diff --no-legend)"

# A rule of the administrator's opens one action, and that one alone.
cat >/etc/polkit-1/rules.d/10-partd.rules <<'END'
polkit.addRule(function(action, subject) {
    if (action.id == "org.partd1.read" && subject.user == "ordinary") { return polkit.Result.YES; }
});
END
at_end 'rm -f /etc/polkit-1/rules.d/10-partd.rules'
sleep 2
check "reading is allowed by a rule" as_user busctl call "${manager[@]}" Status s workshop
check_fails "changing is not" 1 as_user busctl call "${manager[@]}" Reload
