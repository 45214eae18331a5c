// SPDX-License-Identifier: Apache-2.0
// Limits of groups that stand in each other, all of them changed at once: from any state to any state.

#include "host_view.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <map>

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

/// Slices a, b below a, and partition c below b, each with that value or none, in the order of the letters.
std::string nested(const std::string& key, const std::string& a, const std::string& b, const std::string& c,
                   bool inmost_first = false) {
    const auto with = [&](const std::string& value) {
        return value.empty() ? "" : key + " = \"" + value + "\"\n";
    };
    const std::string outer = "[slice.a]\n" + with(a) + "[slice.b]\nparent = \"a\"\n" + with(b);
    const std::string inner = "[partition.c.cgroup]\nparent = \"b\"\n" + with(c);
    return inmost_first ? inner + outer : outer + inner;
}

constexpr const char* kA = "partd.slice/partd-a.slice";
constexpr const char* kB = "partd.slice/partd-a.slice/partd-a-b.slice";
constexpr const char* kC = "partd.slice/partd-a.slice/partd-a-b.slice/partd-a-b-c.slice";

std::string cpus_of(Sandbox& sandbox, const std::string& cgroup) {
    std::string text;
    for (const auto& place : sandbox.cgroups().places(cgroup)) {
        if (::access((place + "/cpuset.cpus").c_str(), F_OK) == 0) {
            text = read_file(place + "/cpuset.cpus");
        }
    }
    return text.substr(0, text.find('\n'));
}

}  // namespace

TEST_CASE("nested limits: processors, from any state to any other", "[limits][cgroup][edit]") {
    Sandbox sandbox;
    if (sandbox.cgroups().of("cpuset") == nullptr || ::sysconf(_SC_NPROCESSORS_ONLN) < 2) {
        PARTD_CANNOT_RUN("no hierarchy has the cpuset controller, or there is one processor");
    }
    const bool v1 = sandbox.cgroups().of("cpuset")->version == 1;
    using State = std::array<std::string, 3>;
    const std::vector<State> states = {{"0", "0", "0"},   {"1", "1", "1"},     {"0-1", "0", "0"},
                                       {"0-1", "1", "1"}, {"0-1", "0-1", "1"}, {"1", "", "1"},
                                       {"0", "", ""},     {"", "", "1"},       {"", "0", ""}};
    for (std::size_t from = 0; from < states.size(); ++from) {
        for (std::size_t to = 0; to < states.size(); ++to) {
            for (const auto& [a, b, c] : {states[from], states[to]}) {
                INFO(from << " → " << to << ": a = \"" << a << "\", b = \"" << b << "\", c = \"" << c
                          << "\"");
                sandbox.write_config("n.toml", nested("cpuset.cpus", a, b, c, (from + to) % 2 == 1));
                sandbox.apply();
                if (v1 && (!a.empty() || !b.empty() || !c.empty())) {
                    CHECK((a.empty() || cpus_of(sandbox, kA) == a));
                    CHECK((b.empty() || cpus_of(sandbox, kB) == b));
                    CHECK((c.empty() || cpus_of(sandbox, kC) == c));
                }
            }
        }
    }
}

TEST_CASE("nested limits: without one, a cpuset follows the group above", "[limits][cgroup][edit]") {
    Sandbox sandbox;
    if (sandbox.cgroups().of("cpuset") == nullptr || ::sysconf(_SC_NPROCESSORS_ONLN) < 2) {
        PARTD_CANNOT_RUN("no hierarchy has the cpuset controller, or there is one processor");
    }
    if (sandbox.cgroups().of("cpuset")->version == 2) {
        PARTD_CANNOT_RUN("with cgroup v2 the kernel does it");
    }
    sandbox.write_config("n.toml", nested("cpuset.cpus", "0", "", "0"));
    sandbox.apply();
    sandbox.write_config("n.toml", nested("cpuset.cpus", "0-1", "", "1"));
    sandbox.apply();
    CHECK(cpus_of(sandbox, kB) == "0-1");
    sandbox.write_config("n.toml", nested("cpuset.cpus", "1", "", ""));
    sandbox.apply();
    CHECK(cpus_of(sandbox, kB) == "1");
    CHECK(cpus_of(sandbox, kC) == "1");
    sandbox.write_config("n.toml", nested("cpuset.cpus", "", "", ""));
    sandbox.apply();
    CHECK(cpus_of(sandbox, kC) == cpus_of(sandbox, "partd.slice"));
}

