// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <variant>
#include <vector>

struct mnl_socket;

namespace partd::kernel::nft {

// A component of a set's key or data; several stand side by side, each on a multiple of four bytes.
enum class Part : std::uint8_t { Ip4, Ip6, IfName, Protocol, Port, Family };
// Bytes of a component in a key.
std::size_t part_size(Part part);

// A hash set or, with data, a map.
struct Set {
    std::string name;
    std::vector<Part> key;
    std::vector<Part> data;
    bool counter = false;  // every element counts packets and bytes

    [[nodiscard]] std::size_t key_size() const;
};

// One element, as bytes in the layout of its set.
struct Element {
    std::string set;
    std::vector<std::uint8_t> key;
    std::vector<std::uint8_t> data;
    auto operator<=>(const Element&) const = default;
};

// An element that the kernel has.
struct StoredElement {
    Element element;
    std::string comment;
    std::uint64_t packets = 0;
};

// The steps of a rule. Registers are counted in units of four bytes from 0 (NFT_REG32_00).
struct LoadMeta {
    std::uint32_t key;
    unsigned reg;
};  // NFT_META_*
struct SetMeta {
    std::uint32_t key;
    unsigned reg;
};
struct LoadCt {
    std::uint32_t key;
    unsigned reg;
    std::optional<std::uint8_t> direction = {};  // IP_CT_DIR_*, for keys of one direction of a connection
};  // NFT_CT_*
struct LoadNetwork {
    std::uint32_t offset;
    std::uint32_t length;
    unsigned reg;
};  // bytes of the IP header
struct LoadTransport {
    std::uint32_t offset;
    std::uint32_t length;
    unsigned reg;
};  // bytes of the TCP or UDP header
struct LoadLocalDestination {
    unsigned reg;
    bool here = false;  // RTN_LOCAL only for addresses of the interface by which the packet came
};  // the type of the destination address by the routing table (RTN_*)
struct LoadLocalSource {
    unsigned reg;
};  // that of the source address
struct LoadWayBack {
    unsigned reg;
};  // the index of the interface by which the packet came, where the host's routes lead to its source by that
    // one; else 0
struct LoadConstant {
    unsigned reg;
    std::vector<std::uint8_t> value;
};
struct Mask {
    unsigned reg;
    std::vector<std::uint8_t> mask;
};
struct Compare {
    unsigned reg;
    std::vector<std::uint8_t> value;
    bool equal = true;
};
struct Lookup {
    std::string set;
    unsigned reg;
    bool inverted = false;
    std::optional<unsigned> into = {};
};
struct Verdict {
    std::int32_t verdict;
    std::string chain = {};
};  // NF_ACCEPT, NF_DROP, NFT_JUMP
struct Dnat {
    bool v6;
    unsigned address;
    unsigned port;
};
// Registers of the first and the last port (or ICMP identifier) that a source may get.
struct NatPorts {
    unsigned first;
    unsigned last;
};
struct Snat {
    bool v6;
    unsigned address;
    NatPorts ports;
};
struct Masquerade {
    std::optional<NatPorts> ports = {};  // nullopt: any, the packet's own if it is free
};
using Step =
    std::variant<LoadMeta, SetMeta, LoadCt, LoadNetwork, LoadTransport, LoadLocalDestination, LoadLocalSource,
                 LoadWayBack, LoadConstant, Mask, Compare, Lookup, Verdict, Dnat, Snat, Masquerade>;

struct Rule {
    std::string chain;
    std::string comment;  // unique in its chain: a rule is recognised by it
    std::vector<Step> steps;
};

struct Chain {
    std::string name;
    std::string type = {};   // "filter", "nat"; "" for one that is only jumped to
    std::uint32_t hook = 0;  // NF_INET_*
    std::int32_t priority = 0;
};

// The present content of a table.
struct TableView {
    std::string comment;
    bool dormant = false;
    std::set<std::string> chains;
    std::set<std::string> sets;
    struct StoredRule {
        std::string chain;
        std::string comment;
        std::uint64_t handle = 0;
    };
    std::vector<StoredRule> rules;  // chain by chain, in order
};

// Changes of one table of family inet that the kernel takes as a whole or not at all (one nfnetlink batch).
// Each step belongs to the change that `tag` names, so that a refusal can be told apart.
class Transaction {
public:
    explicit Transaction(std::string table) : table_(std::move(table)) {}

    void add_table(std::size_t tag, const std::string& comment);
    // Ends that a table is dormant.
    void wake_table(std::size_t tag);
    void remove_table(std::size_t tag);
    void add_chain(std::size_t tag, const Chain& chain);
    void remove_chain(std::size_t tag, const std::string& name);
    void add_set(std::size_t tag, const Set& set);
    void remove_set(std::size_t tag, const std::string& name);
    void add_rule(std::size_t tag, const Rule& rule);
    void remove_rule(std::size_t tag, const std::string& chain, std::uint64_t handle);
    void add_element(std::size_t tag, const Element& element, const std::string& comment);
    // Comes before all other steps: a key may leave one element and stand in another in the same transaction.
    void remove_element(std::size_t tag, const Element& element);

    [[nodiscard]] bool empty() const;
    [[nodiscard]] std::size_t size() const;
    // The change that the first step belongs to. Not for an empty one.
    [[nodiscard]] std::size_t first_tag() const;
    // Takes out all steps of one change.
    void drop(std::size_t tag);

private:
    friend class Nftables;
    struct Request {
        std::size_t tag = 0;
        std::vector<std::uint8_t> message;  // without its sequence number
    };
    std::string table_;
    std::vector<Request> steps_;
    std::vector<Request> removals_;
};

// The nftables of the network namespace in which it was opened (nfnetlink, libnftnl).
class Nftables {
public:
    static Result<Nftables> open();

    // nullopt when there is no such table. Remembers which one it was.
    Result<std::optional<TableView>> look(const std::string& name);
    // The set's elements whose comment satisfies `keep`; all if `keep` is empty.
    using Keep = std::function<bool(const std::string& comment)>;
    Result<std::vector<StoredElement>> elements(const std::string& table, const std::string& name,
                                                const Keep& keep = {});
    // Sends all, for the very table that the last look() saw: where the name stands for another one by now,
    // it is refused with ENOENT. On refusal nothing is changed, and `tag` is that of the step at fault, with
    // the kernel's word for it.
    struct Refusal {
        std::size_t tag = 0;
        Error error;
    };
    std::optional<Refusal> commit(const Transaction& transaction);
    // That of its socket, which stands in the events of what it did (netlink(7), nlmsg_pid).
    [[nodiscard]] std::uint32_t port() const;

private:
    struct CloseSocket {
        void operator()(mnl_socket* socket) const;
    };
    explicit Nftables(mnl_socket* socket) : socket_(socket) {}
    // The number of the ruleset's last change, which a batch may name as the one that it follows.
    Result<std::uint32_t> generation();
    // The kernel's number for the table of that name, never used again; 0 when there is none.
    Result<std::uint64_t> handle_of(const std::string& table);
    std::optional<Refusal> send(const Transaction& transaction, std::uint32_t generation);

    std::unique_ptr<mnl_socket, CloseSocket> socket_;
    std::uint64_t seen_ = 0;  // the table of the last look, as handle_of() has it
    std::uint32_t sequence_ = 1;
};

}  // namespace partd::kernel::nft
