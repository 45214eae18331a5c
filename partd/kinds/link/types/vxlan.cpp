// SPDX-License-Identifier: Apache-2.0
#include "kinds/link/interfaces.h"
#include "kinds/link/types/rows.h"

#include <array>

#include <fmt/format.h>

namespace partd {

namespace {

constexpr std::int64_t kPort = 4789;  // RFC 7348; the kernel's own default is older

// [partition.NAME.link.IFNAME] of kind vxlan. 0.0.0.0 stands for an address that is not given.
struct Vxlan {
    static constexpr std::string_view kName = "vxlan";
    LinkEnd self = {};
    std::vector<Sourced<Address>> address = {};
    std::optional<std::int64_t> id = {};
    Ip local = {};
    Ip remote = {};
    Ip group = {};
    std::int64_t port = kPort;
    bool learning = true;
    std::int64_t ttl = 0;
    static Vxlan as_made() { return {.port = 0}; }
    bool operator==(const Vxlan&) const = default;
    static const Table table;
};

bool over_ipv6(const Vxlan& link) {
    return link.local.v6() || link.remote.v6() || link.group.v6();
}

std::string family_of(const Vxlan& link) {
    return over_ipv6(link) ? "IPv6" : "IPv4";
}

void put_ip(kernel::Message& message, std::uint16_t v4, std::uint16_t v6, const Ip& ip, bool over_v6) {
    const Ip told = ip.is_any() ? Ip::any(over_v6) : ip;
    message.ip(told.v6() ? v6 : v4, told);
}

void put_local(kernel::Message& message, const void* link) {
    const Vxlan& vxlan = *static_cast<const Vxlan*>(link);
    put_ip(message, IFLA_VXLAN_LOCAL, IFLA_VXLAN_LOCAL6, vxlan.local, over_ipv6(vxlan));
}

// One attribute has either of them.
void put_destination(kernel::Message& message, const void* link) {
    const Vxlan& vxlan = *static_cast<const Vxlan*>(link);
    put_ip(message, IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6, vxlan.group.is_any() ? vxlan.remote : vxlan.group,
           over_ipv6(vxlan));
}

Ip take_ip(const kernel::Attributes& info, std::uint16_t v4, std::uint16_t v6) {
    const Ip ip = info.ip(v6).value_or(info.ip(v4).value_or(Ip()));
    return ip.is_any() ? Ip() : ip;
}

Ip take_destination(const kernel::Attributes& info, bool group) {
    const Ip ip = take_ip(info, IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6);
    return ip.is_multicast() == group ? ip : Ip();
}

constexpr auto kAttributes = link::joined(
    link::self_attributes<Vxlan>(), link::parent_attribute<Vxlan>(false),
    std::array{
        link::type_number<IFLA_VXLAN_ID, std::uint32_t, &Vxlan::id>(
            "id", "the number of its segment",
            {.role = Role::Replace, .required = true, .min = 0, .max = 0xffffff}),
        Attribute{.field = field<&Vxlan::local>("local", "the address that it sends from",
                                                {.fallback = "as the route says"}),
                  .of_type = true,
                  .put = put_local,
                  .take =
                      [](const kernel::Attributes& info, void* link) {
                          static_cast<Vxlan*>(link)->local =
                              take_ip(info, IFLA_VXLAN_LOCAL, IFLA_VXLAN_LOCAL6);
                      }},
        Attribute{
            .field = field<&Vxlan::remote>(
                "remote", "the host that it sends to when it does not know where an address is",
                {.fallback = "none"}),
            .of_type = true,
            .put = put_destination,
            .take = [](const kernel::Attributes& info,
                       void* link) { static_cast<Vxlan*>(link)->remote = take_destination(info, false); }},
        Attribute{
            .field = field<&Vxlan::group>(
                "group", "the multicast group of its segment, in place of a remote host; it needs a parent",
                {.fallback = "none"}),
            .of_type = true,
            .put = put_destination,
            .take = [](const kernel::Attributes& info,
                       void* link) { static_cast<Vxlan*>(link)->group = take_destination(info, true); }},
        link::type_big_number<IFLA_VXLAN_PORT, std::uint16_t, &Vxlan::port>(
            "port", "its UDP port", {.role = Role::Replace, .min = 1, .max = 65535, .fallback = "4789"}),
        link::type_number<IFLA_VXLAN_LEARNING, std::uint8_t, &Vxlan::learning>(
            "learning", "it learns from packets which host has an address", {.fallback = "true"}),
        link::type_number<IFLA_VXLAN_TTL, std::uint8_t, &Vxlan::ttl>(
            "ttl", "the time to live of its packets", {.min = 0, .max = 255, .fallback = "0: the kernel's"}),
        link::fixed<Vxlan, family_of>("family", "the family of its addresses")});
constexpr auto kFields = link::fields_of(kAttributes);

void check(const Declared&, const DeclaredObject& link, Diagnostics& problems) {
    const Vxlan& vxlan = link.spec.as<Vxlan>();
    const auto differ = [](const Ip& one, const Ip& other) {
        return !one.is_any() && !other.is_any() && one.v6() != other.v6();
    };
    for (const auto& [key, ip] : {std::pair("local", vxlan.local), std::pair("remote", vxlan.remote)}) {
        if (ip.v6() && ip.is_any()) {
            problems.error(link.place(key), ip.text() + " is not the address of one host");
        }
    }
    if (vxlan.remote.is_multicast()) {
        problems.error(link.place("remote"), vxlan.remote.text() + " is the address of a group");
    }
    if ((!vxlan.group.is_any() || vxlan.group.v6()) && !vxlan.group.is_multicast()) {
        problems.error(link.place("group"), vxlan.group.text() + " is not the address of a group");
    } else if (!vxlan.group.is_any() && vxlan.self.lower() == nullptr) {
        problems.error(link.place("group"), "a group needs a parent, on which it is joined");
    }
    if (!vxlan.group.is_any() && !vxlan.remote.is_any()) {
        problems.error(link.place("remote"), "a vxlan has a remote host or a group", link.place("group"),
                       "the group");
    }
    if (differ(vxlan.local, vxlan.remote) || differ(vxlan.local, vxlan.group)) {
        problems.error(link.place("local"), "its other address is of the other family");
    }
}

// Where its UDP socket is, as the kernel tells one from another (vxlan_vni_in_use()).
std::string socket_of(const void* link) {
    const Vxlan& vxlan = *static_cast<const Vxlan*>(link);
    const Lower* lower = vxlan.self.lower();
    return fmt::format(
        "VXLAN {} over {} on UDP port {} {}", vxlan.id.value_or(0), family_of(vxlan), vxlan.port,
        lower != nullptr && lower->on_host() ? "of the host" : "in partition " + vxlan.self.netns);
}

}  // namespace

constinit const Table Vxlan::table = {
    "link", "A VXLAN: a segment of Ethernet over UDP (RFC 7348). Its socket is where its parent is.",
    kFields};

extern constinit const LinkType kVxlan = link::make_type<Vxlan, kAttributes>({.check = check,
                                                                              .exclusive_name = socket_of,
                                                                              .has_parent = true,
                                                                              .parent_info = IFLA_VXLAN_LINK,
                                                                              .overhead = 50});

}  // namespace partd
