// SPDX-License-Identifier: Apache-2.0
#include "doctor/policy_cautions.h"

#include "kinds/link/interfaces.h"
#include "kinds/partition.h"

#include <netinet/in.h>

#include <algorithm>
#include <map>
#include <span>

#include <fmt/format.h>

namespace partd {

namespace {

// The links of a partition to the host, and the families of their addresses.
struct Ends {
    std::size_t links = 0;
    std::size_t addresses = 0;
    bool v4 = false;
    bool v6 = false;

    [[nodiscard]] bool has(bool ipv6) const { return addresses == 0 || (ipv6 ? v6 : v4); }
};

Ends ends_of(const Declared& declared, const std::string& partition) {
    Ends ends;
    for (const Interface& interface : all_interfaces(declared, partition)) {
        if (!interface.host_end) {
            continue;
        }
        ++ends.links;
        ends.addresses += interface.addresses.size();
        for (const auto& address : interface.addresses) {
            (address.value.ip.v6() ? ends.v6 : ends.v4) = true;
        }
    }
    return ends;
}

constexpr const char* family_name(bool v6) {
    return v6 ? "IPv6" : "IPv4";
}

// One list of a partition.
class List {
public:
    List(const DeclaredObject& partition, std::string_view arrow, Ends ends, std::vector<WayLine> lines,
         std::vector<Caution>& all)
        : partition_(partition.owner), arrow_(arrow), ends_(ends), lines_(std::move(lines)), all_(all) {
        for (const WayLine& line : lines_) {
            by_far_[line.far].push_back(&line);
        }
    }

    void look() {
        if (ends_.links == 0 && arrow_ == kAdmitArrow) {
            return;  // an error
        }
        if (ends_.links == 0 && !lines_.empty()) {
            add(lines_.front(),
                fmt::format("{}, but {} has no link to the host", name(lines_.front()), partition_),
                "the gate stands there, and the entry lets nothing pass",
                "give it a link to the host, or say it at the partition whose network it shares");
            return;
        }
        for (const WayLine& line : lines_) {
            look_at_family(line);
            look_at_self(line);
            look_at_others(line);
        }
    }

private:
    [[nodiscard]] std::string name(const WayLine& line) const {
        return fmt::format("{} {} {}", partition_, arrow_, line.text());
    }
    void add(const WayLine& line, std::string what, std::string why, std::string fix,
             const Source& other = {}) {
        all_.push_back({.partition = partition_,
                        .at = line.at,
                        .what = std::move(what),
                        .why = std::move(why),
                        .fix = std::move(fix),
                        .other = other,
                        .note = other ? "the other entry" : ""});
    }

    void look_at_family(const WayLine& line) {
        const bool prefix = line.far.what == Far::What::Prefix;
        const bool v6 = line.far.prefix.ip.v6();
        const std::uint8_t protocol = line.match == nullptr ? std::uint8_t{0} : line.match->protocol;
        if (prefix && protocol == (v6 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6})) {
            add(line, name(line),
                fmt::format("{} is of {}, and {} of {}: no packet is both", line.match->text(),
                            family_name(!v6), line.far.text(), family_name(v6)),
                fmt::format("write \"{}\"", v6 ? "icmpv6" : "icmp"));
        } else if (prefix && !ends_.has(v6)) {
            add(line, fmt::format("{}, but {} has no address of {}", name(line), partition_, family_name(v6)),
                "the entry lets nothing pass", "give its link to the host one, or leave the entry out");
        } else if (prefix && (line.far.prefix.ip.is_loopback() && line.far.prefix.length > 0)) {
            add(line, name(line),
                "everybody has that address itself: no packet to or from it passes the host",
                "name the address by which the other side is reached");
        }
    }

    void look_at_self(const WayLine& line) {
        if (line.far.what == Far::What::Host && arrow_ == kAdmitArrow) {
            add(line, name(line),
                "the host may always open connections to a partition: the entry lets nobody else in, and "
                "keeps "
                "no port closed",
                "leave it out");
        } else if (line.far.what == Far::What::Partition && line.far.partition == partition_ &&
                   ends_.links == 1) {
            add(line, name(line), "what a partition sends to itself does not pass the host", "leave it out");
        }
    }

    // One that says less than another, or the same as one before.
    void look_at_others(const WayLine& line) {
        const WayLine* other = covering(line);
        if (other != nullptr) {
            add(line, name(line),
                fmt::format("{} lets all of that pass: the entry changes nothing", name(*other)),
                "leave one of them out", other->at);
        }
    }

    [[nodiscard]] const WayLine* covering(const WayLine& line) const {
        const WayLine* other = covering(line, {.what = Far::What::Any});
        other = other == nullptr ? covering(line, line.far) : other;
        const Prefix& prefix = line.far.prefix;
        for (unsigned length = 0;
             line.far.what == Far::What::Prefix && other == nullptr && length < prefix.length; ++length) {
            other = covering(line, {.what = Far::What::Prefix,
                                    .prefix = {prefix.ip.masked(length), static_cast<std::uint8_t>(length)}});
        }
        return other;
    }

    // Among those with that other side; of very many, the first ones.
    [[nodiscard]] const WayLine* covering(const WayLine& line, const Far& far) const {
        constexpr std::size_t kMost = 500;
        const auto found = by_far_.find(far);
        if (found == by_far_.end()) {
            return nullptr;
        }
        const auto some = std::span(found->second).first(std::min(found->second.size(), kMost));
        const auto other = std::ranges::find_if(some, [&](const WayLine* each) {
            return each != &line && each->covers(line) && (each < &line || !line.covers(*each));
        });
        return other == some.end() ? nullptr : *other;
    }

    static constexpr std::string_view kAdmitArrow = "←";

    std::string partition_;
    std::string_view arrow_;
    Ends ends_;
    std::vector<WayLine> lines_;
    std::map<Far, std::vector<const WayLine*>> by_far_ = {};
    std::vector<Caution>& all_;
};

}  // namespace

void look_at_policies(const Declared& declared, std::vector<Caution>& all) {
    for (const DeclaredObject* object : declared.all<Partition>()) {
        const auto& partition = object->spec.as<Partition>();
        const bool reaches = partition.reach && !partition.reach->empty();
        if (!reaches && partition.admit.empty()) {
            continue;
        }
        const Ends ends = ends_of(declared, object->owner);
        if (reaches) {
            List(*object, "→", ends, lines_of(*partition.reach), all).look();
        }
        List(*object, "←", ends, lines_of(partition.admit), all).look();
    }
}

}  // namespace partd
