// SPDX-License-Identifier: Apache-2.0
#pragma once
// Declarations shared by the parts of a view.

#include "../kernel/support/sandbox.h"

#include <regex>
#include <string>

namespace partd::fault {

/// The file's text; nothing when it cannot be read. Links are not followed.
std::string file_or_nothing(const std::string& path);
/// Its lines in order.
std::string sorted(const std::string& text);
std::string replaced(const std::string& text, const std::regex& what, const char* by);

/// Topics "network NAME", "nftables NAME" and "switches NAME" of the host and of each name in /run/netns, and
/// that directory.
void add_networks(test::Snapshot& all);

}  // namespace partd::fault
