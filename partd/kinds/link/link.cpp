// SPDX-License-Identifier: Apache-2.0
#include "kinds/link/link.h"

#include "kinds/link/interfaces.h"
#include "kinds/link/live.h"
#include "kinds/link/trust.h"
#include "kinds/marks.h"
#include "kinds/namespace/netns.h"
#include "kinds/partition.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace partd {

namespace {

constexpr Field kLoopbackFields[] = {
    field<&Loopback::address>("address", "addresses besides 127.0.0.1 and ::1", {.role = Role::Declared}),
};

constexpr Field kStrangersFields[] = {
    field<&Strangers::what>("kind", "what kind of interface it is", {.role = Role::Replace, .live = true}),
};

// The types that are known, but not built yet.
constexpr std::string_view kReserved[] = {"tun", "tap", "physical"};

std::span<const Declaration> language() {
    static const auto kAll = [] {
        std::vector<Declaration> all;
        std::ranges::transform(link_types(), std::back_inserter(all), &LinkType::declaration);
        for (const std::string_view word : kReserved) {
            if (find_link_type(word) == nullptr) {
                all.push_back({.path = link::kPath, .selector = word});
            }
        }
        all.push_back(declaration<Loopback>("partition.*.link.lo"));
        return all;
    }();
    return kAll;
}

std::size_t index_of(const Table& table, std::string_view field) {
    return static_cast<std::size_t>(std::ranges::find(table.fields, field, &Field::name) -
                                    table.fields.begin());
}

// The link whose port it is, at the place that says so.
void join_master(const Declared& declared, const DeclaredObject& link, LinkEnd& end, Resource& resource) {
    end.bridge.reset();
    // The ports of its links are partd's: what is not declared goes.
    end.master = IfName();
    if (const auto masters = masters_of(declared, link); !masters.empty()) {
        end.master = IfName(masters.front().name.c_str());
        resource.depends_on.push_back(link_key(link.owner, *end.master));
        resource.places.set(index_of(link.spec.table(), "master"), masters.front().at);
    }
}

void expand_link(const LinkView& view, const DeclaredObject& link, State& desired) {
    const LinkType& type = *type_of(link.spec);
    std::vector<LinkEnd> ends = declared_ends(view.declared, link);
    decide_trust(view.declared, link, ends);
    const bool on_host = std::ranges::any_of(ends, [](const LinkEnd& end) { return end.netns.empty(); });
    Resource resource{.key = link_key(link.owner, link.name),
                      .owner = link.owner,
                      .source = link.source,
                      .places = link.places,
                      .phase = on_host ? Phase::HostLink : Phase::Network};
    for (const LinkEnd& end : ends) {
        resource.exclusive_names.push_back(name_claim(end));
        if (!end.netns.empty()) {
            resource.contained_in.push_back(netns_key(end.netns));
        }
    }
    if (const Interface* lower = lower_of(view.interfaces, link); lower != nullptr && lower->link) {
        resource.contained_in.push_back(*lower->link);
    }
    resource.depends_on = resource.contained_in;
    if (type.ops.birth != nullptr) {
        if (const std::string birth = type.ops.birth(link.spec.data());
            !birth.empty() && birth != link.owner) {
            resource.depends_on.push_back(netns_key(birth));
        }
    }
    join_master(view.declared, link, ends[0], resource);
    ends[0].alias = ends[0].alias.value_or("");  // it is partd's as well
    if (type.ops.has_parent) {
        ends[0].parent = ends[0].parent.value_or(Lower());
    }
    resource.spec = type.wanted(link, ends);
    if (std::string name = exclusive_name(resource.spec); !name.empty()) {
        resource.exclusive_names.push_back(std::move(name));
    }
    desired.add(std::move(resource));
}

void expand(const Declared& declared, State& desired, Diagnostics& problems) {
    for (const DeclaredObject* object : declared.all<Loopback>()) {
        require_netns(declared, *object, "lo", problems);
    }
    const auto links = declared_links(declared);
    const LinkView view = view_of(declared, links);
    for (const DeclaredObject* link : links) {
        check_link(view, *link, problems);
        expand_link(view, *link, desired);
    }
}

std::string summary(const Spec& spec) {
    if (spec.is<Strangers>()) {
        return "— " + spec.as<Strangers>().what;
    }
    const LinkType& type = *type_of(spec);
    if (const Lower* lower = type.end(spec.data(), Side::Self)->lower()) {
        return fmt::format("{} on {}", type.name, std::string(*lower));
    }
    const LinkEnd* peer = type.end(spec.data(), Side::Peer);
    const std::string other = peer == nullptr      ? ""
                              : peer->name.empty() ? " — nothing"
                                                   : " — " + place_text(peer->netns, peer->name);
    return std::string(type.name) + other;
}

void watch(const Resource& wanted, kernel::Host&, std::vector<std::string>& topics) {
    for (const LinkEnd* end : ends_of(wanted.spec)) {
        if (end->netns.empty()) {
            topics.push_back(kernel::link_topic(end->name));
            topics.push_back(kernel::alias_topic(end->mark));
        }
        if (const Lower* lower = end->lower(); lower != nullptr && lower->on_host()) {
            topics.push_back(kernel::link_topic(lower->name()));
        }
    }
}

// The use that a link makes of a lower one on the host; "" for none.
std::pair<std::string, std::string> use_on_host(const Resource& link) {
    const LinkType* type = type_of(link.spec);
    const Lower* lower = type == nullptr ? nullptr : type->end(link.spec.data(), Side::Self)->lower();
    return lower == nullptr || !lower->on_host() || type->ops.use == nullptr
               ? std::pair<std::string, std::string>()
               : std::pair(lower->name(), type->ops.use(link.spec.data()));
}

// They want to share a lower link, and cannot.
bool quarrel(const Resource& one, const Resource& other) {
    const auto [lower, use] = use_on_host(one);
    const auto [other_lower, other_use] = use_on_host(other);
    return !lower.empty() && lower == other_lower && use != other_use;
}

}  // namespace

