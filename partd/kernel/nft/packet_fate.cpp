// SPDX-License-Identifier: Apache-2.0
#include "kernel/nft/packet_fate.h"

#include "kernel/nft/packet_registers.h"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <functional>
#include <map>

namespace partd::kernel::nft {

namespace {

// Possible fates of the packets of a kind, as a bit set.
constexpr unsigned kAccept = 1;
constexpr unsigned kDrop = 2;
constexpr unsigned kUnclearAccept = 4;  // by a rule that cannot be judged
constexpr unsigned kTranslate = 8;
constexpr unsigned kTranslatePort = 16;  // by a rule that asks for the port

// `usual` is what becomes of those that no narrower rule meets: 0 when they go on behind the chain.
struct Outcome {
    unsigned usual = 0;
    unsigned possible = 0;
    bool goes_on = true;  // some go on behind the chain
    std::string where = {};
    std::string to = {};
};

// One packet on its way through the chains of one table.
class Way {
public:
    Way(const ForeignTable& table, const Packet& packet) : table_(table), packet_(packet) {}

    const Outcome& through(const std::string& chain);

private:
    struct Step {
        Match match = Match::Yes;
        bool asked_port = false;
        std::vector<std::pair<Match, Ends>> ends = {};
    };
    Step meet(const ForeignRule& rule);
    Match find(const Found& found, Registers& registers, std::vector<std::pair<Match, Ends>>& ends);
    [[nodiscard]] Match tracked(const Tracked& tracked) const;
    [[nodiscard]] Match ports(const Ports& ports) const;
    [[nodiscard]] Match to_types(const ToTypes& types) const;
    Outcome of_deed(const Ends& ends, const std::string& chain);
    // False when no packet goes on to the next rule.
    bool add(Outcome& sum, const Step& step, const std::string& chain);
    bool add(Outcome& sum, Match match, bool asked_port, const Ends& ends, const std::string& chain);

