// SPDX-License-Identifier: Apache-2.0
// Replies of rtnetlink and conntrack, to the readers of links, addresses, routes and rules.

#include "fuzz.h"
#include "kernel/host.h"
#include "kernel/netlink/conntrack.h"
#include "kernel/netlink/links.h"
#include "kernel/tunnel/wireguard.h"
#include "kernel_words.h"
#include "kinds/link/link.h"
#include "kinds/net/address.h"
#include "kinds/net/route.h"
#include "kinds/net/rule.h"
#include "reconcile/ledger_file.h"

#include <linux/rtnetlink.h>

using namespace partd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static auto host = kernel::Host::open({.root = "/nonexistent"});
    fuzz::require(host.has_value(), "a host can be looked at");
    auto datagrams = fuzz::datagrams_of({data, size});
    fuzz::answer_with(datagrams);
    host->forget_all();
    // links first, then what each kind asks for, in the order of the datagrams; as in a look, one that fails
    // is the last
    const State desired;
    const Ledger ledger = lost_ledger();
    State observed;
    const Scope everything;
    Observation observation{.host = *host,
                            .desired = desired,
                            .ledger = ledger,
                            .observed = observed,
                            .scope = everything,
                            .netns = {""}};
    for (const LiveKind* kind : {&kLink, &kAddress, &kRoute, &kRule}) {
        if (!kind->observe(observation)) {
            break;
        }
    }
    fuzz::answer_with(datagrams);
    auto socket = kernel::NetlinkSocket::open(NETLINK_ROUTE);
    fuzz::require(socket.has_value(), "a netlink socket can be opened");
    (void)kernel::get_link(*socket, "eth0");
    (void)kernel::list_links(*socket);
    (void)kernel::namespace_id(*socket, 0);
    std::vector<kernel::Message> messages;
    messages.emplace_back(RTM_NEWADDR, 0);
    messages.emplace_back(RTM_NEWROUTE, 0);
    (void)socket->send(messages);
    fuzz::answer_with(datagrams);
    if (auto tunnels = kernel::TunnelSocket::open()) {
        (void)tunnels->get(1);
    }
    fuzz::answer_with(std::move(datagrams));
    (void)kernel::end_forwarded(
        {{.protocol = Protocol::Tcp, .port = 80, .to = {*Ip::parse("10.1.1.1"), 80}}});
    return 0;
}
