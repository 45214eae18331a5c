// SPDX-License-Identifier: Apache-2.0
// Verbs about one partition read what tells about it, and are as true as if they had read everything.

#include "host_view.h"

#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <thread>

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

/// How often the files of those names are opened by such a verb.
std::map<std::string, int> opened(const Sandbox& sandbox, const Arguments& verb) {
    const std::string trace = sandbox.scratch() + "/trace";
    Arguments command = {"strace", "-E", kNoLeaks, "-f", "-qq", "-o", trace, "-e", "trace=openat2", PARTCTL};
    command.insert(command.end(), verb.begin(), verb.end());
    const auto done = run(command);
    INFO(done.text());
    CHECK(done.code == 0);
    std::map<std::string, int> all;
    const std::string text = read_file(trace);
    for (const char* name : {"a.toml", "b.toml", "c.toml"}) {
        for (std::size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) {
            ++all[name];
        }
    }
    return all;
}

/// A change of the files shows by their times once they are so old.
void settle() {
    std::this_thread::sleep_for(2100ms);
}

}  // namespace

TEST_CASE("one of many: a verb about one partition reads its files", "[one]") {
    Sandbox sandbox;
    sandbox.write_config("a.toml",
                         "[partition.a.link.up]\npeer = { partition = \"b\", name = \"down\" }\n"
                         "address = [\"10.1.1.2/24\"]\n");
    sandbox.write_config("b.toml", "[partition.b.link.eth0]\nmtu = 1400\n");
    sandbox.write_config("c.toml", "[partition.c.link.eth0]\npeer.name = \"c0\"\n");
    sandbox.apply();
    settle();
    run({PARTCTL, "exec", "c", "--", "true"});
    using Counts = std::map<std::string, int>;
    for (const Arguments& verb :
         {Arguments{"exec", "c", "--", "true"}, {"diff", "c"}, {"status", "c"}, {"show", "c"}}) {
        CAPTURE(verb.front());
        CHECK(opened(sandbox, verb) == Counts{{"c.toml", 1}});
    }
    CHECK(opened(sandbox, {"diff", "b"}) == Counts{{"a.toml", 1}, {"b.toml", 1}});

    SECTION("a change made by hand is told") {
        ip({"link", "set", "c0", "down"});
        CHECK(sandbox.partctl({"diff", "c"}).code == 1);
        CHECK(sandbox.partctl({"diff", "a"}).code == 0);
        CHECK(status_of(sandbox, "c").at("state") == "degraded");
    }
    SECTION("an edit counts at once") {
        sandbox.write_config("c.toml", "[partition.c.link.eth0]\npeer.name = \"c0\"\nmtu = 1300\n");
        const auto told = sandbox.partctl({"diff", "c"});
        CHECK(told.code == 1);
        CHECK(told.out.find("1300") != std::string::npos);
        CHECK(opened(sandbox, {"exec", "c", "--", "true"}).size() == 3);
    }
    SECTION("so does a file that mentions it, or goes") {
        sandbox.write_config("d.toml", "[partition.c.link.eth1]\nmtu = 1200\n");
        CHECK(sandbox.partctl({"diff", "c"}).code == 1);
        sandbox.remove_config("d.toml");
        CHECK(sandbox.partctl({"diff", "c"}).code == 0);
        sandbox.remove_config("c.toml");
        CHECK(sandbox.partctl({"diff", "c"}).code == 1);
    }
    SECTION("a wrong file elsewhere is told as ever") {
        sandbox.write_config("a.toml", "[partition.a\n");
        CHECK(sandbox.partctl({"diff", "c"}).code == 3);
        CHECK(sandbox.partctl({"exec", "c", "--", "true"}).code == 0);
        CHECK(sandbox.partctl({"status", "c"}).err.find("a.toml") != std::string::npos);
    }
    SECTION("a record that is damaged, of others, or lies about its files is not believed") {
        const std::string place = "/run/partd/relations";
        const std::string good = read_file(place);
        for (const std::string& text : {std::string("partd-relations"), good.substr(0, good.size() / 2),
                                        std::string(4096, '\t'), std::string()}) {
            write_file(place, text);
            CHECK(sandbox.partctl({"diff", "c"}).code == 0);
        }
        write_file(place, good);
        require_call(::chmod(place.c_str(), 0666) == 0, place);
        CHECK(opened(sandbox, {"diff", "c"}).size() == 3);
    }
    SECTION("a name that is none is none") {
        for (const char* name : {":", "c\t:"}) {
            CHECK(sandbox.partctl({"show", name}).code == 2);
        }
    }
    SECTION("files of a directory that is gone stay as they were") {
        sandbox.write_config(
            "c.toml", "[partition.c.link.eth0]\npeer.name = \"c0\"\n[partition.c]\nhostname = \"c\"\n");
        sandbox.apply();
        std::filesystem::rename("/etc/partd", "/etc/partd.away");
        const auto told = sandbox.partctl({"diff", "c"});
        INFO(told.text());
        std::filesystem::rename("/etc/partd.away", "/etc/partd");
        CHECK(told.code == 0);
        CHECK(told.err.find("stays as it is") != std::string::npos);
    }
    SECTION("a name that is in the way is told with its holder") {
        ip({"link", "set", "c0", "alias", ""});
        ip({"link", "set", "c0", "down"});
        ip({"link", "set", "c0", "name", "aside"});
        ip({"link", "add", "c0", "type", "bridge"});
        sandbox.write_config("c.toml", "[partition.c.link.eth0]\npeer.name = \"c0\"\n");
        CHECK(sandbox.partctl({"diff", "c"}).code != 0);
        ip({"link", "del", "c0"});
    }
    SECTION("unknown names are told with a near one") {
        CHECK(sandbox.partctl({"show", "cc"}).err.find("there is no partition") != std::string::npos);
        CHECK(sandbox.partctl({"exec", "cc", "--", "true"}).code == 126);
    }
}
