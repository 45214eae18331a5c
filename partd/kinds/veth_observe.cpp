#include "kinds/veth_observe.h"

#include "base/text.h"
#include "kinds/marks.h"
#include "kinds/netns.h"
#include "kinds/own_routes.h"
#include "kinds/topology.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

namespace partd {

namespace {

using kernel::Link;

// An end of a pair as it was found.
struct FoundEnd {
    std::string netns;
    const Link* link = nullptr;
};
struct FoundPair {
    FoundEnd self;
    FoundEnd peer;
};

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

LinkEnd end_of(const FoundEnd& found, const LinkEnd* wanted, const std::string& owner) {
    if (found.link == nullptr) {
        return {.netns = "?", .mtu = 0, .up = false};
    }
    const Link& link = *found.link;
    const auto mark = parse_link_mark(link.alias);
    return {.netns = found.netns,
            .name = IfName(link.name.c_str()),
            .mac = link.mac,
            .mtu = link.mtu,
            .up = link.up,
            .alias = std::string(alias_behind_mark(link.alias)),
            .mark = mark ? mark->text() : "",
            .trusting = link.trusting,
            .probing = link.probing,
            .routes = std::string(kAllRoutes),
            .altname = altname_of(link, wanted, owner)};
}

std::string identity_of(Look& look, const FoundEnd& end) {
    const auto netns = look.host.netns(end.netns);
    return end.link == nullptr || !netns ? "" : fmt::format("{}:{}", (*netns)->cookie(), end.link->index);
}

using Pairs = std::map<std::pair<std::string, std::string>, FoundPair>;

// Whether an end without a mark is the one that we made: the ledger knows it, or it was about to be made and
// is just as wanted.
bool is_expected(Look& look, const Key& key, const FoundEnd& end, bool peer) {
    const LedgerEntry* entry = look.ledger.find({kVeth.kind.name, key.name});
    if (entry != nullptr && !entry->identity.empty()) {
        const auto known = words(entry->identity);
        return std::ranges::find(known, identity_of(look, end)) != known.end();
    }
    const Resource* wanted = look.desired.find(key);
    if (wanted == nullptr) {
        return false;
    }
    const LinkEnd& as = peer ? wanted->spec.as<Veth>().peer : wanted->spec.as<Veth>().self;
    return as.netns == end.netns && as.name == end.link->name;
}

// A partition's root can write any alias: a mark counts only where that end may be.
bool may_be_here(Look& look, const LinkMark& mark, const std::string& netns, const Link& link) {
    if (!mark.peer || netns.empty()) {
        return mark.peer ? netns.empty() : netns == mark.partition;
    }
    const Key key = veth_key(mark.partition, mark.link);
    const Resource* wanted = look.desired.find(key);
    return (wanted != nullptr && wanted->spec.as<Veth>().peer.netns == netns) ||
           is_expected(look, key, {netns, &link}, true);
}

// Of two with one mark this is the one that was made last: the other's namespace has lost its name, and the
// kernel takes a moment to end it.
bool has_wanted_name(Look& look, const LinkMark& mark, const Link& link) {
    const Resource* wanted = look.desired.find(veth_key(mark.partition, mark.link));
    const Veth* veth = wanted == nullptr ? nullptr : &wanted->spec.as<Veth>();
    return veth != nullptr && link.name == (mark.peer ? veth->peer.name : veth->self.name);
}

// Our ends in one namespace, by their marks.
Result<> collect(Look& look, const std::string& netns, Pairs& pairs) {
    auto links = look.host.links_in_view(netns);
    PARTD_TRY(links);
    for (const Link& link : **links) {
        const auto mark = link.kind == "veth" ? parse_link_mark(link.alias) : std::nullopt;
        if (!mark || !may_be_here(look, *mark, netns, link)) {
            continue;
        }
        FoundPair& pair = pairs[{mark->partition, mark->link}];
        FoundEnd& end = mark->peer ? pair.peer : pair.self;
        if (end.link == nullptr || has_wanted_name(look, *mark, link)) {
            end = {netns, &link};
        }
    }
    return {};
}

// The end that the kernel says is this one's other, in a namespace where it may be: it may have lost its
// mark, or not have it yet. Where no file and no ledger tells of the pair any more, its own mark does.
void complete_pair(Look& look, const Key& key, FoundPair& pair, bool peer,
                   const std::vector<std::string>& namespaces) {
    FoundEnd& missing = peer ? pair.peer : pair.self;
    const FoundEnd& other = peer ? pair.self : pair.peer;
    if (missing.link != nullptr || other.link == nullptr) {
        return;
    }
    for (const std::string& netns : namespaces) {
        for (const Link& link : **look.host.links_in_view(netns)) {
            const FoundEnd candidate{netns, &link};
            const bool crossed = link.kind == "veth" && link.index == other.link->peer_index &&
                                 link.peer_index == other.link->index;
            const auto mark = parse_link_mark(link.alias);
            const bool last_trace = mark && look.ledger.lost && look.desired.find(key) == nullptr &&
                                    mark->peer == peer && veth_key(mark->partition, mark->link) == key;
            if (crossed && (last_trace || (!mark && is_expected(look, key, candidate, peer)))) {
                missing = candidate;
                return;
            }
        }
    }
}

// The host's ends that have the filter, by their indexes: it is as much of their distrust as the switches
// are.
Result<std::set<int>> filtered_ends(Look& look, const Pairs& pairs) {
    std::vector<int> ends;
    for (const auto& [name, pair] : pairs) {
        if (pair.peer.link != nullptr && pair.peer.netns.empty()) {
            ends.push_back(pair.peer.link->index);
        }
    }
    auto host = look.host.netns("");
    PARTD_TRY(host);
    return look.host.ingress_filter().find((*host)->route(), ends);
}

Result<> find_routes(Look& look, const FoundEnd& end, LinkEnd& found) {
    if (end.link != nullptr) {
        auto routes = own_routes(look, end.netns, *end.link);
        PARTD_TRY(routes);
        found.routes = std::move(*routes);
    }
    return {};
}

Result<> add_pair(Look& look, const Key& key, const std::string& owner, const FoundPair& pair,
                  const std::set<int>& filtered) {
    const Resource* wanted = look.desired.find(key);
    const Veth* veth = wanted == nullptr ? nullptr : &wanted->spec.as<Veth>();
    Veth found{.self = end_of(pair.self, veth == nullptr ? nullptr : &veth->self, owner),
               .peer = end_of(pair.peer, veth == nullptr ? nullptr : &veth->peer, owner)};
    if (pair.peer.link != nullptr && pair.peer.netns.empty() && !filtered.contains(pair.peer.link->index)) {
        found.peer.trusting = true;
    }
    PARTD_TRY(find_routes(look, pair.self, found.self));
    PARTD_TRY(find_routes(look, pair.peer, found.peer));
    Resource resource{.key = key, .owner = owner, .marked = true};
    const std::string self = identity_of(look, pair.self);
    const std::string peer = identity_of(look, pair.peer);
    resource.identity = self + (self.empty() || peer.empty() ? "" : " ") + peer;
    for (const FoundEnd& end : {pair.self, pair.peer}) {
        if (!end.netns.empty()) {
            resource.within.push_back(netns_key(end.netns));
        }
    }
    resource.needs = resource.within;
    resource.claims = {name_claim(found.self), name_claim(found.peer)};
    resource.holder = fmt::format("an interface with the mark \"{}\" that partd did not make",
                                  LinkMark{owner, key.name.substr(key.name.find('/') + 1), false}.text());
    resource.spec = Spec(std::move(found));
    look.add(std::move(resource));
    return {};
}

// Something else that has the name which an end is to get.
const Link* holder_of(Look& look, const LinkEnd& end) {
    const bool there = end.netns.empty() || std::ranges::find(look.netns, end.netns) != look.netns.end();
    const Link* link = there ? look.host.find_link(end.netns, end.name) : nullptr;
    const auto mark = link == nullptr ? std::nullopt : parse_link_mark(link->alias);
    const Resource* ours = mark ? look.observed.find(veth_key(mark->partition, mark->link)) : nullptr;
    return ours != nullptr && ours->standing == Standing::Ours ? nullptr : link;
}

// On the host it stays, and is a conflict. In a partition it is put right like everything else there.
void look_for_holder(Look& look, const Resource& wanted) {
    if (look.observed.find(wanted.key) != nullptr) {
        return;
    }
    const Veth& veth = wanted.spec.as<Veth>();
    Veth found{.self = {.netns = "?"}, .peer = {.netns = "?"}};
    for (const LinkEnd& end : {veth.self, veth.peer}) {
        const Link* link = holder_of(look, end);
        if (link == nullptr) {
            continue;
        }
        if (!is_replaceable(end.netns, *link) || parse_link_mark(link->alias)) {
            look.add_foreign(wanted, stranger_text(end.netns, *link));
            return;
        }
        found.strangers.push_back({.netns = end.netns, .name = end.name, .alias = link->kind});
    }
    if (!found.strangers.empty()) {
        look.observed.add({.key = wanted.key,
                           .spec = Spec(std::move(found)),
                           .owner = wanted.owner,
                           .needs = wanted.needs,
                           .within = wanted.within});
    }
}

// The host's interfaces that may be ends of the pairs that are looked at: by name, by what their other ends
// say, and by what the ledger knows of those whose other ends went out of sight.
Result<> list_host_ends(Look& look) {
    std::set<std::string> names;
    look.for_wanted(kVeth.kind, [&](const Resource& wanted) {
        if (const LinkEnd& peer = wanted.spec.as<Veth>().peer; peer.netns.empty()) {
            names.insert(peer.name);
        }
    });
    auto host = look.host.netns("");
    PARTD_TRY(host);
    const std::string here = fmt::format("{}:", (*host)->cookie());
    std::set<int> indexes;
    look.for_known(kVeth.kind, [&](const auto&, const LedgerEntry& entry) {
        for (const std::string_view word : words(entry.identity)) {
            if (const auto index =
                    word.starts_with(here) ? parse_number(word.substr(here.size())) : std::nullopt) {
                indexes.insert(static_cast<int>(*index));
            }
        }
    });
    for (const std::string& netns : look.netns) {
        auto links = look.host.links(netns);
        PARTD_TRY(links);
        for (const Link& link : **links) {
            if (link.kind == "veth" && link.peer_index != 0) {
                indexes.insert(link.peer_index);
            }
        }
    }
    return look.host.view_only(names, indexes);
}

}  // namespace

std::string name_claim(const LinkEnd& end) {
    return fmt::format("the interface name {}{}", end.name,
                       end.netns.empty() ? " on the host" : " in partition " + end.netns);
}

Result<> observe_veths(Look& look) {
    if (look.hidden) {
        return {};
    }
    if (!look.scope.all) {
        PARTD_TRY(list_host_ends(look));
    }
    std::vector<std::string> namespaces = look.netns;
    namespaces.emplace_back();
    Pairs pairs;
    for (const std::string& netns : namespaces) {
        PARTD_TRY(collect(look, netns, pairs));
    }
    for (auto& [name, pair] : pairs) {
        const Key key = veth_key(name.first, name.second);
        complete_pair(look, key, pair, false, namespaces);
        complete_pair(look, key, pair, true, namespaces);
    }
    const auto filtered = filtered_ends(look, pairs);
    PARTD_TRY(filtered);
    for (const auto& [name, pair] : pairs) {
        PARTD_TRY(add_pair(look, veth_key(name.first, name.second), name.first, pair, *filtered));
    }
    look.for_wanted(kVeth.kind, [&](const Resource& wanted) { look_for_holder(look, wanted); });
    return {};
}

}  // namespace partd
