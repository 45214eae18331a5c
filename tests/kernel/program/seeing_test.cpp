// SPDX-License-Identifier: Apache-2.0
// partctl top, tree and ns NAME, and the width of status.
#include "host_view.h"
#include "pseudo_terminal.h"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include <catch2/catch.hpp>

using namespace partd::test;
using namespace std::chrono_literals;

namespace {

std::size_t widest_line(const std::string& text) {
    std::size_t widest = 0;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        const auto width = std::ranges::count_if(
            line, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
        widest = std::max(widest, static_cast<std::size_t>(width));
    }
    return widest;
}

Json rates_of(const Sandbox& sandbox, const std::string& name, const std::string& delay = "500ms") {
    const auto listed = sandbox.partctl_json({"top", name, "--delay", delay});
    return listed.at("rates").at(0);
}

Json group_of(const Json& listed, const std::string& name) {
    for (const auto& group : listed.at("groups")) {
        if (group.at("name") == name) {
            return group;
        }
    }
    return {};
}

bool has_command(const Json& group, const std::string& command, bool inside) {
    return std::ranges::any_of(group.at("processes"), [&](const Json& process) {
        return process.at("command") == command && process.at("inside") == inside;
    });
}

}  // namespace

TEST_CASE("top: a busy partition is told from an idle one", "[top]") {
    Sandbox sandbox;
    sandbox.example("blue-green");
    sandbox.apply();
    Background busy(Arguments{PARTCTL, "exec", "blue", "--", "sh", "-c", "while :; do :; done"});
    REQUIRE(eventually([&] { return status_of(sandbox, "blue").at("processes").get<int>() > 0; }));
    CHECK(eventually([&] { return rates_of(sandbox, "blue").at("cpu").get<double>() > 5; }));
    CHECK(rates_of(sandbox, "green").at("cpu") == 0);
    const auto all = sandbox.partctl_json({"top", "--delay", "200ms", "--sort", "cpu"});
    CHECK(all.at("rates").at(0).at("name") == "blue");
    const auto by_name = sandbox.partctl({"top", "--delay", "10ms", "--sort", "name"});
    INFO(by_name.text());
    CHECK(by_name.code == 0);
    CHECK(by_name.out.find("blue") < by_name.out.find("green"));
    CHECK(widest_line(by_name.out) <= 80);
}

TEST_CASE("top: packets are counted where they arrive", "[top]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    sandbox.apply();
    Background ping(Arguments{PARTCTL, "exec", "workshop", "--", "ping", "-i", "0.02", "-s", "1000", "-c",
                              "2000", "10.1.1.2"});
    CHECK(eventually([&] {
        const auto rates = rates_of(sandbox, "workshop");
        return rates.at("received").get<double>() > 1000 && rates.at("sent").get<double>() > 1000;
    }));
}

TEST_CASE("top: prints as often as asked, and says who is not there", "[top]") {
    Sandbox sandbox;
    sandbox.write_config("batch.toml", "[slice.batch]\n");
    sandbox.apply();
    const auto twice = sandbox.partctl({"top", "-n", "2", "--delay", "10ms"});
    INFO(twice.text());
    CHECK(twice.out.find("batch") != twice.out.rfind("batch"));
    const auto nobody = sandbox.partctl({"top", "batsh", "-n", "1"});
    CHECK(nobody.code == 2);
    CHECK(nobody.err.find("there is no partition or slice \"batsh\" on this host") != std::string::npos);
}

TEST_CASE("tree: processes where they live, and those that only joined a network", "[tree]") {
    Sandbox sandbox;
    sandbox.example("blue-green");
    sandbox.apply();
    Background inside(Arguments{PARTCTL, "exec", "blue", "--", "sleep", "31.5"});
    Background joined(Arguments{"ip", "netns", "exec", "blue", "sleep", "32.5"});
    REQUIRE(eventually([&] {
        const auto blue = group_of(sandbox.partctl_json({"tree"}), "blue");
        return has_command(blue, "sleep 31.5", true) && has_command(blue, "sleep 32.5", false);
    }));
    const auto listed = sandbox.partctl_json({"tree"});
    CHECK(group_of(listed, "green").at("processes").empty());
    CHECK(group_of(listed, "blue").at("namespaces").at(0).at("ns") == netns_inode("blue"));
    const auto shown = sandbox.partctl({"tree", "blue"});
    INFO(shown.text());
    CHECK(shown.out.find("blue (partition, active)") != std::string::npos);
    CHECK(shown.out.find("green") == std::string::npos);
    CHECK(shown.out.find("sleep 32.5 (only in its network namespace)") != std::string::npos);
    CHECK(sandbox.partctl({"tree", "blu"}).code == 2);
}

