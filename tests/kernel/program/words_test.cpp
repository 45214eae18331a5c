// SPDX-License-Identifier: Apache-2.0
// partctl's words for a command line that is wrong, and which ones are right.

#include "daemon_fixture.h"
#include "host_view.h"

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

bool says(const Outcome& outcome, const std::string& words) {
    return outcome.err.find(words) != std::string::npos;
}

}  // namespace

TEST_CASE("words: a verb that there is not is named, with the one that was meant", "[words]") {
    Sandbox sandbox;
    const std::vector<std::pair<Arguments, std::string>> wrong = {
        {{"stauts"}, "there is no verb \"stauts\"; did you mean \"status\"?"},
        {{"--json", "stauts", "web", "--check"}, "there is no verb \"stauts\"; did you mean \"status\"?"},
        {{"ls"}, "there is no verb \"ls\"; did you mean \"list\"?"},
        {{"down", "web"}, "there is no verb \"down\"; did you mean \"stop\"?"},
        {{"exce", "web", "--", "ls"}, "there is no verb \"exce\"; did you mean \"exec\"?"},
        {{"nothing-like-it"}, "there is no verb \"nothing-like-it\": partctl help lists them"},
        {{"help", "stauts"}, "there is no verb \"stauts\"; did you mean \"status\"?"},
        {{}, "a verb is missing: partctl help lists them"},
        {{"rollback", "last"}, "rollback: \"last\" is not a number: partctl help rollback"},
        {{"diff", "--generation", "1x"}, "diff: \"1x\" is not a number: partctl help diff"},
        {{"status", "--chek"}, "there is no option \"--chek\"; did you mean \"--check\"?"},
        {{"apply", "--confrim=60s"}, "there is no option \"--confrim\"; did you mean \"--confirm\"?"},
        {{"status", "web", "other"}, "status does not take \"other\": partctl help status"},
        {{"list", "a\033[2Jb"}, "list does not take \"a\\x1b[2Jb\""},
    };
    for (const auto& [arguments, words] : wrong) {
        const auto told = sandbox.partctl(arguments);
        INFO(told.text());
        CHECK(told.code == 2);
        CHECK(says(told, words));
        CHECK(told.out.empty() == (arguments.empty() || arguments.front() != "--json"));
    }
}

TEST_CASE("words: help and version are verbs", "[words]") {
    Sandbox sandbox;
    const auto all = sandbox.partctl({"help"});
    INFO(all.text());
    CHECK(all.code == 0);
    CHECK(all.out.find("rollback") != std::string::npos);
    CHECK(all.out == sandbox.partctl({"--help"}).out);
    const auto one = sandbox.partctl({"help", "rollback"});
    CHECK(one.code == 0);
    CHECK(one.out.find("Usage: partctl rollback") != std::string::npos);
    CHECK(one.out.find("--allow-delete") != std::string::npos);
    CHECK(sandbox.partctl({"version"}).out == sandbox.partctl({"--version"}).out);
    CHECK(sandbox.partctl({"version"}).code == 0);
}

TEST_CASE("words: exec takes its program with and without the dashes", "[words][exec]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kWeb);
    REQUIRE(sandbox.partctl({"apply"}).code == 0);
    const std::string file = sandbox.scratch() + "/variables";
    write_file(file, "COLOR=\"blue\"\n");
    const std::vector<std::pair<Arguments, std::string>> right = {
        {{"exec", "web", "echo", "-n", "--help"}, "--help"},
        {{"exec", "web", "echo", "a", "--", "b"}, "a -- b\n"},
        {{"exec", "web", "--", "echo", "a", "--", "b"}, "a -- b\n"},
        {{"exec", "--environment", file, "web", "printenv", "COLOR"}, "blue\n"},
        {{"exec", "web", "--environment", file, "--", "printenv", "COLOR"}, "blue\n"},
        {{"exec", "web", "echo", "--environment", "x"}, "--environment x\n"},
        {{"--no-daemon", "exec", "web", "echo", "--json"}, "--json\n"},
    };
    for (const auto& [arguments, out] : right) {
        const auto ran = sandbox.partctl(arguments);
        INFO(ran.text());
        CHECK(ran.code == 0);
        CHECK(ran.out == out);
    }
    CHECK(sandbox.partctl({"exec", "web"}).code == 2);
    CHECK(says(sandbox.partctl({"exec", "web"}), "exec needs a program: partctl exec NAME PROGRAM"));
    CHECK(says(sandbox.partctl({"exec", "web", "--enviroment", file, "--", "env"}),
               "did you mean \"--environment\"?"));
}

