// An edit that is compiled alone gives what the whole document gives, or is not compiled alone.

#include "reconcile/edit.h"

#include "kinds/kinds.h"
#include "state_lines.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace partd;
using partd::test::lines_of;

namespace {

const TextFile kWeb = {"/etc/partd/web.toml", R"(
[partition.web.link.eth0]
address = ["10.1.1.2/24"]
peer = { address = ["10.1.1.1/24"] }
[[partition.web.route]]
to = "default"
via = "10.1.1.1"
[partition.web.nat]
masquerade = true
[partition.web.cgroup]
pids.max = 100
memory.max = "64M"
)"};
const TextFile kOther = {"/etc/partd/other.toml", R"(
[partition.other.link.eth0]
address = ["10.2.1.2/24"]
peer = { address = ["10.2.1.1/24"] }
[partition.other.nat]
masquerade = true
)"};

TextFile edited(TextFile file, const std::string& from, const std::string& to) {
    const auto at = file.text.find(from);
    REQUIRE(at != std::string::npos);
    file.text.replace(at, from.size(), to);
    return file;
}

// A partition like the others of that kind.
TextFile numbered(int number) {
    return {fmt::format("/etc/partd/p{}.toml", number), fmt::format(R"(
[partition.p{0}.link.eth0]
address = ["10.{0}.1.2/24"]
peer = {{ address = ["10.{0}.1.1/24"] }}
[partition.p{0}.nat]
masquerade = true
[partition.p{0}.cgroup]
pids.max = 100
)",
                                                                    number)};
}

Desired whole(const std::vector<TextFile>& files) {
    auto desired = load_files(files);
    REQUIRE(desired);
    REQUIRE(desired->good());
    return std::move(*desired);
}

// Whether it was taken alone; then it has to be what the whole gives.
bool taken(const std::vector<TextFile>& before, const std::vector<TextFile>& after,
           Scope* changed = nullptr) {
    Desired desired = whole(before);
    Parts parts(desired.compiled.desired);
    const auto found = take_edit(desired, parts, after);
    const auto wanted = whole(found ? after : before);
    CHECK(lines_of(desired.compiled.desired) == lines_of(wanted.compiled.desired));
    CHECK(lines_of(parts) == lines_of(Parts(wanted.compiled.desired)));
    if (!found) {
        return false;
    }
    CHECK(desired.files.size() == after.size());
    for (const Resource& resource : desired.compiled.desired.all()) {
        CHECK(desired.compiled.desired.find(resource.key) == &resource);
    }
    // At least what is wanted differently is looked at.
    const auto least = changed_scope(whole(before).compiled.desired, wanted.compiled.desired);
    CHECK_FALSE(least.all);
    CHECK(std::ranges::includes(found->owners, least.owners));
    CHECK(std::ranges::includes(found->channels, least.channels));
    if (changed != nullptr) {
        *changed = *found;
    }
    return true;
}

bool taken(const std::string& from, const std::string& to, Scope* changed = nullptr) {
    return taken({kOther, kWeb}, {kOther, edited(kWeb, from, to)}, changed);
}

}  // namespace

TEST_CASE("An edit of what no other partition minds is compiled alone") {
    Scope changed;
    CHECK(taken("pids.max = 100", "pids.max = 200", &changed));
    CHECK(changed.owners == std::set<std::string>{"web"});
    CHECK_FALSE(changed.all);
    CHECK(taken("[partition.web.link.eth0]", "[partition.web.link.eth0]\nmtu = 1400"));
    CHECK(taken("memory.max = \"64M\"\n", ""));
    CHECK(taken("pids.max = 100\n", "pids.max = 100\nmemory.high = \"32M\"\n"));
    CHECK(taken("pids.max = 100\n", "pids.max = 100\ncpu.weight = 50\n"));
    CHECK(taken("address = [\"10.1.1.2/24\"]", "address = [\"10.1.1.3/24\"]"));
    CHECK(taken("peer = { address = [\"10.1.1.1/24\"] }",
                "peer = { name = \"out\", address = [\"10.1.1.1/24\"] }"));
    CHECK(taken("[partition.web.cgroup]", "[partition.new]\n[partition.web.cgroup]"));
    CHECK(taken("[partition.web.cgroup]", "[slice.new]\npids.max = 3\n[partition.web.cgroup]"));
    CHECK(taken("[partition.web.nat]", "# moves what follows\n\n[partition.web.nat]", &changed));
    CHECK(changed.empty());
}

