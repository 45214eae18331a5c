// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink/conntrack.h"

#include "kernel/netlink/netlink.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <map>
#include <utility>

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

std::optional<Ip> destination_of(const Attributes& tuple) {
    const auto addresses = tuple.nested(CTA_TUPLE_IP);
    const auto v4 = addresses.ip(CTA_IP_V4_DST);
    return v4 ? v4 : addresses.ip(CTA_IP_V6_DST);
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

// The addresses and ports of a connection as it began, and where its packets go.
struct Flow {
    std::uint8_t protocol = 0;
    Ip source;
    Ip destination;
    std::uint16_t port = 0;  // of the destination
    Ip goes_to;              // the destination after translation
    Ip comes_as;             // the source after translation
    std::uint32_t status = 0;

    [[nodiscard]] bool has(std::uint32_t bit) const { return (status & bit) != 0; }
};

std::optional<Flow> flow_of(const Attributes& entry) {
    const auto original = entry.nested(CTA_TUPLE_ORIG);
    const auto source = source_of(original);
    const auto destination = destination_of(original);
    const auto reply = entry.nested(CTA_TUPLE_REPLY);
    if (!source || !destination) {
        return std::nullopt;
    }
    const auto ports = original.nested(CTA_TUPLE_PROTO);
    return Flow{.protocol = ports.number<std::uint8_t>(CTA_PROTO_NUM).value_or(0),
                .source = *source,
                .destination = *destination,
                .port = ntohs(ports.number<std::uint16_t>(CTA_PROTO_DST_PORT).value_or(0)),
                .goes_to = source_of(reply).value_or(*destination),
                .comes_as = destination_of(reply).value_or(*source),
                .status = ntohl(entry.number<std::uint32_t>(CTA_STATUS).value_or(0))};
}

// Where the host's routes lead, asked once for each address. Rules that look at the source are not asked.
class Ways {
public:
    explicit Ways(NetlinkSocket routes) : routes_(std::move(routes)) {}

    struct Way {
        bool local = false;
        std::string out = {};  // "" where nothing leads there
    };
    const Way& to(const Ip& address) {
        const auto known = known_.find(address);
        return known != known_.end() ? known->second : known_.emplace(address, ask(address)).first->second;
    }

private:
    Way ask(const Ip& address) {
        Message request(RTM_GETROUTE, 0);
        rtmsg head{};
        head.rtm_family = address.family();
        head.rtm_dst_len = address.bits();
        request.head(head).ip(RTA_DST, address);
        Way way;
        (void)routes_.request(std::move(request), [&](const Reply& reply) {
            std::array<char, IF_NAMESIZE> name{};
            const int index = reply.attributes<rtmsg>().number<int>(RTA_OIF).value_or(0);
            const auto type = reply.head<rtmsg>().rtm_type;
            way.local = type == RTN_LOCAL;
            if (type == RTN_UNICAST && if_indextoname(static_cast<unsigned>(index), name.data()) != nullptr) {
                way.out = name.data();
            }
        });
        return way;
    }

    NetlinkSocket routes_;
    std::map<Ip, Way> known_;
};

bool lacks_destination(const Flow& flow, const Translation::Listen& listen, Ways& ways) {
    return !flow.has(IPS_DST_NAT) && flow.protocol == static_cast<std::uint8_t>(listen.protocol) &&
           flow.port == listen.port &&
           (listen.address ? flow.destination == *listen.address : ways.to(flow.destination).local);
}

bool leaves_by(const Flow& flow, const Translation& translation, Ways& ways) {
    const Ways::Way& way = ways.to(flow.goes_to);
    return !way.local && !way.out.empty() && (translation.out.empty() || translation.out == way.out) &&
           !translation.not_out.contains(way.out);
}

bool lacks_source(const Flow& flow, const Translation& translation, Ways& ways) {
    return !flow.has(IPS_SRC_NAT) && leaves_by(flow, translation, ways);
}

bool has_source_of(const Flow& flow, const Translation& translation, Ways& ways) {
    return flow.has(IPS_SRC_NAT) && !translation.listen &&
           (!translation.to || flow.comes_as == *translation.to) && leaves_by(flow, translation, ways);
}

// The translations by the networks of their sources, so that a flow asks only those of its own.
class Wanted {
public:
    explicit Wanted(const std::set<Translation>& translations) {
        for (const Translation& translation : translations) {
            by_source_[translation.source].push_back(&translation);
            lengths_.insert({translation.source.ip.v6(), translation.source.length});
        }
    }

    // By what the flow itself tells. A TCP connection to the host that has answers works as it is, and could
    // not go on elsewhere: the shell of an administrator at the host's port 22, when that is forwarded from
    // now on.
    [[nodiscard]] bool may_miss(const Flow& flow) const {
        const bool works = flow.protocol == IPPROTO_TCP && flow.has(IPS_SEEN_REPLY);
        return any_of_source(flow, [&](const Translation& translation) {
            return translation.listen
                       ? !works && !flow.has(IPS_DST_NAT) && flow.port == translation.listen->port
                       : !flow.has(IPS_SRC_NAT);
        });
    }
    // Of the translations of sources: whether one of them made the flow's source what it is, and none of
    // `standing` to the same source would.
    [[nodiscard]] bool gave_alone(const Flow& flow, const Wanted& standing, Ways& ways) const {
        return any_of_source(flow, [&](const Translation& gone) {
            const auto is_same = [&](const Translation& other) {
                return other.to == gone.to && has_source_of(flow, other, ways);
            };
            return has_source_of(flow, gone, ways) && !standing.any_of_source(flow, is_same);
        });
    }
    [[nodiscard]] bool misses(const Flow& flow, Ways& ways) const {
        return any_of_source(flow, [&](const Translation& translation) {
            return translation.listen ? lacks_destination(flow, *translation.listen, ways)
                                      : lacks_source(flow, translation, ways);
        });
    }

private:
    template <class Is>
    bool any_of_source(const Flow& flow, Is is) const {
        return std::ranges::any_of(lengths_, [&](const auto& length) {
            if (length.first != flow.source.v6()) {
                return false;
            }
            const auto found = by_source_.find({flow.source.masked(length.second), length.second});
            return found != by_source_.end() &&
                   std::ranges::any_of(found->second,
                                       [&](const auto* translation) { return is(*translation); });
        });
    }

    std::map<Prefix, std::vector<const Translation*>> by_source_;
    std::set<std::pair<bool, std::uint8_t>> lengths_;
};

struct Connection {
    Flow flow;
    Message end;
};

// The connections for which `concerned(flow, entry)` is true. It must not send requests: they share the
// buffer for replies.
Result<std::vector<Connection>> find_connections(
    NetlinkSocket& socket, const std::function<bool(const Flow&, const Attributes&)>& concerned) {
    std::vector<Connection> found;
    const auto look = [&](const Reply& reply) {
        const auto entry = reply.attributes<nfgenmsg>();
        if (const auto flow = flow_of(entry); flow && concerned(*flow, entry)) {
            found.push_back({*flow, make_delete(entry, reply.head<nfgenmsg>().nfgen_family)});
        }
    };
    auto dumped =
        socket.dump(make_request(IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC), [&] { found.clear(); }, look);
    if (!dumped) {
        return std::unexpected(std::move(dumped).error().wrap("read the connection tracking table"));
    }
    return found;
}

// How many of them there were still.
Result<unsigned> end_connections(NetlinkSocket& socket, std::vector<Connection> connections) {
    unsigned ended = 0;
    for (Connection& connection : connections) {
        const auto done = socket.request(std::move(connection.end), [](const Reply&) {});
        if (!done && done.error().code != ENOENT) {
            return std::unexpected(done.error());
        }
        ended += done ? 1 : 0;
    }
    return ended;
}

// Without nf_conntrack_netlink nobody can be told of connections, nor end one.
bool tells_nothing(const Error& error) {
    return error.code == EINVAL || error.code == EOPNOTSUPP || error.code == EPROTONOSUPPORT;
}

}  // namespace

