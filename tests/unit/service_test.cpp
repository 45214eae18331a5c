// SPDX-License-Identifier: Apache-2.0
// The files of units that services come to, and whose they are.

#include "kinds/service/service.h"

#include "config/compile.h"
#include "kinds/machine/environment.h"
#include "kinds/service/file.h"
#include "plan/diff.h"

#include <catch2/catch.hpp>

using namespace partd;

TEST_CASE("A word in a unit's file is what it was, whatever is in it") {
    CHECK(quoted_word("plain") == R"("plain")");
    CHECK(quoted_word("") == R"("")");
    CHECK(quoted_word("100%") == R"("100%%")");
    CHECK(quoted_word("$HOME ;'x'") == R"("$HOME ;'x'")");
    CHECK(quoted_word(R"(say "hi" \n)") == R"("say \"hi\" \\n")");
}

TEST_CASE("A drop-in puts a unit into its partition") {
    CHECK(drop_in({.service = "web/nginx",
                   .file = "/etc/partd/web.toml",
                   .group = "partd.slice/partd-web.slice",
                   .netns = "/run/netns/web",
                   .etc = {"/etc/netns/web/resolv.conf", "/etc/netns/web/hosts"}}) ==
          "# Made by partd for service web/nginx, declared in /etc/partd/web.toml; changes are put back.\n"
          "[Service]\n"
          "Slice=partd-web.slice\n"
          "NetworkNamespacePath=/run/netns/web\n"
          "BindReadOnlyPaths=/etc/netns/web/resolv.conf:/etc/resolv.conf\n"
          "BindReadOnlyPaths=/etc/netns/web/hosts:/etc/hosts\n");
}

TEST_CASE("A hold keeps a unit from starting without its partition, and makes nothing before partd does") {
    CHECK(hold({.service = "web/nginx",
                .file = "/etc/partd/web.toml",
                .group = "partd.slice/partd-web.slice",
                .netns = "/run/netns/web",
                .etc = {"/etc/netns/web/resolv.conf"}}) ==
          "# Made by partd for service web/nginx, declared in /etc/partd/web.toml; changes are put back.\n"
          "# Without its partition the unit does not start; remove the declaration, not this file.\n"
          "[Unit]\n"
          "After=partd.service\n\n"
          "[Service]\n"
          "NetworkNamespacePath=/run/netns/web\n");
    CHECK(below_mark(hold({.service = "web/nginx",
                           .file = "x",
                           .group = "partd.slice/partd-web.slice",
                           .netns = "",
                           .etc = {}})) ==
          "# Without its partition the unit does not start; remove the declaration, not this file.\n"
          "[Unit]\n"
          "After=partd.service\n"
          "AssertPathExists=/sys/fs/cgroup/partd.slice/partd-web.slice\n");
    CHECK(hold_name("nginx.service", "web") == "nginx.service.d/49-partd-web.conf");
    CHECK(hold_name("a@b.service", "web") < drop_in_name("a@b.service", "web"));
}

TEST_CASE("A file of a unit tells which file declares it") {
    for (const char* file : {"/etc/partd/web.toml", "a, declared in b; changes are put back.toml", ""}) {
        CHECK(declared_in(drop_in(
                  {.service = "web/nginx", .file = file, .group = "partd.slice", .netns = "", .etc = {}})) ==
              file);
    }
    CHECK(declared_in("[Service]\n") == "");
    CHECK(declared_in("") == "");
}

TEST_CASE("A joined unit that goes on under another declaration is told so when the old one goes") {
    const auto compiled = [](const std::string& text) {
        const std::vector<TextFile> files = {{"x.toml", text}};
        auto result = config::compile(files, pure_kinds());
        REQUIRE(result.problems.empty());
        return std::move(result.desired);
    };
    const State before = compiled("[partition.a.service.x]\nunit = \"nginx\"\n[partition.b]\n");
    const auto successor = [&](const std::string& after) {
        const Plan plan = plan::diff(compiled(after), before, {});
        for (const Change& change : plan.changes) {
            if (change.action == Action::Remove && change.key.name == "a/x") {
                return change.successor ? change.successor.as<Service>().partition : std::string("nobody");
            }
        }
        return std::string("stays");
    };
    CHECK(successor("[partition.a]\n[partition.b.service.y]\nunit = \"nginx\"\n") == "b");
    CHECK(successor("[partition.a.service.y]\nunit = \"nginx\"\n[partition.b]\n") == "a");
    CHECK(successor("[partition.a.service.x]\nunit = \"other\"\n[partition.b]\n") == "a");
    CHECK(successor("[partition.a.service.y]\nunit = \"other\"\n[partition.b]\n") == "nobody");
    CHECK(successor("[partition.a.service.x]\nunit = \"nginx\"\n[partition.b]\n") == "stays");
}

