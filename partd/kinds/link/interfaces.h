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

// "web/eth0", "host:veth0".
std::string place_text(std::string_view netns, std::string_view interface);

// The ledger knows an interface by this, whatever its name is: the cookie of its namespace and its index.
std::string end_identity(const kernel::Netns& netns, int index);

// The interface of that name, for a request that names its index. On the host an index of partd's own is
// never anybody else's; any other one may be by now, and is asked for again. ENODEV when that interface is
// not there any more.
Result<const kernel::Link*> find_for_request(ApplyContext& context, const std::string& netns,
                                             const std::string& name);

// The name that this interface is to have by the files, when it is one of ours, however it is called now;
// else its name.
std::string wanted_name(const Observation& observation, const kernel::Link& link);

}  // namespace partd