TEST_CASE("tree: groups of the inside, long command lines, shared namespaces", "[tree]") {
    Sandbox sandbox;
    sandbox.example("pod");
    sandbox.apply();
    const auto listed = sandbox.partctl_json({"tree"});
    bool shared = false;
    for (const auto& group : listed.at("groups")) {
        for (const auto& ns : group.at("namespaces")) {
            shared = shared || !ns.at("shared_with").empty();
        }
    }
    CHECK(shared);
    sandbox.write_config("b.toml", "[slice.batch]\n");
    sandbox.apply();
    const std::string path = sandbox.cgroups().places("partd.slice/partd-batch.slice").front() + "/inner";
    std::filesystem::create_directory(path);
    const std::string words(200, 'w');
    Background sleeper(Arguments{"sh", "-c", "sleep 60; : " + words});
    write_file(path + "/cgroup.procs", std::to_string(sleeper.pid()));
    const auto shown = sandbox.partctl({"tree", "batch"});
    INFO(shown.text());
    CHECK(shown.out.find("└─inner\n") != std::string::npos);
    CHECK(widest_line(shown.out) == 80);
    CHECK(sandbox.partctl({"tree", "batch", "--full"}).out.find(words) != std::string::npos);
}

TEST_CASE("ns NAME: the namespaces of one partition", "[ns]") {
    Sandbox sandbox;
    sandbox.example("blue-green");
    sandbox.apply();
    const auto listed = sandbox.partctl_json({"ns", "blue"}).at("namespaces");
    REQUIRE(listed.size() == 1);
    CHECK(listed.at(0).at("ns") == netns_inode("blue"));
    const auto nobody = sandbox.partctl({"ns", "bleu"});
    CHECK(nobody.code == 2);
    CHECK(nobody.err.find("there is no partition or slice \"bleu\"; did you mean \"blue\"?") !=
          std::string::npos);
}

TEST_CASE("status: 80 columns, colors on a terminal, all with --full", "[status]") {
    Sandbox sandbox;
    std::string many;
    for (int i = 1; i <= 100; ++i) {
        const auto number = std::to_string(i);
        many += "[partition.customer-number-" + number + "]\n[partition.customer-number-" + number +
                ".link.eth0]\naddress = [\"10.60." + number + ".2/24\", \"fd00:60:" + number +
                "::2/64\", \"10.61." + number + ".2/24\"]\npeer = { address = [\"10.60." + number +
                ".1/24\"] }\n[partition.customer-number-" + number + ".nat]\nmasquerade = true\n";
    }
    sandbox.write_config("many.toml", many);
    sandbox.apply();
    const auto shown = sandbox.partctl({"status"});
    INFO(shown.text());
    CHECK(widest_line(shown.out) <= 80);
    CHECK(std::ranges::count(shown.out, '\n') == 101);
    CHECK(shown.out.find("10.60.7.2 +2") != std::string::npos);
    CHECK(shown.out.find("AGE") != std::string::npos);
    const auto full = sandbox.partctl({"status", "--full"});
    CHECK(full.out.find("10.60.7.2/24, 10.61.7.2/24, fd00:60:7::2/64") != std::string::npos);
    CHECK(status_of(sandbox, "customer-number-7").at("address").size() == 3);
    CHECK(sandbox.partctl({"status", "--color", "always"}).out.find("\033[32mactive\033[0m") !=
          std::string::npos);
    CHECK(widest_line(sandbox.partctl({"top", "--delay", "10ms"}).out) <= 80);
    CHECK(widest_line(sandbox.partctl({"tree"}).out) <= 80);
}

TEST_CASE("top: a terminal gets as many lines as it has, until it is interrupted", "[top]") {
    Sandbox sandbox;
    sandbox.write_config("slices.toml", "[slice.one]\n[slice.two]\n[slice.three]\n");
    sandbox.apply();
    Pty terminal({PARTCTL, "top", "--delay", "50ms", "--sort", "name"});
    CHECK(terminal.await("two"));
    CHECK(terminal.await("two"));
    terminal.type("\x03");
    CHECK(terminal.wait() != 0);
}
