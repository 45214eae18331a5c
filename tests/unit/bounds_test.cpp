// SPDX-License-Identifier: Apache-2.0
// Few bytes of a configuration may become very much: that is counted before it is made.

#include "config/compile.h"
#include "kinds/kinds.h"

#include <catch2/catch.hpp>

using namespace partd;

namespace {

config::Compiled compile(const std::string& text) {
    const std::vector<TextFile> all = {{"x.toml", text}};
    return config::compile(all, pure_kinds());
}

const std::string kLink = "[partition.web.link.eth0]\naddress = [\"10.1.1.1/24\"]\n";

std::string forward(const std::string& ports, const std::string& more = "") {
    return "[[partition.web.nat.forward]]\nlisten = \"" + ports + "\"\nto = \"10.1.1.1\"\n" + more;
}

std::string partitions_of(const std::string& body, int count) {
    std::string text = "[template.big]\n" + body;
    for (int i = 0; i < count; ++i) {
        text += "[partition.p" + std::to_string(i) + "]\nextends = \"big\"\n";
    }
    return text;
}

}  // namespace

TEST_CASE("Forwards are counted before they are multiplied") {
    const std::string addresses =
        "address = [\"192.0.2.1\", \"192.0.2.2\", \"192.0.2.3\", \"192.0.2.4\", \"192.0.2.5\"]\n";
    const auto one = compile(kLink + forward("tcp/1-65535", addresses));
    REQUIRE(one.problems.problems().size() == 1);
    CHECK(one.problems.problems()[0].message.starts_with("this forward would need 327675 entries"));
    CHECK(one.problems.problems()[0].at.place() == "x.toml:3");
    CHECK(one.desired.all().size() < 100);

    // One forward may take nearly all; the next has the rest.
    const std::string four = "address = [\"192.0.2.1\", \"192.0.2.2\", \"192.0.2.3\", \"192.0.2.4\"]\n";
    CHECK(compile(kLink + forward("tcp/1-65535", four)).problems.empty());
    const auto together = compile(kLink + forward("tcp/1-65535", four) + forward("udp/1-5"));
    REQUIRE(together.problems.problems().size() == 1);
    CHECK(together.problems.problems()[0].message.find("at most 4 are left of 262144") != std::string::npos);
}

TEST_CASE("Templates are counted before they are filled in") {
    std::string list = "[template.big.link.eth0]\naddress = [\n";
    for (int i = 0; i < 3000; ++i) {
        list += "\"10." + std::to_string(i / 200) + "." + std::to_string(i % 200) + ".1/24\",\n";
    }
    const auto values = compile(partitions_of(list + "]\n", 400));
    REQUIRE_FALSE(values.problems.empty());
    CHECK(values.problems.problems()[0].message.find("more than 1048576 values") != std::string::npos);
    CHECK(values.problems.problems()[0].at.place() == "x.toml:3702");

    std::string names;
    for (int i = 0; i < 20'000; ++i) {
        names += "{name}";
    }
    const auto text = compile(partitions_of("description = \"" + names + "\"\n", 100));
    REQUIRE_FALSE(text.problems.empty());
    CHECK(text.problems.problems()[0].message.find("more than 1048576 values") != std::string::npos);

    // A name that is none is not filled in 20,000 times.
    const auto name = compile("[template.big]\ndescription = \"" + names + "\"\n[partition." +
                              std::string(20'000, 'k') + "]\nextends = \"big\"\n");
    REQUIRE_FALSE(name.problems.empty());
    CHECK(name.problems.problems()[0].message.size() < 1000);
}
