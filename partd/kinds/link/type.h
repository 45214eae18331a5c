// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/kinds.h"
#include "model/declared.h"

#include <linux/if_link.h>

#include <array>
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
    std::optional<IfName> bridge = {};  // the bridge whose port it is; "": a port of none of partd's
    std::optional<Lower> parent = {};   // of a type that has one: what it stands on (IFLA_LINK)
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

// Where a type differs from the others.
struct LinkOps {
    // Its ends with the namespaces, names and marks that they get; nullptr: one, in the partition.
    std::vector<LinkEnd> (*ends)(const Declared& declared, const DeclaredObject& link) = nullptr;
    // Reports mistakes that only this type can have.
    void (*check)(const Declared& declared, const DeclaredObject& link, Diagnostics& problems) = nullptr;
    std::uint16_t peer_info =
        0;  // the attribute in IFLA_INFO_DATA that describes the other end; 0: it has none
    // A name that only one link can have, as the kernel sees it; nullptr: its interfaces' names alone.
    std::string (*exclusive_name)(const void* link) = nullptr;
    bool has_parent = false;  // it stands on a lower link, and goes with it
    bool has_ports = false;   // interfaces can be ports of it (IFLA_MASTER)
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

// The name of an interface in its namespace, which only one can have.
std::string name_claim(const LinkEnd& end);

namespace link {

inline constexpr std::string_view kPath = "partition.*.link.*";
inline constexpr FieldOptions kMtu = {
    .min = 68, .max = 65535, .unit = "bytes", .fallback = "the kernel's: 1500"};

// The row of an attribute that a request says with one number, or a switch, of that width (rtnetlink(7)). An
// optional member without a value is left open.
template <std::uint16_t Type, class Wire, auto... Path>
constexpr Attribute number(std::string_view name, std::string_view description, FieldOptions options = {}) {
    using At = detail::Access<Path...>;
    return {.field = field<Path...>(name, description, options),
            .put =
                [](kernel::Message& message, const void* link) {
                    const auto& value = At::get(link);
                    if constexpr (requires { *value; }) {
                        if (value) {
                            message.number<Wire>(Type, static_cast<Wire>(*value));
                        }
                    } else {
                        message.number<Wire>(Type, static_cast<Wire>(value));
                    }
                },
            .take =
                [](const kernel::Attributes& info, void* link) {
                    const auto value = info.number<Wire>(Type);
                    if constexpr (requires { *At::get(link); }) {
                        if (value) {
                            At::get(link) = static_cast<typename At::Type::value_type>(*value);
                        }
                    } else {
                        At::get(link) = static_cast<typename At::Type>(value.value_or(0));
                    }
                }};
}

// A number inside IFLA_INFO_DATA.
template <std::uint16_t Type, class Wire, auto... Path>
constexpr Attribute type_number(std::string_view name, std::string_view description,
                                FieldOptions options = {}) {
    Attribute row = number<Type, Wire, Path...>(name, description, options);
    row.of_type = true;
    return row;
}

template <auto... Path>
constexpr Attribute hardware_address(std::string_view name, std::string_view description,
                                     std::string_view fallback) {
    return {.field = field<Path...>(name, description, {.fallback = fallback}),
            .put = [](kernel::Message& message, const void* link) {
                if (const auto& mac = detail::Access<Path...>::get(link)) {
                    message.bytes(IFLA_ADDRESS, mac->bytes);
                }
            }};
}

// A row that no single attribute of a request says: requests.cpp and observe.cpp know these of each LinkEnd.
template <auto... Path>
constexpr Attribute row(std::string_view name, std::string_view description, FieldOptions options = {}) {
    return {.field = field<Path...>(name, description, options)};
}

// The key "kind": it chose the type already.
template <class T>
constexpr Field kind_field() {
    return {.name = "kind",
            .description = "what kind of interface it is",
            .options = {.role = Role::Replace, .fallback = "veth"},
            .read = [](const Value&, void*, Diagnostics&) { return true; },
            .text = [](const void*) { return std::string(T::kName); },
            .json = [](const void*) { return Value(std::string(T::kName)); },
            .same = [](const void*, const void*) { return true; },
            .schema =
                [] {
                    Value schema;
                    schema.set("const", std::string(T::kName));
                    return schema;
                }};
}

// Attributes of the end in the partition, common to all types. `kind` comes first: it is what tells two types
// apart.
template <class T>
constexpr std::array<Attribute, 13> self_attributes() {
    return {
        Attribute{.field = kind_field<T>()},
        row<&T::self, &LinkEnd::netns>("netns", "the namespace of its end in the partition",
                                       {.role = Role::Replace, .live = true}),
        row<&T::self, &LinkEnd::name>("name", "its name there", {.live = true}),
        row<&T::address>("address", "its addresses", {.role = Role::Declared}),
        number<IFLA_MTU, std::uint32_t, &T::self, &LinkEnd::mtu>("mtu", "largest packet", kMtu),
        hardware_address<&T::self, &LinkEnd::mac>(
            "mac", "hardware address", "random; of a bridge that of a port, of a VLAN its lower link's"),
        row<&T::self, &LinkEnd::up>("up", "the interface is up", {.fallback = "true"}),
        row<&T::self, &LinkEnd::alias>("alias", "free text kept with the interface"),
        row<&T::self, &LinkEnd::bridge>("bridge", "the bridge of the partition whose port it is",
                                        {.fallback = "none"}),
        row<&T::self, &LinkEnd::mark>("mark", "partd's mark on it", {.live = true}),
        row<&T::self, &LinkEnd::trusting>("trusting", "it takes routes from the other end", {.live = true}),
        row<&T::self, &LinkEnd::probing>("probing", "its IPv6 addresses are probed before they are used",
                                         {.live = true}),
        row<&T::self, &LinkEnd::routes>("routes", "the kernel's own routes of its addresses", {.live = true}),
    };
}

// The attribute of types that stand on a lower link.
template <class T>
constexpr std::array<Attribute, 1> parent_attribute() {
    return {row<&T::self, &LinkEnd::parent>(
        "parent",
        "the link that it stands on, and goes with: \"eth0\" of the partition, or "
        "\"host:eth0\"",
        {.role = Role::Replace, .required = true})};
}

template <std::size_t... N>
constexpr auto joined(const std::array<Attribute, N>&... parts) {
    std::array<Attribute, (N + ...)> all;
    std::size_t at = 0;
    const auto append = [&](const auto& part) {
        for (const Attribute& each : part) {
            all[at++] = each;
        }
    };
    (append(parts), ...);
    return all;
}

// The rows of the end on the other side.
template <std::size_t N>
constexpr std::array<Attribute, N> of_peer(const Attribute (&rows)[N]) {
    auto all = std::to_array(rows);
    for (Attribute& each : all) {
        each.side = Side::Peer;
    }
    return all;
}

template <std::size_t N>
constexpr std::array<Field, N> fields_of(const std::array<Attribute, N>& attributes) {
    std::array<Field, N> fields;
    for (std::size_t i = 0; i < N; ++i) {
        fields[i] = attributes[i].field;
    }
    return fields;
}

// The type whose links are a T: a struct with a table made of these attributes, the members `self` and
// `address`, and where it has a second end, `peer` and `peer_address`.
template <class T, const auto& Attributes>
constexpr LinkType make_type(LinkOps ops = {}) {
    constexpr bool kTwo = requires(T link) { link.peer; };
    return {.name = T::kName,
            .attributes = Attributes,
            .declaration = partd::declaration<T>(kPath, T::kName),
            .ops = ops,
            .fresh = []() -> const void* {
                static const T kFresh;
                return &kFresh;
            },
            .end = [](const void* link, Side side) -> const LinkEnd* {
                const T& as = *static_cast<const T*>(link);
                if constexpr (kTwo) {
                    return side == Side::Self ? &as.self : &as.peer;
                } else {
                    return side == Side::Self ? &as.self : nullptr;
                }
            },
            .addresses = [](const void* link, Side side) -> const std::vector<Sourced<Address>>* {
                const T& as = *static_cast<const T*>(link);
                if constexpr (kTwo) {
                    return side == Side::Self ? &as.address : &as.peer_address;
                } else {
                    return side == Side::Self ? &as.address : nullptr;
                }
            },
            .wanted =
                [](const DeclaredObject& link, std::span<const LinkEnd> ends) {
                    T wanted = link.spec.as<T>();
                    wanted.self = ends[0];
                    wanted.address.clear();  // they are resources of their own
                    if constexpr (kTwo) {
                        wanted.peer = ends[1];
                        wanted.peer_address.clear();
                    }
                    return Spec(std::move(wanted));
                },
            .found =
                [](std::span<const LinkEnd> ends, const kernel::Attributes& info) {
                    T found;
                    found.self = ends[0];
                    if constexpr (kTwo) {
                        found.peer = ends[1];
                    }
                    for (const Attribute& each : Attributes) {
                        if (each.of_type) {
                            each.take(info, &found);
                        }
                    }
                    return Spec(std::move(found));
                }};
}

}  // namespace link

}  // namespace partd
