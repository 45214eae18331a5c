// SPDX-License-Identifier: Apache-2.0
// partctl with a daemon that answers: who did it, many at once, and waiting for the host to be as declared.

#include "daemon_fixture.h"
#include "host_view.h"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <set>
#include <thread>

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

long generation_told(const Outcome& outcome) {
    const std::string words = "done by partd, generation ";
    const auto at = outcome.err.find(words);
    return at == std::string::npos ? 0 : std::stol(outcome.err.substr(at + words.size()));
}

double seconds_of(const std::function<void()>& work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

TEST_CASE("control: partctl has the daemon work, and says so", "[control][partctl]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kWeb);
    const auto alone = sandbox.partctl({"apply"});
    INFO(alone.text());
    CHECK(alone.code == 0);
    CHECK(alone.err.find("done by partd") == std::string::npos);
    Daemon daemon;
    REQUIRE(eventually([&] { return answers(sandbox); }));
    sandbox.write_config("web.toml", std::string(kWeb) + "mtu = 1400\n");
    const auto asked = sandbox.partctl({"apply"});
    INFO(asked.text());
    CHECK(asked.code == 0);
    CHECK(generation_told(asked) == 2);
    CHECK(mtu_of("web") == 1400);
    CHECK(generation_told(sandbox.partctl({"apply"})) == 2);  // nothing new
    CHECK(sandbox.partctl_json({"apply"}).at("generation") == 2);
    const auto silent = sandbox.partctl({"--no-legend", "apply"});
    CHECK(silent.err.empty());
}

TEST_CASE("control: --no-daemon works beside a daemon", "[control][partctl]") {
    Sandbox sandbox;
    sandbox.write_config("base.toml", "[daemon]\nsettle = \"1s\"\n");
    Daemon daemon;
    REQUIRE(eventually([&] { return answers(sandbox); }));
    REQUIRE(sandbox.partctl({"apply"}).code == 0);  // so that the daemon knows of its settle time
    sandbox.write_config("web.toml", kWeb);
    const auto applied = sandbox.partctl({"--no-daemon", "apply"});
    INFO(applied.text() << daemon.log());
    CHECK(applied.code == 0);
    CHECK(applied.err.find("done by partd") == std::string::npos);
    CHECK(exists("web"));
    CHECK(sandbox.partctl({"--no-daemon", "diff"}).code == 0);
    CHECK(converged(sandbox));
    // and keeps what the other one made
    REQUIRE(sandbox.partctl({"apply"}).code == 0);
    ip({"link", "set", "web0", "down"});
    CHECK(eventually([] { return is_up("web0"); }));
}

TEST_CASE("control: many partctls at once, each is answered", "[control][partctl]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kWeb);
    Daemon daemon;
    REQUIRE(eventually([&] { return exists("web"); }));
    std::vector<Background> callers;
    for (int i = 1; i <= 20; ++i) {
        Arguments arguments{PARTCTL, "apply"};
        if (i % 2 == 0) {
            const std::string file = sandbox.scratch() + "/" + std::to_string(i) + ".toml";
            write_file(file, numbered_partition(i));
            arguments.insert(arguments.end(), {"-f", file});
        } else if (i % 3 == 0) {
            arguments.emplace_back("web");
        }
        callers.emplace_back(arguments);
    }
    for (Background& caller : callers) {
        const int code = caller.wait();
        const Outcome told{.code = code, .timed_out = false, .out = {}, .err = caller.written()};
        INFO(told.text() << "\n" << daemon.log());
        CHECK(code == 0);
        CHECK(generation_told(told) >= 1);
    }
    // what only files given once declared goes with the next apply of the others
    CHECK(sandbox.partctl({"apply", "--allow-delete"}).code == 0);
    CHECK(converged(sandbox));
    CHECK(netns_names() == std::vector<std::string>{"web"});
    CHECK(links() == std::vector<std::string>{"web0"});
    std::set<long> numbers;
    for (const Json& each : generations(sandbox)) {
        numbers.insert(each.at("generation").get<long>());
    }
    CHECK(numbers.size() >= 11);
    CHECK(daemon.running());
}

TEST_CASE("control: what apply -f declared stays until the files change", "[control][partctl]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kWeb);
    Daemon daemon;
    REQUIRE(eventually([&] { return exists("web"); }));
    const auto once = sandbox.partctl({"apply", "-f", "-"}, {.input = numbered_partition(1)});
    INFO(once.text());
    CHECK(once.code == 0);
    CHECK(exists("p1"));
    ip({"link", "set", "h1", "down"});
    CHECK(eventually([] { return is_up("h1"); }));
    CHECK(exists("p1"));
    REQUIRE(sandbox.partctl({"apply"}).code == 0);
    CHECK_FALSE(exists("p1"));
}

TEST_CASE("control: wait ends when the partition is as declared, also one that is not there yet",
          "[control][wait]") {
    Sandbox sandbox;
    Daemon daemon;
    REQUIRE(eventually([&] { return answers(sandbox); }));
    Background waiting(Arguments{PARTCTL, "wait", "web", "--timeout", "8s"});
    std::this_thread::sleep_for(300ms);
    CHECK(waiting.running());
    sandbox.write_config("web.toml", kWeb);
    CHECK(waiting.wait(4s) == 0);
    CHECK(exists("web"));
    const double at_once = seconds_of([&] { CHECK(sandbox.partctl({"wait", "web"}).code == 0); });
    CHECK(at_once < 1.0);
    CHECK(sandbox.partctl({"wait"}).code == 0);
}

TEST_CASE("control: wait gives up with 8", "[control][wait]") {
    Sandbox sandbox;
    // a parent that is not there: it cannot become as declared
    ip({"link", "add", "web0", "type", "bridge"});
    sandbox.write_config("web.toml", kWeb);
    Daemon daemon;
    REQUIRE(eventually([&] { return exists("web"); }));
    Outcome waited;
    const double took = seconds_of([&] { waited = sandbox.partctl({"wait", "web", "--timeout", "1s"}); });
    INFO(waited.text());
    CHECK(waited.code == 8);
    CHECK(waited.err.find("web is not as declared after 1 s") != std::string::npos);
    CHECK(took >= 0.9);
    CHECK(took < 3.0);
    CHECK(sandbox.partctl({"wait", "nobody", "--timeout", "200ms"}).code == 8);
    CHECK(sandbox.partctl({"wait", "web", "--timeout", "soon"}).code == 2);
}

TEST_CASE("control: apply --wait waits until all is as declared", "[control][wait]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kWeb);
    Daemon daemon;
    const auto applied = sandbox.partctl({"apply", "--wait", "5s"});
    INFO(applied.text());
    CHECK(applied.code == 0);
    CHECK(sandbox.diff() == 0);
    // without a daemon, too
    daemon.signal(SIGTERM);
    REQUIRE(daemon.wait() == 0);
    sandbox.write_config("web.toml", std::string(kWeb) + "mtu = 1400\n");
    CHECK(sandbox.partctl({"apply", "--wait", "5s"}).code == 0);
    CHECK(mtu_of("web") == 1400);
}

TEST_CASE("control: without a daemon, what needs one says so with 4", "[control][partctl]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kWeb);
    for (const Arguments& asked :
         {Arguments{"apply", "--confirm", "2s"}, Arguments{"events"}, Arguments{"status", "--watch"}}) {
        const auto answer = sandbox.partctl(asked);
        INFO(asked.front() << ": " << answer.text());
        CHECK(answer.code == 4);
        CHECK(answer.err.find("partd") != std::string::npos);
    }
    CHECK_FALSE(exists("web"));
}
