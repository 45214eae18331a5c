// SPDX-License-Identifier: Apache-2.0
// A layer is its user's data: it outlives what is declared, and goes by partctl purge alone.

#include "daemon_fixture.h"
#include "layers_fixture.h"

#include <filesystem>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;

TEST_CASE("layers: no apply deletes one", "[layers]") {
    Written host;
    auto& sandbox = host.sandbox;
    SECTION("a file that is renamed, and back") {
        fs::rename("/etc/partd/r.toml", "/etc/partd/r.tmol");
        const auto plan = sandbox.partctl({"diff"});
        INFO(plan.text());
        CHECK(plan.out.find("- layer r kept on disk: ") != std::string::npos);
        sandbox.apply();
        CHECK_FALSE(init_of("r"));
        CHECK(read_file(kNotes) == "precious\n");
        fs::rename("/etc/partd/r.tmol", "/etc/partd/r.toml");
        settle(sandbox);
    }
    SECTION("the partition is renamed, and back") {
        sandbox.write_config("r.toml", layered("other"));
        settle(sandbox);
        CHECK(exec_in(sandbox, "other", {"test", "-e", "/root/notes"}).code == 1);
        sandbox.write_config("r.toml", layered("r"));
        settle(sandbox);
        // the other one wrote nothing, and nothing of it is left
        CHECK_FALSE(fs::exists(kLayers + "/other"));
    }
    SECTION("a roll-back, and back") {
        CHECK(sandbox.partctl({"rollback", "0"}).code == 0);
        CHECK_FALSE(init_of("r"));
        CHECK(sandbox.partctl({"rollback", "1"}).code == 0);
    }
    SECTION("without an overlay for a while") {
        sandbox.write_config("r.toml", layered("r", "false"));
        settle(sandbox);
        CHECK(exec_in(sandbox, "r", {"test", "-e", "/root/notes"}).code == 1);
        CHECK(sandbox.diff() == 0);
        sandbox.write_config("r.toml", layered("r"));
        settle(sandbox);
    }
    SECTION("the ledger is lost before it is removed") {
        fs::remove("/run/partd/ledger");
        host.remove();
        sandbox.write_config("r.toml", layered("r"));
        settle(sandbox);
    }
    SECTION("kept by on_remove, and then declared without it") {
        sandbox.write_config("r.toml", "[partition.r]\non_remove = \"keep\"\n" + layered("r").substr(14));
        settle(sandbox);
        host.remove();
        sandbox.write_config("r.toml", layered("r"));
        settle(sandbox);
    }
    CHECK(host.notes() == "precious\n");
}

TEST_CASE("layers: an editor's slow save under partd keeps what was written", "[layers][daemon]") {
    Written host;
    Daemon daemon;
    REQUIRE(eventually([&] { return answers(host.sandbox); }));
    const auto before = init_of("r");
    const auto text = read_file("/etc/partd/r.toml");
    fs::rename("/etc/partd/r.toml", "/etc/partd/r.toml~");
    // long enough that partd removes what nobody declares
    REQUIRE(eventually([&] { return init_of("r") != before; }, 10s));
    write_file("/etc/partd/r.toml", text);
    REQUIRE(eventually([&] { return init_of("r") && converged(host.sandbox); }, 10s));
    CHECK(host.notes() == "precious\n");
}

TEST_CASE("layers: one that nothing was written to leaves nothing behind", "[layers]") {
    Sandbox sandbox;
    const RootTree tree;
    fs::create_directories(tree.path() + "/mnt");
    for (const char* place : {"dev", "proc", "sys", "tmp"}) {
        fs::create_directories(tree.path() + "/" + place);
    }
    const auto before = snapshot(sandbox);
    sandbox.write_config("r.toml", layered("r"));
    settle(sandbox);
    CHECK(fs::exists(kLayers + "/r/upper"));
    sandbox.remove_config("r.toml");
    sandbox.apply();
    CHECK(difference(before, snapshot(sandbox)) == "");
}

TEST_CASE("layers: status and doctor name them with their size", "[layers][status]") {
    Written host;
    auto& sandbox = host.sandbox;
    REQUIRE(exec_in(sandbox, "r", {"sh", "-c", "head -c 3000000 /dev/zero > /root/big"}).code == 0);
    CHECK(layer(sandbox, "r").at("state") == "in-use");
    CHECK(layer(sandbox, "r").at("bytes").get<double>() >= 3000000);
    CHECK(sandbox.partctl({"doctor"}).out.find("no partition uses it") == std::string::npos);
    host.remove();
    CHECK(layer(sandbox, "r").at("state") == "kept");
    const auto listed = sandbox.partctl({"status", "--layers"});
    INFO(listed.text());
    CHECK(listed.out.find("2.9 MB in 2 files") != std::string::npos);
    const auto doctor = sandbox.partctl({"doctor"});
    INFO(doctor.text());
    CHECK(doctor.out.find("no partition uses it: 2.9 MB") != std::string::npos);
    CHECK(doctor.out.find("partctl purge r") != std::string::npos);
}

TEST_CASE("layers: what is missing of one is made again, what was written stays", "[layers]") {
    Written host;
    host.remove();
    fs::remove_all(kLayers + "/r/work");
    host.sandbox.write_config("r.toml", layered("r"));
    settle(host.sandbox);
    CHECK(host.notes() == "precious\n");
}

