// SPDX-License-Identifier: Apache-2.0
// Entries of reach and admit that come, go, and are taken away by others.
#include "daemon_fixture.h"
#include "host_view.h"
#include "members.h"

#include <tuple>

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

/// How many rules inet partd has.
std::size_t count_rules() {
    std::size_t count = 0;
    for (const auto& object : json({"nft", "-j", "list", "table", "inet", "partd"}).at("nftables")) {
        count += object.contains("rule") ? 1 : 0;
    }
    return count;
}

/// The elements of that set, as nft prints them; with their comments.
std::string elements(const std::string& set) {
    return output({"nft", "list", "set", "inet", "partd", set});
}

}  // namespace

TEST_CASE("policy: a change is one of elements, and the rules do not grow", "[nat][policy][elements]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    const auto declare = [&](const std::string& name, const std::string& number, const std::string& more) {
        sandbox.write_config(name + ".toml",
                             member(name, number,
                                    "reach = [{ to = \"10.0.0.0/8\", match = [" + more + "] }, " +
                                        "{ to = \"outside\", match = \"tcp/80\" }]\n"));
    };
    declare("a", "1", "\"tcp/443\"");
    declare("b", "2", "\"tcp/443\"");
    sandbox.apply();
    const auto rules = count_rules();
    const auto tokens = output({"nft", "-a", "list", "chain", "inet", "partd", "forward"});
    const Server at(outside.netns.fd(), Outside::kPeer4, 80);
    const auto open = Connection::open(sandbox.netns("a"), Outside::kPeer4, 80);
    REQUIRE(open);
    const auto counted = counted_packets(elements("outward_p16"));
    CHECK(counted > 0);
    const auto with_handles = [&] {
        return output({"nft", "-a", "list", "chain", "inet", "partd", "forward"});
    };
    CHECK(with_handles() == tokens);
    declare("b", "2", "\"tcp/443\", \"tcp/8443\"");
    for (int more = 3; more < 9; ++more) {
        declare("c" + std::to_string(more), std::to_string(more), "\"tcp/443\", \"tcp/22\"");
    }
    sandbox.apply();
    CHECK(open->alive());
    CHECK(count_rules() == rules);
    CHECK(with_handles() == tokens);
    CHECK(counted_packets(elements("outward_p16")) >= counted);
}

TEST_CASE("policy: what somebody takes out or puts in is repaired", "[nat][policy][drift]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    sandbox.write_config("web.toml",
                         member("web", "1",
                                "reach = [\n{ to = \"outside\", match = \"tcp/80\" },\n\"10.9.0.0/16\",\n]\n"
                                "admit = [{ from = \"outside\", match = \"tcp/443\" }]\n"));
    sandbox.apply();
    const int web = sandbox.netns("web");
    const Server at(outside.netns.fd(), Outside::kPeer4, 80);
    const Server other(outside.netns.fd(), Outside::kPeer4, 81);
    REQUIRE(seen_by(web, Outside::kPeer4, 80));

    output({"nft", "delete", "element", "inet", "partd", "outward_p16", "{ web0 . tcp . 80 }"});
    CHECK(out_of_reach(web, Outside::kPeer4, 80));
    const auto told = sandbox.partctl({"diff"});
    CHECK(told.code == 1);
    CHECK(told.out.find("+ reach web → outside tcp/80") != std::string::npos);
    CHECK(told.out.find("web.toml:3") != std::string::npos);
    sandbox.apply();
    CHECK(seen_by(web, Outside::kPeer4, 80));

    output({"nft", "flush", "set", "inet", "partd", "inward_p16"});
    CHECK(sandbox.partctl({"diff"}).out.find("+ admit web ← outside tcp/443") != std::string::npos);
    sandbox.apply();

    output({"nft", "add", "element", "inet", "partd", "outward_p16", "{ web0 . tcp . 81 }"});
    CHECK(seen_by(web, Outside::kPeer4, 81));
    CHECK(sandbox.diff() == 1);
    sandbox.apply();
    CHECK(out_of_reach(web, Outside::kPeer4, 81));

    // as a version of partd put it there that had no objects of these entries
    output({"nft", "delete", "element", "inet", "partd", "reach4_16", "{ web0 . 10.9.0.0 }"});
    output({"nft", "add", "element", "inet", "partd", "reach4_16",
            "{ web0 . 10.9.0.0 comment \"partd gate web: eth0\" }"});
    CHECK(sandbox.partctl({"diff"}).out.find("+ reach web → 10.9.0.0/16") != std::string::npos);
    sandbox.apply();

    const auto before = partd_table();
    output({"nft", "flush", "ruleset"});
    CHECK(sandbox.diff() == 1);
    sandbox.apply();
    CHECK(partd_table() == before);
}

