// SPDX-License-Identifier: Apache-2.0
// reach and admit as they are read, compiled to elements, and told.
#include "config/compile.h"
#include "doctor/cautions.h"
#include "kinds/firewall/way.h"
#include "kinds/kinds.h"
#include "kinds/nat/entry.h"
#include "kinds/nat/layout.h"
#include "kinds/policy/gate_set.h"
#include "verbs/warnings.h"

#include <catch2/catch.hpp>

using namespace partd;
using nat::GateSet;
using Texts = std::vector<std::string>;

namespace {

config::Compiled compiled(const std::string& text) {
    const std::vector<TextFile> files = {{"a.toml", text}};
    return config::compile(files, pure_kinds());
}

std::string web(const std::string& keys) {
    return "[partition.web]\n" + keys +
           "\n[partition.web.link.eth0]\naddress = [\"10.1.1.1/24\"]\npeer.address = [\"10.1.1.2/24\"]\n";
}

/// The elements of reach and admit with the name of their resource in front: "web → outside: outward { pv-web
/// }".
Texts elements(const std::string& text) {
    Texts all;
    const auto whole = compiled(text);
    for (const Problem& problem : whole.problems.problems()) {
        all.push_back(problem.at.text() + ": " + problem.message);
    }
    for (const Resource& resource : whole.desired.all()) {
        if (resource.key.kind->name == "reach" || resource.key.kind->name == "admit") {
            for (const auto& element : nat::elements_of(resource.spec)->all) {
                all.push_back(resource.key.name + ": " + nat::element_text(element));
            }
        }
    }
    return all;
}

Texts told(const std::string& keys) {
    Texts all;
    for (const Caution& each : cautions(compiled(web(keys)).declared)) {
        all.push_back(verbs::Warning{each.partition, each.problem()}.text());
    }
    return all;
}

}  // namespace

TEST_CASE("Every entry's elements are in sets of the gate") {
    for (const std::string list : {"reach = [{ to = ", "admit = [{ from = "}) {
        for (const char* far : {"host", "outside", "any", "web", "10.0.0.0/8", "::/0"}) {
            for (const char* match : {"", ", match = \"tcp/80-90\"", ", match = \"icmp\""}) {
                const auto text = web(list + "\"" + far + "\"" + match + " }]");
                INFO(text);
                const auto whole = compiled(text);
                for (const Resource& resource : whole.desired.all()) {
                    const auto* elements = nat::elements_of(resource.spec);
                    for (const auto& element : elements == nullptr ? nat::Elements().all : elements->all) {
                        CHECK(nat::set_of(element.set));
                    }
                }
            }
        }
    }
}

TEST_CASE("A set of the gate is known by its name again") {
    for (const char* name :
         {"reach", "outward", "hostward", "anyward", "admit", "inward", "anyone", "reach4_0", "reach6_128",
          "admit4_24", "outward_p0", "anyone_p16", "reach_p13", "reach4_8_p1"}) {
        CAPTURE(name);
        const auto set = GateSet::parse(name);
        REQUIRE(set);
        CHECK(set->name() == name);
        REQUIRE(nat::set_of(name));
    }
    for (const char* name :
         {"", "reach4", "reach4_33", "reach5_8", "reach6_129", "reach4_08", "outward_p17", "outward_p",
          "outward_p-1", "inside_p16", "masq4_24_p16", "_p16", "4_8", "outward4_8"}) {
        CAPTURE(name);
        CHECK_FALSE(GateSet::parse(name));
    }
}

TEST_CASE("Blocks of ports are the range, each port once") {
    for (const auto& [first, last] : {std::pair(80, 80), std::pair(1, 65535), std::pair(5000, 5010),
                                      std::pair(65535, 65535), std::pair(1, 1), std::pair(32768, 60999)}) {
        const auto blocks =
            nat::port_blocks(static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(last));
        CHECK(blocks.size() <= 30);
        int next = first;
        for (const auto& block : blocks) {
            CHECK(block.first == next);
            next = block.last() + 1;
        }
        CHECK(next == last + 1);
    }
    CHECK(nat::port_blocks(5000, 5010) == std::vector<nat::PortBlock>{{5000, 13}, {5008, 15}, {5010, 16}});
}

