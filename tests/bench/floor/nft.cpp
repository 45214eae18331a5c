// SPDX-License-Identifier: Apache-2.0
#include "nft.h"

#include "message.h"
#include "nft_rules.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <time.h>

#include <algorithm>
#include <cstdio>

namespace bench {

namespace {

// nft(8) numbers its data types; a concatenation has them side by side, six bits each.
enum DataType : std::uint32_t { kIp4 = 7, kIp6 = 8, kIfName = 41 };

constexpr std::uint32_t pair(std::uint32_t a, std::uint32_t b) {
    return a << 6 | b;
}

struct SetShape {
    const char* name;
    std::uint32_t type;
    std::uint32_t size;  // of the key in bytes
    bool counted = false;
};

constexpr SetShape kSets[] = {
    {"anyward", kIfName, 16},
    {"back4_24", pair(kIp4, kIfName), 20},
    {"back6_64", pair(kIp6, kIfName), 32},
    {"hairpin", pair(kIfName, kIfName), 32},
    {"hostward", kIfName, 16},
    {"inside", kIfName, 16},
    {"masq4_24", kIp4, 4, true},
    {"masq6_64", kIp6, 16, true},
    {"outward", kIfName, 16},
    {"reach", pair(kIfName, kIfName), 32},
};

// Tells nft(8) in which order the bytes of a set's keys are: NFTNL_UDATA_SET_KEYBYTEORDER.
std::vector<std::uint8_t> byte_order_data(std::uint32_t type) {
    const std::uint8_t order = type > kIfName    ? 0
                               : type == kIfName ? 1
                                                 : 2;  // none for pairs, host's, network's
    return {0, sizeof(std::uint32_t), order, 0, 0, 0};
}

// A list of attributes is 16 bits long; an element takes 100 bytes at most.
constexpr int kElementsAMessage = 500;

using Key = std::vector<std::uint8_t>;

Key name_key(const std::string& name) {
    Key key(name.begin(), name.end());
    key.resize(16);
    return key;
}

Key operator+(Key a, const Key& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

template <std::size_t N>
Key ip_key(const std::array<std::uint8_t, N>& ip) {
    return {ip.begin(), ip.end()};
}

Key key_of(const Partition& p, std::string_view set) {
    const Key name = name_key(p.host_end());
    if (set == "hairpin") {
        return name + name;
    }
    if (set == "masq4_24") {
        return ip_key(p.v4(0));
    }
    if (set == "back4_24") {
        return ip_key(p.v4(0)) + name;
    }
    if (set == "masq6_64") {
        return ip_key(p.v6(0));
    }
    return set == "back6_64" ? ip_key(p.v6(0)) + name : name;
}

bool of_nat(std::string_view set) {
    return set.starts_with("masq") || set.starts_with("back");
}

void add_set(Messages& m, const SetShape& shape, std::uint32_t id) {
    begin_nft(m, NFT_MSG_NEWSET, NLM_F_CREATE);
    m.text(NFTA_SET_TABLE, kTable).text(NFTA_SET_NAME, shape.name).big(NFTA_SET_KEY_TYPE, shape.type);
    m.big(NFTA_SET_KEY_LEN, shape.size).big(NFTA_SET_ID, id);
    m.attribute(NFTA_SET_USERDATA, byte_order_data(shape.type));
    if (shape.counted) {
        m.open(NFTA_SET_EXPR, true).text(NFTA_EXPR_NAME, "counter").close();
    }
    m.end();
}

// Adds one partition's element to one set.
void add_element(Messages& m, const Partition& p, std::string_view set, bool commented) {
    m.open(NFTA_LIST_ELEM, true);
    m.open(NFTA_SET_ELEM_KEY, true).attribute(NFTA_DATA_VALUE, key_of(p, set)).close();
    if (commented) {
        const std::string comment =
            of_nat(set) ? "partd nat " + p.name() + ": masquerade" : "partd gate " + p.name() + ": eth0";
        m.attribute(NFTA_SET_ELEM_USERDATA, comment_data(comment));
    }
    m.close();
}

void elements(Messages& m, std::uint16_t type, int first, int count) {
    const bool commented = type == NFT_MSG_NEWSETELEM;
    for (const SetShape& set : kSets) {
        if (set.name == std::string_view("reach") || set.name == std::string_view("anyward")) {
            continue;
        }
        for (int at = 0; at < count; at += kElementsAMessage) {
            begin_nft(m, type, commented ? NLM_F_CREATE : 0);
            m.text(NFTA_SET_ELEM_LIST_TABLE, kTable).text(NFTA_SET_ELEM_LIST_SET, set.name);
            m.open(NFTA_SET_ELEM_LIST_ELEMENTS, true);
            for (int i = at; i < std::min(count, at + kElementsAMessage); ++i) {
                add_element(m, Partition{first + i}, set.name, commented);
            }
            m.close().end();
        }
    }
}

void begin_transaction(Messages& m) {
    m.begin(NFNL_MSG_BATCH_BEGIN, 0)
        .head(nfgenmsg{
            .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES)})
        .end();
}

void commit(Socket& socket, Messages& m) {
    m.begin(NFNL_MSG_BATCH_END, 0)
        .head(nfgenmsg{
            .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES)})
        .end();
    socket.send(m, "nftables");
}

Socket nft_socket() {
    Socket socket(NETLINK_NETFILTER);
    socket.room(64 << 20);
    return socket;
}

std::size_t dump_of(Socket& socket, std::uint16_t type, const char* set = nullptr) {
    constexpr nfgenmsg kHeader{.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0, .res_id = 0};
    Messages attributes;
    if (type != NFT_MSG_GETTABLE && type != NFT_MSG_GETCHAIN) {
        attributes.text(NFTA_SET_ELEM_LIST_TABLE,
                        kTable);  // the same number as NFTA_RULE_TABLE and NFTA_SET_TABLE
    }
    if (set != nullptr) {
        attributes.text(NFTA_SET_ELEM_LIST_SET, set);
    }
    return socket.dump(static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type),
                       {reinterpret_cast<const std::uint8_t*>(&kHeader), sizeof kHeader}, &attributes);
}

}  // namespace

