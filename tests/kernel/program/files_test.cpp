// SPDX-License-Identifier: Apache-2.0
#include "host_view.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

namespace {

constexpr const char* kBroken = "[partition.workshop\nthis is not TOML\n";

}  // namespace

TEST_CASE("files: a broken one changes nothing, apply exits 3 and names the place", "[files]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    sandbox.apply();
    const auto before = snapshot(sandbox);
    sandbox.write_config("workshop.toml", kBroken);
    sandbox.example("blue-green");
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(applied.code == 3);
    CHECK(applied.err.find("workshop.toml:1:") != std::string::npos);
    CHECK(sandbox.partctl({"diff"}).code == 3);
    CHECK(difference(before, snapshot(sandbox)) == "");
}

TEST_CASE("files: --keep-going applies the valid ones, the broken one's stay as when last good",
          "[files][keep-going]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    sandbox.example("limits");
    sandbox.apply();
    const auto inode = netns_inode("workshop");
    SECTION("not TOML") {
        sandbox.write_config("workshop.toml", kBroken);
    }
    SECTION("an unknown key") {
        sandbox.write_config("workshop.toml", "[partition.workshop]\ndescripton = \"\"\n");
    }
    SECTION("a link to itself") {
        sandbox.remove_config("workshop.toml");
        REQUIRE(::symlink("workshop.toml", "/etc/partd/workshop.toml") == 0);
    }
    sandbox.remove_config("limits.toml");
    sandbox.example("blue-green");
    const auto applied = sandbox.partctl({"apply", "--keep-going"});
    INFO(applied.text());
    CHECK(applied.code == 3);
    CHECK(applied.err.find("workshop.toml") != std::string::npos);
    CHECK(netns_inode("workshop") == inode);
    CHECK(pings(kHere, "10.1.1.1"));
    CHECK(pings(sandbox.netns("blue"), "10.10.0.2"));
    // the removal of a good file is carried out
    CHECK(sandbox.cgroups().places("partd.slice/partd-batch.slice").empty());
    CHECK(status_of(sandbox, "workshop").at("state") == "invalid");
    CHECK(status_of(sandbox, "blue").at("state") == "active");

    // once fixed, all goes on as before
    sandbox.remove_config("workshop.toml");
    sandbox.example("workshop");
    sandbox.apply();
    CHECK(netns_inode("workshop") == inode);
}

TEST_CASE("files: what a broken file declared is not healed away by drift of others", "[files][keep-going]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    sandbox.apply();
    sandbox.write_config("workshop.toml", kBroken);
    ip({"link", "set", "veth0", "down"});
    const auto applied = sandbox.partctl({"apply", "--keep-going"});
    INFO(applied.text());
    CHECK(netns_names() == Strings{"workshop"});
    CHECK(has_link("veth0"));
    CHECK(addresses("veth0") == Strings{"10.1.1.2/24"});
}

TEST_CASE("files: a directory that is missing is not an empty one", "[files][missing]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    sandbox.apply();
    const auto before = snapshot(sandbox);
    SECTION("moved away") {
        REQUIRE(::rename("/etc/partd", "/etc/partd.away") == 0);
    }
    SECTION("removed") {
        fs::remove_all("/etc/partd");
    }
    SECTION("a file in its place") {
        fs::remove_all("/etc/partd");
        write_file("/etc/partd", "");
    }
    const auto applied = sandbox.partctl({"apply", "--allow-delete"});
    INFO(applied.text());
    CHECK(difference(before, snapshot(sandbox)) == "");
    CHECK((applied.out + applied.err).find("/etc/partd") != std::string::npos);
    CHECK(pings(kHere, "10.1.1.1"));
}

TEST_CASE("files: a directory under another mount is not the one that was there", "[files][missing]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    sandbox.write_config("others.toml", "[partition.a]\n[partition.b]\n[partition.c]\n");
    sandbox.apply();
    REQUIRE(::mount("tmpfs", "/etc/partd", "tmpfs", 0, "mode=0755") == 0);
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    // an empty directory there is one that removes: at least the delete limit speaks up
    CHECK(applied.code == 7);
    CHECK(netns_names().size() == 4);
    REQUIRE(::umount2("/etc/partd", MNT_DETACH) == 0);
    CHECK(sandbox.diff() == 0);
}

TEST_CASE("files: later directories win, masks mask", "[files][precedence]") {
    Sandbox sandbox;
    fs::create_directories("/usr/lib/partd");
    fs::create_directories("/run/partd");
    write_file("/usr/lib/partd/a.toml", "[partition.a-usr]\n");
    write_file("/usr/lib/partd/b.toml", "[partition.b-usr]\n");
    write_file("/usr/lib/partd/c.toml", "[partition.c-usr]\n");
    write_file("/run/partd/b.toml", "[partition.b-run]\n");
    write_file("/usr/lib/partd/d.toml", "[partition.d-usr]\n");
    write_file("/etc/partd/c.toml", "# none\n");
    REQUIRE(::symlink("/dev/null", "/etc/partd/d.toml") == 0);
    write_file("/etc/partd/.hidden.toml", "[partition.hidden]\n");
    write_file("/etc/partd/e.toml~", "[partition.backup]\n");
    write_file("/etc/partd/f.txt", "[partition.text]\n");
    sandbox.apply();
    CHECK(netns_names() == Strings{"a-usr", "b-run"});
}