TEST_CASE("Packets are written in one way") {
    for (const char* text : {"tcp/80", "udp/5000-5010", "sctp/9", "tcp", "icmp", "icmpv6"}) {
        REQUIRE(Match::parse(text));
        CHECK(Match::parse(text)->text() == text);
    }
    CHECK(Match::parse("tcp/1-65535")->text() == "tcp");
    CHECK(Match::parse("tcp/80-80")->text() == "tcp/80");
    for (const char* text : {"", "tcp/", "tcp/0", "tcp/0-9", "tcp/65536", "tcp/9-8", "icmp/8", "TCP/80", "80",
                             "tcp/80 ", "tcp/80-", "tcp/-80", "tcp/8-9-10", "any"}) {
        CAPTURE(text);
        CHECK_FALSE(Match::parse(text));
    }
    CHECK(Match::parse("tcp")->covers(*Match::parse("tcp/80")));
    CHECK(Match::parse("tcp/80-90")->covers(*Match::parse("tcp/80-85")));
    CHECK_FALSE(Match::parse("tcp/80")->covers(*Match::parse("tcp")));
    CHECK_FALSE(Match::parse("tcp/80-90")->covers(*Match::parse("tcp/85-91")));
    CHECK_FALSE(Match::parse("udp")->covers(*Match::parse("tcp/80")));
}

TEST_CASE("Entries become elements, a resource each") {
    CHECK(elements(web("reach = []")).empty());
    CHECK(elements(web("reach = [\"host\", \"10.0.0.0/8\"]")) ==
          Texts{"web → host: hostward { pv-web }", "web → 10.0.0.0/8: reach4_8 { pv-web . 10.0.0.0 }"});
    CHECK(
        elements(web("reach = [{ to = \"outside\", match = [\"tcp/443\", \"icmp\", \"udp/5000-5008\"] }]")) ==
        Texts{"web → outside tcp/443: outward_p16 { pv-web . tcp . 443 }",
              "web → outside icmp: outward_p0 { pv-web . icmp }",
              "web → outside udp/5000-5008: outward_p13 { pv-web . udp . 5000 }",
              "web → outside udp/5000-5008: outward_p16 { pv-web . udp . 5008 }"});
    CHECK(elements(web("admit = [\"outside\", { from = \"db\", match = \"tcp/80\" }, \"2001:db8::7\"]") +
                   "[partition.db.link.up]\npeer.name = \"db0\"\n") ==
          Texts{"web ← outside: inward { pv-web }", "web ← db tcp/80: admit_p16 { pv-web . db0 . tcp . 80 }",
                "web ← 2001:db8::7/128: admit6_128 { pv-web . 2001:db8::7 }"});
}

TEST_CASE("An element stands for the first entry that says it") {
    CHECK(elements(web("reach = [\"outside\", \"outside\", { to = \"host\", match = [\"tcp/80-87\"] }, "
                       "{ to = \"host\", match = [\"tcp/80-88\", \"tcp/80-87\"] }]")) ==
          Texts{"web → outside: outward { pv-web }",
                "web → host tcp/80-87: hostward_p13 { pv-web . tcp . 80 }",
                "web → host tcp/80-88: hostward_p16 { pv-web . tcp . 88 }"});
}

TEST_CASE("A comment names the entry again") {
    const auto whole =
        compiled(web("reach = [{ to = \"10.0.0.0/8\", match = \"tcp/443\" }]\nadmit = [\"outside\"]"));
    Texts comments;
    for (const Resource& resource : whole.desired.all()) {
        if (resource.key.kind->name == "reach" || resource.key.kind->name == "admit") {
            comments.push_back(nat::comment_of(resource.key));
            const auto name = nat::name_in_comment(live_kind(*resource.key.kind), comments.back().substr(6));
            CHECK(name == resource.key.name);
        }
    }
    CHECK(comments == Texts{"partd reach web: to 10.0.0.0/8 tcp/443", "partd admit web: from outside"});
}

