// SPDX-License-Identifier: Apache-2.0
#include "doctor/let_pass.h"

#include "base/text.h"
#include "doctor/checks.h"
#include "kernel/file/files.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace partd::doctor {

using kernel::nft::ForeignTable;

namespace {

// The chains of ours in their tables.
constexpr char kIptablesChain[] = "PARTD";
constexpr char kNftChain[] = "partd";

std::string_view protocol_name(Protocol protocol) {
    return protocol == Protocol::Tcp ? "tcp" : "udp";
}

std::string ports_text(const PortRange& ports, char between) {
    return ports.first == ports.last ? std::to_string(ports.first)
                                     : fmt::format("{}{}{}", ports.first, between, ports.last);
}

// 'a' 'b' 'c'; none of them has a quotation mark.
std::string quoted(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) {
        text += fmt::format(" '{}'", line);
    }
    return text;
}

void add_once(std::vector<std::string>& lines, std::string line) {
    if (std::ranges::find(lines, line) == lines.end()) {
        lines.push_back(std::move(line));
    }
}

// Rules of iptables(8). Only what is new is chosen by interfaces: a packet that belongs to no connection
// would leave untranslated.
std::vector<std::string> iptables_rules(const Passages& passages) {
    std::vector<std::string> rules;
    for (const std::string& end : passages.ends()) {
        for (const char side : {'i', 'o'}) {
            rules.push_back(fmt::format("-A {} -{} {} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                                        kIptablesChain, side, end));
        }
    }
    for (const Outgoing& out : passages.outgoing) {
        rules.push_back(fmt::format("-A {} -i {} -o {} -m conntrack --ctstate NEW -j ACCEPT", kIptablesChain,
                                    out.end, out.way));
    }
    for (const Incoming& in : passages.incoming) {
        rules.push_back(
            fmt::format("-A {} -o {} {}-d {} -p {} --dport {} -m conntrack --ctstate DNAT -j ACCEPT",
                        kIptablesChain, in.end, in.from ? "-s " + in.from->text() + " " : "", in.to.text(),
                        protocol_name(in.listen.protocol), ports_text(in.to_ports, ':')));
    }
    for (const Admitted& in : passages.admitted) {
        rules.push_back(fmt::format("-A {} -i {} -o {} {}-d {} -m conntrack --ctstate NEW -j ACCEPT",
                                    kIptablesChain, in.way, in.end,
                                    in.from ? "-s " + in.from->text() + " " : "", in.to.text()));
    }
    for (const Crossing& each : passages.crossings) {
        add_once(rules, fmt::format("-A {} -i {} -o {} -m conntrack --ctstate NEW -j ACCEPT", kIptablesChain,
                                    each.end, each.to_end));
    }
    return rules;
}

// Fills our chain in one step and has `from` lead there, once.
Remedy iptables_commands(const std::string& program, const std::string& table, const std::string& from,
                         const Passages& passages) {
    std::vector<std::string> lines = {"*" + table, fmt::format(":{} - [0:0]", kIptablesChain)};
    std::ranges::move(iptables_rules(passages), std::back_inserter(lines));
    lines.emplace_back("COMMIT");
    const std::string jump = fmt::format("{} -j {}", from, kIptablesChain);
    return {
        fmt::format(
            "printf '%s\\n'{} | {}-restore --noflush && {{ {} -t {} -C {} 2>/dev/null || {} -t {} -I {}; }}",
            quoted(lines), program, program, table, jump, program, table, jump),
        fmt::format("{0} -t {1} -D {2}; {0} -t {1} -F {3} && {0} -t {1} -X {3}", program, table, jump,
                    kIptablesChain)};
}

std::string names_text(const std::set<std::string>& names) {
    std::vector<std::string> texts;
    for (const std::string& name : names) {
        texts.push_back("\"" + name + "\"");
    }
    return "{ " + join(texts, ", ") + " }";
}

// Rules of nft(8), by sets of interfaces.
std::vector<std::string> nft_rules(const ForeignTable& table, const Passages& passages) {
    const std::string add = fmt::format("add rule {} {} {}", table.family, table.name, kNftChain);
    const std::string ends = names_text(passages.ends());
    std::vector<std::string> rules = {
        fmt::format("{} iifname {} ct state established,related accept", add, ends),
        fmt::format("{} oifname {} ct state established,related accept", add, ends)};
    for (const bool v6 : {false, true}) {
        std::map<std::string, std::set<std::string>> by_way;
        for (const Outgoing& out : passages.family(v6).outgoing) {
            by_way[out.way].insert(out.end);
        }
        const std::string family =
            table.family == "inet" ? fmt::format(" meta nfproto {}", v6 ? "ipv6" : "ipv4") : "";
        for (const auto& [way, from] : by_way) {
            rules.push_back(fmt::format("{}{} iifname {} oifname \"{}\" ct state new accept", add, family,
                                        names_text(from), way));
        }
    }
    for (const Incoming& in : passages.incoming) {
        const char* ip = in.to.v6() ? "ip6" : "ip";
        rules.push_back(fmt::format("{} oifname \"{}\" ct status dnat {}{} daddr {} {} dport {} accept", add,
                                    in.end, in.from ? fmt::format("{} saddr {} ", ip, in.from->text()) : "",
                                    ip, in.to.text(), protocol_name(in.listen.protocol),
                                    ports_text(in.to_ports, '-')));
    }
    for (const Admitted& in : passages.admitted) {
        const char* ip = in.to.v6() ? "ip6" : "ip";
        rules.push_back(fmt::format(
            "{} iifname \"{}\" oifname \"{}\" {}{} daddr {} ct state new accept", add, in.way, in.end,
            in.from ? fmt::format("{} saddr {} ", ip, in.from->text()) : "", ip, in.to.text()));
    }
    std::map<std::string, std::set<std::string>> by_end;
    for (const Crossing& each : passages.crossings) {
        by_end[each.end].insert(each.to_end);
    }
    for (const auto& [end, to] : by_end) {
        rules.push_back(
            fmt::format("{} iifname \"{}\" oifname {} ct state new accept", add, end, names_text(to)));
    }
    return rules;
}

// Debian's nftables.service loads this file; what it says of that table has to say our chain, too.
constexpr char kNftablesConf[] = "/etc/nftables.conf";
constexpr char kNftablesPart[] = "/etc/nftables.partd";

Opening open_nft(const ForeignTable& table, const std::string& chain, const Passages& passages,
                 const std::string& root) {
    const std::string place = fmt::format("{} {}", table.family, table.name);
    std::vector<std::string> lines = {fmt::format("add chain {} {}", place, kNftChain),
                                      fmt::format("flush chain {} {}", place, kNftChain)};
    std::ranges::move(nft_rules(table, passages), std::back_inserter(lines));
    const std::string jump = fmt::format("insert rule {} {} jump {}", place, chain, kNftChain);
    const std::string live = fmt::format("{{ nft list chain {} {} | grep -qw 'jump {}' || nft {}; }}", place,
                                         chain, kNftChain, jump);
    const std::string closing = fmt::format(
        "nft -a list chain {0} {1} | sed -n 's/.*jump {2} # handle //p' | "
        "xargs -rn1 nft delete rule {0} {1} handle && nft delete chain {0} {2}",
        place, chain, kNftChain);
    const std::string conf = kernel::read_file(root + kNftablesConf).value_or("");
    const bool by_service = conf.find("table " + place + " ") != std::string::npos &&
                            conf.find("chain " + chain + " ") != std::string::npos;
    if (!by_service) {
        return {.remedy = {fmt::format("printf '%s\\n'{} | nft -f - && {}", quoted(lines), live), closing},
                .lasts = "they hold until that table is loaded anew: put them into what loads it"};
    }
    // A file that nft refuses would leave the host without its firewall at the next boot.
    const std::string more = fmt::format("printf '%s\\n' 'include \"{}\"' '{}'", kNftablesPart, jump);
    const std::string lasting =
        fmt::format("{{ grep -qF {1} {0} || {{ {{ cat {0}; {2}; }} | nft -c -f - && {2} >> {0}; }}; }}",
                    kNftablesConf, kNftablesPart, more);
    return {
        .remedy = {fmt::format("printf '%s\\n'{} > {} && nft -f {} && {} && {}", quoted(lines), kNftablesPart,
                               kNftablesPart, live, lasting),
                   fmt::format("sed -i -e '\\|^include \"{0}\"$|d' -e '\\|^{1}$|d' {2} && rm -f {0} && {3}",
                               kNftablesPart, jump, kNftablesConf, closing)},
        .lasts = fmt::format("they hold over a reload and a boot, for {} includes them", kNftablesConf)};
}

Opening open_ufw(const Passages& passages) {
    std::vector<std::string> commands;
    for (const Outgoing& out : passages.outgoing) {
        add_once(commands, fmt::format("ufw route allow in on {} out on {}", out.end, out.way));
    }
    for (const Incoming& in : passages.incoming) {
        commands.push_back(fmt::format("ufw route allow out on {} from {} to {} port {} proto {}", in.end,
                                       in.from ? in.from->text() : "any", in.to.text(),
                                       ports_text(in.to_ports, ':'), protocol_name(in.listen.protocol)));
    }
    for (const Admitted& in : passages.admitted) {
        commands.push_back(fmt::format("ufw route allow in on {} out on {} from {} to {}", in.way, in.end,
                                       in.from ? in.from->text() : "any", in.to.text()));
    }
    for (const Crossing& each : passages.crossings) {
        commands.push_back(fmt::format("ufw route allow in on {} out on {} from {} to {}", each.end,
                                       each.to_end, each.from.text(), each.to.text()));
    }
    std::vector<std::string> closing;
    for (const std::string& command : commands) {
        closing.push_back("ufw route delete " + command.substr(std::string_view("ufw route ").size()));
    }
    return {.remedy = {join(commands, " && "), join(closing, " && ")},
            .lasts = "ufw keeps them over a reload and a boot"};
}

// True if FORWARD has a rule that jumps there.
bool leads_to(const ForeignTable& table, std::string_view chain) {
    const auto forward = table.chains.find("FORWARD");
    return forward != table.chains.end() &&
           std::ranges::any_of(forward->second.rules, [&](const kernel::nft::ForeignRule& rule) {
               const auto* ends = rule.empty() ? nullptr : std::get_if<kernel::nft::Ends>(&rule.back());
               return ends != nullptr && ends->chain == chain;
           });
}

}  // namespace

Maker maker_of(const ForeignTable& table) {
    const auto has = [&](const char* chain) { return table.chains.contains(chain); };
    return table.name == "firewalld" || has("FORWARD_ZONES") ? Maker::Firewalld
           : leads_to(table, "ufw-before-forward") || leads_to(table, "ufw6-before-forward")
               ? Maker::Ufw  // it leaves its chains where they are when it is disabled
           : has("DOCKER-USER")                       ? Maker::Docker
           : table.family != "inet" && has("FORWARD") ? Maker::Iptables
                                                      : Maker::Nft;
}

std::string_view maker_name(Maker maker) {
    switch (maker) {
        case Maker::Docker:
            return "Docker";
        case Maker::Ufw:
            return "ufw";
        case Maker::Firewalld:
            return "firewalld";
        case Maker::Iptables:
            return "iptables";
        case Maker::Nft:
            break;
    }
    return "nftables";
}

bool plain_name(std::string_view interface) {
    return !interface.empty() && interface.front() != '-' &&
           std::ranges::all_of(interface, [](unsigned char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == '.';
           });
}

namespace {

// The ends that our chain of that table names already.
std::set<std::string> named_by(const ForeignTable& table, const char* chain,
                               const std::set<std::string>& ends) {
    std::set<std::string> named;
    const auto note = [&](const std::vector<std::uint8_t>& bytes) {
        const std::string text(bytes.begin(), std::ranges::find(bytes, 0));
        if (ends.contains(text)) {
            named.insert(text);
        }
    };
    const auto found = table.chains.find(chain);
    if (found == table.chains.end()) {
        return named;
    }
    for (const kernel::nft::ForeignRule& rule : found->second.rules) {
        for (const kernel::nft::Term& term : rule) {
            if (const auto* compared = std::get_if<kernel::nft::Compared>(&term)) {
                note(compared->with);
            } else if (const auto* asked = std::get_if<kernel::nft::Found>(&term)) {
                const auto set = table.sets.find(asked->set);
                if (set != table.sets.end()) {
                    std::ranges::for_each(set->second.elements, note, &kernel::nft::ForeignElement::key);
                }
            }
        }
    }
    return named;
}

// Our chain is filled anew: with what it has let pass, as far as that is still declared, and the new.
Passages with_named(const ForeignTable& table, const char* chain, const Passages& passages,
                    const Passages& all) {
    const auto named = named_by(table, chain, all.ends());
    std::set<std::string> partitions;
    for (const Passages* each : {&passages, &all}) {
        const bool only_named = each == &all;
        const auto note = [&](const std::string& partition, const std::string& end) {
            if (!only_named || named.contains(end)) {
                partitions.insert(partition);
            }
        };
        for (const Outgoing& out : each->outgoing) {
            note(out.partition, out.end);
        }
        for (const Incoming& in : each->incoming) {
            note(in.partition, in.end);
        }
        for (const Crossing& crossing : each->crossings) {
            note(crossing.partition, crossing.end);
        }
        for (const Admitted& in : each->admitted) {
            note(in.partition, in.end);
        }
    }
    return all.of(partitions);
}

// An interface is in one zone of firewalld's: what a partition needs, and what those need to whom it leads,
// is said together.
Passages with_neighbours(const Passages& passages, const Passages& all) {
    std::set<std::string> partitions;
    Passages some = passages;
    for (std::size_t before = 1; before != partitions.size();) {
        before = partitions.size();
        for (const Outgoing& out : some.outgoing) {
            partitions.insert(out.partition);
        }
        for (const Incoming& in : some.incoming) {
            partitions.insert(in.partition);
        }
        for (const Admitted& in : some.admitted) {
            partitions.insert(in.partition);
        }
        for (const Crossing& each : some.crossings) {
            partitions.insert(each.partition);
            partitions.insert(each.to_partition);
        }
        some = all.of(partitions);
    }
    return some;
}

// The passages that rules can express; `odd` gets the names of interfaces that they cannot.
Passages plain(Passages passages, std::set<std::string>& odd) {
    const auto says = [&](const std::string& one, const std::string& other) {
        for (const std::string& name : {one, other}) {
            if (!plain_name(name)) {
                odd.insert(name);
            }
        }
        return plain_name(one) && plain_name(other);
    };
    std::erase_if(passages.outgoing, [&](const Outgoing& each) { return !says(each.end, each.way); });
    std::erase_if(passages.incoming, [&](const Incoming& each) { return !says(each.end, each.end); });
    std::erase_if(passages.crossings, [&](const Crossing& each) { return !says(each.end, each.to_end); });
    std::erase_if(passages.admitted, [&](const Admitted& each) { return !says(each.end, each.way); });
    return passages;
}

Passages of_family(const ForeignTable& table, const Passages& passages) {
    return table.family == "inet" ? passages : passages.family(table.family == "ip6");
}

Opening open_table(const ForeignTable& table, const std::string& chain, const Passages& passages,
                   const Passages& all, const CheckContext& patient) {
    const Maker maker = maker_of(table);
    if (maker == Maker::Ufw) {
        return open_ufw(passages);
    }
    if (maker == Maker::Firewalld) {
        return open_firewalld(with_neighbours(passages, all), patient);
    }
    if (maker == Maker::Nft) {
        return open_nft(table, chain, with_named(table, kNftChain, passages, all), patient.host.paths().root);
    }
    const std::string program = table.family == "ip6" ? "ip6tables-nft" : "iptables-nft";
    const bool docker = maker == Maker::Docker && chain == "FORWARD";
    return {.remedy = iptables_commands(program, table.name, docker ? "DOCKER-USER" : chain,
                                        with_named(table, kIptablesChain, passages, all)),
            .lasts = std::string(docker ? "they hold while Docker restarts" : "they hold") +
                     " until the next boot: keep them by netfilter-persistent save, or run them again then"};
}

}  // namespace

Opening let_pass(const ForeignTable& table, const std::string& chain, const Passages& passages,
                 const Passages& all, const CheckContext& patient) {
    std::set<std::string> odd;
    const Passages wanted = plain(of_family(table, passages), odd);
    const Passages possible = plain(of_family(table, all), odd);
    const bool sayable = plain_name(table.name) && plain_name(chain);
    Opening opening =
        wanted.empty() || !sayable ? Opening() : open_table(table, chain, wanted, possible, patient);
    if (!odd.empty()) {
        const std::vector<std::string> names(odd.begin(), odd.end());
        opening.lasts += fmt::format("{}no rule can name {}: rename the link",
                                     opening.lasts.empty() ? "" : "; ", join(names, ", "));
    }
    return opening;
}

Opening let_pass_legacy(bool v6, const Passages& passages) {
    std::set<std::string> odd;
    const Passages wanted = plain(passages.family(v6), odd);
    if (wanted.empty()) {
        return {};
    }
    return {
        .remedy = iptables_commands(v6 ? "ip6tables-legacy" : "iptables-legacy", "filter", "FORWARD", wanted),
        .lasts = "they hold until the next boot"};
}

}  // namespace partd::doctor
