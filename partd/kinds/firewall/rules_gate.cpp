// SPDX-License-Identifier: Apache-2.0
#include "kinds/firewall/steps.h"
#include "kinds/policy/gate_set.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <initializer_list>

namespace partd::nat {

using namespace kernel::nft;

namespace {

using Far = GateSet::Far;
using Side = GateSet::Side;

constexpr unsigned kBehindInterface = 4;  // an interface's name fills four registers

// The two sides of a packet's connection: an answer has them exchanged.
struct Sides {
    std::uint32_t from;  // NFT_META_* of the interface of who opened it
    std::uint32_t to;
    bool answer;
};
constexpr Sides kThere = {NFT_META_IIFNAME, NFT_META_OIFNAME, false};
constexpr Sides kBack = {NFT_META_OIFNAME, NFT_META_IIFNAME, true};

Steps load_prefix(const GateSet& set, const Sides& sides) {
    // A reach is limited by its destination, an admit by its source.
    const bool source = (set.side == Side::Admit) != sides.answer;
    const std::vector<std::uint8_t> ones(set.v6 ? 16 : 4, 0xff);
    const auto mask = Ip(ones).masked(set.length);
    return (source ? load_source(set.v6, kBehindInterface) : load_destination(set.v6, kBehindInterface)) +
           Steps{Mask{kBehindInterface, {mask.bytes().begin(), mask.bytes().end()}}};
}

// The port of who was asked: where the connection leads to.
Steps load_block(const GateSet& set, unsigned reg, const Sides& sides) {
    Steps steps = {LoadMeta{NFT_META_L4PROTO, reg}};
    if (*set.ports > 0) {
        const unsigned mask = 0xffff0000U >> *set.ports;
        steps.emplace_back(LoadTransport{sides.answer ? 0U : 2U, 2, reg + 1});
        steps.emplace_back(Mask{
            reg + 1, {static_cast<std::uint8_t>(mask >> 8 & 0xff), static_cast<std::uint8_t>(mask & 0xff)}});
    }
    return steps;
}

Steps is_allowed(const GateSet& set, const Sides& sides) {
    const bool reach = set.side == Side::Reach;
    Steps steps = set.far == Far::Prefix ? family_is(set.v6) : Steps();
    steps.emplace_back(LoadMeta{reach ? sides.from : sides.to, 0});
    unsigned reg = kBehindInterface;
    if (set.has_pair()) {
        steps.emplace_back(LoadMeta{reach ? sides.to : sides.from, reg});
        reg += kBehindInterface;
    } else if (set.far == Far::Prefix) {
        steps = steps + load_prefix(set, sides);
        reg += width(set.v6);
    }
    if (set.ports) {
        steps = steps + load_block(set, reg, sides);
    }
    steps.emplace_back(Lookup{set.name(), 0});
    return steps;
}

// Which sets a chain asks: of those in use, and of those that are always there with a word for the comment.
class Asker {
public:
    Asker(std::vector<Rule>& rules, const std::set<std::string>& names) : rules_(rules) {
        for (const std::string& name : names) {
            if (const auto set = GateSet::parse(name); set && !set->is_fixed()) {
                sets_.insert(*set);
            }
        }
    }

