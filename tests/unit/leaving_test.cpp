// SPDX-License-Identifier: Apache-2.0
// Files that vanished and may come back, also in another file.

#include "reconcile/leaving.h"

#include "config/cut.h"

#include <algorithm>

#include <catch2/catch.hpp>

using namespace partd;
using std::chrono::milliseconds;

namespace {

const TextFile kBoth = {"/etc/partd/both.toml", R"(# two
[partition.web]
description = """\
[partition.db]\
"""
[partition.web.link.eth0]
address = ["10.1.1.1/24"]
peer = { name = "web0" }
[[partition.web.route]]
to = "default"
[partition.db]
[partition.db.link.eth0]
address = ["10.2.1.1/24"]
)"};

TextFile at(const char* name, const char* text) {
    return {std::string("/etc/partd/") + name, text};
}

std::string path(std::initializer_list<const char*> names) {
    std::string all;
    std::ranges::for_each(names, [&](const char* name) { all += std::string(name) + "\n"; });
    return all;
}

std::string rest(const std::set<std::string>& tables) {
    return config::without_tables(kBoth, tables).value_or(TextFile{"", "none"}).text;
}

// The files in force when these exist, at times after the first observation.
struct Watched {
    Leaving leaving;
    std::vector<TextFile> in_force;

    std::string look(std::vector<TextFile> files, int now) {
        leaving.expect(in_force, {"/usr/lib/partd", "/etc/partd"}, milliseconds(2000));
        (void)leaving.keep(files, milliseconds(now));
        in_force = files;
        std::string names;
        for (const TextFile& file : files) {
            names += file.path.substr(file.path.rfind('/') + 1) + " ";
        }
        return names;
    }
};

}  // namespace

TEST_CASE("The tables of a file are those with keys of their own") {
    CHECK(config::tables_in(kBoth) ==
          std::set{path({"partition", "web"}), path({"partition", "web", "link", "eth0"}),
                   path({"partition", "web", "link", "eth0", "peer"}), path({"partition", "web", "route"}),
                   path({"partition", "db"}), path({"partition", "db", "link", "eth0"})});
    CHECK(config::tables_in(at("a.toml", "[half")).empty());
}

TEST_CASE("A table is cut out of a file, the other lines stay where they are") {
    const std::string without = rest({path({"partition", "web", "link", "eth0"})});
    CHECK(without.find("peer") == std::string::npos);
    CHECK(without.find("10.1.1.1") == std::string::npos);
    CHECK(without.find("10.2.1.1") != std::string::npos);
    CHECK(without.find("[[partition.web.route]]") != std::string::npos);
    CHECK(std::ranges::count(without, '\n') == std::ranges::count(kBoth.text, '\n'));
    // a partition's own keys are not those of what is in it
    const std::string bare = rest({path({"partition", "web"})});
    CHECK(bare.find("description") == std::string::npos);
    CHECK(bare.find("10.1.1.1") != std::string::npos);
    CHECK(rest({path({"partition", "else"})}) == kBoth.text);
    CHECK(rest(config::tables_in(kBoth)) == "none");
}

TEST_CASE("Tables that share a line are not told apart") {
    const auto inline_ones =
        at("a.toml", "partition = { a = { description = \"x\" }, b = { description = \"y\" } }\n");
    CHECK_FALSE(config::without_tables(inline_ones, {path({"partition", "a"})}));
}

TEST_CASE("A file that vanished counts until its removal has settled") {
    Watched host;
    CHECK(host.look({at("a.toml", "[partition.a]\n"), at("b.toml", "[partition.b]\n")}, 0) ==
          "a.toml b.toml ");
    CHECK_FALSE(host.leaving.due());
    CHECK(host.look({at("b.toml", "[partition.b]\n")}, 1000) == "a.toml b.toml ");
    CHECK(host.leaving.due() == milliseconds(3000));
    CHECK(host.look({at("b.toml", "[partition.b]\ndescription = \"x\"\n")}, 2999) == "a.toml b.toml ");
    CHECK(host.in_force.back().text.find("description") != std::string::npos);
    // also when it is looked at twice before that is in force
    std::vector<TextFile> files = {at("b.toml", "[partition.b]\n")};
    CHECK(host.leaving.keep(files, milliseconds(3000)).empty());
    CHECK(host.look({at("b.toml", "[partition.b]\n")}, 3001) == "b.toml ");
    CHECK_FALSE(host.leaving.due());
    CHECK(host.look({at("b.toml", "[partition.b]\n")}, 3002) == "b.toml ");
}

TEST_CASE("A file that comes back counts as it is then, and its next removal settles anew") {
    Watched host;
    host.look({at("a.toml", "[partition.a]\n")}, 0);
    host.look({}, 1000);
    CHECK(host.look({at("a.toml", "[partition.b]\n")}, 1500) == "a.toml ");
    CHECK(host.in_force.front().text == "[partition.b]\n");
    CHECK_FALSE(host.leaving.due());
    CHECK(host.look({}, 9000) == "a.toml ");
    CHECK(host.leaving.due() == milliseconds(11000));
}

TEST_CASE("A file that shows the one behind it has not vanished") {
    Watched host;
    host.look({at("a.toml", "[partition.a]\n")}, 0);
    CHECK(host.look({{"/usr/lib/partd/a.toml", "[partition.b]\n"}}, 100) == "a.toml ");
    CHECK(host.in_force.front().text == "[partition.b]\n");
}

TEST_CASE("What a vanished file declared counts where it came to stand") {
    Watched host;
    host.look({kBoth}, 0);
    host.look({}, 100);
    CHECK(host.look({at("web.toml", "[partition.web]\n[partition.web.link.eth0]\nmtu = 1400\n")}, 200) ==
          "both.toml web.toml ");
    const std::string left = host.in_force.front().text;
    CHECK(left.find("10.1.1.1") == std::string::npos);
    CHECK(left.find("10.2.1.1") != std::string::npos);
    CHECK(left.find("route") != std::string::npos);
    // for the rest nothing begins anew
    CHECK(host.leaving.due() == milliseconds(2100));
    CHECK(host.look({at("all.toml", kBoth.text.c_str()),
                     at("web.toml", "[partition.web]\n[partition.web.link.eth0]\nmtu = 1400\n")},
                    300) == "all.toml web.toml ");
    CHECK_FALSE(host.leaving.due());
}

TEST_CASE("While a file does not count as it stands, time ends nothing") {
    Leaving leaving;
    leaving.expect({at("a.toml", "[partition.a]\n")}, {"/etc/partd"}, milliseconds(2000));
    const auto keeps = [&](int now, bool unsure) {
        std::vector<TextFile> files;
        return !leaving.keep(files, milliseconds(now), unsure).empty();
    };
    CHECK(keeps(0, false));
    CHECK(keeps(9000, true));
    CHECK_FALSE(leaving.due());
    CHECK_FALSE(keeps(9001, false));
}

TEST_CASE("A vanished file in the way of another one gives way") {
    Watched host;
    host.look({at("a.toml", "[partition.a]\n")}, 0);
    host.look({}, 100);
    host.leaving.give_up("/etc/partd/a.toml");
    CHECK(host.look({}, 200).empty());
}

TEST_CASE("A file of another directory is none that vanished") {
    Watched host;
    host.in_force = {{"x.toml", "[partition.a]\n"}, {"<stdin>", "[partition.b]\n"}};
    CHECK(host.look({}, 100).empty());
}
