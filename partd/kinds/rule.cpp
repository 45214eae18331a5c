#include "kinds/rule.h"

#include "kinds/marks.h"
#include "kinds/netns.h"
#include "kinds/partition.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

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
    field<&Rule::iif>("iif", "interface they come in by", {.role = Role::Identity}),
    field<&Rule::oif>("oif", "interface that their socket is bound to", {.role = Role::Identity}),
    field<&Rule::fwmark>("fwmark", "their firewall mark",
                         {.role = Role::Identity, .min = 1, .max = 0xffffffffLL}),
    field<&Rule::priority>("priority", "lower ones are asked first",
                           {.role = Role::Identity,
                            .min = 1,
                            .max = 32765,
                            .fallback = "1000 and its position among the partition's rules"}),
    field<&Rule::table_id>("table", "the table to ask", {.role = Role::Identity, .fallback = "main"}),
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
        for (int i = 0; i < (both ? 2 : 1); ++i) {
            const Key netns = netns_key(object->owner);
            Resource& added = desired.add({.key = rule_key(rule),
                                           .spec = Spec(rule),
                                           .owner = object->owner,
                                           .source = object->source,
                                           .needs = {netns},
                                           .within = {netns}});
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

void take(Look& look, const std::string& netns, const kernel::Reply& reply) {
    const auto head = reply.head<fib_rule_hdr>();
    const auto attributes = reply.attributes<fib_rule_hdr>();
    const bool marked = attributes.number<std::uint8_t>(FRA_PROTOCOL) == kProtocolMark;
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
    const Key key = rule_key(rule);
    if (!marked && look.desired.find(key) == nullptr) {
        return;
    }
    look.add({.key = key,
              .spec = Spec(std::move(rule)),
              .owner = netns,
              .needs = {netns_key(netns)},
              .within = {netns_key(netns)},
              .marked = marked,
              .holder = "the same rule was added by somebody else"});
}

// The namespaces that have rules of ours, or are to have some.
std::set<std::string> with_rules(const Look& look) {
    std::set<std::string> all;
    look.for_wanted(kRule.kind, [&](const Resource& wanted) { all.insert(wanted.owner); });
    look.ledger.for_kind(kRule.kind.name,
                         [&](const std::string&, const LedgerEntry& entry) { all.insert(entry.owner); });
    return all;
}

Result<> observe(Look& look) {
    const auto concerned = with_rules(look);
    for (const std::string& name : look.netns) {
        if (!concerned.contains(name) && !look.ledger.lost) {
            continue;
        }
        auto netns = look.host.netns(name);
        PARTD_TRY(netns);
        for (const int family : {AF_INET, AF_INET6}) {
            Message request(RTM_GETRULE, NLM_F_DUMP);
            fib_rule_hdr head{};
            head.family = static_cast<std::uint8_t>(family);
            request.head(head);
            auto found = (*netns)->route().collect(std::move(request));
            PARTD_TRY(found);
            for (const auto& reply : *found) {
                take(look, name, reply.view());
            }
        }
    }
    return {};
}

Result<> apply(Doing& doing, const Change& change, std::size_t number) {
    const bool removal = change.action == Action::Remove;
    const Rule& rule = (removal ? change.found : change.wanted).as<Rule>();
    auto netns = doing.host.netns(rule.netns);
    PARTD_TRY(netns);
    Message message(removal ? RTM_DELRULE : RTM_NEWRULE, removal ? 0 : NLM_F_CREATE | NLM_F_EXCL);
    fib_rule_hdr head{};
    head.family = rule.v6 ? AF_INET6 : AF_INET;
    head.src_len = rule.from ? rule.from->length : 0;
    head.dst_len = rule.to ? rule.to->length : 0;
    head.action = FR_ACT_TO_TBL;
    message.head(head);
    const auto add_prefix = [&](std::uint16_t type, const std::optional<Prefix>& prefix) {
        if (prefix && prefix->length > 0) {
            message.ip(type, prefix->ip);
        }
    };
    add_prefix(FRA_SRC, rule.from);
    add_prefix(FRA_DST, rule.to);
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
    message.number<std::uint8_t>(FRA_PROTOCOL, kProtocolMark);
    doing.batch.netlink((*netns)->route(), std::move(message), number);
    return {};
}

}  // namespace

constinit const Table Rule::table = {"rule", "A routing policy rule of the partition.", kFields};

constinit const LiveKind kRule = {
    .kind = {.name = "rule", .table = &Rule::table, .language = kLanguage, .expand = expand, .apart = true},
    .observe = observe,
    .apply = apply,
};

}  // namespace partd