constinit const Table Loopback::table = {"link lo", "The loopback interface.", kLoopbackFields};

constinit const Table Strangers::table = {"link", "Interfaces that others made in a link's place.",
                                          kStrangersFields};

bool is_replaceable(const std::string& netns, const kernel::Link& link) {
    return !netns.empty() && !link.kind.empty() && !link.leads_out;
}

std::string stranger_text(const std::string& netns, const kernel::Link& link) {
    return fmt::format("{} is an interface ({}, index {}) that partd did not make",
                       place_text(netns, link.name), link.kind.empty() ? "hardware" : link.kind, link.index);
}

std::optional<Lower> Lower::parse(std::string_view text) {
    const std::string_view name = text.substr(text.starts_with(kHost) ? kHost.size() : 0);
    return IfName::parse(name) ? std::optional(Lower(std::string(text).c_str())) : std::nullopt;
}

Key link_key(std::string_view partition, std::string_view link) {
    return {&kLink.kind, fmt::format("{}/{}", partition, link)};
}

LinkEnd self_end(const DeclaredObject& link) {
    LinkEnd end = *type_of(link.spec)->end(link.spec.data(), Side::Self);
    end.netns = link.owner;
    end.name = IfName(link.name.c_str());
    end.mark = LinkMark{link.owner, link.name, false}.text();
    return end;
}

std::vector<LinkEnd> declared_ends(const Declared& declared, const DeclaredObject& link) {
    const auto ends = type_of(link.spec)->ops.ends;
    return ends == nullptr ? std::vector<LinkEnd>{self_end(link)} : ends(declared, link);
}

std::vector<const LinkEnd*> ends_of(const Spec& link) {
    std::vector<const LinkEnd*> ends;
    if (const LinkType* type = type_of(link)) {
        ends.push_back(type->end(link.data(), Side::Self));
        if (const LinkEnd* peer = type->end(link.data(), Side::Peer)) {
            ends.push_back(peer);
        }
    }
    return ends;
}

std::string exclusive_name(const Spec& link) {
    const auto name = type_of(link)->ops.exclusive_name;
    return name == nullptr ? "" : name(link.data());
}

std::string named_end_altname(std::string_view partition, std::string_view link) {
    return fmt::format("pv-{}.{}", partition, link);
}

std::string name_claim(const LinkEnd& end) {
    return fmt::format("the interface name {}{}", end.name,
                       end.netns.empty() ? " on the host" : " in partition " + end.netns);
}

constinit const LiveKind kLink = {
    .kind = {.name = "link",
             .declarations = language,
             .phase = Phase::HostLink,
             .expand = expand,
             .former =
                 [](std::string_view kind, std::string_view name) {
                     return kind == "veth" ? std::optional<std::string>(name) : std::nullopt;
                 },
             .summary = summary,
             .independent = true,
             .interacts = quarrel},
    .observe = observe_links,
    .apply = apply_link,
    .rehearse = rehearse_link,
    .watch = watch,
};

}  // namespace partd