TEST_CASE("Elements of the gate are shown as what they let pass") {
    using nat::Bytes;
    const auto text = [](const char* set, Bytes key) {
        return nat::elements_text({{.set = set, .key = key.done(), .data = {}}});
    };
    CHECK(text("reach4_8_p13",
               Bytes().interface("pv-web").ip(*Ip::parse("10.0.0.0")).protocol(Protocol::Udp).port(5000)) ==
          "pv-web → 10.0.0.0/8 udp/5000-5007");
    CHECK(text("inward_p16", Bytes().interface("pv-web").protocol(Protocol::Tcp).port(443)) ==
          "pv-web ← outside tcp/443");
    CHECK(text("admit", Bytes().interface("pv-web").interface("db0")) == "pv-web ← db0");
    CHECK(text("anyward_p0", Bytes().interface("pv-web").protocol(Protocol::Tcp)) == "pv-web → any tcp");
    for (const char* set : {"reach4_8_p16", "admit6_128", "inward_p0", "admit"}) {
        for (std::size_t size = 0; size < 48; ++size) {
            const std::vector<std::uint8_t> bytes(size, 1);
            CHECK_FALSE(
                nat::elements_text({{.set = set, .key = bytes, .data = {}},
                                    {.set = "inside", .key = Bytes().interface("x").done(), .data = {}}})
                    .empty());
        }
    }
}

TEST_CASE("Entries that change nothing are told, with both lines") {
    CHECK(told("reach = [\"host\", \"10.0.0.0/8\", { to = \"outside\", match = [\"tcp/80\", \"udp/80\"] }]")
              .empty());
    CHECK(told("reach = [\n\"10.0.0.0/8\",\n{ to = \"10.1.0.0/16\", match = \"tcp/80\" },\n]") ==
          Texts{"a.toml:4:31: web → 10.1.0.0/16 tcp/80: web → 10.0.0.0/8 lets all of that pass: the entry "
                "changes "
                "nothing; leave one of them out (the other entry: a.toml:3)"});
    CHECK(told("reach = [\"any\", \"host\"]").size() == 1);
    CHECK(told("reach = [\"host\", \"host\"]").size() == 1);
    CHECK(told("reach = [{ to = \"host\", match = [\"tcp/80\", \"tcp\"] }]").size() == 1);
    CHECK(told("admit = [\"any\", \"10.0.0.0/8\"]").size() == 1);
}

TEST_CASE("Entries that let nothing pass are told") {
    const auto one = [](const std::string& keys, const std::string& part) {
        const auto all = told(keys);
        CAPTURE(keys, all);
        return all.size() == 1 && all.front().contains(part);
    };
    CHECK(one("reach = [{ to = \"10.0.0.0/8\", match = \"icmpv6\" }]",
              "icmpv6 is of IPv6, and 10.0.0.0/8 of IPv4: no packet is both; write \"icmp\""));
    CHECK(one("reach = [\"fd00::/8\"]",
              "web → fd00::/8, but web has no address of IPv6: the entry lets nothing pass"));
    CHECK(one("reach = [\"127.0.0.0/8\"]", "everybody has that address itself"));
    CHECK(one("admit = [\"host\"]", "the host may always open connections to a partition"));
    CHECK(one("reach = [\"web\"]", "what a partition sends to itself does not pass the host"));
    const auto bare = compiled("[partition.bare]\nreach = [\"outside\"]\n");
    const auto all = cautions(bare.declared);
    REQUIRE(all.size() == 1);
    CHECK(verbs::Warning{"", all.front().problem()}.text().starts_with(
        "a.toml:2:10: bare → outside, but bare has no link to the host: the gate stands there, and the "
        "entry lets nothing pass; give it a link to the host"));
}
