// SPDX-License-Identifier: Apache-2.0
#include "kinds/link/messages.h"

#include "kinds/marks.h"

#include <linux/if.h>
#include <linux/if_link.h>
#include <sys/socket.h>

namespace partd::link {

using kernel::Message;

ifinfomsg header(int index, bool up, bool change_up) {
    return {.ifi_family = AF_UNSPEC,
            .__ifi_pad = 0,
            .ifi_type = 0,
            .ifi_index = index,
            .ifi_flags = up ? unsigned{IFF_UP} : 0U,
            .ifi_change = change_up ? unsigned{IFF_UP} : 0U};
}

int put_attributes(Message& message, const Spec& link, Side side, bool of_type, const void* found) {
    int count = 0;
    for (const Attribute& each : type_of(link)->attributes) {
        if (each.put != nullptr && each.side == side && each.of_type == of_type &&
            !each.field.same(link.data(), found)) {
            each.put(message, link.data());
            ++count;
        }
    }
    return count;
}

std::string full_alias(const LinkEnd& end) {
    return end.alias && !end.alias->empty() ? end.mark + " " + *end.alias : end.mark;
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

namespace {

void add_end(Message& message, const Spec& link, Side side, const Place& place) {
    message.text(IFLA_IFNAME, place.end->name);
    put_attributes(message, link, side, false, type_of(link)->fresh());
    // One queue is what a link without hardware uses; the memory for one of every processor costs a quarter
    // of the time to make it.
    message.number<std::uint32_t>(IFLA_NUM_TX_QUEUES, 1);
    message.number<std::uint32_t>(IFLA_NUM_RX_QUEUES, 1);
}

// Where the type has an attribute of its own for it.
void put_parent(Message& message, const LinkType& type, int parent) {
    if (parent != 0 && type.ops.parent_info != 0) {
        message.number<std::uint32_t>(type.ops.parent_info, static_cast<std::uint32_t>(parent));
    }
}

}  // namespace

std::optional<Message> change_request(int index, const Spec& link, Side side, const void* found, int parent) {
    const LinkType& type = *type_of(link);
    Message message(RTM_NEWLINK, 0);
    message.head(header(index, false, false));
    if (put_attributes(message, link, side, true, found) == 0) {
        return std::nullopt;
    }
    message = Message(RTM_NEWLINK, 0);
    message.head(header(index, false, false));
    const auto info = message.open(IFLA_LINKINFO);
    message.text(IFLA_INFO_KIND, type.name);
    const auto data = message.open(IFLA_INFO_DATA);
    put_attributes(message, link, side, true, type.ops.changes_whole ? type.fresh() : found);
    if (type.ops.changes_whole) {
        put_parent(message, type, parent);
    }
    message.close(data);
    message.close(info);
    return message;
}

Message create_request(const Spec& link, std::span<const Place> places, int parent) {
    const LinkType& type = *type_of(link);
    Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    message.head(header(places[0].index, false, false));
    add_end(message, link, Side::Self, places[0]);
    if (parent != 0 && type.ops.parent_info == 0) {
        message.number<std::uint32_t>(IFLA_LINK, static_cast<std::uint32_t>(parent));
    }
    if (parent != 0 || type.ops.birth != nullptr) {
        message.number<std::uint32_t>(IFLA_NET_NS_FD, static_cast<std::uint32_t>(places[0].netns->fd()));
    }
    const auto info = message.open(IFLA_LINKINFO);
    message.text(IFLA_INFO_KIND, type.name);
    const auto data = message.open(IFLA_INFO_DATA);
    put_attributes(message, link, Side::Self, true, type.fresh());
    put_parent(message, type, parent);
    if (places.size() == 2) {
        const Place& peer = places[1];
        const auto nested = message.open(type.ops.peer_info);
        message.head(header(peer.index, false, false));
        add_end(message, link, Side::Peer, peer);
        if (peer.end->netns.empty()) {
            message.number<std::uint32_t>(IFLA_GROUP, kHostEndGroup);
        }
        message.number<std::uint32_t>(IFLA_NET_NS_FD, static_cast<std::uint32_t>(peer.netns->fd()));
        message.close(nested);
    }
    message.close(data);
    message.close(info);
    return message;
}

}  // namespace partd::link
