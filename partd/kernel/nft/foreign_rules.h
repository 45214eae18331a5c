// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace partd::kernel::nft {

// The rules of other programs in nftables (also iptables-nft's), as far as they can be judged. They are read
// and never changed.

// A value of the packet that a rule loads.
enum class Holds : std::uint8_t {
    Other,  // not known here: marks, times, sets of ipset …
    InName,
    OutName,
    InIndex,
    OutIndex,
    Family,
    Protocol,
    State,      // of the connection (NF_CT_STATE_BIT)
    Status,     // IPS_DST_NAT and the like
    Network,    // bytes of the IP header
    Transport,  // bytes of the TCP or UDP header
    ToType,     // of the destination address (RTN_LOCAL …)
};

// Registers are counted in words of four bytes.
struct Load {
    Holds what = Holds::Other;
    unsigned reg = 0;
    std::uint32_t offset = 0;  // of Network and Transport
    std::uint32_t size = 4;
};
struct Masked {
    unsigned from = 0;
    unsigned to = 0;
    std::vector<std::uint8_t> mask;
    std::vector<std::uint8_t> flip;
};
struct Compared {
    unsigned reg = 0;
    std::uint32_t op = 0;  // NFT_CMP_EQ …
    std::vector<std::uint8_t> with;
};
struct Between {
    unsigned reg = 0;
    bool inverted = false;
    std::vector<std::uint8_t> from;
    std::vector<std::uint8_t> to;
};
struct Found {
    std::string set;
    unsigned reg = 0;
    bool inverted = false;
    bool verdicts = false;  // the element says what happens to the packet
};
// iptables' conntrack match; `states` and `status` are 0 when they are not asked for.
struct Tracked {
    std::uint32_t states = 0;
    std::uint32_t status = 0;
    bool inverted_state = false;
    bool translated = false;  // --ctstate DNAT
    bool other = false;       // also asks what is not known here
};
// iptables' tcp, udp and multiport matches.
struct Ports {
    std::vector<std::pair<std::uint16_t, std::uint16_t>> to;  // any of these
    bool inverted = false;
    bool other = false;
};
// iptables' addrtype match.
struct ToTypes {
    std::uint32_t types = 0;  // bit RTN_LOCAL …
    bool inverted = false;
    bool other = false;
};
// A condition that cannot be judged.
struct Unclear {};
// The effect of a rule on the packet.
enum class Deed : std::uint8_t { Accept, Drop, Jump, Goto, Return, Translate };
struct Ends {
    Deed deed = Deed::Accept;
    std::string chain;  // of Jump and Goto
    std::string to;     // of Translate, as text; "" when it is not known
};

using Term = std::variant<Load, Masked, Compared, Between, Found, Tracked, Ports, ToTypes, Unclear, Ends>;
using ForeignRule = std::vector<Term>;

struct ForeignElement {
    std::vector<std::uint8_t> key;
    bool end = false;  // the first key behind an interval
    bool decides = false;
    Ends ends = {};
};
struct ForeignSet {
    bool interval = false;
    bool unclear = false;                  // intervals of several fields, or more elements than are read
    std::vector<ForeignElement> elements;  // sorted by key
};

struct ForeignChain {
    bool base = false;
    std::string type;  // "filter", "nat"
    std::uint32_t hook = 0;
    std::int32_t priority = 0;
    bool policy_drops = false;
    std::vector<ForeignRule> rules;
};

// True if the chain sees every packet that the host forwards; if it may give connections from outside another
// destination.
bool filters_forwarded(const ForeignChain& chain);
bool translates_destinations(const ForeignChain& chain);

struct ForeignTable {
    std::string family;  // "ip", "ip6", "inet"
    std::string name;
    std::map<std::string, ForeignChain> chains;
    std::map<std::string, ForeignSet> sets;
};

// The tables of the caller's network namespace that filter forwarded packets or translate destinations,
// but for `inet` tables of the name `own`. Cost: a dump of all rules, and of the sets that rules ask. More
// rules than `most` are E2BIG.
Result<std::vector<ForeignTable>> foreign_tables(const std::string& own,
                                                 std::size_t most = std::numeric_limits<std::size_t>::max());

// The tables of partd's own network namespace, remembered until nftables change there.
class ForeignTables {
public:
    using Listed = std::shared_ptr<const std::vector<ForeignTable>>;

    // All but `inet` tables of the name `own`. More rules than take a moment to read and judge are E2BIG.
    Result<Listed> list(const std::string& own);

private:
    struct Remembered {
        std::uint32_t generation = 0;
        Result<Listed> tables = {};
    };
    std::optional<Remembered> remembered_;
};

}  // namespace partd::kernel::nft
