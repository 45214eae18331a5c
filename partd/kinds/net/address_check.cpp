// SPDX-License-Identifier: Apache-2.0
#include "kinds/net/address_check.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

#include <fmt/format.h>

namespace partd {

namespace {

struct Placed {
    const Interface* interface;
    const Sourced<Address>* address;
};

// A network, and the link that it means alone when it is a link-local one.
struct Reach {
    std::string_view link;
    Prefix network;

    explicit Reach(const Placed& placed) : network(placed.address->value.prefix()) {
        constexpr std::uint8_t kLinkLocalV4 = 16;
        constexpr std::uint8_t kLinkLocalV6 = 10;
        const bool local =
            network.ip.is_link_local() && network.length >= (network.ip.v6() ? kLinkLocalV6 : kLinkLocalV4);
        link = local ? std::string_view(placed.interface->name) : "";
    }
    [[nodiscard]] bool contains(const Reach& other) const {
        return link == other.link && network.contains(other.network.ip);
    }
    [[nodiscard]] auto rank() const { return std::tuple(link, network.ip, network.length); }
};

// The pairs whose networks overlap, each and all in the order of the files. Networks lie side by side or one
// in the other, so that sorted, those around one are the ones before it that have not ended yet.
std::vector<std::pair<std::size_t, std::size_t>> overlapping(const std::vector<Placed>& placed) {
    const std::vector<Reach> reaches(placed.begin(), placed.end());
    std::vector<std::size_t> order(placed.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, {}, [&](std::size_t i) { return reaches[i].rank(); });
    std::vector<std::pair<std::size_t, std::size_t>> pairs;
    std::vector<std::size_t> around;
    for (const std::size_t each : order) {
        while (!around.empty() && !reaches[around.back()].contains(reaches[each])) {
            around.pop_back();
        }
        for (const std::size_t outer : around) {
            pairs.emplace_back(std::min(outer, each), std::max(outer, each));
        }
        around.push_back(each);
    }
    std::ranges::sort(pairs);
    return pairs;
}

// An address that two interfaces with one routing table have, or a network that two reach, sends packets to
// only one of them.
void check_overlaps(const std::vector<Placed>& placed, Diagnostics& problems) {
    for (const auto& [first, second] : overlapping(placed)) {
        const Placed& a = placed[first];
        const Placed& b = placed[second];
        const Address& one = a.address->value;
        const Address& two = b.address->value;
        const bool other_links = a.interface->name != b.interface->name;
        const bool loopback = !a.interface->link || !b.interface->link;
        if (other_links && one.ip.is_link_local() && two.ip.is_link_local()) {
            continue;  // those mean their own link only
        }
        if (one.ip == two.ip || (other_links && !loopback)) {
            problems.error(b.address->at,
                           fmt::format("{} of {} overlaps with {} of {}", two.text(),
                                       place_text(b.interface->netns, b.interface->name), one.text(),
                                       place_text(a.interface->netns, a.interface->name)),
                           a.address->at, "the other address");
        }
    }
}

// Packets to a network's broadcast address reach all of its neighbours, and no connection comes of them.
bool is_broadcast(const Address& address) {
    constexpr std::uint8_t kLongest = 30;  // a /31 has none (RFC 3021)
    if (address.ip.v6() || address.length > kLongest) {
        return false;
    }
    unsigned bit = 0;
    return std::ranges::all_of(address.ip.bytes(), [&](std::uint8_t byte) {
        const unsigned masked = bit >= address.length ? 0 : std::min(8U, address.length - bit);
        bit += 8;
        return (byte | (0xffU >> masked)) == byte;
    });
}

void check_address(const Interface& interface, const Sourced<Address>& address, Diagnostics& problems) {
    const Address& value = address.value;
    if (value.ip.is_any() || value.ip.is_multicast()) {
        problems.error(address.at, fmt::format("{} is not an address for an interface", value.text()));
    } else if (interface.link && is_broadcast(value)) {
        problems.error(address.at,
                       fmt::format("{} is the broadcast address of {}: no neighbour can connect to it",
                                   value.ip.text(), value.prefix().text()));
    }
}

}  // namespace

void check_addresses(const std::vector<Interface>& interfaces, Diagnostics& problems) {
    std::map<std::pair<std::string, std::string>, std::vector<Placed>> by_table;
    for (const Interface& interface : interfaces) {
        for (const auto& address : interface.addresses) {
            by_table[{interface.netns, interface.domain}].push_back({&interface, &address});
            check_address(interface, address, problems);
        }
    }
    for (const auto& [table, placed] : by_table) {
        check_overlaps(placed, problems);
    }
}

}  // namespace partd