TEST_CASE("Nothing was edited") {
    Scope changed;
    CHECK(taken({kOther, kWeb}, {kOther, kWeb}, &changed));
    CHECK(changed.empty());
}

TEST_CASE("What others may mind is compiled with all of them") {
    CHECK_FALSE(taken("masquerade = true", "masquerade = false"));  // the sets are not web's alone
    CHECK_FALSE(taken("[partition.web.cgroup]", "[daemon]\nhistory = 3\n[partition.web.cgroup]"));
    CHECK_FALSE(taken("pids.max = 100", "pids.max = 200 # not as other"));
    CHECK_FALSE(taken("[partition.web.nat]", "[partition.web]\nreach = [\"any\"]\n[partition.web.nat]"));
    CHECK_FALSE(taken("masquerade = true\n",
                      "masquerade = true\nsnat = [{ source = \"10.1.1.2/32\", to = \"10.9.9.9\" }]\n"));
    CHECK_FALSE(taken("10.1.1.1/24", "10.2.1.1/16"));  // both ends reach other's network
}

TEST_CASE("A file more or less is compiled alone where another one shares what it shares") {
    const TextFile first = numbered(1);
    const TextFile second = numbered(2);
    const TextFile third = numbered(3);
    CHECK(taken({first, second}, {first, second, third}));
    CHECK(taken({first, third}, {first, second, third}));
    CHECK(taken({second, third}, {first, second, third}));
    CHECK(taken({first, second, third}, {first, second}));
    CHECK(taken({first, second, third}, {first, third}));
    CHECK(taken({first, second}, {first, third}));
    const TextFile small = {"/etc/partd/small.toml", "[partition.small]\nhostname = \"x\"\n"};
    const TextFile tiny = {"/etc/partd/tiny.toml", "[partition.tiny]\nnamespaces = [\"net\", \"pid\"]\n"};
    CHECK(taken({first, small}, {first, small, tiny}));
    CHECK(taken({first, small, tiny}, {first, small}));
    CHECK_FALSE(taken({first}, {first, small}));  // nobody else has only what it has
}

TEST_CASE("A file that others meet, or that brings or takes what is shared, is compiled with them") {
    const TextFile first = numbered(1);
    const TextFile second = numbered(2);
    const TextFile third = numbered(3);
    CHECK_FALSE(taken({first, second, third}, {second, third}));  // what is shared is the first one's
    CHECK_FALSE(taken({}, {first}));
    CHECK_FALSE(taken({first}, {}));
    CHECK_FALSE(
        taken({first, second}, {first, second, edited(third, "/24", "/25")}));  // other sets of the table
    const TextFile wide = edited(third, "10.3.1.1/24", "10.1.1.1/8");
    const TextFile any = {"/etc/partd/p3.toml", third.text + "[partition.p3]\nreach = [\"any\"]\n"};
    CHECK_FALSE(taken({first, second}, {first, second, any}));
    CHECK_FALSE(taken({first, second, any}, {first, second}));
    CHECK_FALSE(taken({first, second, any}, {first, second, any, numbered(4)}));
    // Without a link of its own it still opens the host for all others.
    const TextFile lone = {"/etc/partd/lone.toml", "[partition.lone]\nreach = [\"any\"]\n"};
    const TextFile quiet = edited(lone, "\"any\"", "");
    const TextFile shy = {"/etc/partd/shy.toml", "[partition.shy]\n"};
    const TextFile linked = {"/etc/partd/shy.toml",
                             "[partition.shy.link.eth0]\naddress = [\"10.7.7.2/24\"]\n"};
    CHECK_FALSE(taken({lone, shy}, {lone, linked}));
    CHECK_FALSE(taken({quiet, linked}, {lone, linked}));
    CHECK_FALSE(taken({lone, linked}, {quiet, linked}));
    const TextFile manual = {"/etc/partd/host.toml", "[host]\nforwarding = \"manual\"\n"};
    CHECK_FALSE(taken({manual, first, second}, {manual, first, second, third}));
    const auto user = [](int number) {
        TextFile file = numbered(number);
        file.text += "[partition.p" + std::to_string(number) + ".user]\n";
        return file;
    };
    CHECK(taken({first, second}, {first, second, user(3)}));
    CHECK_FALSE(taken({first, user(2)}, {first, user(2), user(3)}));

    // What the whole would refuse.
    const auto refused = [&](const TextFile& file) {
        Desired desired = whole({first, second});
        Parts parts(desired.compiled.desired);
        const auto after = load_files({first, second, file});
        REQUIRE(after);
        CHECK_FALSE(after->good());
        return !take_edit(desired, parts, {first, second, file});
    };
    CHECK(refused(wide));
    CHECK(refused(edited(third, "peer = {", "peer = { name = \"pv-p1\",")));
    CHECK(refused({"/etc/partd/p3.toml", first.text}));
}

