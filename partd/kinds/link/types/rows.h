// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/link/type.h"

#include <linux/if_link.h>

#include <array>
#include <bit>
#include <optional>
#include <span>
#include <string>
#include <vector>

// The rows of which a type's attributes are made, and the type made of those.
namespace partd::link {

inline constexpr FieldOptions kMtu = {
    .min = 68, .max = 65535, .unit = "bytes", .fallback = "the kernel's: 1500"};

// A number as requests have it, in the host's byte order or in the network's, and back.
template <class Wire, bool Big>
constexpr Wire swapped(Wire value) {
    return Big && std::endian::native == std::endian::little ? std::byteswap(value) : value;
}
template <class Wire, bool Big, class T>
constexpr Wire to_wire(const T& value) {
    if constexpr (requires { value.count(); }) {
        return swapped<Wire, Big>(static_cast<Wire>(value.count()));
    } else {
        return swapped<Wire, Big>(static_cast<Wire>(value));
    }
}

// The row of an attribute that a request says with one number, switch, word or duration, of that width
// (rtnetlink(7)). An optional member without a value is left open.
template <std::uint16_t Type, class Wire, bool Big, auto... Path>
constexpr Attribute any_number(std::string_view name, std::string_view description, FieldOptions options) {
    using At = detail::Access<Path...>;
    return {.field = field<Path...>(name, description, options),
            .put =
                [](kernel::Message& message, const void* link) {
                    const auto& value = At::get(link);
                    if constexpr (requires { *value; }) {
                        if (value) {
                            message.number<Wire>(Type, to_wire<Wire, Big>(*value));
                        }
                    } else {
                        message.number<Wire>(Type, to_wire<Wire, Big>(value));
                    }
                },
            .take =
                [](const kernel::Attributes& info, void* link) {
                    const auto value = info.number<Wire>(Type);
                    if constexpr (requires { *At::get(link); }) {
                        if (value) {
                            At::get(link) =
                                static_cast<typename At::Type::value_type>(swapped<Wire, Big>(*value));
                        }
                    } else {
                        At::get(link) =
                            static_cast<typename At::Type>(swapped<Wire, Big>(value.value_or(Wire())));
                    }
                }};
}
template <std::uint16_t Type, class Wire, auto... Path>
constexpr Attribute number(std::string_view name, std::string_view description, FieldOptions options = {}) {
    return any_number<Type, Wire, false, Path...>(name, description, options);
}

// A number inside IFLA_INFO_DATA; in the network's byte order.
template <std::uint16_t Type, class Wire, auto... Path>
constexpr Attribute type_number(std::string_view name, std::string_view description,
                                FieldOptions options = {}) {
    Attribute row = number<Type, Wire, Path...>(name, description, options);
    row.of_type = true;
    return row;
}
template <std::uint16_t Type, class Wire, auto... Path>
constexpr Attribute type_big_number(std::string_view name, std::string_view description,
                                    FieldOptions options = {}) {
    Attribute row = any_number<Type, Wire, true, Path...>(name, description, options);
    row.of_type = true;
    return row;
}

// An IPv4 address inside IFLA_INFO_DATA; 0.0.0.0 stands for none.
template <std::uint16_t Type, auto... Path>
constexpr Attribute type_ip(std::string_view name, std::string_view description, FieldOptions options = {}) {
    using At = detail::Access<Path...>;
    return {.field = field<Path...>(name, description, options),
            .of_type = true,
            .put = [](kernel::Message& message, const void* link) { message.ip(Type, At::get(link)); },
            .take = [](const kernel::Attributes& info,
                       void* link) { At::get(link) = info.ip(Type).value_or(Ip()); }};
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

// An attribute that follows from others, and that no link changes while it stands.
template <class T, std::string (*Text)(const T& link)>
constexpr Attribute fixed(std::string_view name, std::string_view description) {
    return {.field = {.name = name,
                      .description = description,
                      .options = {.role = Role::Replace, .live = true},
                      .text = [](const void* link) { return Text(*static_cast<const T*>(link)); },
                      .json = [](const void* link) { return Value(Text(*static_cast<const T*>(link))); },
                      .same =
                          [](const void* wanted, const void* found) {
                              return Text(*static_cast<const T*>(wanted)) ==
                                     Text(*static_cast<const T*>(found));
                          }}};
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
constexpr std::array<Attribute, 14> self_attributes() {
    return {
        Attribute{.field = kind_field<T>()},
        row<&T::self, &LinkEnd::netns>("netns", "the namespace of its end in the partition",
                                       {.role = Role::Replace, .live = true}),
        row<&T::self, &LinkEnd::name>("name", "its name there", {.live = true}),
        row<&T::address>("address", "its addresses", {.role = Role::Declared}),
        number<IFLA_MTU, std::uint32_t, &T::self, &LinkEnd::mtu>("mtu", "largest packet", kMtu),
        hardware_address<&T::self, &LinkEnd::mac>(
            "mac", "hardware address",
            "random; of a bridge or bond that of a port, of a VLAN its lower link's"),
        row<&T::self, &LinkEnd::up>("up", "the interface is up", {.fallback = "true"}),
        row<&T::self, &LinkEnd::alias>("alias", "free text kept with the interface"),
        row<&T::self, &LinkEnd::bridge>("bridge", "the bridge of the partition whose port it is",
                                        {.role = Role::Declared, .fallback = "none"}),
        row<&T::self, &LinkEnd::master>("master", "the link whose port it is", {.live = true}),
        row<&T::self, &LinkEnd::mark>("mark", "partd's mark on it", {.live = true}),
        row<&T::self, &LinkEnd::trusting>("trusting", "it takes routes from the other end", {.live = true}),
        row<&T::self, &LinkEnd::probing>("probing", "its IPv6 addresses are probed before they are used",
                                         {.live = true}),
        row<&T::self, &LinkEnd::routes>("routes", "the kernel's own routes of its addresses", {.live = true}),
    };
}

// The attribute of types that have ports.
template <class T>
constexpr std::array<Attribute, 1> ports_attribute() {
    return {row<&T::ports>("ports", "links of the partition that are its ports",
                           {.role = Role::Declared, .fallback = "those that name it themselves"})};
}

// The attribute of types that stand on a lower link.
template <class T>
constexpr std::array<Attribute, 1> parent_attribute(bool required = true) {
    return {row<&T::self, &LinkEnd::parent>(
        "parent",
        "the link that it stands on, and goes with: \"eth0\" of the partition, or "
        "\"host:eth0\"",
        {.role = Role::Replace, .required = required, .fallback = required ? "" : "none"})};
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

template <class T>
constexpr auto ports_of() -> decltype(LinkType::ports) {
    if constexpr (requires(const T& link) { link.ports; }) {
        return [](const void* link) -> const std::vector<Sourced<IfName>>& {
            return static_cast<const T*>(link)->ports;
        };
    } else {
        return nullptr;
    }
}

// The type whose links are a T: a struct with a table made of these attributes, the members `self` and
// `address`, where it has a second end, `peer` and `peer_address`, and where it has ports, `ports`.
// `as_made()` gives the attributes that the kernel chooses, where those of a new T are others.
template <class T, const auto& Attributes>
constexpr LinkType make_type(LinkOps ops = {}) {
    constexpr bool kTwo = requires(T link) { link.peer; };
    return {.name = T::kName,
            .attributes = Attributes,
            .declaration = partd::declaration<T>(kPath, T::kName),
            .ops = ops,
            .fresh = []() -> const void* {
                if constexpr (requires { T::as_made(); }) {
                    static const T kFresh = T::as_made();
                    return &kFresh;
                } else {
                    static const T kFresh;
                    return &kFresh;
                }
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
            .ports = ports_of<T>(),
            .wanted =
                [](const DeclaredObject& link, std::span<const LinkEnd> ends) {
                    T wanted = link.spec.as<T>();
                    wanted.self = ends[0];
                    wanted.address.clear();  // they are resources of their own
                    if constexpr (requires { wanted.ports; }) {
                        wanted.ports.clear();  // each has it as its master
                    }
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

}  // namespace partd::link
