#include "kernel/conntrack.h"

#include "kernel/netlink.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <algorithm>
#include <cerrno>

namespace partd::kernel {

namespace {

Message make_request(std::uint8_t type, std::uint16_t flags, std::uint8_t family) {
    Message message(static_cast<std::uint16_t>((NFNL_SUBSYS_CTNETLINK << 8) | type), flags);
    message.head(nfgenmsg{.nfgen_family = family, .version = NFNETLINK_V0, .res_id = 0});
    return message;
}

std::optional<Ip> source_of(const Attributes& tuple) {
    const auto addresses = tuple.nested(CTA_TUPLE_IP);
    const auto v4 = addresses.ip(CTA_IP_V4_SRC);
    return v4 ? v4 : addresses.ip(CTA_IP_V6_SRC);
}

bool made_by(const Forwarded& forward, const Attributes& entry) {
    const auto original = entry.nested(CTA_TUPLE_ORIG).nested(CTA_TUPLE_PROTO);
    const auto reply = entry.nested(CTA_TUPLE_REPLY);
    return original.number<std::uint8_t>(CTA_PROTO_NUM) == static_cast<std::uint8_t>(forward.protocol) &&
           original.number<std::uint16_t>(CTA_PROTO_DST_PORT) == htons(forward.port) &&
           source_of(reply) == forward.to.ip &&
           reply.nested(CTA_TUPLE_PROTO).number<std::uint16_t>(CTA_PROTO_SRC_PORT) == htons(forward.to.port);
}

// The request that deletes the entry: by its original tuple, in its zone.
Message make_delete(const Attributes& entry, std::uint8_t family) {
    Message message = make_request(IPCTNL_MSG_CT_DELETE, NLM_F_ACK, family);
    message.bytes(CTA_TUPLE_ORIG | NLA_F_NESTED, entry.bytes(CTA_TUPLE_ORIG));
    if (entry.has(CTA_ZONE)) {
        message.bytes(CTA_ZONE, entry.bytes(CTA_ZONE));
    }
    return message;
}

}  // namespace

Result<unsigned> end_forwarded(const std::vector<Forwarded>& forwards) {
    auto socket = NetlinkSocket::open(NETLINK_NETFILTER);
    PARTD_TRY(socket);
    std::vector<Message> deletes;
    const auto look = [&](const Reply& reply) {
        const auto entry = reply.attributes<nfgenmsg>();
        const auto status = entry.number<std::uint32_t>(CTA_STATUS).value_or(0);
        const bool translated = (ntohl(status) & IPS_DST_NAT) != 0;
        if (translated && std::ranges::any_of(
                              forwards, [&](const Forwarded& forward) { return made_by(forward, entry); })) {
            deletes.push_back(make_delete(entry, reply.head<nfgenmsg>().nfgen_family));
        }
    };
    auto dumped =
        socket->dump(make_request(IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC), [&] { deletes.clear(); }, look);
    if (!dumped) {
        return std::unexpected(std::move(dumped).error().wrap("read the connection tracking table"));
    }
    unsigned ended = 0;
    for (Message& message : deletes) {
        const auto done = socket->request(std::move(message), [](const Reply&) {});
        if (!done && done.error().code != ENOENT) {
            return std::unexpected(done.error());
        }
        ended += done ? 1 : 0;
    }
    return ended;
}

}  // namespace partd::kernel