TEST_CASE("A command gets a unit of its own") {
    const std::string text = unit_file({.service = "web/app",
                                        .file = "a\nb.toml",
                                        .group = "partd.slice/partd-web.slice",
                                        .netns = "",
                                        .etc = {}},
                                       {.description = "app of partition web",
                                        .command = {"/bin/app", "$x %n"},
                                        .environment_file = environment_path("/run/partd", "web/app"),
                                        .restart = "always",
                                        .user = "www",
                                        .relayed = true});
    CHECK(text ==
          "# Made by partd for service web/app, declared in a\\x0ab.toml; changes are put back.\n"
          "[Unit]\n"
          "Description=app of partition web\n\n"
          "[Service]\n"
          "Type=exec\n"
          "Slice=partd-web.slice\n"
          "ExecStart=:\"/bin/app\" \"$x %%n\"\n"
          "EnvironmentFile=/run/partd/environment/web.app\n"
          "User=www\n"
          "KillMode=mixed\n"
          "Restart=always\n"
          "RestartSec=1\n");
    CHECK(service_of(text) == "web/app");
}

TEST_CASE("Variables of a service are in no unit's file and on no command line") {
    for (const char* namespaces : {"", "namespaces = [\"pid\"]\n"}) {
        const std::vector<TextFile> files = {
            {"x.toml", std::string("[partition.web]\n") + namespaces +
                           "[partition.web.service.app]\ncommand = [\"/bin/app\"]\n"
                           "environment = { KEY = \"hunter2\", B = \"c\" }\n"}};
        const auto compiled = config::compile(files, pure_kinds());
        REQUIRE(compiled.problems.empty());
        const Resource* found = compiled.desired.find({&kService.kind, "web/app"});
        REQUIRE(found != nullptr);
        const Service& service = found->spec.as<Service>();
        INFO(service.content);
        CHECK_FALSE(service.content.contains("hunter2"));
        CHECK(service.content.contains("/run/partd/environment/web.app"));
        CHECK(service.environment == "B=\"c\"\nKEY=\"hunter2\"\n");
    }
}

TEST_CASE("A file of variables says what it was made of, and a difference names them alone") {
    const Environment all = {{"A", ""}, {"B", "$HOME `x` \\ \"y\" = z"}, {"C", "ü"}};
    CHECK(read_environment(environment_file(all)) == all);
    CHECK(environment_file({{"A", "a\"b"}}) == "A=\"a\\\"b\"\n");
    CHECK(environment_file({}).empty());
    for (const char* broken : {"", "A", "A=", "A=\"", "A=\"\\", "\n\n=\"\"", "A=\"b\"C"}) {
        INFO(broken);
        CHECK(read_environment(broken).size() <= 1);
    }
    CHECK(told_environment({{"A", "1"}, {"B", "2"}}, {{"B", "3"}, {"C", "4"}}) ==
          Sides("A, B", "B, C (new values: B)"));
    CHECK(told_environment({}, {{"A", "1"}}) == Sides("", "A"));
}

TEST_CASE("A file's first line tells whose it is, and others' files are others'") {
    CHECK(service_of("# Made by partd for service web/nginx, declared in x; changes are put back.\n") ==
          "web/nginx");
    for (const char* other :
         {"", "[Service]\n", "# Made by partd for service web, declared in x\n",
          "# Made by partd for service ../etc, x\n", "# Made by partd for service a/b/c, x\n",
          "\n# Made by partd for service web/nginx, declared in x; changes are put back.\n",
          "# Made by partd for service web/nginx"}) {
        INFO(other);
        CHECK_FALSE(service_of(other));
    }
}

TEST_CASE("Names of units are escaped as systemd does it") {
    CHECK(own_unit_name("web", "app") == "partd-web-app.service");
    CHECK(own_unit_name("a-b", "c") != own_unit_name("a", "b-c"));
    CHECK(own_unit_name("a-b", "c-d") == "partd-a\\x2db-c\\x2dd.service");
    CHECK(drop_in_name("nginx.service", "web") == "nginx.service.d/50-partd-web.conf");
}

TEST_CASE("A service's name may leave out its suffix, and is not a path") {
    CHECK(ServiceName::parse("nginx") == ServiceName("nginx.service"));
    CHECK(ServiceName::parse("nginx.service") == ServiceName("nginx.service"));
    CHECK(ServiceName::parse("getty@tty1") == ServiceName("getty@tty1.service"));
    CHECK(ServiceName::parse("org.example.app") == ServiceName("org.example.app.service"));
    for (const char* bad : {"", ".service", "a/b", "../a", "a b", "a\nb", "getty@.service", "@a", "x.socket",
                            "partd-web.slice"}) {
        INFO(bad);
        CHECK_FALSE(ServiceName::parse(bad));
    }
    CHECK_FALSE(ServiceName::parse(std::string(260, 'a')));
}
