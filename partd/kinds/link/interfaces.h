// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/link/link.h"

#include <map>

namespace partd {

// An interface that the files declare, from the view of the namespace where it is.
struct Interface {
    std::string netns;  // "" is the host
    std::string name;
    std::string partition;    // whose declaration it is
    std::optional<Key> link;  // nullopt: lo
    std::vector<Sourced<Address>> addresses;
    std::optional<std::int64_t> mtu = {};
    bool up = true;
    std::optional<std::string> host_end = {};  // the name of its other end, where that is on the host
    const DeclaredObject* declared = nullptr;
    // The link with a routing table of its own that it is, or whose port it is; "": it has the namespace's.
    std::string domain = {};
};

// Every interface of all namespaces; those of one partition's declarations.
std::vector<Interface> all_interfaces(const Declared& declared);
std::vector<Interface> all_interfaces(const Declared& declared, const std::string& partition);
// Every interface by its namespace.
std::map<std::string, std::vector<Interface>> interfaces_by_netns(const Declared& declared);
// Interfaces in the host's namespace; of all declarations, or of one partition's.
std::vector<Interface> host_ends(const Declared& declared);
std::vector<Interface> host_ends(const Declared& declared, const std::string& partition);

// Everything that is declared as a link, but lo.
std::vector<const DeclaredObject*> declared_links(const Declared& declared);
std::vector<const DeclaredObject*> declared_links(const Declared& declared, const std::string& partition);
// The one or two interfaces of one of them: that in the partition is the first.
std::vector<Interface> interfaces_of(const Declared& declared, const DeclaredObject& link);

// The links of the partition whose port it is by the files, and where they say so. Two are a mistake.
struct PortOf {
    const DeclaredObject* master;  // nullptr: no link has that name
    std::string name;
    Source at;
};
std::vector<PortOf> masters_of(const Declared& declared, const DeclaredObject& link);

using Interfaces = std::map<std::string, std::vector<Interface>>;  // by namespace
// The interface that the link stands on, whoever declared it; nullptr where it names none that is declared.
const Interface* lower_of(const Interfaces& interfaces, const DeclaredObject& link);

// Links as the files declare them, with what they have to do with each other.
struct LinkView {
    const Declared& declared;
    Interfaces interfaces = {};  // empty where no link stands on another one
    // The first link on each lower one that takes its packets (LinkOps::use), by namespace and name.
    std::map<std::pair<std::string, std::string>, const DeclaredObject*> users = {};
};
LinkView view_of(const Declared& declared, const std::vector<const DeclaredObject*>& links);
// Reports a partition without a network namespace of its own.
void require_netns(const Declared& declared, const DeclaredObject& object, std::string_view link,
                   Diagnostics& problems);
// Reports mistakes of that link, and of it and others.
void check_link(const LinkView& view, const DeclaredObject& link, Diagnostics& problems);

// "web/eth0", "host:veth0".
std::string place_text(std::string_view netns, std::string_view interface);
// So the lower link of one that has it.
std::string lower_text(const LinkEnd& end);

// The ledger knows an interface by this, whatever its name is: the cookie of its namespace and its index.
std::string end_identity(const kernel::Netns& netns, int index);
// One that was born elsewhere (LinkOps::birth) also by this word, which tells where; and what it tells, where
// the ledger's words have it.
std::string birth_identity(const std::string& end_identity, std::uint64_t birth);
std::optional<std::uint64_t> known_birth(std::string_view words_of_ledger, std::string_view end_identity);

// The interface of that name, for a request that names its index. On the host an index of partd's own is
// never anybody else's; any other one may be by now, and is asked for again. ENODEV when that interface is
// not there any more.
Result<const kernel::Link*> find_for_request(ApplyContext& context, const std::string& netns,
                                             const std::string& name);

// Where the kernel makes its own routes of that interface's addresses.
kernel::RouteHome route_home(const kernel::Link& link);

// The name that this interface is to have by the files, when it is one of ours, however it is called now;
// else its name.
std::string wanted_name(const Observation& observation, const kernel::Link& link);

}  // namespace partd
