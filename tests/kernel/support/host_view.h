// SPDX-License-Identifier: Apache-2.0
#pragma once
// Output of ip, nft and conntrack, for the few questions that the tests ask.

#include "sandbox.h"
#include "traffic.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace partd::test {

/// `ip -j -d link show dev NAME`; null when there is none.
Json link(const std::string& name, int netns = kHere);
bool has_link(const std::string& name, int netns = kHere);
/// Administratively up.
bool is_up(const std::string& name, int netns = kHere);
/// "10.1.1.1/24", global ones only, sorted.
std::vector<std::string> addresses(const std::string& name, int netns = kHere);
/// The protocol mark (IFA_PROTO) of each of these addresses, 0 where there is none. By a dump of our own,
/// since iproute2 shows it from 6.3 on only.
std::map<std::string, int> address_protocols(const std::string& name, int netns = kHere);
/// Names of the links but lo, sorted.
std::vector<std::string> links(int netns = kHere);
/// The routes to the destination ("default", "10.0.0.0/8") in the table.
Json routes(const std::string& to, int netns = kHere, const std::string& table = "main",
            const std::string& family = "-4");
/// The rules with that preference.
Json rules(int preference, int netns = kHere, const std::string& family = "-4");
/// `ip netns list`, names only, sorted.
std::vector<std::string> netns_names();
/// Inode of the namespace in /run/netns.
unsigned long netns_inode(const std::string& name);
std::string sysctl(const std::string& key, int netns = kHere);
void set_sysctl(const std::string& key, const std::string& value, int netns = kHere);
/// Turns forwarding on, as partd would and then leaves it: the kernel adds anycast routes for it.
void forward_everything();
/// `nft list table inet partd`, elements sorted, without counts; empty when it is not there.
std::string partd_table();
/// The sum of all packet counters in the text of nft.
long counted_packets(const std::string& listing);
bool has_partd_table();
/// Lines of `conntrack -L` for the original destination port.
std::vector<std::string> tracked(int destination_port, const std::string& family = "ipv4");
/// An extended attribute as text; nothing when it is not set.
std::optional<std::string> attribute(const std::string& path, const std::string& name);
bool remove_attribute(const std::string& path, const std::string& name);

/// `ip …` that must succeed, in the named partition's namespace if one is given.
void ip(const Arguments& arguments, int netns = kHere);

/// True if a member of plan["changes"], ["conflicts"], ["failed"] or ["skipped"] has that kind and name.
bool lists(const Json& plan, const std::string& part, const std::string& kind,
           const std::string& name_contains = {});
/// "create netns workshop\n…", for messages.
std::string plan_text(const Json& plan);
/// Entry of `partctl status --json` for the partition; null when it has none.
Json status_of(const Sandbox& sandbox, const std::string& partition);

}  // namespace partd::test