    void ask(const char* chain, const Sides& sides, const GateSet& which, const char* comment,
             const Steps& also = {}) {
        rules_.push_back({chain, comment, also + is_allowed(which, sides) + verdict(NF_ACCEPT)});
    }
    // Asks the sets that come and go, of that side with these others.
    void ask_all(const char* chain, const Sides& sides, Side side, std::initializer_list<Far> fars,
                 const Steps& also = {}) {
        for (const Far far : fars) {
            for (const GateSet& set : sets_) {
                if (set.side == side && set.far == far) {
                    rules_.push_back({chain, set.name(), also + is_allowed(set, sides) + verdict(NF_ACCEPT)});
                }
            }
        }
    }

private:
    std::vector<Rule>& rules_;
    std::set<GateSet> sets_;
};

constexpr GateSet fixed(Side side, Far far) {
    return {.side = side, .far = far};
}

// In one chain, for one direction: whom the partitions at both ends let pass, and then the outside's share,
// which no partition is.
void add_direction(Asker& asker, std::vector<Rule>& rules, const char* chain, const Sides& sides) {
    const Steps from_outside = sides.answer ? out_is_not_in(kInside) : in_is_not_in(kInside);
    const Steps to_inside = sides.answer ? in_is_in(kInside) : out_is_in(kInside);
    asker.ask(chain, sides, fixed(Side::Reach, Far::Partition), "declared reach");
    asker.ask(chain, sides, fixed(Side::Reach, Far::Any), "reach any");
    asker.ask_all(chain, sides, Side::Reach, {Far::Partition, Far::Any, Far::Prefix});
    asker.ask(chain, sides, fixed(Side::Admit, Far::Partition), "declared admit");
    asker.ask(chain, sides, fixed(Side::Admit, Far::Any), "admit any");
    asker.ask_all(chain, sides, Side::Admit, {Far::Partition, Far::Any, Far::Prefix});
    asker.ask(chain, sides, fixed(Side::Admit, Far::Outside), "admit outside", from_outside);
    asker.ask_all(chain, sides, Side::Admit, {Far::Outside}, from_outside);
    rules.push_back(
        {chain, sides.answer ? "from a partition" : "into a partition", to_inside + verdict(NF_DROP)});
    asker.ask(chain, sides, fixed(Side::Reach, Far::Outside), "reach outside");
    asker.ask_all(chain, sides, Side::Reach, {Far::Outside});
    rules.push_back({chain, sides.answer ? "of nothing declared" : "out of a partition", verdict(NF_DROP)});
}

// A port that somebody translates. One that leads into a partition is open to everybody that its forward lets
// in. One that leads elsewhere, as a container's does, is a service of the host: for partitions that reach
// the host; the rest is decided as if nobody had translated it.
void add_port_rules(Asker& asker, std::vector<Rule>& rules) {
    const auto into = is_original() + out_is_in(kInside);
    rules.push_back({kPorts, "into a partition", into + verdict(NF_ACCEPT)});
    rules.push_back({kPorts, "answers of a partition", is_answer() + in_is_in(kInside) + verdict(NF_ACCEPT)});
    asker.ask(kPorts, kThere, fixed(Side::Reach, Far::Host), "reach host", is_original());
    asker.ask(kPorts, kBack, fixed(Side::Reach, Far::Host), "answers of others", is_answer());
}

}  // namespace

// Between partitions, and to and from the outside: only what is declared. Each packet is asked for, and not
// only a connection's first one: what was declared once ends with its declaration. An answer may pass where
// the connection may.
void add_forward_rules(std::vector<Rule>& rules, const std::set<std::string>& sets) {
    Asker asker(rules, sets);
    rules.push_back({kForward, "of others", in_is_not_in(kInside) + out_is_not_in(kInside) + go_to(kOthers)});
    rules.push_back({kForward, "forwarded ports", was_forwarded() + jump(kPorts)});
    rules.push_back({kForward, "answers", is_established() + is_answer() + go_to(kAnswers)});
    rules.push_back({kForward, "about a connection", is_related() + verdict(NF_ACCEPT)});
    add_port_rules(asker, rules);
    add_direction(asker, rules, kForward, kThere);
    add_direction(asker, rules, kAnswers, kBack);
}

// Of the host's own services those that a partition may reach.
void add_host_rules(std::vector<Rule>& rules, const std::set<std::string>& sets) {
    Asker asker(rules, sets);
    asker.ask(kInput, kThere, fixed(Side::Reach, Far::Host), "reach host");
    asker.ask(kInput, kThere, fixed(Side::Reach, Far::Any), "reach any");
    asker.ask_all(kInput, kThere, Side::Reach, {Far::Host, Far::Any, Far::Prefix});
}

}  // namespace partd::nat
