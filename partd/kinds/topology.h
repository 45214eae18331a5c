#pragma once

#include "kinds/kinds.h"
#include "kinds/veth.h"

#include <map>

namespace partd {

// An interface that the files declare, from the view of the namespace where it is.
struct Interface {
    std::string netns;  // "" is the host
    std::string name;
    std::string partition;    // whose declaration it is
    std::optional<Key> link;  // nullopt: lo
    std::vector<Sourced<Address>> addresses;
    Source source;
    bool host_peer = false;  // its other end is on the host
};

// Every interface of all namespaces.
std::vector<Interface> all_interfaces(const Declared& declared);
// The same by their namespaces.
std::map<std::string, std::vector<Interface>> interfaces_by_netns(const Declared& declared);

// The ends of a declared veth, with the names and namespaces that they get. Of the links of a partition whose
// other ends have no name in the files, and are in one namespace, the first by name gets "pv-PARTITION", as a
// single one does; each of the others gets "pv-PARTITION.LINK", which depends on no other link.
LinkEnd self_end(const DeclaredObject& object);
LinkEnd peer_end(const Declared& declared, const DeclaredObject& object);

// The alternative name of an end on the host that a file names otherwise than "pv-…": by that network
// managers know it. "pv-web.eth0", at most 83 bytes; no partition's name has a '.', so that no other end has
// it.
std::string named_end_altname(std::string_view partition, std::string_view link);

// "web/eth0", "host:veth0".
std::string place_text(std::string_view netns, std::string_view interface);

// The interface of that name, for a request that names its index. An index of partd's own is never anybody
// else's; any other one may be by now, and is asked for again. ENODEV when that interface is not there any
// more.
Result<const kernel::Link*> find_for_request(Doing& doing, const std::string& netns, const std::string& name);

// The name that this interface is to have by the files, when it is one of ours, however it is called now;
// else its name.
std::string wanted_name(const Look& look, const kernel::Link& link);

}  // namespace partd