TEST_CASE("words: a name that is nearly right is answered with the right one", "[words]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", std::string(kWeb) + "[partition.web.cgroup]\n");
    REQUIRE(sandbox.partctl({"apply"}).code == 0);
    for (const char* verb : {"status", "show", "diff", "apply", "pause", "kill", "freeze", "thaw"}) {
        const auto told = sandbox.partctl({verb, "wbe"});
        INFO(verb << told.text());
        CHECK(told.code == 2);
        CHECK(says(told, "\"wbe\""));
        CHECK(says(told, "did you mean \"web\"?"));
        CHECK_FALSE(says(sandbox.partctl({verb, "entirely-other"}), "did you mean"));
    }
    for (const Arguments& arguments : {Arguments{"exec", "wbe", "true"}, Arguments{"shell", "wbe"}}) {
        const auto told = sandbox.partctl(arguments);
        INFO(told.text());
        CHECK(told.code == 126);
        CHECK(says(told, "there is no partition \"wbe\"; did you mean \"web\"?"));
    }
    REQUIRE(sandbox.partctl({"pause", "web"}).code == 0);
    CHECK(says(sandbox.partctl({"resume", "wbe"}), "\"wbe\" is not paused; did you mean \"web\"?"));
}

TEST_CASE("words: an invalid configuration is an object with its errors for who wants JSON", "[words]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", "[partition.web]\nnetnss = true\n");
    for (const Arguments& arguments : {Arguments{"diff"}, {"apply"}, {"apply", "--keep-going"}}) {
        Arguments words{"--json"};
        words.insert(words.end(), arguments.begin(), arguments.end());
        const auto told = sandbox.partctl(words);
        INFO(told.text());
        CHECK(told.code == 3);
        const Json all = Json::parse(told.out);
        CHECK(all.at("schema") == 1);
        REQUIRE(all.at("errors").size() == 1);
        const Json& error = all.at("errors").front();
        CHECK(error.at("file").get<std::string>().ends_with("/web.toml"));
        CHECK(error.at("line") == 2);
        CHECK(error.at("column") == 1);
        CHECK(error.at("message").get<std::string>().find("netnss") != std::string::npos);
    }
    const auto unreadable = sandbox.partctl({"--json", "apply", "-f", "/nowhere.toml"});
    INFO(unreadable.text());
    CHECK(unreadable.code == 3);
    CHECK(Json::parse(unreadable.out).at("errors").front().at("file") == "/nowhere.toml");
}

TEST_CASE("words: diff -f is the plan of apply -f", "[words]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kWeb);
    REQUIRE(sandbox.partctl({"apply"}).code == 0);
    const auto plan = sandbox.partctl({"diff", "-f", "-"}, {.input = numbered_partition(1)});
    INFO(plan.text());
    CHECK(plan.code == 1);
    CHECK(plan.out.find("p1") != std::string::npos);
    CHECK(plan.out.find("web") == std::string::npos);
    CHECK_FALSE(exists("p1"));
    REQUIRE(sandbox.partctl({"apply", "-f", "-"}, {.input = numbered_partition(1)}).code == 0);
    CHECK(sandbox.partctl({"diff", "-f", "-"}, {.input = numbered_partition(1)}).code == 0);
    CHECK(sandbox.partctl({"diff", "--generation", "1", "-f", "-"}, {.input = numbered_partition(1)}).code ==
          2);
}
