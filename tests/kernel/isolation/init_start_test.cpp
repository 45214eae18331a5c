// SPDX-License-Identifier: Apache-2.0
// PID 1 of a partition begins alike, whoever starts it.

#include "machine.h"

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

const std::string kMapped =
    "[partition.m.user]\nuid_map = [{ inside = 0, "
    "outside = 1000000, count = 65536 }]\n";

std::string status_line(pid_t process, const std::string& key) {
    const auto text = read_file("/proc/" + std::to_string(process) + "/status");
    const auto at = text.find("\n" + key + ":\t");
    const auto begin = at + key.size() + 3;
    return at == std::string::npos ? "" : text.substr(begin, text.find('\n', begin) - begin);
}

}  // namespace

TEST_CASE("machine: PID 1 starts alike, whoever starts it", "[machine][init]") {
    Sandbox sandbox;
    const auto mapped = GENERATE(std::string(), kMapped);
    INFO(mapped);
    sandbox.write_config("m.toml", "[partition.m]\nnamespaces = [\"pid\"]\n" + mapped +
                                       "[partition.m.init]\ncommand = [\"sleep\", \"1000\"]\n");
    const auto start = [&](Arguments before) {
        for (const char* word : {PARTCTL, "apply"}) {
            before.emplace_back(word);
        }
        const auto applied = run(before);
        INFO(applied.text());
        REQUIRE(applied.code == 0);
        const auto init = init_of("m");
        REQUIRE(init);
        const auto process = std::to_string(*init);
        std::string all =
            output({"prlimit", "--noheadings", "--raw", "--output=RESOURCE,SOFT", "--pid", process}) +
            output({"ps", "-o", "ni=,cls=", "-p", process}) + output({"taskset", "-p", process}) +
            output({"ionice", "-p", process}) + read_file("/proc/" + process + "/oom_score_adj") +
            read_file("/proc/" + process + "/personality") +
            read_file("/proc/" + process + "/coredump_filter");
        for (const char* key : {"SigIgn", "SigBlk", "CapAmb", "CapBnd", "NoNewPrivs", "Cpus_allowed_list"}) {
            all += std::string(key) + " " + status_line(*init, key) + "\n";
        }
        all.replace(all.find("pid " + process), 4 + process.size(), "pid");
        sandbox.remove_config("m.toml");
        sandbox.apply();
        sandbox.write_config("m.toml", "[partition.m]\nnamespaces = [\"pid\"]\n" + mapped +
                                           "[partition.m.init]\ncommand = [\"sleep\", \"1000\"]\n");
        return all;
    };
    const auto plain = start({});
    INFO(plain);
    CHECK(start({"nice", "-n", "7"}) == plain);
    CHECK(start({"taskset", "-c", "0"}) == plain);
    CHECK(start({"ionice", "-c", "3"}) == plain);
    CHECK(start({"chrt", "-b", "0"}) == plain);
    CHECK(start({"choom", "-n", "500", "--"}) == plain);
    CHECK(start({"setarch", "-R"}) == plain);
    CHECK(start({"prlimit", "--core=0:", "--nofile=512:", "--stack=1000000:", "--cpu=1000:"}) == plain);
    CHECK(start({"env", "--ignore-signal=HUP", "--ignore-signal=PIPE", "--block-signal=USR1"}) == plain);
}

TEST_CASE("machine: no PID 1 that could never get back what it lost", "[machine][init]") {
    Sandbox sandbox;
    sandbox.write_config("m.toml", "[partition.m]\nnamespaces = [\"pid\"]\n");
    const auto refused = run({"setpriv", "--no-new-privs", PARTCTL, "apply"});
    INFO(refused.text());
    CHECK(refused.code == 6);
    CHECK(refused.err.find("no_new_privs") != std::string::npos);
    CHECK_FALSE(init_of("m"));
    settle(sandbox);
    CHECK(status_line(init_of("m").value(), "NoNewPrivs") == "0");
}
