// SPDX-License-Identifier: Apache-2.0
#include "kinds/link/interfaces.h"

#include "base/text.h"
#include "kinds/marks.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

namespace partd {

namespace {

// A router asks for its neighbours from a link-local address; without one the host passes no IPv6 packet on
// to the partition. A fixed one needs no probing, as a generated one would, and is a gateway that every
// partition can name.
std::vector<Sourced<Address>> with_link_local(std::vector<Sourced<Address>> addresses) {
    const auto is_v6 = [](const auto& address) { return address.value.ip.v6(); };
    const auto is_link_local = [&](const auto& address) {
        return is_v6(address) && address.value.ip.is_link_local();
    };
    const auto first = std::ranges::find_if(addresses, is_v6);
    if (first != addresses.end() && std::ranges::none_of(addresses, is_link_local)) {
        addresses.push_back({*Address::parse("fe80::1/64"), first->at});
    }
    return addresses;
}

std::vector<const DeclaredObject*> only_links(std::vector<const DeclaredObject*> objects) {
    std::erase_if(objects, [](const DeclaredObject* object) { return type_of(object->spec) == nullptr; });
    return objects;
}

std::vector<Interface> all_of(const Declared& declared, const std::vector<const DeclaredObject*>& links,
                              const std::vector<const DeclaredObject*>& loopbacks) {
    std::vector<Interface> all;
    for (const DeclaredObject* link : links) {
        std::ranges::move(interfaces_of(declared, *link), std::back_inserter(all));
    }
    for (const DeclaredObject* object : loopbacks) {
        all.push_back({.netns = object->owner,
                       .name = "lo",
                       .partition = object->owner,
                       .link = std::nullopt,
                       .addresses = object->spec.as<Loopback>().address,
                       .declared = object});
    }
    return all;
}

std::string domain_of(const Declared& declared, const DeclaredObject& link) {
    if (type_of(link.spec)->ops.table_info != 0) {
        return link.name;
    }
    const auto masters = masters_of(declared, link);
    const auto* master = masters.empty() ? nullptr : masters.front().master;
    return master != nullptr && type_of(master->spec)->ops.table_info != 0 ? master->name : "";
}

std::vector<Interface> only_on_host(std::vector<Interface> interfaces) {
    std::erase_if(interfaces, [](const Interface& each) { return !each.netns.empty(); });
    return interfaces;
}

}  // namespace

std::string place_text(std::string_view netns, std::string_view interface) {
    return netns.empty() ? "host:" + std::string(interface)
                         : std::string(netns) + "/" + std::string(interface);
}

std::string lower_text(const LinkEnd& end) {
    const Lower* lower = end.lower();
    return lower == nullptr ? "" : place_text(lower->on_host() ? "" : end.netns, lower->name());
}

std::vector<const DeclaredObject*> declared_links(const Declared& declared) {
    return only_links(declared.all());
}

std::vector<const DeclaredObject*> declared_links(const Declared& declared, const std::string& partition) {
    return only_links(declared.all(partition));
}

std::vector<Interface> interfaces_of(const Declared& declared, const DeclaredObject& link) {
    const LinkType& type = *type_of(link.spec);
    const std::vector<LinkEnd> ends = declared_ends(declared, link);
    std::vector<Interface> all;
    for (const LinkEnd& end : ends) {
        const auto& addresses = *type.addresses(link.spec.data(), all.empty() ? Side::Self : Side::Peer);
        all.push_back({.netns = end.netns,
                       .name = end.name,
                       .partition = link.owner,
                       .link = link_key(link.owner, link.name),
                       .addresses = end.netns.empty() ? with_link_local(addresses) : addresses,
                       .mtu = end.mtu,
                       .up = end.up,
                       .declared = &link});
    }
    if (ends.size() == 2 && ends[1].netns.empty()) {
        all[0].host_end = all[1].name;
    }
    all[0].domain = domain_of(declared, link);
    return all;
}

std::vector<Interface> all_interfaces(const Declared& declared) {
    return all_of(declared, declared_links(declared), declared.all<Loopback>());
}

std::vector<Interface> all_interfaces(const Declared& declared, const std::string& partition) {
    return all_of(declared, declared_links(declared, partition), declared.all<Loopback>(partition));
}

std::map<std::string, std::vector<Interface>> interfaces_by_netns(const Declared& declared) {
    std::map<std::string, std::vector<Interface>> by_netns;
    for (Interface& interface : all_interfaces(declared)) {
        by_netns[interface.netns].push_back(std::move(interface));
    }
    return by_netns;
}

std::vector<Interface> host_ends(const Declared& declared) {
    return only_on_host(all_interfaces(declared));
}

std::vector<Interface> host_ends(const Declared& declared, const std::string& partition) {
    return only_on_host(all_interfaces(declared, partition));
}

std::vector<PortOf> masters_of(const Declared& declared, const DeclaredObject& link) {
    const auto& bridge = type_of(link.spec)->end(link.spec.data(), Side::Self)->bridge;
    std::vector<PortOf> all;
    if (bridge) {
        all.push_back({nullptr, *bridge, link.place("bridge")});
    }
    for (const DeclaredObject* other : declared.all(link.owner)) {
        const LinkType* type = type_of(other->spec);
        if (bridge && type != nullptr && other->name == *bridge) {
            all[0].master = other;
        }
        if (type == nullptr || type->ports == nullptr) {
            continue;
        }
        for (const auto& [port, at] : type->ports(other->spec.data())) {
            if (port == link.name) {
                all.push_back({other, other->name, at});
            }
        }
    }
    return all;
}

const Interface* lower_of(const Interfaces& interfaces, const DeclaredObject& link) {
    const Lower* parent = type_of(link.spec)->end(link.spec.data(), Side::Self)->lower();
    const auto found = interfaces.find(parent != nullptr && parent->on_host() ? "" : link.owner);
    if (parent == nullptr || found == interfaces.end()) {
        return nullptr;
    }
    const auto lower = std::ranges::find(found->second, parent->name(), &Interface::name);
    return lower == found->second.end() ? nullptr : &*lower;
}

std::string end_identity(const kernel::Netns& netns, int index) {
    return fmt::format("{}:{}", netns.cookie(), index);
}

std::string birth_identity(const std::string& end_identity, std::uint64_t birth) {
    return fmt::format("{}@{}", end_identity, birth);
}

std::optional<std::uint64_t> known_birth(std::string_view words_of_ledger, std::string_view end_identity) {
    for (const std::string_view word : words(words_of_ledger)) {
        if (word.starts_with(end_identity) && word.substr(end_identity.size()).starts_with('@')) {
            return parse_number(word.substr(end_identity.size() + 1));
        }
    }
    return std::nullopt;
}

Result<const kernel::Link*> find_for_request(ApplyContext& context, const std::string& netns,
                                             const std::string& name) {
    const kernel::Link* link = context.host.find_link(netns, name);
    if (link != nullptr && link->index < kernel::kFirstOwnIndex) {
        auto where = context.host.netns(netns);
        PARTD_TRY(where);
        const auto now = kernel::get_link((*where)->route(), link->index);
        PARTD_TRY(now);
        if (!*now || (*now)->name != link->name || (*now)->alias != link->alias) {
            link = nullptr;
        }
    }
    return link == nullptr ? fail(ENODEV, "find " + place_text(netns, name))
                           : Result<const kernel::Link*>(link);
}

kernel::RouteHome route_home(const kernel::Link& link) {
    const auto table_in = [](const std::string& kind, const std::vector<std::uint8_t>& info) {
        const LinkType* type = find_link_type(kind);
        return type == nullptr || type->ops.table_info == 0
                   ? 0
                   : kernel::Attributes(info).number<std::uint32_t>(type->ops.table_info).value_or(0);
    };
    if (const std::uint32_t own = table_in(link.kind, link.info); own != 0) {
        return {.table = own, .whole_table = true};
    }
    return {.table = table_in(link.port_kind, link.port_info)};
}

std::string wanted_name(const Observation& observation, const kernel::Link& link) {
    const auto mark = parse_link_mark(link.alias);
    const Resource* wanted = mark ? observation.desired.find(link_key(mark->partition, mark->link)) : nullptr;
    const LinkType* type = wanted == nullptr ? nullptr : type_of(wanted->spec);
    const LinkEnd* end =
        type == nullptr ? nullptr : type->end(wanted->spec.data(), mark->peer ? Side::Peer : Side::Self);
    return end == nullptr ? link.name : std::string(end->name);
}

}  // namespace partd
