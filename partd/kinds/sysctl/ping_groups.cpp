// SPDX-License-Identifier: Apache-2.0
#include "kinds/sysctl/ping_groups.h"

#include "base/text.h"
#include "kinds/namespace/membership.h"
#include "kinds/namespace/user.h"
#include "kinds/sysctl/text.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

namespace partd {

namespace {

struct Range {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
};

constexpr std::string_view kOutside = "outside ";

// nullopt for another text, and for an empty range.
std::optional<Range> parse_range(std::string_view text) {
    const auto parts = words(text);
    if (parts.size() != 2) {
        return std::nullopt;
    }
    const auto first = sysctl_number(parts[0]);
    const auto last = sysctl_number(parts[1]);
    return first && last && *first <= *last ? std::optional(Range{*first, *last}) : std::nullopt;
}

// Returns the mapped part of `range` as one range; nullopt if it becomes none or several. `from` and `to` are
// the sides of a line.
template <class From, class To>
std::optional<Range> mapped(kernel::IdMap map, const Range& range, From from, To to) {
    std::ranges::sort(map, {}, from);
    std::optional<Range> whole;
    for (const kernel::IdRange& line : map) {
        const std::uint64_t begin = line.*from;
        const std::uint64_t first = std::max<std::uint64_t>(range.first, begin);
        const std::uint64_t last = std::min<std::uint64_t>(range.last, begin + line.count - 1);
        if (first > last) {
            continue;
        }
        const Range part{line.*to + (first - begin), line.*to + (last - begin)};
        if (whole && whole->last + 1 != part.first) {
            return std::nullopt;
        }
        whole = Range{whole ? whole->first : part.first, part.last};
    }
    return whole;
}

std::string text_of(const Range& range) {
    return fmt::format("{} {}", range.first, range.last);
}

}  // namespace

Result<std::string> ping_groups_on_host(const kernel::IdMap& map, std::string_view inside) {
    if (inside.starts_with(kOutside)) {
        return std::string(inside.substr(kOutside.size()));
    }
    const auto range = map.empty() ? std::nullopt : parse_range(inside);
    if (!range) {
        return std::string(inside);
    }
    const auto found = mapped(map, *range, &kernel::IdRange::inside, &kernel::IdRange::outside);
    return found ? Result<std::string>(text_of(*found))
                 : fail(fmt::format(
                       "groups {} are not one range of the host's in its gid_map, which the kernel "
                       "wants: name groups of one line of the map",
                       inside));
}

std::string ping_groups_inside(const kernel::IdMap& map, std::string_view on_host) {
    const auto range = map.empty() ? std::nullopt : parse_range(on_host);
    if (!range) {
        return std::string(on_host);
    }
    const auto found = mapped(map, *range, &kernel::IdRange::outside, &kernel::IdRange::inside);
    const bool whole = found && found->last - found->first == range->last - range->first;
    return whole ? text_of(*found) : std::string(kOutside) + std::string(on_host);
}

Result<kernel::IdMap> group_map_of(kernel::Host& host, const std::string& partition) {
    if (partition.empty()) {
        return kernel::IdMap();
    }
    const auto opened = open_namespace(host, partition, NamespaceKind::User);
    if (!opened) {
        return opened.error().is_shortage() ? std::unexpected(opened.error())
                                            : Result<kernel::IdMap>(kernel::IdMap());
    }
    auto maps = maps_of(host, partition, *opened);
    PARTD_TRY(maps);
    return std::move(maps->gids);
}

std::string ping_groups_told(const kernel::IdMap& map, std::string_view on_host, std::string_view wanted) {
    const auto meant = ping_groups_on_host(map, wanted);
    return !map.empty() && meant && same_sysctl(*meant, on_host) ? std::string(wanted)
                                                                 : ping_groups_inside(map, on_host);
}

std::string default_ping_groups(const Declared& declared, const std::string& partition) {
    if (!membership_of(declared, partition).has(NamespaceKind::User)) {
        return {};
    }
    constexpr std::int64_t kMost = 2'147'483'647;  // of the kernel's
    std::int64_t count = kAutomaticIds;
    for (const DeclaredObject* object : declared.all<User>(partition)) {
        const User& user = object->spec.as<User>();
        for (const auto& [line, at] : user.gid_map.empty() ? user.uid_map : user.gid_map) {
            if (line.inside == 0) {
                count = line.outside + line.count - 1 > kMost ? 0 : line.count;
            }
        }
    }
    return count == 0 ? "" : fmt::format("0 {}", count - 1);
}

}  // namespace partd
