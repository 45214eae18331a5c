// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "kinds/link/interfaces.h"
#include "kinds/link/live.h"
#include "kinds/link/messages.h"
#include "kinds/link/trust.h"
#include "kinds/marks.h"
#include "kinds/net/own_routes.h"

#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

namespace partd {

namespace {

using kernel::Link;
using kernel::Message;
using link::altname_request;
using link::create_request;
using link::header;
using link::Place;
using link::put_attributes;
using link::set_alias;
using link::set_up;

// Makes it a port of that link, or of none; `up`: it is up now.
template <class Add>
Result<> set_master(ApplyContext& context, int index, const LinkEnd& end, bool up, const Add& add) {
    int master = 0;
    bool down = false;
    if (!end.master->empty()) {
        const auto found = find_for_request(context, end.netns, *end.master);
        PARTD_TRY(found);
        master = (*found)->index;
        const LinkType* type = find_link_type((*found)->kind);
        down = up && type != nullptr && type->ops.enslaves;
    }
    if (down) {
        add(set_up(index, false));
    }
    Message message(RTM_SETLINK, 0);
    message.head(header(index, false, false))
        .number<std::uint32_t>(IFLA_MASTER, static_cast<std::uint32_t>(master));
    add(std::move(message));
    if (down) {
        add(set_up(index, end.up));
    }
    return {};
}

// Behind the requests of the batch; then the link with that index may go up.
void finish_switches(ApplyContext& context, kernel::Netns& netns, const LinkEnd& end, std::optional<int> up,
                     std::size_t number) {
    context.batch.after_nftables(number, [&netns, end, up]() -> Result<> {
        PARTD_TRY(switch_off_ipv6(netns, end));
        return up ? netns.route().request(set_up(*up, true), [](const kernel::Reply&) {}) : Result<>();
    });
}

// The requests that make an end distrust the other one, but for finish_switches().
template <class Add>
void distrust(ApplyContext& context, const LinkEnd& end, int index, const Add& add) {
    add(distrust_request(index, end));
    if (end.netns.empty()) {
        for (Message& message : context.host.ingress_filter().add_to(index)) {
            add(std::move(message));
        }
    }
}

// Behind the requests of the batch: what rtnetlink does not say of the link's type.
void configure_type(ApplyContext& context, const Place& place, const Spec& wanted, const Spec& found,
                    std::size_t number) {
    const auto configure = type_of(wanted)->ops.configure;
    if (configure == nullptr) {
        return;
    }
    context.batch.count_write();
    context.batch.after_nftables(
        number, [&host = context.host, netns = place.netns, index = place.index, configure, wanted, found] {
            return configure(host, *netns, index, wanted, found);
        });
}

// Configures the end after its creation, in its own namespace.
Result<> configure_end(ApplyContext& context, const Spec& link, const Place& place, std::size_t number) {
    const LinkType& type = *type_of(link);
    const LinkEnd& end = *place.end;
    const auto add = [&](Message message) {
        context.batch.netlink(place.netns->route(), std::move(message), number, kernel::Batch::Turn::Second);
    };
    if (!end.altname.empty()) {
        add(link::add_altname(place.index, end.altname));
    }
    if (end.master && !end.master->empty()) {
        PARTD_TRY(set_master(context, place.index, end, false, add));
    }
    if (end.trusting == false) {
        distrust(context, end, place.index, add);
    }
    // The gate stands before a host's end is up, and lets pass nothing that the switches would. Between
    // partitions there is no gate; and a link-local address comes with the end's going up, probed or not.
    const bool switches = end.trusting == false || end.probing == false;
    const bool configures = type.ops.configure != nullptr;
    const bool waits = (switches && !end.netns.empty()) || configures;
    if (end.up && !waits) {
        add(set_up(place.index, true));
    }
    configure_type(context, place, link, {}, number);
    if (switches || configures) {
        finish_switches(context, *place.netns, end,
                        waits && end.up ? std::optional(place.index) : std::nullopt, number);
    }
    context.host.cache_link(end.netns, {.index = place.index,
                                        .name = end.name,
                                        .kind = std::string(type.name),
                                        .alias = link::full_alias(end),
                                        .up = end.up});
    return {};
}

// By whose socket a link is made, since the kernel looks for the lower link there.
struct Maker {
    kernel::NetlinkSocket* socket = nullptr;
    int parent = 0;                           // the index of the lower link; 0 for none
    std::optional<std::uint64_t> birth = {};  // the namespace's cookie, of a type that is born there
};

// The kernel lets one driver take an interface's packets, and says EBUSY to others without a word: tells who
// has them.
Result<> look_for_taker(ApplyContext& context, const LinkType& type, const std::string& netns,
                        const Link& lower) {
    const std::string place = place_text(netns, lower.name);
    const LinkType* above = find_link_type(lower.port_kind);
    if (above != nullptr && above->ops.takes_packets) {
        return fail(EBUSY, fmt::format("{} is a port of a {}, which takes its packets", place, above->name));
    }
    const auto links = context.host.links(netns);
    PARTD_TRY(links);
    for (const Link& link : **links) {
        const LinkType* other = find_link_type(link.kind);
        if (other != nullptr && other != &type && other->ops.use != nullptr && !link.leads_out &&
            link.peer_index == lower.index) {
            return fail(EBUSY, fmt::format("{} carries {} of kind {}, and nothing of kind {} beside it",
                                           place, link.name, other->name, type.name));
        }
    }
    return {};
}

Result<Maker> find_maker(ApplyContext& context, const Spec& link, const Place& place) {
    const LinkType& type = *type_of(link);
    const Lower* lower = place.end->lower();
    if (lower == nullptr && type.ops.birth != nullptr) {
        const auto birth = context.host.netns(type.ops.birth(link.data()));
        PARTD_TRY(birth);
        return Maker{.socket = &(*birth)->route(), .birth = (*birth)->cookie()};
    }
    if (lower == nullptr) {
        return Maker{&place.netns->route()};
    }
    const std::string netns = lower->on_host() ? "" : place.end->netns;
    const auto parent = find_for_request(context, netns, lower->name());
    PARTD_TRY(parent);
    const auto where = context.host.netns(netns);
    PARTD_TRY(where);
    if (type.ops.use != nullptr) {
        PARTD_TRY(look_for_taker(context, type, netns, **parent));
    }
    return Maker{&(*where)->route(), (*parent)->index};
}

Result<> create(ApplyContext& context, const Key& key, const Spec& link, std::size_t number) {
    std::vector<Place> places;
    std::string identity;
    for (const LinkEnd* end : ends_of(link)) {
        const auto netns = context.host.netns(end->netns);
        PARTD_TRY(netns);
        // An index of our own: where the kernel refuses the link, the requests behind it reach nobody.
        const auto index = context.host.draw_index(end->netns);
        PARTD_TRY(index);
        places.push_back({end, *netns, *index});
        identity += (identity.empty() ? "" : " ") + end_identity(**netns, *index);
    }
    auto maker = find_maker(context, link, places[0]);
    PARTD_TRY(maker);
    if (maker->birth) {
        identity += " " + birth_identity(identity, *maker->birth);
    }
    context.batch.netlink(*maker->socket, create_request(link, places, maker->parent), number);
    // Should a later request of these fail, it is by this that the link is known.
    context.learnt.emplace_back(key, std::move(identity));
    // The first mark travels with the request: whatever happens next, the link is known to be ours.
    for (const Place& place : places) {
        // Sockets send one after the other, and not in the order of these requests.
        const bool first = maker->socket == &place.netns->route();
        context.batch.netlink(place.netns->route(), set_alias(place.index, *place.end), number,
                              first ? kernel::Batch::Turn::First : kernel::Batch::Turn::Second);
    }
    for (const Place& place : places) {
        PARTD_TRY(configure_end(context, link, place, number));
    }
    return {};
}

// The end as the kernel has it now, by what was found; the mark must still be there or not have been.
Result<const Link*> find_end(ApplyContext& context, const LinkEnd& found) {
    auto link = found.netns == "?" ? fail(ENODEV, "find " + found.name)
                                   : find_for_request(context, found.netns, found.name);
    PARTD_TRY(link);
    const auto mark = parse_link_mark((*link)->alias);
    if ((mark ? mark->text() : "") != found.mark) {
        return fail(ENODEV, "find " + found.name);
    }
    return link;
}

Result<> request_name(kernel::NetlinkSocket& socket, const Link& link, const std::string& name) {
    Message message(RTM_SETLINK, 0);
    message.head(header(link.index, false, false)).text(IFLA_IFNAME, name);
    return socket.request(std::move(message), [](const kernel::Reply&) {});
}

// A kernel before 6.2 renames only what is down; what it loses by that comes back in the next round.
Result<> rename(kernel::NetlinkSocket& socket, const Link& link, const std::string& name) {
    auto done = request_name(socket, link, name);
    if (done || done.error().code != EBUSY) {
        return done;
    }
    PARTD_TRY(socket.request(set_up(link.index, false), [](const kernel::Reply&) {}));
    done = request_name(socket, link, name);
    PARTD_TRY(socket.request(set_up(link.index, true), [](const kernel::Reply&) {}));
    return done;
}

// One of others in a partition that has a name of ours: asked for again, since its index can be reused.
Result<> remove_stranger(ApplyContext& context, const std::string& netns, const std::string& name,
                         int index) {
    const auto link = find_for_request(context, netns, name);
    PARTD_TRY(link);
    if ((*link)->index != index || !is_replaceable(netns, **link)) {
        return fail(ENODEV, "find " + place_text(netns, name));
    }
    auto where = context.host.netns(netns);
    PARTD_TRY(where);
    context.batch.count_write();
    Message message(RTM_DELLINK, 0);
    message.head(header((*link)->index, false, false));
    return (*where)->route().request(std::move(message), [](const kernel::Reply&) {});
}

// Two of ours that swap their names: one steps aside, and gets its own in the next round.
Result<> rename_or_step_aside(ApplyContext& context, kernel::NetlinkSocket& socket, const std::string& netns,
                              const Link& link, const std::string& name) {
    // The kernel refuses a name that is an alternative one, also of the same interface.
    if (std::ranges::find(link.altnames, name) != link.altnames.end()) {
        PARTD_TRY(socket.request(altname_request(RTM_DELLINKPROP, 0, link.index, name),
                                 [](const kernel::Reply&) {}));
    }
    const auto rename_to = [&](const std::string& wanted) {
        auto done = rename(socket, link, wanted);
        if (done) {
            context.host.rename_link(netns, link.index, wanted);
        }
        return done;
    };
    auto done = rename_to(name);
    const Link* holder = !done && done.error().code == EEXIST ? context.host.find_link(netns, name) : nullptr;
    if (holder != nullptr && holder->index >= kernel::kFirstOwnIndex && parse_link_mark(holder->alias)) {
        (void)rename_to("pv." + std::to_string(link.index));
    } else if (holder != nullptr && is_replaceable(netns, *holder)) {
        PARTD_TRY(remove_stranger(context, netns, name, holder->index));
        return rename_to(name);
    } else if (holder != nullptr) {
        return fail(EEXIST, stranger_text(netns, *holder));
    }
    return done;
}

// Sends changed attributes: the interface's in one request, its type's in another.
Result<> change_attributes(ApplyContext& context, const Place& place, const Change& change, Side side,
                           std::size_t number) {
    kernel::NetlinkSocket& socket = place.netns->route();
    Message plain(RTM_SETLINK, 0);
    plain.head(header(place.index, false, false));
    if (put_attributes(plain, change.wanted, side, false, change.found.data()) != 0) {
        context.batch.netlink(socket, std::move(plain), number);
    }
    int parent = 0;
    if (type_of(change.wanted)->ops.changes_whole) {
        const auto maker = find_maker(context, change.wanted, place);
        PARTD_TRY(maker);
        parent = maker->parent;
    }
    auto typed = link::change_request(place.index, change.wanted, side, change.found.data(), parent);
    if (typed) {
        context.batch.netlink(socket, std::move(*typed), number);
    }
    return {};
}

Result<> update_end(ApplyContext& context, const Change& change, Side side, std::size_t number) {
    const LinkType& type = *type_of(change.wanted);
    const LinkEnd& wanted = *type.end(change.wanted.data(), side);
    const LinkEnd& found = *type.end(change.found.data(), side);
    auto link = find_end(context, found);
    PARTD_TRY(link);
    auto netns = context.host.netns(wanted.netns);
    PARTD_TRY(netns);
    kernel::NetlinkSocket& socket = (*netns)->route();
    const int index = (*link)->index;
    if (wanted.name != found.name) {
        context.batch.count_write();
        if (auto named = rename_or_step_aside(context, socket, wanted.netns, **link, wanted.name); !named) {
            return std::unexpected(std::move(named).error().wrap(
                fmt::format("rename {} to {}", found.name.text(), wanted.name.text())));
        }
    }
    PARTD_TRY(change_attributes(context, {&wanted, *netns, index}, change, side, number));
    configure_type(context, {&wanted, *netns, index}, change.wanted, change.found, number);
    const bool marks = wanted.mark != found.mark;
    if (marks || (wanted.alias && wanted.alias != found.alias)) {
        context.batch.netlink(socket, set_alias(index, wanted), number);
    }
    if (wanted.master && wanted.master != found.master) {
        PARTD_TRY(set_master(context, index, wanted, found.up, [&](Message message) {
            context.batch.netlink(socket, std::move(message), number);
        }));
    }
    const bool ups = wanted.up != found.up;
    // One that was left half made did not get it.
    const bool anew = marks || ups;
    const bool distrusts = wanted.trusting == false && (anew || wanted.trusting != found.trusting);
    if (distrusts) {
        distrust(context, wanted, index,
                 [&](Message message) { context.batch.netlink(socket, std::move(message), number); });
    }
    const bool switches = distrusts || (wanted.probing == false && (anew || wanted.probing != found.probing));
    const bool waits = switches && !wanted.netns.empty() && ups && wanted.up;
    if (switches) {
        finish_switches(context, **netns, wanted, waits ? std::optional(index) : std::nullopt, number);
    }
    const bool renames = wanted.altname != found.altname;
    if (renames && !found.altname.empty() && found.altname != wanted.name) {
        // Another link may want it: it goes before anything gets one.
        context.batch.netlink(socket, altname_request(RTM_DELLINKPROP, 0, index, found.altname), number);
    }
    if (renames && !wanted.altname.empty()) {
        context.batch.netlink(socket, link::add_altname(index, wanted.altname), number,
                              kernel::Batch::Turn::Second);
    }
    if (ups && !waits) {
        context.batch.netlink(socket, set_up(index, wanted.up), number);
    }
    return wanted.routes != found.routes ? put_back_routes(context, wanted.netns, **link, number)
                                         : Result<>();
}

// Each end that differs is asked for; the other one may be gone.
Result<> update(ApplyContext& context, const Change& change, std::size_t number) {
    const LinkType& type = *type_of(change.wanted);
    for (const Side side : {Side::Self, Side::Peer}) {
        const auto differs = [&](const FieldChange& field) {
            const auto row = field.field - change.wanted.table().fields.data();
            return type.attributes[static_cast<std::size_t>(row)].side == side;
        };
        if (std::ranges::any_of(change.fields, differs)) {
            PARTD_TRY(update_end(context, change, side, number));
        }
    }
    return {};
}

// True if it is certainly ours: by its mark, or by its identity where that is gone.
bool is_certain(const LinkEnd& end, const kernel::Netns& netns, const Link& link, const Change& removal) {
    const auto known = words(removal.identity);
    return !end.mark.empty() || std::ranges::find(known, end_identity(netns, link.index)) != known.end();
}

// Either end takes the other along.
Result<> remove(ApplyContext& context, const Change& change, std::size_t number) {
    if (change.found.is<Strangers>()) {
        for (const Strangers::One& stranger : change.found.as<Strangers>().all) {
            PARTD_TRY(remove_stranger(context, stranger.netns, stranger.name, stranger.index));
        }
        return {};
    }
    bool asked = false;
    for (const LinkEnd* end : ends_of(change.found)) {
        const auto link = find_end(context, *end);
        const auto netns = link ? context.host.netns(end->netns) : std::unexpected(link.error());
        if (!netns || !is_certain(*end, **netns, **link, change)) {
            continue;
        }
        const int index = (*link)->index;
        if (!std::exchange(asked, true)) {
            Message message(RTM_DELLINK, 0);
            message.head(header(index, false, false));
            context.batch.netlink((*netns)->route(), std::move(message), number);
        }
        context.host.drop_link(end->netns, index);
    }
    return {};  // gone already, where nothing was asked for
}

}  // namespace

Result<> apply_link(ApplyContext& context, const Change& change, std::size_t number) {
    switch (change.action) {
        case Action::Create:
            return create(context, change.key, change.wanted, number);
        case Action::Update:
            return update(context, change, number);
        case Action::Remove:
            return remove(context, change, number);
    }
    return {};
}

}  // namespace partd