TEST_CASE("policy: partd puts back what goes, and follows an edit", "[nat][policy][drift][daemon]") {
    const auto limited = [](const std::string& match) {
        return member("web", "1", "reach = [{ to = \"outside\", match = \"" + match + "\" }]\n");
    };
    Configured host(limited("tcp/80"));
    const auto& outside = host.sandbox.outside();
    const Daemon daemon;
    REQUIRE(daemon.said("reach web → outside tcp/80"));
    const auto at = servers(outside.netns.fd(), Outside::kPeer4, {80, 81});
    const int web = host.sandbox.netns("web");
    REQUIRE(seen_soon(web, Outside::kPeer4, 80));
    const auto has = [](const std::string& element) {
        return eventually([&] { return elements("outward_p16").find(element) != std::string::npos; });
    };
    output({"nft", "delete", "element", "inet", "partd", "outward_p16", "{ web0 . tcp . 80 }"});
    CHECK(has("\"web0\" . tcp . 80"));
    output({"nft", "flush", "set", "inet", "partd", "outward_p16"});
    CHECK(has("\"web0\" . tcp . 80"));
    output({"nft", "flush", "ruleset"});
    CHECK(eventually([] { return has_partd_table(); }));
    CHECK(has("\"web0\" . tcp . 80"));
    output({"nft", "add", "element", "inet", "partd", "outward_p16", "{ web0 . tcp . 81 }"});
    CHECK(eventually([] { return elements("outward_p16").find(". 81") == std::string::npos; }));
    host.sandbox.write_config("web.toml", limited("tcp/81"));
    CHECK(has("\"web0\" . tcp . 81"));
    CHECK(seen_by(web, Outside::kPeer4, 81));
    CHECK(out_of_reach(web, Outside::kPeer4, 80));
}

TEST_CASE("policy: entries between partitions with long names come and go", "[nat][policy][names]") {
    Sandbox sandbox;
    const std::string a(60, 'a');
    const std::string b = std::string(59, 'a') + "b";
    const auto declare = [&](const std::string& match) {
        std::string text;
        for (const auto& [name, number, other] : {std::tuple(a, "1", b), std::tuple(b, "2", a)}) {
            text += "[partition." + name + "]\nreach = [{ to = \"" + other + "\", match = [" + match +
                    "] }]\n[partition." + name + ".link.eth0]\naddress = [\"10." + number +
                    ".1.1/24\"]\npeer.address = [\"10." + number + ".1.2/24\"]\n";
        }
        sandbox.write_config("long.toml", text);
        sandbox.apply();
    };
    declare("\"tcp/80\", \"tcp/443\"");
    output({"nft", "flush", "set", "inet", "partd", "reach_p16"});
    CHECK(sandbox.diff() == 1);
    sandbox.apply();
    declare("\"tcp/443\", \"tcp/8080\"");
    CHECK(elements("reach_p16").find(". 80 ") == std::string::npos);
    sandbox.remove_config("long.toml");
    REQUIRE(sandbox.partctl({"apply"}).code == 0);
    CHECK(partd_table().find("aaaa") == std::string::npos);  // the guard stays
}
