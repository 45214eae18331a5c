#pragma once

#include "kinds/kinds.h"

namespace partd {

enum class LinkKind : std::uint8_t {
    Veth,
    Bridge,
    Vlan,
    Macvlan,
    Ipvlan,
    Vxlan,
    Wireguard,
    Dummy,
    Vrf,
    Ifb,
    Tun,
    Tap,
    Physical
};
template <>
struct EnumWords<LinkKind> {
    static constexpr std::array<EnumWord<LinkKind>, 13> kWords = {{{"veth", LinkKind::Veth},
                                                                   {"bridge", LinkKind::Bridge, true},
                                                                   {"vlan", LinkKind::Vlan, true},
                                                                   {"macvlan", LinkKind::Macvlan, true},
                                                                   {"ipvlan", LinkKind::Ipvlan, true},
                                                                   {"vxlan", LinkKind::Vxlan, true},
                                                                   {"wireguard", LinkKind::Wireguard, true},
                                                                   {"dummy", LinkKind::Dummy, true},
                                                                   {"vrf", LinkKind::Vrf, true},
                                                                   {"ifb", LinkKind::Ifb, true},
                                                                   {"tun", LinkKind::Tun, true},
                                                                   {"tap", LinkKind::Tap, true},
                                                                   {"physical", LinkKind::Physical, true}}};
};

// The kernel's own routes of an interface's addresses: these, or "without 10.5.0.0/24".
inline constexpr std::string_view kAllRoutes = "all";

// One end of a veth pair.
struct LinkEnd {
    std::string netns = {};  // "" is the host
    IfName name = {};
    std::optional<Mac> mac = {};
    std::optional<std::int64_t> mtu = {};
    bool up = true;
    std::optional<std::string> alias = {};
    std::string mark = {};
    // It takes advertisements, redirects and source routes from the other end (kernel::Link); nullopt where
    // that is the partition's own matter.
    std::optional<bool> trusting = {};
    // Its IPv6 addresses are probed before they are used; nullopt where nobody minds.
    std::optional<bool> probing = {};
    std::string routes = std::string(kAllRoutes);
    std::string altname = {};  // the whole name, when `name` was hashed; of a host end always one with "pv-"
    bool operator==(const LinkEnd&) const = default;
};

// [partition.NAME.link.IFNAME] of kind veth: a pair, one end in the partition, the other on the host or in
// another partition.
struct Veth {
    LinkKind kind = LinkKind::Veth;
    LinkEnd self = {};
    LinkEnd peer = {};
    std::vector<Sourced<Address>> address = {};
    std::vector<Sourced<Address>> peer_address = {};
    std::optional<Name> peer_partition = {};
    std::vector<LinkEnd> strangers = {};  // of what was found: others' links that have the names inside
    bool operator==(const Veth&) const = default;
    static const Table table;
};

// [partition.NAME.link.lo]
struct Loopback {
    std::vector<Sourced<Address>> address;
    static const Table table;
};

extern const LiveKind kVeth;

// True when a link that others made makes way for one of partd's: it is in a partition, is not hardware, and
// has no other end elsewhere that would go with it.
bool is_replaceable(const std::string& netns, const kernel::Link& link);
// "web/eth0 is an interface (dummy, index 5) that partd did not make"
std::string stranger_text(const std::string& netns, const kernel::Link& link);

Key veth_key(std::string_view partition, std::string_view link);

}  // namespace partd
