// An edit that is compiled alone gives what the whole document gives, or is not compiled alone.

#include "reconcile/edit.h"

#include "kinds/kinds.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <catch2/catch.hpp>

using namespace partd;

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

Desired whole(const std::vector<TextFile>& files) {
    auto desired = load_files(files);
    REQUIRE(desired);
    REQUIRE(desired->good());
    return std::move(*desired);
}

std::vector<std::string> lines_of(const State& state) {
    std::vector<std::string> lines;
    for (const Resource& resource : state.all()) {
        std::string line = resource.key.text() + " of " + resource.owner + " at " + resource.source.text();
        for (std::size_t i = 0; i < resource.spec.table().fields.size(); ++i) {
            const Field& field = resource.spec.table().fields[i];
            const Source* place = resource.places.of(i);
            if (field.text == nullptr) {
                continue;
            }
            line += " " + field.text(resource.spec.data()) + (place == nullptr ? "" : "@" + place->text());
        }
        for (const Key& need : resource.needs) {
            line += " needs " + need.text();
        }
        lines.push_back(line);
    }
    std::ranges::sort(lines);
    return lines;
}

// Whether it was taken alone; then it has to be what the whole gives.
bool taken(const std::vector<TextFile>& before, const std::vector<TextFile>& after, Edit* edit = nullptr) {
    Desired desired = whole(before);
    const auto found = take_edit(desired, Parts(desired.compiled.desired), after);
    if (!found) {
        CHECK(lines_of(desired.compiled.desired) == lines_of(whole(before).compiled.desired));
        return false;
    }
    CHECK(lines_of(desired.compiled.desired) == lines_of(whole(after).compiled.desired));
    CHECK(desired.files.size() == after.size());
    if (edit != nullptr) {
        *edit = *found;
    }
    return true;
}

bool taken(const std::string& from, const std::string& to, Edit* edit = nullptr) {
    return taken({kOther, kWeb}, {kOther, edited(kWeb, from, to)}, edit);
}

}  // namespace

TEST_CASE("An edit of what no other partition minds is compiled alone") {
    Edit edit;
    CHECK(taken("pids.max = 100", "pids.max = 200", &edit));
    CHECK(edit.changed.owners == std::set<std::string>{"web"});
    CHECK_FALSE(edit.changed.all);
    CHECK_FALSE(edit.reshaped);
    CHECK(taken("[partition.web.link.eth0]", "[partition.web.link.eth0]\nmtu = 1400", &edit));
    CHECK_FALSE(edit.reshaped);
    CHECK(taken("memory.max = \"64M\"\n", "", &edit));
    CHECK(edit.reshaped);
    CHECK(taken("pids.max = 100\n", "pids.max = 100\nmemory.high = \"32M\"\n", &edit));
    CHECK(edit.reshaped);
    CHECK(taken("[partition.web.nat]", "# moves what follows\n\n[partition.web.nat]", &edit));
    CHECK(edit.changed.empty());
}

TEST_CASE("Nothing was edited") {
    Edit edit;
    CHECK(taken({kOther, kWeb}, {kOther, kWeb}, &edit));
    CHECK(edit.changed.empty());
}

TEST_CASE("What others may mind is compiled with all of them") {
    CHECK_FALSE(taken("address = [\"10.1.1.2/24\"]", "address = [\"10.1.1.3/24\"]"));
    // Another controller is for the groups above as well.
    CHECK_FALSE(taken("pids.max = 100\n", "pids.max = 100\ncpu.weight = 50\n"));
    CHECK_FALSE(taken("masquerade = true", "masquerade = false"));
    CHECK_FALSE(taken("[partition.web.cgroup]", "[partition.new]\n[partition.web.cgroup]"));
    CHECK_FALSE(taken("[partition.web.cgroup]", "[slice.new]\npids.max = 3\n[partition.web.cgroup]"));
    CHECK_FALSE(taken("[partition.web.cgroup]", "[daemon]\nhistory = 3\n[partition.web.cgroup]"));
    CHECK_FALSE(taken("pids.max = 100", "pids.max = 200 # not as other"));
    const TextFile more = {"/etc/partd/zz.toml", "[partition.more]\n"};
    CHECK_FALSE(taken({kWeb}, {kWeb, more}));
    CHECK_FALSE(taken({kWeb, more}, {kWeb}));
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
    CHECK_FALSE(take_edit(desired, Parts(desired.compiled.desired),
                          {kOther, edited(kWeb, "pids.max = 100", "pids.max = true")}));
    CHECK_FALSE(take_edit(desired, Parts(desired.compiled.desired),
                          {kOther, edited(kWeb, "pids.max = 100", "pids.max = ")}));
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
