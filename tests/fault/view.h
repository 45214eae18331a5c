// SPDX-License-Identifier: Apache-2.0
#pragma once
// The whole host as text, without what differs between two hosts that are the same to their users.

#include "../kernel/support/sandbox.h"

namespace partd::fault {

/// By topic, a line each: links, addresses, routes, rules and nftables of every network namespace, mounts,
/// pins, files, cgroups with their values, switches, processes with their namespaces, partd's own records.
test::Snapshot view_of(test::Sandbox& sandbox);

/// The lines that are on one side only, or more often there; a topic that one side lacks is empty there.
std::string difference(const test::Snapshot& before, const test::Snapshot& after);

}  // namespace partd::fault
