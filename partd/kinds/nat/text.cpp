// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include "kinds/firewall/way.h"
#include "kinds/nat/layout.h"
#include "kinds/policy/gate_set.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd::nat {

namespace {

using kernel::nft::Element;

// A run of forwards whose ports count up together.
struct Run {
    ForwardElement first;
    std::uint16_t count = 1;
    std::string where;  // the other components of the key

    [[nodiscard]] bool goes_on_with(const ForwardElement& next, const std::string& next_where) const {
        return next.protocol == first.protocol && next.to.ip == first.to.ip && next_where == where &&
               next.port == first.port + count && next.to.port == first.to.port + count;
    }
    [[nodiscard]] std::string target() const {
        const std::string end = count == 1 ? "" : fmt::format("-{}", first.to.port + count - 1);
        return first.to.text() + end;
    }
    [[nodiscard]] std::string text() const {
        const auto last = static_cast<std::uint16_t>(first.port + count - 1);
        return fmt::format("{}{} → {}", where, PortRange{first.protocol, first.port, last}.text(), target());
    }
};

// Source and address of a forward's key, where they limit anything.
std::string where_of(const Element& element) {
    const auto set = PrefixSet::parse(element.set);
    const std::size_t size = set->v6 ? 16 : 4;
    const std::span<const std::uint8_t> key(element.key);
    std::string text;
    if (set->length > 0) {
        text += fmt::format("from {}/{} ", Ip(key.first(size)).text(), set->length);
    }
    if (set->role == Role::ForwardTo) {
        text += fmt::format("at {} ", Ip(key.subspan(size, size)).text());
    }
    return text;
}

std::string interface_at(const Element& element, std::size_t at) {
    constexpr std::size_t kNameSize = 16;
    const auto name = std::span(element.key).subspan(at, kNameSize);
    return {name.begin(), std::ranges::find(name, 0)};
}

// The packets that an element of the gate is limited to: " tcp/5000-5007"; "" for every one. They stand at
// that place of the key.
std::string limit_text(const GateSet& set, std::span<const std::uint8_t> key, std::size_t at) {
    if (!set.ports) {
        return "";
    }
    Match match{.protocol = key[at]};
    if (*set.ports > 0) {
        match.first = static_cast<std::uint16_t>(key[at + 4] << 8 | key[at + 5]);
        match.last = PortBlock{match.first, *set.ports}.last();
    }
    return " " + match.text();
}

// Where an element lets its interface open connections to, or whom it lets in: "pv-web → outside tcp/443",
// "pv-web ← 10.0.0.0/8"; "" for one that says nothing of that.
std::string way_text(const Element& element) {
    const auto set = GateSet::parse(element.set);
    if (!set) {
        return "";
    }
    constexpr std::size_t kNameSize = 16;
    const std::span<const std::uint8_t> key(element.key);
    std::string far = set->far == GateSet::Far::Host  ? "host"
                      : set->far == GateSet::Far::Any ? "any"
                                                      : "outside";
    std::size_t at = kNameSize;
    if (set->has_pair()) {
        far = interface_at(element, at);
        at += kNameSize;
    } else if (set->far == GateSet::Far::Prefix) {
        const std::size_t size = set->v6 ? 16 : 4;
        far = Prefix{Ip(key.subspan(at, size)), set->length}.text();
        at += size;
    }
    return fmt::format("{} {} {}{}", interface_at(element, 0), set->side == GateSet::Side::Reach ? "→" : "←",
                       far, limit_text(*set, key, at));
}

// Of an interface that may go nowhere its name alone; "" for what only serves another element.
std::string gate_text(const Element& element, const std::set<Element>& all) {
    const auto leads_on = [&](const Element& other) {
        return fits(other) && !way_text(other).empty() && interface_at(other, 0) == interface_at(element, 0);
    };
    if (element.set == kInside && std::ranges::none_of(all, leads_on)) {
        return interface_at(element, 0);
    }
    return way_text(element);
}

std::string source_text(const Element& element, const PrefixSet& set) {
    const std::size_t size = set.v6 ? 16 : 4;
    std::string text = fmt::format("{}/{}", Ip(std::span(element.key).first(size)).text(), set.length);
    if (set.role == Role::MasqueradeOut || set.role == Role::SnatOut) {
        text += " by " + interface_at(element, size);
    }
    if (!element.data.empty()) {
        text += " as " + Ip(std::span(element.data).first(size)).text();
    }
    return set.role == Role::Back ? "" : text;
}

}  // namespace

namespace {

// The forwards among these; of other elements, what they say each.
struct Said {
    std::vector<Run> runs;
    std::vector<std::string> others;
};

Said said_by(const std::set<Element>& elements) {
    Said said;
    for (const Element& element : elements) {
        if (!fits(element)) {
            said.others.push_back(element_text(element));
            continue;
        }
        if (const auto forward = forward_of(element)) {
            const std::string where = where_of(element);
            if (!said.runs.empty() && said.runs.back().goes_on_with(*forward, where)) {
                ++said.runs.back().count;
            } else {
                said.runs.push_back({*forward, 1, where});
            }
            continue;
        }
        const auto set = PrefixSet::parse(element.set);
        if (std::string text = set ? source_text(element, *set) : gate_text(element, elements);
            !text.empty()) {
            said.others.push_back(std::move(text));
        }
    }
    return said;
}

}  // namespace

std::string elements_text(const std::set<Element>& elements) {
    const Said said = said_by(elements);
    std::vector<std::string> texts;
    std::ranges::transform(said.runs, std::back_inserter(texts), &Run::text);
    texts.insert(texts.end(), said.others.begin(), said.others.end());
    return texts.empty() ? "nothing" : join(texts, ", ");
}

std::string targets_text(const std::set<Element>& elements) {
    const Said said = said_by(elements);
    const auto elsewhere = [&](const Run& run) { return run.target() != said.runs.front().target(); };
    return said.runs.empty() || !said.others.empty() || std::ranges::any_of(said.runs, elsewhere)
               ? elements_text(elements)
               : said.runs.front().target();
}

}  // namespace partd::nat
