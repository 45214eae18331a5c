// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "kinds/link/interfaces.h"
#include "kinds/link/live.h"
#include "kinds/marks.h"
#include "kinds/namespace/netns.h"
#include "kinds/net/own_routes.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

namespace partd {

namespace {

using kernel::Link;

// An end of a link as it was found.
struct FoundEnd {
    std::string netns;
    const Link* link = nullptr;
    bool known = false;  // by the ledger, not by its mark alone
};
struct FoundLink {
    FoundEnd self;
    FoundEnd peer;

    // By what is on the host, where nobody inside can change it, first.
    [[nodiscard]] const LinkType& type() const {
        return *find_link_type((peer.link != nullptr ? peer : self).link->kind);
    }
};

// The end that a link is wanted to have there; nullptr where nobody wants it.
const LinkEnd* wanted_end(const Observation& observation, const Key& key, Side side) {
    const Resource* wanted = observation.desired.find(key);
    const LinkType* type = wanted == nullptr ? nullptr : type_of(wanted->spec);
    return type == nullptr ? nullptr : type->end(wanted->spec.data(), side);
}

// The alternative name that it is to have, else one of partd's that it had before it got a name in the files.
std::string altname_of(const Link& link, const LinkEnd* wanted, const std::string& owner) {
    const auto mark = parse_link_mark(link.alias);
    for (const std::string& name : {wanted == nullptr ? "" : wanted->altname, "pv-" + owner,
                                    named_end_altname(owner, mark ? mark->link : "")}) {
        if (!name.empty() && std::ranges::find(link.altnames, name) != link.altnames.end()) {
            return name;
        }
    }
    return {};
}

Side side_of(const LinkMark& mark) {
    return mark.peer ? Side::Peer : Side::Self;
}

// The interface with that index in a namespace of this look; nullptr where it cannot be seen.
const Link* find_by_index(Observation& observation, const std::string& netns, int index) {
    const auto links = observation.host.links_in_view(netns);
    if (!links) {
        return nullptr;
    }
    const auto found = std::ranges::find(**links, index, &Link::index);
    return found == (*links)->end() ? nullptr : &*found;
}

// The ends that were found, by namespace and index. Whatever mark of partd's another interface bears,
// somebody else wrote it.
using Ours = std::map<std::pair<std::string, int>, std::pair<Key, Side>>;

// The name that an interface is to have, when it is one of ours; else its name.
std::string name_of(const Observation& observation, const Ours& ours, const std::string& netns,
                    const Link& link) {
    const auto found = ours.find({netns, link.index});
    const LinkEnd* wanted =
        found == ours.end() ? nullptr : wanted_end(observation, found->second.first, found->second.second);
    return wanted == nullptr ? link.name : std::string(wanted->name);
}

// The link of partd's whose port it is, by the name that it is to have; "" for none.
IfName master_of(Observation& observation, const Ours& ours, const FoundEnd& end) {
    const Link* master = ours.contains({end.netns, end.link->master})
                             ? find_by_index(observation, end.netns, end.link->master)
                             : nullptr;
    return master == nullptr ? IfName() : IfName(name_of(observation, ours, end.netns, *master).c_str());
}

// The index of the lower link of one of a type that has such; 0 for none.
int lower_index(const FoundEnd& end) {
    const LinkType* type = end.link == nullptr ? nullptr : find_link_type(end.link->kind);
    if (type == nullptr || !type->ops.has_parent) {
        return 0;
    }
    const std::uint16_t told = type->ops.parent_info;
    return told == 0 ? end.link->peer_index
                     : kernel::Attributes(end.link->info).number<int>(told).value_or(0);
}

// That lower link, and its namespace; nullptr where there is none, or it cannot be seen.
FoundEnd lower_of(Observation& observation, const FoundEnd& end) {
    const int index = lower_index(end);
    if (index == 0) {
        return {};
    }
    const std::string netns = end.link->leads_out ? "" : end.netns;
    return {netns, find_by_index(observation, netns, index)};
}

// An alternative name counts as well, where the file has that.
std::optional<Lower> parent_of(Observation& observation, const Ours& ours, const FoundEnd& end,
                               const LinkEnd* wanted) {
    if (!find_link_type(end.link->kind)->ops.has_parent) {
        return std::nullopt;
    }
    const FoundEnd lower = lower_of(observation, end);
    if (lower.link == nullptr) {
        return lower_index(end) == 0 ? Lower()
                                     : Lower("?");  // a look at some of the host's links does not see it
    }
    std::string name = name_of(observation, ours, lower.netns, *lower.link);
    const std::string asked = wanted != nullptr && wanted->lower() != nullptr ? wanted->lower()->name() : "";
    if (std::ranges::find(lower.link->altnames, asked) != lower.link->altnames.end()) {
        name = asked;
    }
    return Lower(((lower.netns.empty() ? std::string(Lower::kHost) : "") + name).c_str());
}

LinkEnd end_of(Observation& observation, const Ours& ours, const Key& key, const FoundEnd& found, Side side,
               const std::string& owner) {
    if (found.link == nullptr) {
        return {.netns = "?", .mtu = 0, .up = false, .alias = "", .master = IfName()};
    }
    const Link& link = *found.link;
    const LinkEnd* wanted = wanted_end(observation, key, side);
    const auto mark = parse_link_mark(link.alias);
    return {.netns = found.netns,
            .name = IfName(link.name.c_str()),
            .mac = link.mac,
            .mtu = link.mtu,
            .up = link.up,
            .alias = std::string(alias_behind_mark(link.alias)),
            .master = master_of(observation, ours, found),
            .parent = parent_of(observation, ours, found, wanted),
            .mark = mark ? mark->text() : "",
            .trusting = link.trusting,
            .probing = link.probing,
            .routes = std::string(kAllRoutes),
            .altname = side == Side::Peer ? altname_of(link, wanted, owner) : ""};
}

std::string identity_of(Observation& observation, const FoundEnd& end) {
    const auto netns = observation.host.netns(end.netns);
    return end.link == nullptr || !netns ? "" : end_identity(**netns, end.link->index);
}

using Found = std::map<std::pair<std::string, std::string>, FoundLink>;  // by partition and link

// True if an end without the right mark is the one that we made: the ledger has its identity; or the ledger
// has none yet, the end has no mark at all, and its namespace and name are the wanted ones.
bool is_expected(Observation& observation, const Key& key, const FoundEnd& end, Side side) {
    const LedgerEntry* entry = observation.ledger.find({kLink.kind.name, key.name});
    if (entry != nullptr && !entry->identity.empty()) {
        const auto known = words(entry->identity);
        return std::ranges::find(known, identity_of(observation, end)) != known.end();
    }
    const LinkEnd* wanted = wanted_end(observation, key, side);
    return wanted != nullptr && !parse_link_mark(end.link->alias) && wanted->netns == end.netns &&
           wanted->name == end.link->name;
}

// A partition's root can write any alias: a mark counts only where that end may be, on a link of a type that
// has such an end.
bool may_be_here(Observation& observation, const LinkMark& mark, const std::string& netns, const Link& link) {
    const LinkType* type = find_link_type(link.kind);
    if (type == nullptr || (mark.peer && type->ops.peer_info == 0)) {
        return false;
    }
    if (!mark.peer || netns.empty()) {
        return mark.peer ? netns.empty() : netns == mark.partition;
    }
    const Key key = link_key(mark.partition, mark.link);
    const LinkEnd* wanted = wanted_end(observation, key, Side::Peer);
    return (wanted != nullptr && wanted->netns == netns) ||
           is_expected(observation, key, {netns, &link}, Side::Peer);
}

// Of two with one mark this is the one that was made last: the other's namespace has lost its name, and the
// kernel takes a moment to end it.
bool has_wanted_name(Observation& observation, const LinkMark& mark, const Link& link) {
    const LinkEnd* wanted = wanted_end(observation, link_key(mark.partition, mark.link), side_of(mark));
    return wanted != nullptr && link.name == wanted->name;
}

// The links that the ledger knows, by the identity of their ends in partitions. It comes before marks, for a
// partition's root can write any mark.
using Known = std::map<std::string, std::pair<std::string, std::string>, std::less<>>;

Known known_by_identity(const Observation& observation) {
    Known known;
    observation.for_known(kLink.kind, [&](const std::string& name, const LedgerEntry& entry) {
        if (const auto ends = words(entry.identity); !ends.empty()) {
            const std::size_t slash = name.find('/');
            known[std::string(ends[0])] = {name.substr(0, slash), name.substr(slash + 1)};
        }
    });
    return known;
}

// True if the ledger knows the link of that mark, and this is another interface. Of a pair the end on the
// host tells, which nobody inside can change.
bool is_pretender(const Observation& observation, const LinkMark& mark, const Link& link) {
    if (find_link_type(link.kind)->ops.peer_info != 0 || observation.ledger.lost) {
        return false;
    }
    const Key key = link_key(mark.partition, mark.link);
    const LedgerEntry* entry = observation.ledger.find({kLink.kind.name, key.name});
    return entry == nullptr || !entry->identity.empty();
}

// Our ends in one namespace, by their marks.
Result<> collect(Observation& observation, const std::string& netns, const Known& known, Found& found) {
    auto links = observation.host.links_in_view(netns);
    PARTD_TRY(links);
    for (const Link& link : **links) {
        if (!netns.empty() && !known.empty() && find_link_type(link.kind) != nullptr) {
            const auto own = known.find(identity_of(observation, {netns, &link}));
            if (own != known.end() && own->second.first == netns) {
                found[own->second].self = {netns, &link, true};
                continue;
            }
        }
        const auto mark = parse_link_mark(link.alias);
        if (!mark || !may_be_here(observation, *mark, netns, link) ||
            is_pretender(observation, *mark, link)) {
            continue;
        }
        FoundLink& one = found[{mark->partition, mark->link}];
        FoundEnd& end = mark->peer ? one.peer : one.self;
        if (end.link == nullptr || (!end.known && has_wanted_name(observation, *mark, link))) {
            end = {netns, &link};
        }
    }
    return {};
}

// An end inside that is of another type than the one on the host has its mark from somebody else.
void leave_out_pretender(FoundLink& found) {
    if (found.self.link != nullptr && found.peer.link != nullptr &&
        found.self.link->kind != found.peer.link->kind) {
        found.self = {};
    }
}

// The end that the kernel says is this one's other, in a namespace where it may be: it may have lost its
// mark, or not have it yet. Where no file and no ledger tells of the pair any more, its own mark does.
Result<> complete_pair(Observation& observation, const Key& key, FoundLink& found, Side side,
                       const std::vector<std::string>& namespaces) {
    FoundEnd& missing = side == Side::Peer ? found.peer : found.self;
    const FoundEnd& other = side == Side::Peer ? found.self : found.peer;
    if (missing.link != nullptr || other.link == nullptr || found.type().ops.peer_info == 0) {
        return {};
    }
    for (const std::string& netns : namespaces) {
        const auto links = observation.host.links_in_view(netns);
        PARTD_TRY(links);
        for (const Link& link : **links) {
            const FoundEnd candidate{netns, &link};
            const bool crossed = link.kind == other.link->kind && link.index == other.link->peer_index &&
                                 link.peer_index == other.link->index;
            const auto mark = parse_link_mark(link.alias);
            const bool last_trace = mark && observation.ledger.lost &&
                                    observation.desired.find(key) == nullptr && side_of(*mark) == side &&
                                    link_key(mark->partition, mark->link) == key;
            if (crossed && (last_trace || is_expected(observation, key, candidate, side))) {
                missing = candidate;
                return {};
            }
        }
    }
    return {};
}

// The host's ends that have the filter, by their indexes: it is as much of their distrust as the switches
// are.
Result<std::set<int>> filtered_ends(Observation& observation, const Found& found) {
    std::vector<int> ends;
    for (const auto& [name, link] : found) {
        if (link.peer.link != nullptr && link.peer.netns.empty()) {
            ends.push_back(link.peer.link->index);
        }
    }
    auto host = observation.host.netns("");
    PARTD_TRY(host);
    return observation.host.ingress_filter().find((*host)->route(), ends);
}

Result<> find_routes(Observation& observation, const FoundEnd& end, LinkEnd& found) {
    if (end.link != nullptr) {
        auto routes = own_routes(observation, end.netns, *end.link);
        PARTD_TRY(routes);
        found.routes = std::move(*routes);
    }
    return {};
}

// The namespace where a link of one end was born, by the ledger; where that was lost, as it is wanted.
std::optional<std::uint64_t> birth_of(Observation& observation, const Resource& found,
                                      const Resource* wanted) {
    if (type_of(found.spec)->ops.birth == nullptr || found.identity.empty()) {
        return std::nullopt;
    }
    const LedgerEntry* entry = observation.ledger.find({kLink.kind.name, found.key.name});
    if (const auto known = entry == nullptr ? std::nullopt : known_birth(entry->identity, found.identity)) {
        return known;
    }
    const LinkType* type = wanted == nullptr ? nullptr : type_of(wanted->spec);
    const auto netns = type == nullptr || type->ops.birth == nullptr
                           ? fail("")
                           : observation.host.netns(type->ops.birth(wanted->spec.data()));
    return netns ? std::optional((*netns)->cookie()) : std::nullopt;
}

Result<> add_found(Observation& observation, const Ours& ours, const Key& key, const std::string& owner,
                   const FoundLink& found, const std::set<int>& filtered) {
    const LinkType& type = found.type();
    std::vector<LinkEnd> ends = {end_of(observation, ours, key, found.self, Side::Self, owner)};
    if (type.ops.peer_info != 0) {
        ends.push_back(end_of(observation, ours, key, found.peer, Side::Peer, owner));
        if (found.peer.link != nullptr && found.peer.netns.empty() &&
            !filtered.contains(found.peer.link->index)) {
            ends[1].trusting = true;
        }
    }
    Resource resource{.key = key, .owner = owner};
    for (LinkEnd& end : ends) {
        resource.marked |= !end.mark.empty();
        const FoundEnd& from = &end == ends.data() ? found.self : found.peer;
        PARTD_TRY(find_routes(observation, from, end));
        const std::string identity = identity_of(observation, from);
        resource.identity += (resource.identity.empty() || identity.empty() ? "" : " ") + identity;
        if (!from.netns.empty()) {
            resource.contained_in.push_back(netns_key(from.netns));
        }
        const FoundEnd lower = lower_of(observation, from);
        const auto own = ours.find({lower.netns, lower.link == nullptr ? 0 : lower.link->index});
        if (own != ours.end()) {
            resource.contained_in.push_back(own->second.first);
        }
        resource.exclusive_names.push_back(name_claim(end));
    }
    resource.depends_on = resource.contained_in;
    resource.holder = fmt::format("an interface with the mark \"{}\" that partd did not make",
                                  LinkMark{owner, key.name.substr(key.name.find('/') + 1), false}.text());
    const Link* told = found.self.link;
    resource.spec = type.found(
        ends, kernel::Attributes(told == nullptr ? std::span<const std::uint8_t>() : std::span(told->info)));
    const Resource* wanted = observation.desired.find(key);
    if (type.ops.look != nullptr && told != nullptr) {
        resource.spec = type.ops.look({observation, key, found.self.netns, *told, wanted}, resource.spec);
    }
    if (const auto birth = birth_of(observation, resource, wanted)) {
        resource.identity += " " + birth_identity(resource.identity, *birth);
    }
    if (std::string name = exclusive_name(resource.spec); !name.empty()) {
        resource.exclusive_names.push_back(std::move(name));
    }
    observation.add(std::move(resource));
    return {};
}

// Something else that has the name which an end is to get.
const Link* holder_of(Observation& observation, const Ours& ours, const LinkEnd& end) {
    const bool there =
        end.netns.empty() || std::ranges::find(observation.netns, end.netns) != observation.netns.end();
    const Link* link = there ? observation.host.find_link(end.netns, end.name) : nullptr;
    const auto own = link == nullptr ? ours.end() : ours.find({end.netns, link->index});
    const Resource* holder = own == ours.end() ? nullptr : observation.observed.find(own->second.first);
    return holder != nullptr && holder->ownership == Ownership::Ours ? nullptr : link;
}

// On the host it stays, and is a conflict. In a partition it is put right like everything else there.
void look_for_holder(Observation& observation, const Ours& ours, const Resource& wanted) {
    if (observation.observed.find(wanted.key) != nullptr) {
        return;
    }
    Strangers found;
    for (const LinkEnd* end : ends_of(wanted.spec)) {
        const Link* link = holder_of(observation, ours, *end);
        if (link == nullptr) {
            continue;
        }
        if (!is_replaceable(end->netns, *link)) {
            observation.add_foreign(wanted, stranger_text(end->netns, *link));
            return;
        }
        found.all.push_back({.netns = end->netns, .name = link->name, .index = link->index});
        found.what += fmt::format("{}a {} of somebody else", found.what.empty() ? "" : " and ", link->kind);
    }
    if (!found.all.empty()) {
        observation.observed.add({.key = wanted.key,
                                  .spec = Spec(std::move(found)),
                                  .owner = wanted.owner,
                                  .depends_on = wanted.depends_on,
                                  .contained_in = wanted.contained_in});
    }
}

}  // namespace

Result<> observe_links(Observation& observation) {
    if (observation.hidden) {
        return {};
    }
    // Links that still wait are noted anew.
    observation.host.waits().drop_if([&](const std::string& name, const kernel::Waits::One& one) {
        return name.starts_with(std::string(kLink.kind.name) + " ") &&
               observation.scope.covers(kLink.kind, one.owner);
    });
    if (!observation.scope.all) {
        PARTD_TRY(limit_view(observation));
    }
    std::vector<std::string> namespaces = observation.netns;
    namespaces.emplace_back();
    Found found;
    const Known known = known_by_identity(observation);
    for (const std::string& netns : namespaces) {
        PARTD_TRY(collect(observation, netns, known, found));
    }
    Ours ours;
    for (auto& [name, link] : found) {
        const Key key = link_key(name.first, name.second);
        leave_out_pretender(link);
        PARTD_TRY(complete_pair(observation, key, link, Side::Self, namespaces));
        PARTD_TRY(complete_pair(observation, key, link, Side::Peer, namespaces));
        for (const auto& [end, side] : {std::pair(link.self, Side::Self), std::pair(link.peer, Side::Peer)}) {
            if (end.link != nullptr) {
                ours.emplace(std::pair(end.netns, end.link->index), std::pair(key, side));
            }
        }
    }
    const auto filtered = filtered_ends(observation, found);
    PARTD_TRY(filtered);
    for (const auto& [name, link] : found) {
        PARTD_TRY(
            add_found(observation, ours, link_key(name.first, name.second), name.first, link, *filtered));
    }
    observation.for_wanted(kLink.kind,
                           [&](const Resource& wanted) { look_for_holder(observation, ours, wanted); });
    return {};
}

}  // namespace partd
