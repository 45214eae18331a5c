// SPDX-License-Identifier: Apache-2.0
#include "kinds/link/types/tunnel.h"

#include <array>

namespace partd {

namespace {

// [partition.NAME.link.IFNAME] of kind gre.
struct Gre {
    static constexpr std::string_view kName = "gre";
    LinkEnd self = {};
    std::vector<Sourced<Address>> address = {};
    Ip local = {};
    Ip remote = {};
    std::int64_t ttl = 0;
    std::optional<std::int64_t> key = {};
    bool operator==(const Gre&) const = default;
    static const Table table;
};

// Both directions have one key; the kernel counts it as given by a flag, since 0 is a key too.
void put_key(kernel::Message& message, const void* link) {
    const auto& key = static_cast<const Gre*>(link)->key;
    if (!key) {
        return;
    }
    const auto wire = link::to_wire<std::uint32_t, true>(*key);
    message.number<std::uint16_t>(IFLA_GRE_IFLAGS, GRE_KEY).number<std::uint16_t>(IFLA_GRE_OFLAGS, GRE_KEY);
    message.number<std::uint32_t>(IFLA_GRE_IKEY, wire).number<std::uint32_t>(IFLA_GRE_OKEY, wire);
}

// None where the directions differ: that is not how partd makes it.
void take_key(const kernel::Attributes& info, void* link) {
    const auto has_key = [&](std::uint16_t flags) {
        return (info.number<std::uint16_t>(flags).value_or(0) & GRE_KEY) != 0;
    };
    const auto in = info.number<std::uint32_t>(IFLA_GRE_IKEY);
    if (has_key(IFLA_GRE_IFLAGS) && has_key(IFLA_GRE_OFLAGS) && in &&
        in == info.number<std::uint32_t>(IFLA_GRE_OKEY)) {
        static_cast<Gre*>(link)->key = link::swapped<std::uint32_t, true>(*in);
    }
}

std::string is_keyed(const Gre& link) {
    return link.key ? "true" : "false";
}

constexpr auto kAttributes = link::joined(
    link::self_attributes<Gre>(), link::parent_attribute<Gre>(false),
    link::tunnel_attributes<Gre, IFLA_GRE_LOCAL, IFLA_GRE_REMOTE, IFLA_GRE_TTL>(),
    std::array{Attribute{.field = field<&Gre::key>("key", "the number that its packets bear",
                                                   {.min = 0, .max = 0xffffffffLL, .fallback = "none"}),
                         .of_type = true,
                         .put = put_key,
                         .take = take_key},
               link::fixed<Gre, is_keyed>("keyed", "its packets bear a number")});
constexpr auto kFields = link::fields_of(kAttributes);

}  // namespace

constinit const Table Gre::table = {"link", "A GRE tunnel over IPv4, for packets of any family (RFC 2784).",
                                    kFields};

extern constinit const LinkType kGre = link::make_type<Gre, kAttributes>(
    {.check = [](const Declared&, const DeclaredObject& link,
                 Diagnostics& problems) { link::check_tunnel<Gre>(link, problems); },
     .exclusive_name =
         [](const void* link) {
             const Gre& gre = *static_cast<const Gre*>(link);
             return link::tunnel_text(gre, gre.key ? fmt::format(" with key {}", *gre.key) : "");
         },
     .has_parent = true,
     .parent_info = IFLA_GRE_LINK,
     .parent_inside = true,
     .overhead = 24,
     .own_mac = false,
     .ethernet = false,
     .changes_whole = true});

}  // namespace partd
