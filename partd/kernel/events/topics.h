// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace partd::kernel {

// Subjects of an event, as names that a resource can subscribe to.
using Topics = std::set<std::string>;

// An interface of the host's, by its name or alternative name.
inline std::string link_topic(std::string_view name) {
    return "link " + std::string(name);
}
// An interface of the host's, by its alias up to the first blank.
inline std::string alias_topic(std::string_view alias) {
    return "alias " + std::string(alias.substr(0, alias.find(' ')));
}
// Anything in a network namespace, by the id that the host's namespace has for it (RTM_GETNSID).
inline std::string namespace_topic(int id) {
    return "nsid " + std::to_string(id);
}
// A forwarding switch of the host's, or of one of its links (RTM_NEWNETCONF).
inline constexpr char kSwitches[] = "switches";
// A link of the host's that bears no mark of the caller's came up.
inline constexpr char kStrangerUp[] = "stranger up";
// A default route of the host's came or went.
inline constexpr char kDefaultRoute[] = "default route";
// An nftables table of the family inet.
inline std::string table_topic(std::string_view name) {
    return "table " + std::string(name);
}
// Something was mounted at that path, or is not any more.
inline std::string mount_topic(std::string_view path) {
    return "mount " + std::string(path);
}
// Something in that directory changed.
inline std::string directory_topic(std::string_view path) {
    return "directory " + std::string(path);
}
// Events were lost, or concern more than can be told: everything has to be looked at.
inline constexpr char kEverything[] = "everything";

}  // namespace partd::kernel