    const ForeignTable& table_;
    const Packet& packet_;
    std::map<std::string, Outcome, std::less<>> known_;
};

Match Way::tracked(const Tracked& tracked) const {
    Match match = tracked.other ? Match::Unclear : Match::Yes;
    if (tracked.states != 0) {
        // XT_CONNTRACK_STATE_BIT counts as NF_CT_STATE_BIT does.
        const bool state = (tracked.states & (packet_.stage == Stage::New ? 8U : 2U)) != 0;
        const bool holds = state || (tracked.translated && packet_.translated);
        match = both(match, match_if(holds != tracked.inverted_state));
    }
    if (tracked.status != 0) {
        match = both(match, Match::Unclear);
    }
    return match;
}

Match Way::ports(const Ports& ports) const {
    if (!packet_.to_ports) {
        return ports.other ? Match::Unclear : Match::Some;
    }
    Match any = Match::No;
    for (const auto& [first, last] : ports.to) {
        const Match one = in_ports(*packet_.to_ports, first, last);
        any = either(any, one);
    }
    any = ports.inverted ? inverted(any) : any;
    return ports.other ? both(any, Match::Some) : any;
}

Match Way::to_types(const ToTypes& types) const {
    const std::uint32_t type = 1U << (packet_.to_host ? RTN_LOCAL : RTN_UNICAST);
    const Match match = match_if(((types.types & type) != 0) != types.inverted);
    return types.other ? both(match, Match::Unclear) : match;
}

// In a set of intervals an element counts for all keys up to the next one; a key of ports may be several.
Match find_interval(const ForeignSet& set, const Found& found, Registers& registers,
                    const std::function<void(Match, const ForeignElement&)>& meet) {
    const auto& elements = set.elements;
    const std::size_t size = elements.front().key.size();
    if (const auto ports = registers.ports_at(found.reg, size)) {
        Match any = Match::No;
        for (std::size_t at = 0; at < elements.size(); ++at) {
            const std::uint16_t last = at + 1 < elements.size()
                                           ? static_cast<std::uint16_t>(port_at(elements[at + 1].key) - 1)
                                           : std::uint16_t{65535};
            const Match one =
                elements[at].end ? Match::No : in_ports(*ports, port_at(elements[at].key), last);
            any = either(any, one);
            meet(one, elements[at]);
        }
        return any;
    }
    if (const Match known = registers.known(found.reg, size); known != Match::Yes) {
        std::ranges::for_each(elements, [&](const ForeignElement& each) { meet(known, each); });
        return known;
    }
    const auto key = registers.bytes(found.reg, size);
    const auto next = std::ranges::upper_bound(elements, key, {}, &ForeignElement::key);
    if (next == elements.begin() || std::prev(next)->end) {
        return Match::No;
    }
    meet(Match::Yes, *std::prev(next));
    return Match::Yes;
}

Match find_key(const ForeignSet& set, const Found& found, Registers& registers,
               const std::function<void(Match, const ForeignElement&)>& meet) {
    const std::size_t size = set.elements.front().key.size();
    if (!registers.asks_port(found.reg, size) && registers.known(found.reg, size) == Match::Yes) {
        const auto key = registers.bytes(found.reg, size);
        const auto same = std::ranges::lower_bound(set.elements, key, {}, &ForeignElement::key);
        if (same == set.elements.end() || same->key != key) {
            return Match::No;
        }
        meet(Match::Yes, *same);
        return Match::Yes;
    }
    Match any = Match::No;
    for (const ForeignElement& element : set.elements) {
        const Match one = registers.is(found.reg, element.key);
        any = either(any, one);
        meet(one, element);
    }
    return any;
}

Match Way::find(const Found& found, Registers& registers, std::vector<std::pair<Match, Ends>>& ends) {
    const auto set = table_.sets.find(found.set);
    if (set == table_.sets.end() || set->second.unclear) {
        return Match::Unclear;
    }
    Match any = Match::No;
    if (!set->second.elements.empty()) {
        const auto meet = [&](Match match, const ForeignElement& element) {
            if (match != Match::No && element.decides) {
                ends.emplace_back(match, element.ends);
            }
        };
        any = set->second.interval ? find_interval(set->second, found, registers, meet)
                                   : find_key(set->second, found, registers, meet);
    }
    return found.inverted ? inverted(any) : any;
}

Way::Step Way::meet(const ForeignRule& rule) {
    Step step;
    Registers registers(packet_);
    for (const Term& term : rule) {
        if (const auto* load = std::get_if<Load>(&term)) {
            registers.load(*load);
        } else if (const auto* masked = std::get_if<Masked>(&term)) {
            registers.mask(*masked);
        } else if (const auto* compared = std::get_if<Compared>(&term)) {
            step.match = both(step.match, registers.compare(*compared));
        } else if (const auto* range = std::get_if<Between>(&term)) {
            step.match = both(step.match, registers.between(*range));
        } else if (const auto* found = std::get_if<Found>(&term)) {
            step.match = both(step.match, find(*found, registers, step.ends));
        } else if (const auto* state = std::get_if<Tracked>(&term)) {
            step.match = both(step.match, tracked(*state));
        } else if (const auto* asked = std::get_if<Ports>(&term)) {
            step.asked_port = true;
            step.match = both(step.match, ports(*asked));
        } else if (const auto* types = std::get_if<ToTypes>(&term)) {
            step.match = both(step.match, to_types(*types));
        } else if (const auto* ends = std::get_if<Ends>(&term)) {
            step.ends.emplace_back(Match::Yes, *ends);
        } else {
            step.match = both(step.match, Match::Unclear);
        }
        if (step.match == Match::No) {
            break;
        }
    }
    step.asked_port |= registers.asked_port;
    return step;
}

Outcome Way::of_deed(const Ends& ends, const std::string& chain) {
    switch (ends.deed) {
        case Deed::Accept:
            return {.usual = kAccept, .possible = kAccept, .goes_on = false};
        case Deed::Drop:
            return {.usual = kDrop, .possible = kDrop, .goes_on = false};
        case Deed::Translate:
            return {
                .usual = kTranslate, .possible = kTranslate, .goes_on = false, .where = chain, .to = ends.to};
        case Deed::Jump:
        case Deed::Goto:
            return ends.chain.empty() ? Outcome() : through(ends.chain);
        case Deed::Return:
            break;
    }
    return {};
}

bool Way::add(Outcome& sum, Match match, bool asked_port, const Ends& ends, const std::string& chain) {
    const Outcome one = of_deed(ends, chain);
    unsigned possible = one.possible;
    if (asked_port && (possible & kTranslate) != 0) {
        possible |= kTranslatePort;
    }
    if (match == Match::Unclear && (possible & kAccept) != 0) {
        possible |= kUnclearAccept;
    }
    // The first rule for the port counts, before that the first one at all.
    const bool first_for_port = (possible & ~sum.possible & kTranslatePort) != 0;
    if (first_for_port || sum.where.empty()) {
        sum.where = one.where;
        sum.to = one.to;
    }
    sum.possible |= possible;
    if (match != Match::Yes) {
        return true;
    }
    const bool ends_here = ends.deed == Deed::Return || ends.deed == Deed::Goto;
    if (sum.usual == 0) {
        sum.usual = one.usual;
    }
    sum.goes_on = sum.goes_on && (one.goes_on || ends_here);
    return one.goes_on && !ends_here;
}

bool Way::add(Outcome& sum, const Step& step, const std::string& chain) {
    bool more = true;
    for (const auto& [match, ends] : step.ends) {
        more = more && add(sum, both(step.match, match), step.asked_port, ends, chain);
    }
    return more;
}

const Outcome& Way::through(const std::string& chain) {
    if (const auto known = known_.find(chain); known != known_.end()) {
        return known->second;
    }
    known_[chain];  // the kernel lets no chain lead back to itself; what does all the same goes on
    Outcome sum;
    const auto found = table_.chains.find(chain);
    if (found != table_.chains.end()) {
        for (const ForeignRule& rule : found->second.rules) {
            const Step step = meet(rule);
            if (step.match != Match::No && !add(sum, step, chain)) {
                break;
            }
        }
    }
    return known_[chain] = std::move(sum);
}

}  // namespace

Fate fate_of(const ForeignTable& table, const std::string& chain, const Packet& packet) {
    const auto base = table.chains.find(chain);
    if (base == table.chains.end()) {
        return {};
    }
    Way way(table, packet);
    const Outcome& outcome = way.through(chain);
    const bool drops = outcome.usual == kDrop || (outcome.usual == 0 && base->second.policy_drops);
    return {.drops = drops,
            .unclear = drops && (outcome.possible & kUnclearAccept) != 0,
            .translates = (outcome.possible & kTranslatePort) != 0,
            .where = outcome.where,
            .to = outcome.to};
}

}  // namespace partd::kernel::nft
