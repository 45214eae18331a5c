// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/kinds.h"
#include "model/declared.h"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace partd {

// The kernel's own routes of an interface's addresses: these, or "without 10.5.0.0/24".
inline constexpr std::string_view kAllRoutes = "all";

// The lower link of another one: an interface of the partition ("eth0"), or one of the host ("host:eth0").
struct Lower : std::string {
    using std::string::string;
    static std::optional<Lower> parse(std::string_view text);
    [[nodiscard]] const std::string& text() const { return *this; }
    [[nodiscard]] bool on_host() const { return starts_with(kHost); }
    [[nodiscard]] std::string name() const { return on_host() ? substr(kHost.size()) : std::string(*this); }

    static constexpr std::string_view kHost = "host:";
};
template <>
struct TextFormat<Lower> {
    static constexpr std::string_view kExpected =
                                          "an interface of the partition like \"eth0\", or one of the "
                                          "host like \"host:eth0\"",
                                      kPattern =
                                          "^(host:)?(?!-|\\.$|\\.\\.$|all$|default$)"
                                          "[^\\s/:%\\x00-\\x20\\x7f-\\x9f]{1,15}$";
};

// One end of a link: an interface, with what every one has, whatever the link's type.
struct LinkEnd {
    std::string netns = {};  // "" is the host
    IfName name = {};
    std::optional<Mac> mac = {};
    std::optional<std::int64_t> mtu = {};
    bool up = true;
    std::optional<std::string> alias = {};
    std::optional<IfName> bridge = {};  // as a file has it; it becomes `master`
    std::optional<IfName> master = {};  // the link whose port it is; "": a port of none of partd's
    std::optional<Lower> parent = {};   // of a type that has one: what it stands on; "": nothing
    std::string mark = {};
    // It takes advertisements, redirects and source routes from the other end (kernel::Link); nullopt where
    // that is the partition's own matter.
    std::optional<bool> trusting = {};
    // Its IPv6 addresses are probed before they are used; nullopt where nobody minds.
    std::optional<bool> probing = {};
    std::string routes = std::string(kAllRoutes);
    std::string altname = {};  // the whole name, when `name` was hashed; of a host end always one with "pv-"
    // The link that it stands on; nullptr for none.
    [[nodiscard]] const Lower* lower() const { return parent && !parent->empty() ? &*parent : nullptr; }
    bool operator==(const LinkEnd&) const = default;
};

// The end in the partition that declares the link, and the other one of a type that has two.
enum class Side : std::uint8_t { Self, Peer };

// One attribute of a link type, as files, plans and the kernel have it.
struct Attribute {
    Field field;
    Side side = Side::Self;
    bool of_type = false;  // it stands in IFLA_INFO_DATA, beside IFLA_INFO_KIND
    // Adds it to a request when it has a value; nullptr where no single attribute of a request says it.
    void (*put)(kernel::Message& message, const void* link) = nullptr;
    // Reads it from IFLA_INFO_DATA.
    void (*take)(const kernel::Attributes& info, void* link) = nullptr;
};

// Name servers that come with a link, and domains that complete short names.
struct NameServers {
    std::vector<Ip> servers = {};
    std::vector<std::string> search = {};
    bool operator==(const NameServers&) const = default;
};

// A look at one interface of a link, and what it is to be.
struct Look {
    Observation& observation;
    const Key& key;
    const std::string& netns;
    const kernel::Link& link;
    const Resource* wanted;  // nullptr: nobody wants it
};

// Where a type differs from the others.
struct LinkOps {
    // Its ends with the namespaces, names and marks that they get; nullptr: one, in the partition.
    std::vector<LinkEnd> (*ends)(const Declared& declared, const DeclaredObject& link) = nullptr;
    // Reports mistakes that only this type can have.
    void (*check)(const Declared& declared, const DeclaredObject& link, Diagnostics& problems) = nullptr;
    std::uint16_t peer_info =
        0;  // the attribute in IFLA_INFO_DATA that describes the other end; 0: it has none
    // A name that only one link can have, as the kernel sees it; "" or nullptr: its interfaces' names alone.
    std::string (*exclusive_name)(const void* link) = nullptr;

