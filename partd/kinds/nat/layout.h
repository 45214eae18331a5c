// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/values.h"
#include "kernel/netlink/conntrack.h"
#include "kernel/nft/nftables.h"

#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace partd::nat {

// The one table on the host, `inet partd`: fixed chains and rules; partitions are elements of its sets and
// maps. A packet's way costs the same with one partition and with a thousand.
inline constexpr char kTableName[] = "partd";
inline constexpr char kTableComment[] = "partd";

// Sets that are always there, keyed by names of the host's ends of links.
inline constexpr char kInside[] = "inside";  // every host end
inline constexpr char kReach[] = "reach";    // pairs: connections from the first to the second may be opened
inline constexpr char kOutward[] = "outward";    // may open connections to other than partitions
inline constexpr char kHostward[] = "hostward";  // may open connections to the host itself
inline constexpr char kAnyward[] = "anyward";    // may open connections to everything
inline constexpr char kAdmit[] = "admit";        // pairs: the second admits connections from the first
inline constexpr char kInward[] = "inward";      // admit connections from other than partitions
inline constexpr char kAnyone[] = "anyone";      // admit connections from everybody
inline constexpr char kHairpin[] = "hairpin";    // pairs of an interface with itself
inline constexpr char kGuarded[] = "guarded";    // families that the host forwards because of partd alone
inline constexpr char kUplinks[] = "uplinks";    // links of the host's to the outside, besides network cards
inline constexpr char kRouters[] = "routers";    // links that forwarded before partd had the host forward
inline constexpr char kTurned[] = "turned";      // pairs of an uplink with itself

// Sets that are there when somebody needs them: one for each family and prefix length, so that a hash of the
// masked source finds the element.
enum class Role : std::uint8_t {
    Masquerade,     // source
    MasqueradeOut,  // source . interface
    Back,           // source . interface: the partition's own, by which nothing is masqueraded
    Snat,           // source → address
    SnatOut,        // source . interface → address
    Forward,        // source . protocol . port → address . port, at every local address
    ForwardTo,      // source . destination . protocol . port → address . port
};
struct PrefixSet {
    Role role = Role::Masquerade;
    bool v6 = false;
    std::uint8_t length = 0;

    // "masq4_24".
    [[nodiscard]] std::string name() const;
    static std::optional<PrefixSet> parse(std::string_view name);
    auto operator<=>(const PrefixSet&) const = default;
};

// The shape of a set by its name; nullopt for a name that is not of this layout.
std::optional<kernel::nft::Set> set_of(std::string_view name);
// All chains.
std::span<const kernel::nft::Chain> chains();
// All rules with these sets in use, in order.
std::vector<kernel::nft::Rule> rules(const std::set<std::string>& sets);
// The names of the sets that are always there.
std::vector<std::string> fixed_sets();
// True for the name of a set that comes with its first element. Rules that ask one have its name as comment.
bool comes_and_goes(std::string_view set);

// Builds a key or data of a set, component by component.
class Bytes {
public:
    Bytes& ip(const Ip& ip);
    Bytes& interface(std::string_view name);
    Bytes& protocol(Protocol protocol);
    Bytes& port(std::uint16_t port);
    [[nodiscard]] std::vector<std::uint8_t> done();

private:
    void pad();
    std::vector<std::uint8_t> bytes_;
    std::size_t components_ = 0;
};

// True if key and data have the lengths that the set of that name needs; a set that somebody else made may
// have another type.
bool fits(const kernel::nft::Element& element);

// An element as a reader of nft(8) would expect it: "10.1.1.0 . tcp . 8080 : 10.1.1.1 . 80".
std::string element_text(const kernel::nft::Element& element);

// Elements for a reader who does not know the sets: "tcp/8080-8089 → 10.1.1.1:80-89", "pv-web → outside".
std::string elements_text(const std::set<kernel::nft::Element>& elements);

// Where the elements of one forward lead: "10.1.1.1:80-89"; all of elements_text() where they say more.
std::string targets_text(const std::set<kernel::nft::Element>& elements);

// The forward that an element stands for; nullopt for elements of other sets.
struct ForwardElement {
    Protocol protocol = Protocol::Tcp;
    std::uint16_t port = 0;
    Endpoint to;
};
std::optional<ForwardElement> forward_of(const kernel::nft::Element& element);

// The interface that an element's key begins with; "" for elements of other sets.
std::string interface_of(const kernel::nft::Element& element);

// The translations of flows by the elements `added`. The Back elements in `all` give the interfaces by which
// a source is not translated.
std::set<kernel::Translation> translations_of(const std::set<kernel::nft::Element>& added,
                                              const std::set<kernel::nft::Element>& all);

}  // namespace partd::nat
