#pragma once
// The whole host as text, without what differs between two hosts that are the same to their users.

#include "../kernel/sandbox.h"

namespace partd::fault {

/// By topic, a line each: links, addresses, routes, rules and nftables of every network namespace, mounts,
/// pins, files, cgroups with their values, switches, processes with their namespaces, partd's own records.
test::Snapshot view_of(test::Sandbox& sandbox);

}  // namespace partd::fault
