// SPDX-License-Identifier: Apache-2.0
#include "base/names.h"
#include "base/text.h"
#include "kinds/link/interfaces.h"
#include "kinds/link/types/rows.h"
#include "kinds/marks.h"
#include "kinds/near.h"
#include "kinds/partition.h"

#include <linux/veth.h>

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

namespace partd {

namespace {

// [partition.NAME.link.IFNAME] of kind veth: a pair, one end in the partition, the other on the host or in
// another partition.
struct Veth {
    static constexpr std::string_view kName = "veth";
    LinkEnd self = {};
    LinkEnd peer = {};
    std::vector<Sourced<Address>> address = {};
    std::vector<Sourced<Address>> peer_address = {};
    std::optional<Name> peer_partition = {};
    bool operator==(const Veth&) const = default;
    static const Table table;
};

constexpr FieldOptions kPeerMtu = {.min = 68, .max = 65535, .unit = "bytes", .fallback = "as mtu"};
constexpr Attribute kPeerAttributes[] = {
    link::row<&Veth::peer, &LinkEnd::netns>("peer.netns", "the namespace of the other end",
                                            {.role = Role::Replace, .live = true}),
    link::row<&Veth::peer, &LinkEnd::name>(
        "peer.name", "the other end's name",
        {.fallback = "pv-PARTITION; of several links that name none, only the first by name, and "
                     "pv-PARTITION.LINK the others"}),
    link::row<&Veth::peer_address>("peer.address", "the other end's addresses", {.role = Role::Declared}),
    link::hardware_address<&Veth::peer, &LinkEnd::mac>("peer.mac", "the other end's hardware address",
                                                       "random"),
    link::number<IFLA_MTU, std::uint32_t, &Veth::peer, &LinkEnd::mtu>(
        "peer.mtu", "the other end's largest packet", kPeerMtu),
    link::row<&Veth::peer, &LinkEnd::up>("peer.up", "the other end is up", {.live = true}),
    link::row<&Veth::peer, &LinkEnd::mark>("peer.mark", "partd's mark on the other end", {.live = true}),
    link::row<&Veth::peer, &LinkEnd::trusting>("peer.trusting", "the other end takes routes from it",
                                               {.live = true}),
    link::row<&Veth::peer, &LinkEnd::probing>(
        "peer.probing", "the other end's IPv6 addresses are probed before they are used", {.live = true}),
    link::row<&Veth::peer, &LinkEnd::routes>(
        "peer.routes", "the kernel's own routes of the other end's addresses", {.live = true}),
    link::row<&Veth::peer, &LinkEnd::altname>("peer.altname", "the other end's alternative name",
                                              {.live = true}),
    link::row<&Veth::peer_partition>("peer.partition", "the partition of the other end",
                                     {.role = Role::Declared, .fallback = "the host"}),
    {.field = reserved("peer.network")},
    {.field = reserved("shape")},
    {.field = reserved("peer.shape")},
};

constexpr auto kAttributes = link::joined(link::self_attributes<Veth>(), link::of_peer(kPeerAttributes));
constexpr auto kFields = link::fields_of(kAttributes);

// "eth2" before "eth10".
bool named_before(const DeclaredObject& one, const DeclaredObject& other) {
    return strverscmp(one.name.c_str(), other.name.c_str()) < 0;
}

// True if another link of the partition whose other end is in the same namespace has the default name.
bool has_default_name_elsewhere(const Declared& declared, const DeclaredObject& object,
                                std::string_view default_name) {
    const auto& place = object.spec.as<Veth>().peer_partition;
    return std::ranges::any_of(declared.all<Veth>(object.owner), [&](const DeclaredObject* each) {
        const Veth& veth = each->spec.as<Veth>();
        return each != &object && veth.peer_partition == place &&
               (veth.peer.name.empty() ? named_before(*each, object) : veth.peer.name == default_name);
    });
}

// Of the links of a partition whose other ends have no name in the files, and are in one namespace, the first
// by name gets "pv-PARTITION", as a single one does; each of the others gets "pv-PARTITION.LINK", which
// depends on no other link.
void give_name(LinkEnd& end, const Declared& declared, const DeclaredObject& object) {
    std::string full = "pv-" + object.owner;
    if (has_default_name_elsewhere(declared, object, shortened(full, kMaxIfName))) {
        full = named_end_altname(object.owner, object.name);
    }
    end.name = IfName(shortened(full, kMaxIfName).c_str());
    end.altname = end.name == full ? "" : full;
}

LinkEnd peer_end(const Declared& declared, const DeclaredObject& object) {
    const Veth& veth = object.spec.as<Veth>();
    LinkEnd end = veth.peer;
    end.netns = veth.peer_partition.value_or(Name());
    end.mark = LinkMark{object.owner, object.name, true}.text();
    if (!end.mtu) {
        end.mtu = veth.self.mtu;  // a pair with two sizes drops what does not fit
    }
    end.up = veth.self.up;
    if (end.name.empty()) {
        give_name(end, declared, object);
    } else if (end.netns.empty() && !end.name.starts_with("pv-")) {
        end.altname = named_end_altname(object.owner, object.name);
    }
    return end;
}

void check_addresses(const DeclaredObject& object, Diagnostics& problems) {
    const Veth& veth = object.spec.as<Veth>();
    for (const auto& own : veth.address) {
        for (const auto& other : veth.peer_address) {
            if (own.value.ip == other.value.ip) {
                problems.error(other.at,
                               fmt::format("{} stands at both ends of {}/{}", other.value.ip.text(),
                                           object.owner, object.name),
                               own.at, "the other address");
            }
        }
    }
}

// A link between partitions is declared once, at either end.
void check_other_end(const Declared& declared, const DeclaredObject& object, Diagnostics& problems) {
    const Veth& veth = object.spec.as<Veth>();
    if (!veth.peer_partition) {
        return;
    }
    const std::string name = peer_end(declared, object).name;
    for (const DeclaredObject* other : declared.all<Veth>(*veth.peer_partition)) {
        if (other != &object && other->name == name &&
            other->spec.as<Veth>().peer_partition == object.owner) {
            problems.error(
                object.place("peer.partition"),
                fmt::format("{}/{} is declared by itself: a link between partitions is declared at one "
                            "of its ends alone",
                            other->owner, other->name),
                other->source, "the other end");
        }
    }
}

void check(const Declared& declared, const DeclaredObject& object, Diagnostics& problems) {
    const auto& partition = object.spec.as<Veth>().peer_partition;
    if (partition && !has_netns(declared, *partition)) {
        const bool there = find_partition(declared, *partition) != nullptr;
        problems.error(
            object.place("peer.partition"),
            there ? fmt::format("partition {} has no network namespace of its own", *partition)
                  : fmt::format("there is no [partition.{}] for the other end of {}/{}{}", *partition,
                                object.owner, object.name, near_partition(declared, *partition)));
    }
    check_addresses(object, problems);
    check_other_end(declared, object, problems);
}

}  // namespace

constinit const Table Veth::table = {"link", "A veth pair: an interface of the partition, and its other end.",
                                     kFields};

extern constinit const LinkType kVeth = link::make_type<Veth, kAttributes>(
    {.ends =
         [](const Declared& declared, const DeclaredObject& object) {
             return std::vector{self_end(object), peer_end(declared, object)};
         },
     .check = check,
     .peer_info = VETH_INFO_PEER});

}  // namespace partd