TEST_CASE("layers: another tree below one", "[layers]") {
    Written host;
    auto& sandbox = host.sandbox;
    const RootTree second("second");
    REQUIRE(
        exec_in(sandbox, "r", {"sh", "-c", "mv /bin/tac /bin/cat-backwards; rm /bin/vi; chmod 700 /"}).code ==
        0);
    auto text = layered("r");
    text.replace(text.find("lightvm"), 7, "second");
    sandbox.write_config("r.toml", text);
    settle(sandbox);
    CHECK(host.notes() == "precious\n");
    CHECK(exec_in(sandbox, "r", {"sh", "-c", "test -x /bin/cat-backwards && ! test -e /bin/vi"}).code == 0);
    CHECK(exec_in(sandbox, "r", {"stat", "-c", "%a", "/"}).out == "700\n");
}

TEST_CASE("layers: other numbers for its users", "[layers][user]") {
    const auto map = [](const std::string& outside) {
        return "[partition.r.user]\nuid_map = [{ inside = 0, outside = " + outside + ", count = 65536 }]\n";
    };
    Sandbox sandbox;
    const RootTree tree;
    const bool translated = GENERATE(true, false);
    INFO((translated ? "by the mount" : "not at all"));
    if (!translated) {
        output({"chown", "-R", "-h", "1000000:1000000", tree.path()});
    }
    sandbox.write_config("r.toml", layered("r", "true", map("1000000")));
    settle(sandbox);
    REQUIRE(exec_in(sandbox, "r", {"sh", "-c", "echo precious > /root/notes"}).code == 0);
    if (translated) {
        sandbox.write_config("r.toml", layered("r", "true", map("2000000")));
        settle(sandbox);
        CHECK(exec_in(sandbox, "r", {"stat", "-c", "%u", "/root/notes"}).out == "0\n");
        return;
    }
    const auto init = init_of("r");
    REQUIRE(init);
    output({"chown", "-R", "-h", "2000000:2000000", tree.path()});
    sandbox.write_config("r.toml", layered("r", "true", map("2000000")));
    const auto told = sandbox.partctl({"apply"});
    INFO(told.text());
    CHECK(told.code == 6);
    CHECK(told.err.find("the files of its layer belong to other users") != std::string::npos);
    CHECK(read_file(kNotes) == "precious\n");
    CHECK(init_of("r") == init);  // it was not ended for one that cannot be made
    // back, and all is as it was
    output({"chown", "-R", "-h", "1000000:1000000", tree.path()});
    sandbox.write_config("r.toml", layered("r", "true", map("1000000")));
    settle(sandbox);
    CHECK(exec_in(sandbox, "r", {"cat", "/root/notes"}).out == "precious\n");
}

TEST_CASE("layers: a temporary one is gone with its partition", "[layers][temporary]") {
    Sandbox sandbox;
    const RootTree tree;
    const auto content = tree.content();
    const auto mapped = GENERATE(
        std::string(), std::string("[partition.r.user]\nuid_map = [{ inside = 0, outside = 1000000, count = "
                                   "65536 }]\n"));
    INFO(mapped);
    const bool owned = !mapped.empty() && GENERATE(false, true);
    if (owned) {
        output({"chown", "-R", "-h", "1000000:1000000", tree.path()});
    }
    sandbox.write_config("r.toml", layered("r", "\"temporary\"", mapped));
    settle(sandbox);
    CHECK(exec_in(sandbox, "r",
                  {"sh", "-c",
                   "echo x > /root/notes && rm /bin/vi && chown 5:5 /etc/passwd && mkdir /data && cat "
                   "/root/notes && stat -c %u:%g / /root/notes /etc/passwd"})
              .out == "x\n0:0\n0:0\n5:5\n");
    CHECK_FALSE(fs::exists(kLayers));
    if (!owned) {
        CHECK(difference(content, tree.content()) == "");
    }
    output({"kill", "-KILL", std::to_string(init_of("r").value())});
    REQUIRE(eventually([] { return !init_of("r"); }));
    settle(sandbox);
    CHECK(exec_in(sandbox, "r", {"test", "-e", "/root/notes"}).code == 1);
    CHECK(exec_in(sandbox, "r", {"test", "-e", "/bin/vi"}).code == 0);
}

TEST_CASE("check and doctor name files that are overlooked", "[layers][files]") {
    Sandbox sandbox;
    sandbox.write_config("web.tmol", "[partition.web]\n");
    sandbox.write_config("web.toml.bak", "");
    sandbox.write_config("web.conf", "");
    sandbox.write_config("web.toml~", "");
    sandbox.write_config(".web.toml.swp", "");
    sandbox.write_config("README.md", "");
    const auto checked = sandbox.partctl({"check"});
    INFO(checked.text());
    CHECK(checked.code == 0);
    CHECK(sandbox.partctl_json({"check"}).at("overlooked") ==
          Json({"/etc/partd/web.conf", "/etc/partd/web.tmol", "/etc/partd/web.toml.bak"}));
    CHECK(checked.err.find("/etc/partd/web.tmol: note: it is not read") != std::string::npos);
    CHECK(sandbox.partctl({"doctor"}).out.find("/etc/partd/web.tmol is not read") != std::string::npos);
    CHECK(sandbox.diff() == 0);
}
