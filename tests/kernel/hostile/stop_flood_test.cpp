// SPDX-License-Identifier: Apache-2.0
// Events without an end from inside a partition: partd takes a fifth of the time for them, and goes on with
// the others.

#include "daemon_fixture.h"
#include "host_view.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <sstream>
#include <thread>

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

double processor_seconds(pid_t process) {
    const auto stat = read_file("/proc/" + std::to_string(process) + "/stat");
    std::istringstream fields(stat.substr(stat.rfind(')') + 2));
    const std::vector<std::string> all{std::istream_iterator<std::string>(fields), {}};
    return static_cast<double>(std::stol(all.at(11)) + std::stol(all.at(12))) / 100;
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

TEST_CASE("stop: a flood of events from inside a partition", "[stop][flood]") {
    Sandbox sandbox;
    std::string all =
        "[partition.evil.link.eth0]\naddress = [\"10.9.0.1/24\"]\npeer = { name = \"evil0\" }\n";
    for (int i = 1; i <= 100; ++i) {
        all += numbered_partition(i);
    }
    sandbox.write_config("all.toml", all);
    Daemon daemon;
    REQUIRE(eventually([&] { return answers(sandbox) && converged(sandbox); }, 30s));
    std::string flood;
    SECTION("of a link that goes up and down") {
        for (int i = 0; i < 500; ++i) {
            flood += "link set eth0 down\nlink set eth0 up\n";
        }
    }
    SECTION("of addresses") {
        for (int i = 0; i < 2000; ++i) {
            const auto address = "10.8.0." + std::to_string(i % 200 + 1) + "/32 dev eth0\n";
            flood += "addr add " + address + "addr del " + address;
        }
    }
    const std::string file = sandbox.scratch() + "/flood";
    write_file(file, flood);
    std::vector<Background> flooders;
    for (int i = 0; i < 2; ++i) {
        flooders.emplace_back(
            Arguments{"sh", "-c", "while :; do ip -n evil -force -batch " + file + "; done >/dev/null 2>&1"});
    }
    std::this_thread::sleep_for(1s);
    const double before = processor_seconds(daemon.pid());
    const auto begin = std::chrono::steady_clock::now();
    double slowest = 0;
    for (int i = 1; i <= 12; ++i) {
        const auto name = "h" + std::to_string(i);
        const auto now = std::chrono::steady_clock::now();
        ip({"link", "set", name, "down"});
        CHECK(eventually([&] { return is_up(name); }, 10s));
        slowest = std::max(slowest, seconds_since(now));
        std::this_thread::sleep_for(200ms);
    }
    const double share = (processor_seconds(daemon.pid()) - before) / seconds_since(begin);
    flooders.clear();
    INFO("slowest " << slowest << " s, share " << share << " " << daemon.log().substr(0, 2000));
    CHECK(slowest < 1.5);
    CHECK(share < 0.3);
    // When it is quiet again all is as declared.
    CHECK(converged(sandbox, 5s));
    CHECK(answers(sandbox));
}
