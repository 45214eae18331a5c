// SPDX-License-Identifier: Apache-2.0
#include "base/hint.h"
#include "kinds/link/interfaces.h"
#include "kinds/near.h"
#include "kinds/partition.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd {

namespace {

const LinkEnd& self_of(const DeclaredObject& link) {
    return *type_of(link.spec)->end(link.spec.data(), Side::Self);
}

// Reports addresses and MTUs that the kernel would refuse (eth_validate_addr(), addrconf_add_dev()).
void check_end(const DeclaredObject& link, Side side, Diagnostics& problems) {
    constexpr std::int64_t kLeastForIpv6 = 1280;  // RFC 8200, section 5
    const LinkType& type = *type_of(link.spec);
    const LinkEnd& self = self_of(link);
    const LinkEnd* end = type.end(link.spec.data(), side);
    if (end == nullptr) {
        return;
    }
    const std::string prefix = side == Side::Self ? "" : "peer.";
    if (end->mac && ((end->mac->bytes[0] & 1) != 0 || *end->mac == Mac())) {
        problems.error(link.place(prefix + "mac"),
                       fmt::format("{} is not a hardware address of one interface", end->mac->text()));
    }
    if (end->mac && !type.ops.own_mac) {
        problems.error(link.place(prefix + "mac"),
                       fmt::format("a link of kind {} has no hardware address of its own", type.name));
    }
    if (end->name == "lo") {
        problems.error(link.place(prefix + "name"), "lo is the loopback interface of every namespace");
    }
    const auto mtu = end->mtu ? end->mtu : self.mtu;
    const auto v6 = [](const auto& address) { return address.value.ip.v6(); };
    if (mtu && *mtu < kLeastForIpv6 && std::ranges::any_of(*type.addresses(link.spec.data(), side), v6)) {
        problems.error(link.place(end->mtu ? prefix + "mtu" : "mtu"),
                       fmt::format("IPv6 needs an MTU of at least {}", kLeastForIpv6));
    }
}

const DeclaredObject* find_declared(const std::vector<const DeclaredObject*>& links, std::string_view name) {
    const auto found = std::ranges::find(links, name, [](const auto* each) { return each->name; });
    return found == links.end() ? nullptr : *found;
}

// True if the link is a port of the other one, or of a port of it, and so on.
bool is_below(const Declared& declared, const DeclaredObject& link, const DeclaredObject& other) {
    std::vector<const DeclaredObject*> above = {&link};
    for (std::size_t i = 0; i < above.size(); ++i) {
        for (const PortOf& port_of : masters_of(declared, *above[i])) {
            if (port_of.master == &other) {
                return true;
            }
            if (port_of.master != nullptr && std::ranges::find(above, port_of.master) == above.end()) {
                above.push_back(port_of.master);
            }
        }
    }
    return false;
}

// Reports a link that is not there, that has no ports, or that the link cannot be a port of.
void check_master(const Declared& declared, const DeclaredObject& link, const PortOf& port_of,
                  Diagnostics& problems) {
    const LinkType& type = *type_of(link.spec);
    if (port_of.master == nullptr) {
        problems.error(port_of.at,
                       fmt::format("there is no [partition.{}.link.{}] for {} to be a port of{}", link.owner,
                                   port_of.name, link.name, near_link(declared, link.owner, port_of.name)));
        return;
    }
    const LinkType& master = *type_of(port_of.master->spec);
    if (master.ports == nullptr) {
        problems.error(port_of.at,
                       fmt::format("{} is {}, and has no ports", port_of.name, with_article(master.name)),
                       port_of.master->source, "that link");
    } else if (master.ops.port_key.empty() && self_of(link).bridge == port_of.name) {
        problems.error(
            link.place("bridge"),
            fmt::format("{} is a {}, whose key \"ports\" lists its ports", port_of.name, master.name),
            port_of.master->source, "that link");
    } else if (master.ops.ethernet_ports && !type.ops.ethernet) {
        problems.error(port_of.at, fmt::format("{} is {}, which has no Ethernet for a {}", link.name,
                                               with_article(type.name), master.name));
    } else if (&master == &type || !type.ops.joins) {
        problems.error(port_of.at, fmt::format("{} is {}, which is not a port of another one", link.name,
                                               with_article(type.name)));
    } else if (is_below(declared, *port_of.master, link)) {
        problems.error(port_of.at,
                       fmt::format("{} and {} would be ports of each other", link.name, port_of.name));
    }
}

void check_masters(const Declared& declared, const DeclaredObject& link, Diagnostics& problems) {
    const auto masters = masters_of(declared, link);
    for (const PortOf& port_of : masters) {
        check_master(declared, link, port_of, problems);
        if (port_of.master != nullptr && type_of(port_of.master->spec)->ops.enslaves && self_of(link).mac) {
            problems.error(
                link.place("mac"),
                fmt::format("{} has the hardware address of {}, whose port it is", link.name, port_of.name));
        }
        if (port_of.name != masters.front().name) {
            problems.error(
                port_of.at,
                fmt::format("{} is a port of {} and of {}", link.name, masters.front().name, port_of.name),
                masters.front().at, "the other one");
        }
    }
}

// Reports ports that are not there.
void check_ports(const Declared& declared, const DeclaredObject& link, Diagnostics& problems) {
    const LinkType& type = *type_of(link.spec);
    if (type.ports == nullptr) {
        return;
    }
    const auto links = declared_links(declared, link.owner);
    for (const auto& [name, at] : type.ports(link.spec.data())) {
        if (find_declared(links, name) == nullptr) {
            problems.error(at,
                           fmt::format("there is no [partition.{}.link.{}] to be a port of {}{}", link.owner,
                                       std::string(name), link.name, near_link(declared, link.owner, name)));
        }
    }
}

// The link's lower interfaces, the next one first; of links that stand on each other each once.
std::vector<const Interface*> all_below(const Interfaces& interfaces, const DeclaredObject& link) {
    std::vector<const Interface*> all;
    const Interface* lower = lower_of(interfaces, link);
    while (lower != nullptr && std::ranges::find(all, lower) == all.end()) {
        all.push_back(lower);
        lower = lower->link ? lower_of(interfaces, *lower->declared) : nullptr;
    }
    return all;
}

// The MTU of the first of these interfaces that tells it. nullopt where none does: a bridge has its ports',
// and who knows what an interface of others has.
std::optional<std::int64_t> mtu_of(const std::vector<const Interface*>& lowers) {
    constexpr std::int64_t kUsual = 1500;
    for (const Interface* lower : lowers) {
        const LinkType* type = lower->link ? type_of(lower->declared->spec) : nullptr;
        if (lower->mtu || type == nullptr || type->ports != nullptr) {
            return lower->mtu;
        }
        if (!type->ops.has_parent) {
            return kUsual;
        }
    }
    return std::nullopt;
}

// Reports a lower link that gives this type no packets. The kernel puts a macvlan that is made on a macvlan
// on the parent of that (macvlan_dev_real_dev()).
void check_type_below(const DeclaredObject& link, const DeclaredObject& lower, Diagnostics& problems) {
    const LinkType& type = *type_of(link.spec);
    const LinkType& below = *type_of(lower.spec);
    if (type.ops.use != nullptr && &type == &below) {
        problems.error(link.place("parent"),
                       fmt::format("{} is {} itself: give its parent", self_of(link).lower()->name(),
                                   with_article(below.name)));
    } else if (type.ops.use != nullptr && !below.ops.ethernet) {
        problems.error(link.place("parent"),
                       fmt::format("{} is {}, which has no Ethernet for {}", self_of(link).lower()->name(),
                                   with_article(below.name), with_article(type.name)));
    }
}

// Reports a lower link that carries no other, that is narrower, or that stands on this one itself.
void check_lower(const LinkView& view, const DeclaredObject& link, const Interface& lower,
                 Diagnostics& problems) {
    const LinkEnd& end = self_of(link);
    if (!lower.link) {
        problems.error(link.place("parent"), fmt::format("{} carries no other link", lower.name));
        return;
    }
    const auto lowers = all_below(view.interfaces, link);
    const auto mtu = mtu_of(lowers);
    const std::int64_t overhead = type_of(link.spec)->ops.overhead;
    if (end.mtu && mtu && *end.mtu > *mtu - overhead) {
        problems.error(link.place("mtu"),
                       fmt::format("{} is larger than the MTU of {}, which is {}{}", *end.mtu, lower.name,
                                   *mtu, overhead == 0 ? "" : fmt::format(" less {}", overhead)));
    }
    for (const PortOf& port_of : masters_of(view.declared, link)) {
        if (lower.netns == link.owner && port_of.name == lower.name) {
            problems.error(port_of.at,
                           fmt::format("{} stands on {} and cannot be a port of it", link.name, lower.name));
        }
    }
    if (std::ranges::find(lowers, &link, &Interface::declared) != lowers.end()) {
        problems.error(link.place("parent"), fmt::format("{} stands on itself", link.name));
        return;
    }
    check_type_below(link, *lower.declared, problems);
}

// Reports a lower link whose packets another one takes in another way (netdev_rx_handler_register()).
void check_use(const LinkView& view, const DeclaredObject& link, const Interface* lower,
               Diagnostics& problems) {
    const auto use = type_of(link.spec)->ops.use;
    const Lower* parent = self_of(link).lower();
    if (use == nullptr || parent == nullptr) {
        return;
    }
    const std::string own = use(link.spec.data());
    const DeclaredObject& first = *view.users.at({parent->on_host() ? "" : link.owner, parent->name()});
    const std::string other = type_of(first.spec)->ops.use(first.spec.data());
    if (own != other) {
        problems.error(link.place("parent"),
                       fmt::format("{} carries {}/{}, {}: it cannot carry {} as well", std::string(*parent),
                                   first.owner, first.name, other, own),
                       first.place("parent"), "the other one");
    }
    const bool is_self = lower != nullptr && lower->link && lower->netns == lower->partition;
    for (const PortOf& port_of :
         is_self ? masters_of(view.declared, *lower->declared) : std::vector<PortOf>()) {
        if (port_of.master != nullptr && type_of(port_of.master->spec)->ops.takes_packets) {
            problems.error(link.place("parent"),
                           fmt::format("{} is a port of {}, which takes its packets: it cannot carry {}",
                                       lower->name, port_of.name, own),
                           port_of.at, "the port");
        }
    }
}

void check_parent(const LinkView& view, const DeclaredObject& link, Diagnostics& problems) {
    const Lower* parent = self_of(link).lower();
    const Interface* lower = lower_of(view.interfaces, link);
    if (parent != nullptr && parent->on_host() && type_of(link.spec)->ops.parent_inside) {
        problems.error(link.place("parent"), fmt::format("a link of kind {} stands on one of its partition",
                                                         type_of(link.spec)->name));
    } else if (lower != nullptr) {
        check_lower(view, link, *lower, problems);
    } else if (parent != nullptr && !parent->on_host()) {
        problems.error(link.place("parent"),
                       parent->name() == "lo"
                           ? "lo carries no other link"
                           : fmt::format("there is no [partition.{}.link.{}] for {} to stand on{}",
                                         link.owner, parent->name(), link.name,
                                         near_link(view.declared, link.owner, parent->name())));
    }
    check_use(view, link, lower, problems);
}

void check_alias(const DeclaredObject& link, Diagnostics& problems) {
    constexpr std::size_t kMost = 128;  // of the kernel's 255 bytes; the mark needs the others
    const auto& alias = self_of(link).alias;
    if (alias && alias->size() > kMost) {
        problems.error(link.place("alias"), fmt::format("an alias has at most {} bytes", kMost));
    }
}

}  // namespace