TEST_CASE("A partition that another file mentions is not compiled alone") {
    const auto edit = edited(kWeb, "pids.max = 100", "pids.max = 200");
    const TextFile split = {"/etc/partd/split.toml",
                            "[partition.web.link.eth1]\npeer = { name = \"other0\" }\n"};
    CHECK_FALSE(taken({split, kWeb}, {split, edit}));
    const TextFile linked = {"/etc/partd/linked.toml",
                             "[partition.db.link.x]\npeer = { partition = \"web\", name = \"y\" }\n"};
    CHECK_FALSE(taken({linked, kWeb}, {linked, edit}));
    const TextFile hidden = {"/etc/partd/hidden.toml",
                             "[partition.db.link.x]\npeer = { partition = \"w\\u0065b\", name = \"y\" }\n"};
    CHECK_FALSE(taken({hidden, kWeb}, {hidden, edit}));
    const TextFile longer = {"/etc/partd/longer.toml", "[partition.webber]\n"};
    CHECK(taken({longer, kWeb}, {longer, edit}));
}

TEST_CASE("A file that became wrong is not taken") {
    Desired desired = whole({kOther, kWeb});
    Parts parts(desired.compiled.desired);
    CHECK_FALSE(take_edit(desired, parts, {kOther, edited(kWeb, "pids.max = 100", "pids.max = true")}));
    CHECK_FALSE(take_edit(desired, parts, {kOther, edited(kWeb, "pids.max = 100", "pids.max = ")}));
}

TEST_CASE("A template that another file uses is compiled with it") {
    const TextFile form = {"/etc/partd/form.toml",
                           "[template.small.cgroup]\npids.max = 10\n[partition.a]\nextends = \"small\"\n"};
    const TextFile user = {"/etc/partd/user.toml", "[partition.b]\nextends = \"small\"\n"};
    CHECK_FALSE(taken({form, user}, {edited(form, "10", "20"), user}));
    CHECK_FALSE(taken({form, user}, {form, edited(user, "\"small\"\n", "\"small\"\ncgroup.pids.max = 5\n")}));
}

TEST_CASE("Every example beside another partition, moved by a line") {
    for (const auto& entry : std::filesystem::directory_iterator(PARTD_SOURCE_DIR "/config-examples")) {
        if (entry.path().extension() != ".toml") {
            continue;
        }
        std::ifstream in(entry.path());
        const TextFile file = {entry.path(), {std::istreambuf_iterator<char>(in), {}}};
        CAPTURE(file.path);
        const TextFile stranger = {"/etc/partd/stranger.toml", "[partition.stranger]\n"};
        (void)taken({file, stranger}, {{file.path, "\n" + file.text}, stranger});
    }
}