    bool has_parent = false;        // it stands on a lower link, or may, and goes with it
    std::uint16_t parent_info = 0;  // the attribute in IFLA_INFO_DATA that names that; 0: IFLA_LINK does
    bool parent_inside = false;     // that stands in the link's own namespace
    std::int64_t overhead = 0;      // bytes that it puts before each packet for that
    // How it takes the packets of its lower link, which has one such use for all that stand on it: "a
    // macvlan", "an ipvlan in mode l2". nullptr: it leaves them to others as well.
    std::string (*use)(const void* link) = nullptr;

    // Of a type with ports (IFLA_MASTER): the key by which a port names it. "": its own key "ports" alone.
    std::string_view port_key = {};
    bool takes_packets = false;    // it takes all packets of its ports
    bool ethernet_ports = false;   // its ports have to be of Ethernet
    bool enslaves = false;         // a port joins it while it is down, and takes its hardware address
    std::uint16_t table_info = 0;  // the attribute of it, and of its ports, with their routing table
    bool joins = true;             // it can be a port itself

    // Where it is made, and its own packets stay, whatever namespace it is in: a partition, or "" for the
    // host. nullptr: where its lower link is, or it is itself.
    std::string (*birth)(const void* link) = nullptr;
    // Of a type with attributes that rtnetlink does not tell: the link that was found with those; what makes
    // them as wanted, once the link is there (`found` is empty for a new one); and what they need beforehand.
    Spec (*look)(const Look& look, const Spec& found) = nullptr;
    Result<> (*configure)(kernel::Host& host, kernel::Netns& netns, int index, const Spec& wanted,
                          const Spec& found) = nullptr;
    Result<> (*prepare)(const Spec& wanted) = nullptr;
    // Prefixes that its partition routes to it.
    std::vector<Sourced<Prefix>> (*routes)(const void* link) = nullptr;
    // Its partition's name servers, where its file declares none.
    const NameServers& (*name_servers)(const void* link) = nullptr;

    bool own_mac = true;         // its hardware address is its own
    bool ethernet = true;        // its packets are frames of Ethernet (ARPHRD_ETHER)
    bool changes_whole = false;  // the kernel resets what a change of it does not say
};

// A type of link, as the kernel's rtnl_link_ops and iproute2's link_util are: kinds/link/types/NAME.cpp ends
// in one, and types/list.cpp lists them.
struct LinkType {
    std::string_view name;                  // IFLA_INFO_KIND, the word of the key "kind", the kernel's module
    std::span<const Attribute> attributes;  // one for each field of its table, in their order
    Declaration declaration;
    LinkOps ops;

    const void* (*fresh)();  // a link as the kernel makes it when nothing is asked for
    // The end on that side, and the addresses that files give it; nullptr where the type has none.
    const LinkEnd* (*end)(const void* link, Side side);
    const std::vector<Sourced<Address>>* (*addresses)(const void* link, Side side);
    // The ports that its files list; nullptr: a type without ports.
    const std::vector<Sourced<IfName>>& (*ports)(const void* link);
    // The link as it is declared, with these ends; one that was found, with its IFLA_INFO_DATA.
    Spec (*wanted)(const DeclaredObject& link, std::span<const LinkEnd> ends);
    Spec (*found)(std::span<const LinkEnd> ends, const kernel::Attributes& info);
};

// Every type. nullptr where partd has none of that name.
std::span<const LinkType* const> link_types();
const LinkType* find_link_type(std::string_view name);
// The type of a link; nullptr for what is none.
const LinkType* type_of(const Spec& link);

// The ends of a declared link, as they are to be made.
std::vector<LinkEnd> declared_ends(const Declared& declared, const DeclaredObject& link);
// The end in the partition that declares the link.
LinkEnd self_end(const DeclaredObject& link);

// The alternative name of an end on the host that a file names otherwise than "pv-…": by that network
// managers know it. "pv-web.eth0", at most 83 bytes; no partition's name has a '.', so that no other end has
// it.
std::string named_end_altname(std::string_view partition, std::string_view link);

// The name that only one link can have by its type; "" where there is none.
std::string exclusive_name(const Spec& link);
// The name of an interface in its namespace, which only one can have.
std::string name_claim(const LinkEnd& end);

namespace link {

inline constexpr std::string_view kPath = "partition.*.link.*";

}  // namespace link

}  // namespace partd