void write_table(int first, int count, bool anew) {
    Socket socket = nft_socket();
    Messages m;
    begin_transaction(m);
    if (anew) {
        add_table(m);
        std::uint32_t id = 0;
        for (const SetShape& set : kSets) {
            add_set(m, set, ++id);
        }
        add_rules(m);
    }
    elements(m, NFT_MSG_NEWSETELEM, first, count);
    commit(socket, m);
}

void delete_elements(int first, int count) {
    Socket socket = nft_socket();
    Messages m;
    begin_transaction(m);
    elements(m, NFT_MSG_DELSETELEM, first, count);
    commit(socket, m);
}

void delete_table() {
    Socket socket = nft_socket();
    Messages m;
    begin_transaction(m);
    begin_nft(m, NFT_MSG_DELTABLE, 0);
    m.text(NFTA_TABLE_NAME, kTable).end();
    commit(socket, m);
}

std::size_t dump_table() {
    Socket socket = nft_socket();
    std::size_t total = 0;
    for (const std::uint16_t type : {NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN, NFT_MSG_GETRULE, NFT_MSG_GETSET}) {
        total += dump_of(socket, type);
    }
    for (const SetShape& set : kSets) {
        total += dump_of(socket, NFT_MSG_GETSETELEM, set.name);
    }
    return total;
}

void try_elements(int times) {
    Socket socket = nft_socket();
    const Partition nobody{9999};
    std::vector<double> taken;
    for (int i = 0; i < 2 * times; ++i) {
        const bool adds = i % 2 == 0;
        Messages m;
        begin_transaction(m);
        begin_nft(m, adds ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, adds ? NLM_F_CREATE : 0);
        m.text(NFTA_SET_ELEM_LIST_TABLE, kTable).text(NFTA_SET_ELEM_LIST_SET, "masq4_24");
        m.open(NFTA_SET_ELEM_LIST_ELEMENTS, true);
        add_element(m, nobody, "masq4_24", adds);
        m.close().end();
        timespec before = {};
        timespec after = {};
        ::clock_gettime(CLOCK_MONOTONIC, &before);
        commit(socket, m);
        ::clock_gettime(CLOCK_MONOTONIC, &after);
        taken.push_back(static_cast<double>(after.tv_sec - before.tv_sec) * 1e6 +
                        static_cast<double>(after.tv_nsec - before.tv_nsec) / 1e3);
    }
    std::ranges::sort(taken);
    std::printf("%.1f\n", taken[taken.size() / 2]);
}

}  // namespace bench
