// The files of units that services come to, and whose they are.

#include "kinds/service.h"

#include "kinds/service_file.h"

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
                   .slice = "partd-web.slice",
                   .netns = "/run/netns/web",
                   .etc = {"/etc/netns/web/resolv.conf", "/etc/netns/web/hosts"}}) ==
          "# Made by partd for service web/nginx, declared in /etc/partd/web.toml; changes are put back.\n"
          "[Service]\n"
          "Slice=partd-web.slice\n"
          "NetworkNamespacePath=/run/netns/web\n"
          "BindReadOnlyPaths=/etc/netns/web/resolv.conf:/etc/resolv.conf\n"
          "BindReadOnlyPaths=/etc/netns/web/hosts:/etc/hosts\n");
}

TEST_CASE("A command gets a unit of its own") {
    const std::string text = unit_file(
        {.service = "web/app", .file = "a\nb.toml", .slice = "partd-web.slice", .netns = "", .etc = {}},
        {.description = "app of partition web",
         .command = {"/bin/app", "$x %n"},
         .environment = {{"A", "\"b\" c"}},
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
          "Environment=\"A=\\\"b\\\" c\"\n"
          "User=www\n"
          "KillMode=mixed\n"
          "Restart=always\n"
          "RestartSec=1\n");
    CHECK(service_of(text) == "web/app");
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

TEST_CASE("A service's name may leave out its suffix, and is no path") {
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
