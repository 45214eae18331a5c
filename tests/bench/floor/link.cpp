// SPDX-License-Identifier: Apache-2.0
#include "link.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sys/socket.h>

namespace bench {

namespace {

constexpr std::uint16_t kIfaProto = 11;  // IFA_PROTO, Linux 5.18, younger than Debian 12's headers

ifinfomsg link(int index, unsigned flags = 0, unsigned change = 0) {
    return {.ifi_family = AF_UNSPEC,
            .__ifi_pad = 0,
            .ifi_type = 0,
            .ifi_index = index,
            .ifi_flags = flags,
            .ifi_change = change};
}

void one_queue(Messages& m) {
    m.number<std::uint32_t>(IFLA_NUM_TX_QUEUES, 1).number<std::uint32_t>(IFLA_NUM_RX_QUEUES, 1);
}

void begin_address(Messages& m, int index, std::uint8_t family, std::uint8_t length, std::uint8_t scope) {
    m.begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL)
        .head(ifaddrmsg{.ifa_family = family,
                        .ifa_prefixlen = length,
                        .ifa_flags = 0,
                        .ifa_scope = scope,
                        .ifa_index = static_cast<std::uint32_t>(index)});
}

void begin_default_route(Messages& m, std::uint8_t family) {
    m.begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL)
        .head(rtmsg{.rtm_family = family,
                    .rtm_dst_len = 0,
                    .rtm_src_len = 0,
                    .rtm_tos = 0,
                    .rtm_table = RT_TABLE_MAIN,
                    .rtm_protocol = kProtocol,
                    .rtm_scope = RT_SCOPE_UNIVERSE,
                    .rtm_type = RTN_UNICAST,
                    .rtm_flags = 0});
}

}  // namespace

void add_pair(Messages& m, const Partition& p, int host) {
    m.begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL).head(link(kInnerIndex)).text(IFLA_IFNAME, "eth0");
    one_queue(m);
    m.open(IFLA_LINKINFO).text(IFLA_INFO_KIND, "veth").open(IFLA_INFO_DATA).open(VETH_INFO_PEER);
    m.head(link(p.host_index())).text(IFLA_IFNAME, p.host_end());
    one_queue(m);
    m.number<std::uint32_t>(IFLA_NET_NS_FD, static_cast<std::uint32_t>(host));
    m.close().close().close().end();
}

void set_alias(Messages& m, int index, const std::string& alias) {
    m.begin(RTM_SETLINK, 0).head(link(index)).text(IFLA_IFALIAS, alias).end();
}

void set_up(Messages& m, int index) {
    m.begin(RTM_SETLINK, 0).head(link(index, IFF_UP, IFF_UP)).end();
}

void set_mtu(Messages& m, int index, std::uint32_t mtu) {
    m.begin(RTM_SETLINK, 0).head(link(index)).number(IFLA_MTU, mtu).end();
}

void without_generated_address(Messages& m, int index) {
    m.begin(RTM_SETLINK, 0).head(link(index)).open(IFLA_AF_SPEC).open(AF_INET6);
    m.number<std::uint8_t>(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE).close().close().end();
}

void add_address4(Messages& m, int index, const std::array<std::uint8_t, 4>& ip) {
    begin_address(m, index, AF_INET, 24, RT_SCOPE_UNIVERSE);
    m.attribute(IFA_LOCAL, ip).attribute(IFA_ADDRESS, ip).number(kIfaProto, kProtocol).end();
}

void add_address6(Messages& m, int index, const std::array<std::uint8_t, 16>& ip, std::uint8_t scope) {
    begin_address(m, index, AF_INET6, 64, scope);
    // Nobody else can have the address on a pair: no probing, so it can be used at once.
    m.attribute(IFA_LOCAL, ip).attribute(IFA_ADDRESS, ip);
    m.number<std::uint32_t>(IFA_FLAGS, IFA_F_NODAD).number(kIfaProto, kProtocol).end();
}

void add_default_route4(Messages& m, int index, const std::array<std::uint8_t, 4>& via) {
    begin_default_route(m, AF_INET);
    m.attribute(RTA_GATEWAY, via).number<std::uint32_t>(RTA_OIF, static_cast<std::uint32_t>(index)).end();
}

void add_default_route6(Messages& m, int index, const std::array<std::uint8_t, 16>& via) {
    begin_default_route(m, AF_INET6);
    m.attribute(RTA_GATEWAY, via).number<std::uint32_t>(RTA_OIF, static_cast<std::uint32_t>(index)).end();
}

}  // namespace bench
