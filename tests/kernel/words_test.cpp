// What partctl says to a command line that is wrong, and which ones are right.

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
        {{"start", "web"}, "there is no verb \"start\"; did you mean \"apply\"?"},
        {{"exce", "web", "--", "ls"}, "there is no verb \"exce\"; did you mean \"exec\"?"},
        {{"nothing-like-it"}, "there is no verb \"nothing-like-it\": partctl help lists them"},
        {{"help", "stauts"}, "there is no verb \"stauts\"; did you mean \"status\"?"},
        {{}, "a verb is missing: partctl help lists them"},
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
        CHECK(told.out.empty());
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
