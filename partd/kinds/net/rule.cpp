// SPDX-License-Identifier: Apache-2.0
#include "kinds/net/rule.h"

#include "kinds/marks.h"
#include "kinds/namespace/netns.h"
#include "kinds/partition.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <fmt/format.h>

namespace partd {

namespace {

using kernel::Message;

constexpr Field kFields[] = {
    field<&Rule::netns>("netns", "the namespace", {.role = Role::Identity, .live = true}),
    field<&Rule::from>("from", "source of the packets", {.role = Role::Identity}),
    field<&Rule::to>("to", "destination of the packets", {.role = Role::Identity}),
    field<&Rule::iif>("iif", "interface by which the packets come in", {.role = Role::Identity}),
    field<&Rule::oif>("oif", "interface to which the sending socket is bound", {.role = Role::Identity}),
    field<&Rule::fwmark>("fwmark", "firewall mark of the packets",
                         {.role = Role::Identity, .min = 1, .max = 0xffffffffLL}),
    field<&Rule::priority>("priority", "priority; rules with lower values come first",
                           {.role = Role::Identity,
                            .min = 1,
                            .max = 32765,
                            .fallback = "1000 and its position among the partition's rules"}),
    field<&Rule::table_id>("table", "routing table to look up", {.role = Role::Identity, .fallback = "main"}),
    field<&Rule::mark>("mark", "partd's mark on it", {.role = Role::Replace, .live = true}),
};

constexpr Declaration kLanguage[] = {declaration<Rule>("partition.*.rule[]")};

Key rule_key(const Rule& rule) {
    std::string name = fmt::format("{} {}{}:", rule.netns, rule.v6 ? "IPv6 " : "", *rule.priority);
    const auto add = [&](std::string_view word, const std::string& text) {
        name += text.empty() ? "" : fmt::format(" {} {}", word, text);
    };
    add("from", rule.from ? rule.from->text() : "");
    add("to", rule.to ? rule.to->text() : "");
    add("iif", rule.iif.value_or(IfName()));
    add("oif", rule.oif.value_or(IfName()));
    add("fwmark", rule.fwmark ? fmt::format("{:#x}", *rule.fwmark) : "");
    add("table", table_text(rule.table_id->id));
    return {&kRule.kind, name};
}

// "0.0.0.0/0" says the family and no more: the kernel keeps and shows no such prefix.
void drop_whole_families(Rule& rule) {
    for (auto* prefix : {&rule.from, &rule.to}) {
        if (*prefix && (*prefix)->length == 0) {
            prefix->reset();
        }
    }
}

void expand(const Declared& declared, State& desired, Diagnostics& problems) {
    constexpr std::int64_t kFirst = 1000;
    std::map<std::string, std::int64_t> position;
    for (const DeclaredObject* object : declared.all<Rule>()) {
        Rule rule = object->spec.as<Rule>();
        rule.netns = object->owner;
        const std::int64_t fallback = kFirst + position[object->owner]++;
        rule.priority = rule.priority.value_or(fallback);
        rule.table_id = rule.table_id.value_or(RouteTable{});
        if (rule.from && rule.to && rule.from->ip.v6() != rule.to->ip.v6()) {
            problems.error(object->source, "a rule is IPv4 or IPv6: from and to must be of one family");
        }
        if (!rule.from && !rule.to && !rule.iif && !rule.oif && !rule.fwmark) {
            problems.error(object->source, "a rule needs from, to, iif, oif or fwmark");
        }
        if (!has_netns(declared, object->owner)) {
            problems.error(
                object->source,
                fmt::format("partition {} has no network namespace of its own for a rule", object->owner));
        }
        // Without an address a rule means both families.
        const bool both = !rule.from && !rule.to;
        rule.v6 = (rule.from && rule.from->ip.v6()) || (rule.to && rule.to->ip.v6());
        drop_whole_families(rule);
        for (int i = 0; i < (both ? 2 : 1); ++i) {
            const Key netns = netns_key(object->owner);
            Resource& added = desired.add({.key = rule_key(rule),
                                           .spec = Spec(rule),
                                           .owner = object->owner,
                                           .source = object->source,
                                           .depends_on = {netns},
                                           .contained_in = {netns}});
            if (added.source.text() != object->source.text()) {
                problems.error(object->source, fmt::format("{} is declared twice", added.key.text()),
                               added.source, "the other declaration");
            }
            rule.v6 = true;
        }
    }
}

std::optional<Prefix> read_prefix(const kernel::Attributes& attributes, std::uint16_t type,
                                  std::uint8_t length) {
    const auto ip = attributes.ip(type);
    return ip ? std::optional(Prefix{*ip, length}) : std::nullopt;
}

std::optional<IfName> read_name(const kernel::Attributes& attributes, std::uint16_t type) {
    const std::string name = attributes.text(type);
    return name.empty() ? std::nullopt : std::optional(IfName(name.c_str()));
}

// True if the rule has nothing that partd never writes: another action, a negation, a selector of its own.
// Any other rule is foreign, even if it agrees with a declared one in everything else.
bool is_plain(const kernel::Reply& reply) {
    const auto head = reply.head<fib_rule_hdr>();
    const auto attributes = reply.attributes<fib_rule_hdr>();
    constexpr std::uint32_t kNone = 0xffffffff;
    const bool whole_mark =
        !attributes.has(FRA_FWMARK) || attributes.number<std::uint32_t>(FRA_FWMASK).value_or(kNone) == kNone;
    const auto has = [&](std::uint16_t type) { return attributes.has(type); };
    static constexpr std::array<std::uint16_t, 6> kOthers = {FRA_TUN_ID, FRA_UID_RANGE,   FRA_IP_PROTO,
                                                             FRA_GOTO,   FRA_SPORT_RANGE, FRA_DPORT_RANGE};
    return head.action == FR_ACT_TO_TBL && (head.flags & FIB_RULE_INVERT) == 0 && head.tos == 0 &&
           attributes.number<std::uint8_t>(FRA_L3MDEV).value_or(0) == 0 && whole_mark &&
           attributes.number<std::uint32_t>(FRA_SUPPRESS_PREFIXLEN).value_or(kNone) == kNone &&
           attributes.number<std::uint32_t>(FRA_SUPPRESS_IFGROUP).value_or(kNone) == kNone &&
           std::ranges::none_of(kOthers, has);
}

Rule read_rule(const std::string& netns, const kernel::Reply& reply) {
    const auto head = reply.head<fib_rule_hdr>();
    const auto attributes = reply.attributes<fib_rule_hdr>();
    Rule rule{.netns = netns,
              .from = read_prefix(attributes, FRA_SRC, head.src_len),
              .to = read_prefix(attributes, FRA_DST, head.dst_len),
              .iif = read_name(attributes, FRA_IIFNAME),
              .oif = read_name(attributes, FRA_OIFNAME),
              .fwmark = {},
              .priority = attributes.number<std::uint32_t>(FRA_PRIORITY).value_or(0),
              .table_id = RouteTable{attributes.number<std::uint32_t>(FRA_TABLE).value_or(head.table)},
              .v6 = head.family == AF_INET6};
    if (const auto fwmark = attributes.number<std::uint32_t>(FRA_FWMARK)) {
        rule.fwmark = *fwmark;
    }
    rule.protocol = attributes.number<std::uint8_t>(FRA_PROTOCOL).value_or(RTPROT_UNSPEC);
    rule.mark = protocol_text(rule.protocol);
    return rule;
}

// Of one family, in the kernel's order.
Result<std::vector<Rule>> list_rules(kernel::Netns& netns, const std::string& name, int family) {
    Message request(RTM_GETRULE, NLM_F_DUMP);
    fib_rule_hdr head{};
    head.family = static_cast<std::uint8_t>(family);
    request.head(head);
    auto found = netns.route().collect(std::move(request));
    PARTD_TRY(found);
    std::vector<Rule> rules;
    for (const auto& reply : *found) {
        if (is_plain(reply.view())) {
            rules.push_back(read_rule(name, reply.view()));
        }
    }
    return rules;
}

// In a partition's namespace what is as a wanted one is that one, whoever added it.
void take(Observation& observation, Rule found) {
    const std::string netns = found.netns;
    const bool marked = found.protocol == kProtocolMark;
    const Key key = rule_key(found);
    const Resource* seen = observation.observed.find(key);
    const bool wanted = observation.desired.find(key) != nullptr;
    if ((!marked && !wanted) || (seen != nullptr && !marked)) {
        return;
    }
    Resource resource{.key = key,
                      .spec = Spec(std::move(found)),
                      .owner = netns,
                      .depends_on = {netns_key(netns)},
                      .contained_in = {netns_key(netns)},
                      .marked = marked};
    if (wanted) {
        observation.observed.add(std::move(resource));
    } else {
        observation.add(std::move(resource));
    }
}

// The namespaces that have rules of ours, or are to have some.
std::set<std::string> with_rules(const Observation& observation) {
    std::set<std::string> all;
    observation.for_wanted(kRule.kind, [&](const Resource& wanted) { all.insert(wanted.owner); });
    observation.ledger.for_kind(
        kRule.kind.name, [&](const std::string&, const LedgerEntry& entry) { all.insert(entry.owner); });
    return all;
}

Result<> observe(Observation& observation) {
    const auto concerned = with_rules(observation);
    for (const std::string& name : observation.netns) {
        if (!concerned.contains(name) && !observation.ledger.lost) {
            continue;
        }
        auto netns = observation.host.netns(name);
        PARTD_TRY(netns);
        for (const int family : {AF_INET, AF_INET6}) {
            auto found = list_rules(**netns, name, family);
            PARTD_TRY(found);
            for (Rule& each : *found) {
                take(observation, std::move(each));
            }
        }
    }
    return {};
}

// `exclusive`: refused when the kernel finds an equal one.
Message make_request(const Rule& rule, bool removal, bool exclusive = true) {
    const unsigned flags = removal ? 0U : NLM_F_CREATE | (exclusive ? NLM_F_EXCL : 0U);
    Message message(removal ? RTM_DELRULE : RTM_NEWRULE, static_cast<std::uint16_t>(flags));
    fib_rule_hdr head{};
    head.family = rule.v6 ? AF_INET6 : AF_INET;
    head.src_len = rule.from ? rule.from->length : 0;
    head.dst_len = rule.to ? rule.to->length : 0;
    head.action = FR_ACT_TO_TBL;
    message.head(head);
    if (rule.from) {
        message.ip(FRA_SRC, rule.from->ip);
    }
    if (rule.to) {
        message.ip(FRA_DST, rule.to->ip);
    }
    if (rule.iif) {
        message.text(FRA_IIFNAME, *rule.iif);
    }
    if (rule.oif) {
        message.text(FRA_OIFNAME, *rule.oif);
    }
    if (rule.fwmark) {
        message.number<std::uint32_t>(FRA_FWMARK, static_cast<std::uint32_t>(*rule.fwmark));
    }
    message.number<std::uint32_t>(FRA_PRIORITY, static_cast<std::uint32_t>(*rule.priority));
    message.number<std::uint32_t>(FRA_TABLE, rule.table_id->id);
    message.number<std::uint8_t>(FRA_PROTOCOL, rule.protocol);
    return message;
}

// True if the kernel may take `other` for `rule`. It takes a selector that a request leaves out for any, and
// the first rule that matches, both to delete (rule_find() in net/core/fib_rules.c) and, for prefixes, to
// find an equal one (rule_exists()).
bool would_hit(const Rule& rule, const Rule& other) {
    const auto fits = [](const auto& asked, const auto& has) { return !asked || asked == has; };
    return rule.priority == other.priority && rule.table_id == other.table_id &&
           fits(rule.from, other.from) && fits(rule.to, other.to) && fits(rule.iif, other.iif) &&
           fits(rule.oif, other.oif) && fits(rule.fwmark, other.fwmark);
}

// The rules that the kernel would take for this one, in its order, up to and including the rule itself.
Result<std::vector<Rule>> taken_for(kernel::Netns& netns, const Rule& rule) {
    auto found = list_rules(netns, rule.netns, rule.v6 ? AF_INET6 : AF_INET);
    PARTD_TRY(found);
    std::vector<Rule> before;
    for (Rule& each : *found) {
        const bool is_it = each == rule;
        if (would_hit(rule, each)) {
            before.push_back(std::move(each));
        }
        if (is_it) {
            break;
        }
    }
    return before;
}

// Takes the more special ones of ours away as well, and puts them back behind it.
Result<> remove_behind(kernel::Netns& netns, const Rule& rule, const std::vector<Rule>& before) {
    const auto ask = [&](const Rule& which, bool removal) {
        return netns.route().request(make_request(which, removal, false), [](const kernel::Reply&) {});
    };
    for (const Rule& other : before) {
        PARTD_TRY(ask(other, true));
    }
    const auto removed = ask(rule, true);
    for (const Rule& other : before) {
        PARTD_TRY(ask(other, false));
    }
    return removed;
}

Result<> remove(ApplyContext& context, kernel::Netns& netns, const Rule& rule, std::size_t number) {
    auto found = taken_for(netns, rule);
    PARTD_TRY(found);
    std::vector<Rule> before;
    for (Rule& each : *found) {
        if (each.protocol == rule.protocol && each != rule) {
            before.push_back(std::move(each));
        }
    }
    if (!before.empty()) {
        context.batch.count_write();
        return remove_behind(netns, rule, before);
    }
    context.batch.netlink(netns.route(), make_request(rule, true), number);
    return {};
}

Result<> apply(ApplyContext& context, const Change& change, std::size_t number) {
    const bool removal = change.action == Action::Remove;
    const Rule& rule = (removal ? change.found : change.wanted).as<Rule>();
    auto netns = context.host.netns(rule.netns);
    PARTD_TRY(netns);
    if (removal) {
        return remove(context, **netns, rule, number);
    }
    bool exclusive = true;
    if (!rule.from || !rule.to) {
        const auto found = taken_for(**netns, rule);
        PARTD_TRY(found);
        exclusive = found->empty() || found->back() == rule;
    }
    context.batch.netlink((*netns)->route(), make_request(rule, false, exclusive), number);
    return {};
}

}  // namespace

constinit const Table Rule::table = {"rule", "A routing policy rule of the partition.", kFields};

constinit const LiveKind kRule = {
    .kind = {.name = "rule",
             .language = kLanguage,
             .phase = Phase::Network,
             .expand = expand,
             .independent = true},
    .observe = observe,
    .apply = apply,
};

}  // namespace partd
