// SPDX-License-Identifier: Apache-2.0
// partd.toml(5), which is made from the tables of the kinds.

#include "config/compile.h"
#include "config/describe/examples.h"
#include "config/describe/forms.h"
#include "kinds/kinds.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <catch2/catch.hpp>

using namespace partd;

namespace {

std::vector<TextFile> examples() {
    std::vector<TextFile> files;
    for (const auto& entry : std::filesystem::directory_iterator(PARTD_SOURCE_DIR "/config-examples")) {
        std::ostringstream text;
        text << std::ifstream(entry.path()).rdbuf();
        files.push_back({entry.path().string(), text.str()});
    }
    return files;
}

}  // namespace

// Which the tests apply: tests/kernel/program/examples_test.cpp and tests/system/tests/examples.sh.
TEST_CASE("Every place of the language has an example") {
    const auto files = examples();
    REQUIRE(files.size() > 10);
    for (const Kind* kind : pure_kinds()) {
        for (const Declaration& declaration : declarations_of(*kind)) {
            INFO(declaration.path);
            CHECK((declaration.table == nullptr || !config::example_of(declaration.path, "", files).empty()));
        }
    }
}

TEST_CASE("An example is the longest that fits, to the next empty line") {
    const std::vector<TextFile> files = {
        {"a", "[partition.a.link.lo]\naddress = []\n\n[partition.a.link.eth0]  # first\nmtu = 1\n"},
        {"b", "[partition.b.link.eth0]\nmtu = 1\n\n[[partition.b.route]]\nto = \"default\"\n\nvia = 1\n"}};
    CHECK(config::example_of("partition.*.link.*", "", files) == "[partition.a.link.eth0]  # first\nmtu = 1");
    CHECK(config::example_of("partition.*.link.lo", "", files) == "[partition.a.link.lo]\naddress = []");
    CHECK(config::example_of("partition.*.route[]", "", files) == "[[partition.b.route]]\nto = \"default\"");
    CHECK(config::example_of("partition.*.route", "", files).empty());
    const std::vector<TextFile> kinds = {
        {"a", "[partition.a.link.br0]\nkind = \"bridge\"\nports = [\"eth0\"]\n\n[partition.a.link.eth0]\n"}};
    CHECK(config::example_of("partition.*.link.*", "", kinds) == "[partition.a.link.eth0]");
    CHECK(config::example_of("partition.*.link.*", "bridge", kinds).starts_with("[partition.a.link.br0]\n"));
    CHECK(config::example_of("partition.*.link.*", "vlan", kinds).empty());
}

TEST_CASE("A form is told in words") {
    const auto form = [](const char* schema) { return config::form_text(*from_json(schema)); };
    CHECK(form(R"({"type": "boolean"})") == "true or false");
    CHECK(form(R"({"enum": ["auto", "manual", "off"]})") == "\"auto\", \"manual\" or \"off\"");
    CHECK(form(R"({"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "string"}]})") ==
          "an integer or a string");
    CHECK(form(R"({"type": "array", "items": {"type": "string", "description": "an address"}})") ==
          "a list; each is an address");
    CHECK(form(R"({"type": "array", "items": {"type": "object", "properties": {"via": {}}}})") ==
          "a list of tables");
    CHECK(form(R"({"type": "object", "additionalProperties": {"type": "string"}})") ==
          "a table; the value of each key is a string");
}

TEST_CASE("The manual tells form, range, default and nested keys") {
    const auto files = examples();
    const std::string page = config::manual(pure_kinds(), files);
    for (const char* expected : {".B history\nnumber of applied generations that are kept for a "
                                 "rollback.\n.br\nForm: an integer, 2 to "
                                 "10000. Default: 20.\n",
                                 "Form: \"auto\" or \"manual\". Default: auto.\n", ".B nexthop\n",
                                 ".RS\n.TP\n.B via\n", ".EX\n[[partition.router.rule]]\npriority = 100\n"}) {
        INFO(expected);
        CHECK(page.find(expected) != std::string::npos);
    }
}