TEST_CASE("files: apply NAME, apply -f, apply -f -", "[files][apply]") {
    Sandbox sandbox;
    sandbox.example("blue-green");
    sandbox.example("workshop");
    SECTION("one partition only") {
        const auto applied = sandbox.partctl({"apply", "workshop"});
        INFO(applied.text());
        CHECK(applied.code == 0);
        CHECK(netns_names() == Strings{"workshop"});
        CHECK(sandbox.partctl({"diff", "workshop"}).code == 0);
        CHECK(sandbox.partctl({"diff", "blue"}).code == 1);
        CHECK(sandbox.partctl({"diff"}).code == 1);
    }
    SECTION("a name that nobody declares") {
        CHECK(sandbox.partctl({"apply", "nobody"}).code != 0);
    }
    SECTION("a file more") {
        const auto path = sandbox.scratch() + "/more.toml";
        write_file(path, "[partition.more]\n");
        CHECK(sandbox.partctl({"apply", "-f", path}).code == 0);
        CHECK(netns_names() == Strings{"blue", "green", "more", "workshop"});
    }
    SECTION("from stdin") {
        CHECK(sandbox.partctl({"apply", "-f", "-"}, {.input = "[partition.piped]\n"}).code == 0);
        CHECK(netns_names() == Strings{"blue", "green", "piped", "workshop"});
    }
}

TEST_CASE("files: --root keeps files and names below it", "[files][root]") {
    Sandbox sandbox;
    const auto root = sandbox.scratch() + "/root";
    fs::create_directories(root + "/etc/partd");
    write_file(root + "/etc/partd/w.toml",
               "[partition.w.link.eth0]\naddress = [\"10.75.0.1/24\"]\npeer = { name = \"w0\", address = "
               "[\"10.75.0.2/24\"] }\n[partition.w.dns]\nnameserver = [\"9.9.9.9\"]\n");
    sandbox.example("workshop");
    const auto applied = sandbox.partctl({"--root", root, "apply"});
    INFO(applied.text());
    CHECK(applied.code == 0);
    CHECK(sandbox.partctl({"diff", "--root", root}).code == 0);
    CHECK(fs::exists(root + "/run/netns/w"));
    CHECK(fs::exists(root + "/etc/netns/w/resolv.conf"));
    CHECK(fs::exists(root + "/run/partd/ledger"));
    CHECK_FALSE(fs::exists("/run/netns/w"));
    CHECK_FALSE(fs::exists("/run/partd/ledger"));
    CHECK(pings(kHere, "10.75.0.1"));
    fs::remove(root + "/etc/partd/w.toml");
    CHECK(sandbox.partctl({"--root", root, "apply"}).code == 0);
    CHECK_FALSE(has_link("w0"));
    CHECK_FALSE(fs::exists(root + "/run/netns/w"));
}

TEST_CASE("check: files beside those of the directories", "[files][check]") {
    Sandbox sandbox;
    sandbox.write_config("templates.toml", "[template.small.cgroup]\npids.max = 7\n");
    sandbox.write_config("web.toml", "[partition.web]\n");
    const std::string draft = sandbox.scratch() + "/db.toml";
    write_file(draft, "[partition.db]\nextends = \"small\"\n");
    CHECK(sandbox.partctl({"check", draft}).code == 3);
    CHECK(sandbox.partctl({"check", "--with", draft}).code == 0);
    const std::string changed = sandbox.scratch() + "/web.toml";
    write_file(changed, "[partition.web]\nextends = \"large\"\n");
    const auto told = sandbox.partctl({"check", "--with", draft, changed});
    CHECK(told.code == 3);
    CHECK(told.err.find(changed + ":2:11: error: partition web extends \"large\"") != std::string::npos);
    write_file(changed, "[partition.web]\n[partition.db]\n");
    CHECK(sandbox.partctl({"check", "--with", draft, changed}).code == 3);
    CHECK(sandbox.partctl({"check", "--with", sandbox.scratch() + "/none.toml"}).code == 3);
}

TEST_CASE("without root: exit 5 and one sentence, check and schema need none", "[files][root]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    REQUIRE(::chmod("/etc/partd", 0755) == 0);
    // the binary may lie where nobody may look
    const auto copy = sandbox.scratch() + "/partctl";
    fs::copy_file(PARTCTL, copy);
    const auto as_nobody = [&](const std::string& verb) {
        return run({"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all",
                    copy, verb});
    };
    const auto applied = as_nobody("apply");
    INFO(applied.text());
    CHECK(applied.code == 5);
    CHECK(std::count(applied.err.begin(), applied.err.end(), '\n') == 1);
    CHECK(as_nobody("check").code == 0);
    CHECK(as_nobody("schema").code == 0);
    CHECK(netns_names() == Strings{});
}