void require_netns(const Declared& declared, const DeclaredObject& object, std::string_view link,
                   Diagnostics& problems) {
    if (!has_netns(declared, object.owner)) {
        problems.error(
            object.source,
            fmt::format("partition {} has no network namespace of its own for link {}", object.owner, link));
    }
}

LinkView view_of(const Declared& declared, const std::vector<const DeclaredObject*>& links) {
    LinkView view{declared};
    const bool stand_on_others =
        std::ranges::any_of(links, [](const auto* link) { return self_of(*link).lower() != nullptr; });
    if (!stand_on_others) {
        return view;
    }
    view.interfaces = interfaces_by_netns(declared);
    for (const DeclaredObject* link : links) {
        const Lower* parent = self_of(*link).lower();
        if (parent != nullptr && type_of(link->spec)->ops.use != nullptr) {
            view.users.emplace(std::pair(parent->on_host() ? "" : link->owner, parent->name()), link);
        }
    }
    return view;
}

void check_link(const LinkView& view, const DeclaredObject& link, Diagnostics& problems) {
    const Declared& declared = view.declared;
    require_netns(declared, link, link.name, problems);
    if (const auto check = type_of(link.spec)->ops.check; check != nullptr) {
        check(declared, link, problems);
    }
    check_end(link, Side::Self, problems);
    check_end(link, Side::Peer, problems);
    check_masters(declared, link, problems);
    check_ports(declared, link, problems);
    check_parent(view, link, problems);
    check_alias(link, problems);
}

}  // namespace partd