TEST_CASE("nested limits: quotas, from any state to any other", "[limits][cgroup][edit]") {
    Sandbox sandbox;
    if (sandbox.cgroups().of("cpu") == nullptr) {
        PARTD_CANNOT_RUN("no hierarchy has the cpu controller");
    }
    using State = std::array<std::string, 3>;
    const std::vector<State> states = {{"50%", "40%", "30%"},
                                       {"20%", "10%", "5%"},
                                       {"400%", "300%", "200%"},
                                       {"100000 1000000", "1000 10000", "50000 500000"},
                                       {"", "60%", "max"},
                                       {"45%", "", "35%"},
                                       {"max 50000", "1000 1000", ""}};
    for (std::size_t from = 0; from < states.size(); ++from) {
        for (std::size_t to = 0; to < states.size(); ++to) {
            for (const auto& [a, b, c] : {states[from], states[to]}) {
                INFO(from << " → " << to << ": a = \"" << a << "\", b = \"" << b << "\", c = \"" << c
                          << "\"");
                sandbox.write_config("n.toml", nested("cpu.max", a, b, c, (from + to) % 2 == 1));
                sandbox.apply();
            }
        }
    }
    CHECK_FALSE(sandbox.cgroups().processor_percent(kA).has_value());
}

TEST_CASE("nested limits: one that does not fit says into which", "[limits][cgroup][failure]") {
    Sandbox sandbox;
    const auto* cpuset = sandbox.cgroups().of("cpuset");
    const auto* cpu = sandbox.cgroups().of("cpu");
    if (cpuset == nullptr || cpu == nullptr || cpuset->version == 2 || cpu->version == 2 ||
        ::sysconf(_SC_NPROCESSORS_ONLN) < 2) {
        PARTD_CANNOT_RUN("with cgroup v2 anything fits");
    }
    const auto fails = [&](const std::string& text, const std::string& sentence, const std::string& line) {
        sandbox.write_config("n.toml", text);
        const auto applied = sandbox.partctl({"apply"});
        INFO(applied.text());
        CHECK(applied.code == 6);
        CHECK(applied.err.find(sentence) != std::string::npos);
        CHECK(applied.err.find("n.toml:" + line) != std::string::npos);
    };
    fails(nested("cpuset.cpus", "0", "", "1"), "cpuset.cpus = 1 is more than the 0 of " + std::string(kB),
          "7:");
    fails(nested("cpu.max", "20%", "", "30%"), "cpu.max = 30000 100000 is more than the", "7:");
    fails(nested("cpuset.cpus", "0-9", "", ""), "cpuset.cpus = 0-9 is more than the", "2:");
    sandbox.write_config("n.toml", nested("cpuset.cpus", "0-1", "", ""));
    sandbox.apply();
    // A group that somebody else made below.
    const std::string theirs = cpuset->mount_point + "/" + kC + "/theirs";
    REQUIRE(::mkdir(theirs.c_str(), 0755) == 0);
    write_file(theirs + "/cpuset.cpus", "1");
    fails(nested("cpuset.cpus", "0", "", ""), "cpuset.cpus", "2:");
    CHECK(read_file(theirs + "/cpuset.cpus") == "1\n");
    ::rmdir(theirs.c_str());
    sandbox.apply();
    CHECK(cpus_of(sandbox, kC) == "0");
}
