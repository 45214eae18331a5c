// SPDX-License-Identifier: Apache-2.0
#include "kinds/nat/layout.h"

#include "base/text.h"
#include "kinds/firewall/way.h"
#include "kinds/policy/gate_set.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>

#include <fmt/format.h>

namespace partd::nat {

using kernel::nft::Element;
using kernel::nft::Part;
using kernel::nft::Set;

namespace {

struct RoleShape {
    Role role;
    std::string_view word;
    std::vector<Part> (*key)(Part ip);
    std::vector<Part> (*data)(Part ip);
};

std::vector<Part> none(Part) {
    return {};
}

const std::array<RoleShape, 7>& role_shapes() {
    using enum Part;
    static const std::array<RoleShape, 7> kShapes = {{
        {Role::Masquerade, "masq", [](Part ip) { return std::vector{ip}; }, none},
        {Role::MasqueradeOut, "masqout", [](Part ip) { return std::vector{ip, IfName}; }, none},
        {Role::Back, "back", [](Part ip) { return std::vector{ip, IfName}; }, none},
        {Role::Snat, "snat", [](Part ip) { return std::vector{ip}; },
         [](Part ip) { return std::vector{ip}; }},
        {Role::SnatOut, "snatout", [](Part ip) { return std::vector{ip, IfName}; },
         [](Part ip) { return std::vector{ip}; }},
        {Role::Forward, "fwd", [](Part ip) { return std::vector{ip, Protocol, Port}; },
         [](Part ip) { return std::vector{ip, Port}; }},
        {Role::ForwardTo, "fwdto", [](Part ip) { return std::vector{ip, ip, Protocol, Port}; },
         [](Part ip) { return std::vector{ip, Port}; }},
    }};
    return kShapes;
}

const RoleShape& shape_of(Role role) {
    return role_shapes()[static_cast<std::size_t>(role)];
}

}  // namespace

std::string PrefixSet::name() const {
    return fmt::format("{}{}_{}", shape_of(role).word, v6 ? 6 : 4, length);
}

std::optional<PrefixSet> PrefixSet::parse(std::string_view name) {
    const std::size_t bar = name.rfind('_');
    if (bar == std::string_view::npos || bar < 2) {
        return std::nullopt;
    }
    const auto length = parse_number(name.substr(bar + 1));
    const char family = name[bar - 1];
    const auto shape = std::ranges::find(role_shapes(), name.substr(0, bar - 1), &RoleShape::word);
    if (!length || *length > 128 || (family != '4' && family != '6') || shape == role_shapes().end()) {
        return std::nullopt;
    }
    return PrefixSet{shape->role, family == '6', static_cast<std::uint8_t>(*length)};
}

std::vector<std::string> fixed_sets() {
    std::vector<std::string> names = {kInside, kHairpin, kGuarded, kUplinks, kRouters, kTurned};
    std::ranges::move(fixed_gate_sets(), std::back_inserter(names));
    return names;
}

bool comes_and_goes(std::string_view set) {
    const auto gate = GateSet::parse(set);
    return PrefixSet::parse(set) || (gate && !gate->is_fixed());
}

std::optional<Set> set_of(std::string_view name) {
    if (name == kGuarded) {
        return Set{.name = std::string(name), .key = {Part::Family}, .data = {}};
    }
    if (name == kInside || name == kUplinks || name == kRouters) {
        return Set{.name = std::string(name), .key = {Part::IfName}, .data = {}};
    }
    if (name == kHairpin || name == kTurned) {
        return Set{.name = std::string(name), .key = {Part::IfName, Part::IfName}, .data = {}};
    }
    if (const auto gate = GateSet::parse(name)) {
        return Set{.name = std::string(name), .key = gate->key(), .data = {}, .counter = !gate->is_fixed()};
    }
    const auto prefix = PrefixSet::parse(name);
    if (!prefix) {
        return std::nullopt;
    }
    const Part ip = prefix->v6 ? Part::Ip6 : Part::Ip4;
    // Counters tell how many connections each one took; a set that only excludes needs none.
    return Set{.name = std::string(name),
               .key = shape_of(prefix->role).key(ip),
               .data = shape_of(prefix->role).data(ip),
               .counter = prefix->role != Role::Back};
}

void Bytes::pad() {
    if (components_++ > 0) {
        bytes_.resize((bytes_.size() + 3) / 4 * 4);
    }
}

Bytes& Bytes::ip(const Ip& ip) {
    pad();
    bytes_.insert(bytes_.end(), ip.bytes().begin(), ip.bytes().end());
    return *this;
}

Bytes& Bytes::interface(std::string_view name) {
    pad();
    bytes_.insert(bytes_.end(), name.begin(), name.end());
    bytes_.resize(bytes_.size() + 16 - name.size());
    return *this;
}

Bytes& Bytes::protocol(Protocol protocol) {
    pad();
    bytes_.push_back(static_cast<std::uint8_t>(protocol));
    return *this;
}

Bytes& Bytes::port(std::uint16_t port) {
    pad();
    bytes_.push_back(static_cast<std::uint8_t>(port >> 8));
    bytes_.push_back(static_cast<std::uint8_t>(port & 0xff));
    return *this;
}

std::vector<std::uint8_t> Bytes::done() {
    if (components_ > 1) {
        bytes_.resize((bytes_.size() + 3) / 4 * 4);
    }
    return std::move(bytes_);
}

namespace {

// Takes the components of a key apart.
std::vector<std::span<const std::uint8_t>> components(std::span<const std::uint8_t> bytes,
                                                      const std::vector<Part>& parts) {
    std::vector<std::span<const std::uint8_t>> found;
    std::size_t at = 0;
    for (const Part part : parts) {
        const std::size_t size = kernel::nft::part_size(part);
        if (at + size > bytes.size()) {
            return {};
        }
        found.push_back(bytes.subspan(at, size));
        at += (size + 3) / 4 * 4;
    }
    return found;
}

std::uint16_t port_of(std::span<const std::uint8_t> bytes) {
    return static_cast<std::uint16_t>(bytes[0] << 8 | bytes[1]);
}

std::string part_text(Part part, std::span<const std::uint8_t> bytes) {
    switch (part) {
        case Part::Ip4:
        case Part::Ip6:
            return Ip(bytes).text();
        case Part::IfName:
            return {bytes.begin(), std::ranges::find(bytes, 0)};
        case Part::Protocol:
            return Match{.protocol = bytes[0]}.text();
        case Part::Port:
            return std::to_string(port_of(bytes));
        case Part::Family:
            return bytes[0] == NFPROTO_IPV6 ? "ipv6" : bytes[0] == NFPROTO_IPV4 ? "ipv4" : "?";
    }
    return "?";
}

std::string parts_text(std::span<const std::uint8_t> bytes, const std::vector<Part>& parts) {
    std::vector<std::string> texts;
    const auto all = components(bytes, parts);
    for (std::size_t i = 0; i < all.size(); ++i) {
        texts.push_back(part_text(parts[i], all[i]));
    }
    return join(texts, " . ");
}

}  // namespace

bool fits(const Element& element) {
    const auto set = set_of(element.set);
    return set && components(element.key, set->key).size() == set->key.size() &&
           components(element.data, set->data).size() == set->data.size() &&
           (element.data.empty() || !set->data.empty());
}

std::string element_text(const Element& element) {
    const auto set = set_of(element.set);
    if (!set) {
        return element.set;
    }
    const std::string data = parts_text(element.data, set->data);
    return fmt::format("{} {{ {}{}{} }}", element.set, parts_text(element.key, set->key),
                       data.empty() ? "" : " : ", data);
}

std::string interface_of(const Element& element) {
    const auto set = set_of(element.set);
    return set && set->key.front() == Part::IfName && fits(element)
               ? part_text(Part::IfName, components(element.key, set->key).front())
               : std::string();
}

std::optional<ForwardElement> forward_of(const Element& element) {
    const auto prefix = PrefixSet::parse(element.set);
    if (!prefix || (prefix->role != Role::Forward && prefix->role != Role::ForwardTo)) {
        return std::nullopt;
    }
    const auto set = set_of(element.set);
    const auto key = components(element.key, set->key);
    const auto data = components(element.data, set->data);
    if (key.empty() || data.empty()) {
        return std::nullopt;
    }
    return ForwardElement{.protocol = static_cast<Protocol>(key[key.size() - 2][0]),
                          .port = port_of(key.back()),
                          .to = {Ip(data[0]), port_of(data[1])}};
}

namespace {

// nullopt for elements of sets that translate nothing.
std::optional<kernel::Translation> translation_of(const Element& element) {
    const auto prefix = PrefixSet::parse(element.set);
    const auto key = prefix ? components(element.key, set_of(element.set)->key)
                            : std::vector<std::span<const std::uint8_t>>();
    if (key.empty() || prefix->role == Role::Back) {
        return std::nullopt;
    }
    kernel::Translation translation{.source = {Ip(key[0]), prefix->length}};
    if (prefix->role == Role::Forward || prefix->role == Role::ForwardTo) {
        translation.listen = {.protocol = static_cast<Protocol>(key[key.size() - 2][0]),
                              .port = port_of(key.back())};
        if (prefix->role == Role::ForwardTo) {
            translation.listen->address = Ip(key[1]);
        }
    } else if (key.size() > 1) {
        translation.out = part_text(Part::IfName, key[1]);
    }
    if (prefix->role == Role::Snat || prefix->role == Role::SnatOut) {
        translation.to = Ip(components(element.data, set_of(element.set)->data).front());
    }
    return translation;
}

}  // namespace

std::set<kernel::Translation> translations_of(const std::set<Element>& added, const std::set<Element>& all) {
    std::multimap<Prefix, std::string> kept;
    for (const Element& element : all) {
        const auto prefix = PrefixSet::parse(element.set);
        if (prefix && prefix->role == Role::Back && fits(element)) {
            const auto key = components(element.key, set_of(element.set)->key);
            kept.emplace(Prefix{Ip(key[0]), prefix->length}, part_text(Part::IfName, key[1]));
        }
    }
    std::set<kernel::Translation> translations;
    for (const Element& element : added) {
        auto translation = translation_of(element);
        if (!translation) {
            continue;
        }
        if (PrefixSet::parse(element.set)->role == Role::Masquerade) {
            for (auto [back, end] = kept.equal_range(translation->source); back != end; ++back) {
                translation->not_out.insert(back->second);
            }
        }
        translations.insert(std::move(*translation));
    }
    return translations;
}

}  // namespace partd::nat
