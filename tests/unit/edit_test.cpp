// SPDX-License-Identifier: Apache-2.0
// An edit that is compiled alone gives what the whole document gives, or is not compiled alone.

#include "kinds/kinds.h"
#include "reconcile/incremental.h"
#include "state_lines.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace partd;
using partd::test::lines_of;
using partd::test::unlike;

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

// True if the edit was taken alone; then the result has to equal that of loading the full document.
bool taken(const std::vector<TextFile>& before, const std::vector<TextFile>& after,
           Scope* changed = nullptr) {
    Desired desired = whole(before);
    DesiredIndex parts(desired.compiled.desired);
    const auto found = take_edit(desired, parts, after);
    const auto wanted = whole(found ? after : before);
    CHECK(lines_of(desired.compiled.desired) == lines_of(wanted.compiled.desired));
    CHECK(unlike(desired.compiled.desired, wanted.compiled.desired).empty());
    CHECK(lines_of(parts) == lines_of(DesiredIndex(wanted.compiled.desired)));
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

    // Edits that the full document would refuse.
    const auto refused = [&](const TextFile& file) {
        Desired desired = whole({first, second});
        DesiredIndex parts(desired.compiled.desired);
        const auto after = load_files({first, second, file});
        REQUIRE(after);
        CHECK_FALSE(after->good());
        return !take_edit(desired, parts, {first, second, file});
    };
    CHECK(refused(wide));
    CHECK(refused(edited(third, "peer = {", "peer = { name = \"pv-p1\",")));
    CHECK(refused({"/etc/partd/p3.toml", first.text}));
}

TEST_CASE("Entries of reach and admit are compiled alone where the table has their sets") {
    const auto limited = [](int number) {
        TextFile file = numbered(number);
        file.text += "[partition.p" + std::to_string(number) +
                     "]\nreach = [{ to = \"10.0.0.0/8\", match = \"tcp/443\" }]\nadmit = [\"outside\"]\n";
        return file;
    };
    const TextFile first = limited(1);
    const TextFile second = limited(2);
    const TextFile third = limited(3);
    CHECK(taken({first, second, third}, {first, second, edited(third, "tcp/443", "tcp/80")}));
    CHECK(taken({first, second, third}, {first, second, edited(third, "10.0.0.0/8", "11.0.0.0/8")}));
    CHECK(taken({first, second, third}, {first, second, edited(third, "outside", "any")}));
    CHECK(taken({first, second}, {first, second, third}));
    CHECK(taken({first, second, third}, {first, second}));
    CHECK_FALSE(taken({first, second, third}, {first, second, edited(third, "tcp/443", "tcp/80-81")}));
    CHECK_FALSE(taken({first, second, third}, {first, second, edited(third, "10.0.0.0/8", "10.0.0.0/9")}));
    CHECK_FALSE(taken({first, second, third}, {first, second, edited(third, "outside", "p1")}));
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
    DesiredIndex parts(desired.compiled.desired);
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

TEST_CASE("A partition that changes its name leaves nothing behind") {
    // Addresses of the host's are not called by it.
    TextFile renamed = kWeb;
    for (auto at = renamed.text.find("web"); at != std::string::npos; at = renamed.text.find("web", at + 3)) {
        renamed.text.replace(at, 3, "www");
    }
    CHECK(taken({kOther, kWeb}, {kOther, renamed}));
    const TextFile named = edited(kWeb, "peer = {", "peer = { name = \"out\",");
    const TextFile named_too = edited(renamed, "peer = {", "peer = { name = \"out\",");
    CHECK(taken({kOther, named}, {kOther, named_too}));
    // The file: the shared declaration has moved.
    const TextFile moved = {"/etc/partd/moved.toml", kOther.text};
    CHECK(taken({kOther, kWeb}, {moved, kWeb}));
    Desired desired = whole({kOther, kWeb});
    DesiredIndex parts(desired.compiled.desired);
    REQUIRE(take_edit(desired, parts, {moved, kWeb}));
    for (const Resource& resource : desired.compiled.desired.all()) {
        CHECK(*resource.source.file != kOther.path);
    }
}

TEST_CASE("A pod that is taken alone stands on its giver") {
    const TextFile pod = {"/etc/partd/pod.toml",
                          "[partition.app]\nnamespaces = [\"uts\"]\n"
                          "share = { partition = \"base\", namespaces = [\"net\"] }\n[partition.base]\n"};
    const TextFile lone = {"/etc/partd/lone.toml", "[partition.lone]\n"};
    const TextFile unshared = edited(pod, "share = { partition = \"base\", namespaces = [\"net\"] }", "");
    CHECK(taken({lone}, {lone, pod}));
    CHECK(taken({lone, pod}, {lone}));
    CHECK(taken({lone, unshared}, {lone, pod}));
    CHECK(taken({lone, pod}, {lone, unshared}));
}

TEST_CASE("A template may mention whom its text does not name") {
    const TextFile form = {"/etc/partd/form.toml",
                           "[template.app]\nreach = [\"db{index}\"]\n[partition.web]\nextends = \"app\"\n"
                           "index = 1\n"};
    const TextFile reached = {"/etc/partd/db1.toml", "[partition.db1]\n"};
    CHECK_FALSE(taken({form, reached}, {form, edited(reached, "]", "]\nhostname = \"x\"")}));
}

TEST_CASE("Ranges of users that another partition has stay known") {
    const TextFile fixed = {
        "/etc/partd/db.toml",
        "[partition.db.user]\nuid_map = [{ inside = 0, outside = 100000, count = 65536 }]\n"};
    const TextFile given = {"/etc/partd/gpu.toml",
                            "[partition.gpu.user]\n[partition.gpu.cgroup]\npids.max = 100\n"};
    CHECK_FALSE(taken({fixed, given}, {fixed, edited(given, "100", "200")}));
    const TextFile lone = {"/etc/partd/lone.toml", "[partition.lone]\n"};
    CHECK(taken({lone, given}, {lone, edited(given, "100", "200")}));
}

TEST_CASE("A partition of every kind of namespace is compiled alone") {
    const TextFile rich = {"/etc/partd/rich.toml", R"(
[partition.rich]
namespaces = ["net", "mnt", "uts", "ipc", "pid", "cgroup", "time"]
hostname = "rich"
on_remove = "keep"
[partition.rich.rootfs]
path = "/srv/rich"
overlay = true
[partition.rich.init]
command = ["/sbin/init"]
[partition.rich.cgroup]
delegate = true
pids.max = 100
[partition.rich.dns]
nameserver = ["10.9.9.9"]
[partition.rich.sysctl]
net.ipv4.ip_forward = 1
[[partition.rich.rule]]
from = "10.9.0.0/16"
table = 100
)"};
    CHECK(taken({kOther, rich}, {kOther, edited(rich, "pids.max = 100", "pids.max = 200")}));
    CHECK(taken({kOther, rich}, {kOther, edited(rich, "/sbin/init", "/bin/init")}));
    CHECK(taken({kOther, rich}, {kOther, edited(rich, "/srv/rich", "/srv/richer")}));
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