Result<unsigned> end_forwarded(const std::vector<Forwarded>& forwards) {
    auto socket = NetlinkSocket::open(NETLINK_NETFILTER);
    PARTD_TRY(socket);
    auto found = find_connections(*socket, [&](const Flow& flow, const Attributes& entry) {
        return flow.has(IPS_DST_NAT) && std::ranges::any_of(forwards, [&](const Forwarded& forward) {
                   return made_by(forward, entry);
               });
    });
    PARTD_TRY(found);
    return end_connections(*socket, std::move(*found));
}

namespace {

// Ends those that may be meant by what they tell themselves, and are by where the host's routes lead.
Result<unsigned> end_where(const std::function<bool(const Flow&)>& may_be,
                           const std::function<bool(const Flow&, Ways&)>& is) {
    auto socket = NetlinkSocket::open(NETLINK_NETFILTER);
    PARTD_TRY(socket);
    auto routes = NetlinkSocket::open(NETLINK_ROUTE);
    PARTD_TRY(routes);
    Ways ways(std::move(*routes));
    auto found = find_connections(*socket, [&](const Flow& flow, const Attributes&) { return may_be(flow); });
    if (!found) {
        return tells_nothing(found.error()) ? Result<unsigned>(0) : std::unexpected(std::move(found).error());
    }
    std::erase_if(*found, [&](const Connection& each) { return !is(each.flow, ways); });
    return end_connections(*socket, std::move(*found));
}

}  // namespace

Result<unsigned> end_untranslated(const std::set<Translation>& translations) {
    const Wanted wanted(translations);
    return end_where([&](const Flow& flow) { return wanted.may_miss(flow); },
                     [&](const Flow& flow, Ways& ways) { return wanted.misses(flow, ways); });
}

Result<unsigned> end_translated(const std::set<Translation>& gone, const std::set<Translation>& standing) {
    const Wanted before(gone);
    const Wanted now(standing);
    return end_where([](const Flow& flow) { return flow.has(IPS_SRC_NAT); },
                     [&](const Flow& flow, Ways& ways) { return before.gave_alone(flow, now, ways); });
}

}  // namespace partd::kernel
