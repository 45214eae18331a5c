// SPDX-License-Identifier: Apache-2.0
#include "doctor/targets.h"

#include "base/text.h"
#include "kinds/link/interfaces.h"
#include "kinds/nat/forward.h"
#include "kinds/net/route.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd {

namespace {

// A link whose two ends both stand in the files, seen from the end that an address is looked for at.
struct Line {
    Interface here;
    Interface there;
};

// By the namespace of `here`. A port passes on what it receives: others may be behind that end.
std::multimap<std::string, Line> lines_of(const Declared& declared) {
    std::multimap<std::string, Line> all;
    for (const DeclaredObject* link : declared_links(declared)) {
        const auto ends = interfaces_of(declared, *link);
        if (ends.size() == 2 && masters_of(declared, *link).empty()) {
            all.emplace(ends[0].netns, Line{ends[0], ends[1]});
            all.emplace(ends[1].netns, Line{ends[1], ends[0]});
        }
    }
    return all;
}

bool has(const Interface& interface, const Ip& ip) {
    return std::ranges::any_of(interface.addresses, [&](const auto& each) { return each.value.ip == ip; });
}

bool leads_to(const Interface& interface, const Ip& ip) {
    return std::ranges::any_of(interface.addresses,
                               [&](const auto& each) { return each.value.prefix().contains(ip); });
}

// "10.1.1.1, 10.2.1.1": of that family.
std::string addresses_text(const Interface& interface, bool v6) {
    std::vector<std::string> all;
    for (const auto& each : interface.addresses) {
        if (each.value.ip.v6() == v6 && !each.value.ip.is_link_local()) {
            all.push_back(each.value.ip.text());
        }
    }
    return join(all, ", ");
}

using Lines = std::multimap<std::string, Line>;

void look_at_forward(const DeclaredObject& object, const Lines& lines, const Interfaces& interfaces,
                     std::vector<Caution>& all) {
    const Forward& forward = object.spec.as<Forward>();
    const Ip& to = forward.to.ip;
    const auto inside = interfaces.find(object.owner);
    if (inside == interfaces.end() ||
        std::ranges::any_of(inside->second, [&](const Interface& each) { return has(each, to); })) {
        return;
    }
    const auto caution = [&](const Interface& end, std::string_view whose, const char* why) {
        all.push_back({.partition = object.owner,
                       .at = object.place("to"),
                       .what = fmt::format("{} of {} leads to {}, which is {}", forward.listen.text(),
                                           object.owner, to.text(), whose),
                       .why = why,
                       .fix = fmt::format("give an address of {}/{}: {}", object.owner, end.name,
                                          addresses_text(end, to.v6()))});
    };
    const auto [first, last] = lines.equal_range(object.owner);
    for (const auto& [netns, line] : std::ranges::subrange(first, last)) {
        if (has(line.there, to)) {
            caution(line.here, fmt::format("the other end of {}/{}", object.owner, line.here.name),
                    "the partition gets none of its packets");
            return;
        }
        if (leads_to(line.here, to)) {
            caution(line.here, "nobody's address by the files",
                    "nobody answers there, unless a program inside takes that address");
            return;
        }
    }
}

void look_at_route(const DeclaredObject& object, const Lines& lines, std::vector<Caution>& all) {
    for (const NextHop& way : object.spec.as<Route>().ways()) {
        const auto [first, last] = lines.equal_range(object.owner);
        for (const auto& [netns, line] : std::ranges::subrange(first, last)) {
            if (!way.via || way.via->is_link_local() || (way.dev && *way.dev != line.here.name) ||
                !leads_to(line.here, *way.via) || has(line.here, *way.via)) {
                continue;
            }
            const std::string others = addresses_text(line.there, way.via->v6());
            if (!others.empty() && !has(line.there, *way.via)) {
                all.push_back(
                    {.partition = object.owner,
                     .at = object.place(object.spec.as<Route>().via ? "via" : "nexthop"),
                     .what = fmt::format("the gateway {} is not an address of the other end of {}/{}",
                                         way.via->text(), object.owner, line.here.name),
                     .why = "nobody answers there, unless a program takes that address",
                     .fix = fmt::format("give one of that end: {}", others)});
            }
            break;
        }
    }
}

}  // namespace

void look_at_targets(const Declared& declared, std::vector<Caution>& all) {
    const Lines lines = lines_of(declared);
    const Interfaces interfaces = interfaces_by_netns(declared);
    for (const DeclaredObject* forward : declared.all<Forward>()) {
        look_at_forward(*forward, lines, interfaces, all);
    }
    for (const DeclaredObject* route : declared.all<Route>()) {
        look_at_route(*route, lines, all);
    }
}

}  // namespace partd
