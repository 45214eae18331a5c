#include "kinds/veth_requests.h"

#include "kinds/marks.h"
#include "kinds/own_routes.h"
#include "kinds/topology.h"
#include "kinds/veth.h"
#include "kinds/veth_trust.h"

#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

namespace partd {

namespace {

using kernel::Link;
using kernel::Message;

ifinfomsg header(int index, bool up, bool change_up) {
    return {.ifi_family = AF_UNSPEC,
            .__ifi_pad = 0,
            .ifi_type = 0,
            .ifi_index = index,
            .ifi_flags = up ? unsigned{IFF_UP} : 0U,
            .ifi_change = change_up ? unsigned{IFF_UP} : 0U};
}

std::string full_alias(const LinkEnd& end) {
    return end.alias && !end.alias->empty() ? end.mark + " " + *end.alias : end.mark;
}

void add_attributes(Message& message, const LinkEnd& end) {
    message.text(IFLA_IFNAME, end.name);
    if (end.mac) {
        message.bytes(IFLA_ADDRESS, end.mac->bytes);
    }
    if (end.mtu) {
        message.number<std::uint32_t>(IFLA_MTU, static_cast<std::uint32_t>(*end.mtu));
    }
    // One queue is what a pair uses; the memory for one of every processor costs a quarter of the time to
    // make it.
    message.number<std::uint32_t>(IFLA_NUM_TX_QUEUES, 1);
    message.number<std::uint32_t>(IFLA_NUM_RX_QUEUES, 1);
}

// The pair in one request: both names, both namespaces; nothing is ever seen under another name or in another
// place.
Message create_request(const LinkEnd& self, int self_index, const LinkEnd& peer, int peer_index,
                       int peer_netns) {
    Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    message.head(header(self_index, false, false));
    add_attributes(message, self);
    const auto info = message.open(IFLA_LINKINFO);
    message.text(IFLA_INFO_KIND, "veth");
    const auto data = message.open(IFLA_INFO_DATA);
    const auto nested = message.open(VETH_INFO_PEER);
    message.head(header(peer_index, false, false));
    add_attributes(message, peer);
    if (peer.netns.empty()) {
        message.number<std::uint32_t>(IFLA_GROUP, kHostEndGroup);
    }
    message.number<std::uint32_t>(IFLA_NET_NS_FD, static_cast<std::uint32_t>(peer_netns));
    message.close(nested);
    message.close(data);
    message.close(info);
    return message;
}

Message set_alias(int index, const LinkEnd& end) {
    Message message(RTM_SETLINK, 0);
    message.head(header(index, false, false)).text(IFLA_IFALIAS, full_alias(end));
    return message;
}

Message set_up(int index, bool up) {
    Message message(RTM_SETLINK, 0);
    message.head(header(index, up, true));
    return message;
}

Message altname_request(std::uint16_t type, std::uint16_t flags, int index, const std::string& altname) {
    Message message(type, flags);
    message.head(header(index, false, false));
    const auto list = message.open(IFLA_PROP_LIST);
    message.text(IFLA_ALT_IFNAME, altname);
    message.close(list);
    return message;
}

Message add_altname(int index, const std::string& altname) {
    return altname_request(RTM_NEWLINKPROP, NLM_F_CREATE | NLM_F_APPEND | NLM_F_EXCL, index, altname);
}

// Behind the requests of the batch; then the link with that index may go up.
void finish_switches(Doing& doing, kernel::Netns& netns, const LinkEnd& end, std::optional<int> up,
                     std::size_t number) {
    doing.batch.after_nftables(number, [&netns, end, up]() -> Result<> {
        PARTD_TRY(switch_off_ipv6(netns, end));
        return up ? netns.route().request(set_up(*up, true), [](const kernel::Reply&) {}) : Result<>();
    });
}

// The requests that make an end distrust the other one, but for finish_switches().
template <class Add>
void distrust(Doing& doing, const LinkEnd& end, int index, const Add& add) {
    add(distrust_request(index, end));
    if (end.netns.empty()) {
        for (Message& message : doing.host.ingress_filter().add_to(index)) {
            add(std::move(message));
        }
    }
}

// What follows the creation, in the end's own namespace.
void dress(Doing& doing, kernel::Netns& netns, const LinkEnd& end, int index, std::size_t number) {
    const auto add = [&](Message message) {
        doing.batch.netlink(netns.route(), std::move(message), number, kernel::Batch::Turn::Second);
    };
    if (!end.altname.empty()) {
        add(add_altname(index, end.altname));
    }
    if (end.trusting == false) {
        distrust(doing, end, index, add);
    }
    // The gate stands before a host's end is up, and lets pass nothing that the switches would. Between
    // partitions there is no gate; and a link-local address comes with the end's going up, probed or not.
    const bool switches = end.trusting == false || end.probing == false;
    const bool waits = switches && !end.netns.empty();
    if (end.up && !waits) {
        add(set_up(index, true));
    }
    if (switches) {
        finish_switches(doing, netns, end, waits && end.up ? std::optional(index) : std::nullopt, number);
    }
    doing.host.note_link(
        end.netns,
        {.index = index, .name = end.name, .kind = "veth", .alias = full_alias(end), .up = end.up});
}

Result<> create(Doing& doing, const Key& key, const Veth& veth, std::size_t number) {
    auto self = doing.host.netns(veth.self.netns);
    PARTD_TRY(self);
    auto peer = doing.host.netns(veth.peer.netns);
    PARTD_TRY(peer);
    // Indexes of our own: where the kernel refuses the pair, the requests behind it reach nobody.
    const auto own_self = doing.host.draw_index(veth.self.netns);
    PARTD_TRY(own_self);
    const auto own_peer = doing.host.draw_index(veth.peer.netns);
    PARTD_TRY(own_peer);
    const int self_index = *own_self;
    const int peer_index = *own_peer;
    doing.batch.netlink((*self)->route(),
                        create_request(veth.self, self_index, veth.peer, peer_index, (*peer)->fd()), number);
    // Should a later request of these fail, it is by this that the pair is known.
    doing.learnt.emplace_back(
        key, fmt::format("{}:{} {}:{}", (*self)->cookie(), self_index, (*peer)->cookie(), peer_index));
    // The first mark travels with the request: whatever happens next, the pair is known to be ours.
    doing.batch.netlink((*self)->route(), set_alias(self_index, veth.self), number);
    doing.batch.netlink((*peer)->route(), set_alias(peer_index, veth.peer), number,
                        kernel::Batch::Turn::Second);
    dress(doing, **self, veth.self, self_index, number);
    dress(doing, **peer, veth.peer, peer_index, number);
    return {};
}

// The end as the kernel has it now, by what was found; the mark must still be there or not have been.
Result<const Link*> find_end(Doing& doing, const LinkEnd& found) {
    auto link = found.netns == "?" ? fail(ENODEV, "find " + found.name)
                                   : find_for_request(doing, found.netns, found.name);
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
Result<> remove_stranger(Doing& doing, const std::string& netns, const std::string& name) {
    const auto link = find_for_request(doing, netns, name);
    PARTD_TRY(link);
    if (parse_link_mark((*link)->alias) || !is_replaceable(netns, **link)) {
        return fail(ENODEV, "find " + place_text(netns, name));
    }
    auto where = doing.host.netns(netns);
    PARTD_TRY(where);
    doing.batch.count_write();
    Message message(RTM_DELLINK, 0);
    message.head(header((*link)->index, false, false));
    return (*where)->route().request(std::move(message), [](const kernel::Reply&) {});
}

// Two of ours that swap their names: one steps aside, and gets its own in the next round.
Result<> rename_or_step_aside(Doing& doing, kernel::NetlinkSocket& socket, const std::string& netns,
                              const Link& link, const std::string& name) {
    // The kernel refuses a name that is an alternative one, also of the same interface.
    if (std::ranges::find(link.altnames, name) != link.altnames.end()) {
        PARTD_TRY(socket.request(altname_request(RTM_DELLINKPROP, 0, link.index, name),
                                 [](const kernel::Reply&) {}));
    }
    auto done = rename(socket, link, name);
    const Link* holder = !done && done.error().code == EEXIST ? doing.host.find_link(netns, name) : nullptr;
    if (holder != nullptr && parse_link_mark(holder->alias)) {
        (void)rename(socket, link, "pv." + std::to_string(link.index));
    } else if (holder != nullptr && is_replaceable(netns, *holder)) {
        PARTD_TRY(remove_stranger(doing, netns, name));
        return rename(socket, link, name);
    } else if (holder != nullptr) {
        return fail(EEXIST, stranger_text(netns, *holder));
    }
    return done;
}

Result<> update_end(Doing& doing, const Change& change, const std::string& prefix, const LinkEnd& wanted,
                    const LinkEnd& found, std::size_t number) {
    const auto changes = [&](std::string_view field) { return change.changes(prefix + std::string(field)); };
    auto link = find_end(doing, found);
    PARTD_TRY(link);
    auto netns = doing.host.netns(wanted.netns);
    PARTD_TRY(netns);
    kernel::NetlinkSocket& socket = (*netns)->route();
    const int index = (*link)->index;
    if (changes("name")) {
        doing.batch.count_write();
        if (auto named = rename_or_step_aside(doing, socket, wanted.netns, **link, wanted.name); !named) {
            return std::unexpected(std::move(named).error().wrap(
                fmt::format("rename {} to {}", found.name.text(), wanted.name.text())));
        }
    }
    if (changes("mac") || changes("mtu")) {
        Message message(RTM_SETLINK, 0);
        message.head(header(index, false, false));
        if (changes("mac")) {
            message.bytes(IFLA_ADDRESS, wanted.mac->bytes);
        }
        if (changes("mtu")) {
            message.number<std::uint32_t>(IFLA_MTU, static_cast<std::uint32_t>(*wanted.mtu));
        }
        doing.batch.netlink(socket, std::move(message), number);
    }
    if (changes("alias") || changes("mark")) {
        doing.batch.netlink(socket, set_alias(index, wanted), number);
    }
    // One that was left half made did not get it.
    const bool anew = changes("mark") || changes("up");
    const bool distrusts = wanted.trusting == false && (anew || changes("trusting"));
    if (distrusts) {
        distrust(doing, wanted, index,
                 [&](Message message) { doing.batch.netlink(socket, std::move(message), number); });
    }
    const bool switches = distrusts || (wanted.probing == false && (anew || changes("probing")));
    const bool waits = switches && !wanted.netns.empty() && changes("up") && wanted.up;
    if (switches) {
        finish_switches(doing, **netns, wanted, waits ? std::optional(index) : std::nullopt, number);
    }
    if (changes("altname") && !found.altname.empty() && found.altname != wanted.name) {
        // Another link may want it: it goes before anything gets one.
        doing.batch.netlink(socket, altname_request(RTM_DELLINKPROP, 0, index, found.altname), number);
    }
    if (changes("altname") && !wanted.altname.empty()) {
        doing.batch.netlink(socket, add_altname(index, wanted.altname), number, kernel::Batch::Turn::Second);
    }
    if (changes("up") && !waits) {
        doing.batch.netlink(socket, set_up(index, wanted.up), number);
    }
    return changes("routes") ? put_back_routes(doing, wanted.netns, **link, number) : Result<>();
}

Result<> update(Doing& doing, const Change& change, std::size_t number) {
    const Veth& wanted = change.wanted.as<Veth>();
    const Veth& found = change.found.as<Veth>();
    const auto concerns = [&](bool peer) {
        return std::ranges::any_of(change.fields, [&](const FieldChange& field) {
            return field.field->name.starts_with("peer.") == peer;
        });
    };
    if (concerns(false)) {
        PARTD_TRY(update_end(doing, change, "", wanted.self, found.self, number));
    }
    return concerns(true) ? update_end(doing, change, "peer.", wanted.peer, found.peer, number) : Result<>();
}

// Either end takes the other along.
Result<> remove(Doing& doing, const Veth& found, std::size_t number) {
    if (!found.strangers.empty()) {
        for (const LinkEnd& stranger : found.strangers) {
            PARTD_TRY(remove_stranger(doing, stranger.netns, stranger.name));
        }
        return {};
    }
    for (const LinkEnd& end : {found.self, found.peer}) {
        if (end.mark.empty()) {
            continue;  // only by an end that is certainly ours
        }
        const auto link = find_end(doing, end);
        const auto netns = link ? doing.host.netns(end.netns) : fail("");
        if (netns) {
            Message message(RTM_DELLINK, 0);
            message.head(header((*link)->index, false, false));
            doing.batch.netlink((*netns)->route(), std::move(message), number);
            return {};
        }
    }
    return {};  // gone already
}

}  // namespace

Result<> apply_veth(Doing& doing, const Change& change, std::size_t number) {
    switch (change.action) {
        case Action::Create:
            return create(doing, change.key, change.wanted.as<Veth>(), number);
        case Action::Update:
            return update(doing, change, number);
        case Action::Remove:
            return remove(doing, change.found.as<Veth>(), number);
    }
    return {};
}

}  // namespace partd
