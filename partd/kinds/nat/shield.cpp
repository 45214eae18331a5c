#include "kinds/nat/shield.h"

#include "kernel/ingress.h"
#include "kinds/marks.h"
#include "kinds/topology.h"

namespace partd {

namespace {

Result<> observe(Look& look) {
    auto host = look.host.netns("");
    PARTD_TRY(host);
    for (const std::string& end : look.names_of(kShield.kind)) {
        const kernel::Link* link = look.host.find_link("", end);
        const auto mark = link == nullptr ? std::nullopt : parse_link_mark(link->alias);
        if (!mark) {
            continue;
        }
        const auto there = kernel::has_loopback_filter((*host)->route(), link->index);
        PARTD_TRY(there);
        if (*there) {
            const Key veth = veth_key(mark->partition, mark->link);
            look.add({.key = {&kShield.kind, end},
                      .spec = Spec(Shield()),
                      .owner = mark->partition,
                      .needs = {veth},
                      .within = {veth},
                      .marked = true});
        }
    }
    return {};
}

Result<> apply(Doing& doing, const Change& change, std::size_t number) {
    const auto link = find_for_request(doing, "", change.key.name);
    if (!link && change.action == Action::Remove && link.error().code == ENODEV) {
        return {};
    }
    PARTD_TRY(link);
    auto host = doing.host.netns("");
    PARTD_TRY(host);
    if (change.action == Action::Remove) {
        doing.batch.netlink((*host)->route(), kernel::remove_loopback_filter((*link)->index), number);
        return {};
    }
    for (kernel::Message& message : kernel::add_loopback_filter((*link)->index)) {
        doing.batch.netlink((*host)->route(), std::move(message), number);
    }
    return {};
}

}  // namespace

constinit const Table Shield::table = {
    "shield", "Packets of a partition from and to the host's 127.0.0.0/8 are dropped as they come in.", {}};

Key want_shield(State& desired, const std::string& end, const Key& link, const std::string& owner,
                const Source& source) {
    Key key{&kShield.kind, end};
    if (desired.find(key) == nullptr) {
        desired.add({.key = key,
                     .spec = Spec(Shield()),
                     .owner = owner,
                     .source = source,
                     .needs = {link},
                     .within = {link}});
    }
    return key;
}

constinit const LiveKind kShield = {
    .kind = {.name = "shield", .table = &Shield::table, .apart = true},
    .observe = observe,
    .apply = apply,
};

}  // namespace partd
