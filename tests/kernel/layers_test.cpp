// A layer is its user's data: it outlives what is declared, and goes by partctl purge alone.

#include "daemon_fixture.h"
#include "host_view.h"
#include "machine.h"
#include "pty.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <thread>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;

namespace {

const std::string kLayers = "/var/lib/partd/layers";
const std::string kNotes = kLayers + "/r/upper/root/notes";

std::string declaration(const std::string& name, const std::string& overlay = "true",
                        const std::string& more = {}) {
    return "[partition." + name + "]\nnamespaces = [\"pid\"]\nstop_timeout = \"200ms\"\n[partition." + name +
           ".rootfs]\npath = \"/srv/machines/lightvm\"\noverlay = " + overlay + "\n" + more;
}

/// Partition r over a tree, with something written to its layer.
struct Written {
    Sandbox sandbox;
    RootTree tree;

    explicit Written(const std::string& more = {}) {
        sandbox.write_config("r.toml", declaration("r", "true", more));
        settle(sandbox);
        REQUIRE(exec_in(sandbox, "r", {"sh", "-c", "echo precious > /root/notes"}).code == 0);
        REQUIRE(read_file(kNotes) == "precious\n");
    }
    std::string notes() {
        const auto shown = exec_in(sandbox, "r", {"cat", "/root/notes"});
        return shown.code == 0 ? shown.out : shown.err;
    }
    void remove() {
        sandbox.remove_config("r.toml");
        sandbox.apply();
    }
    Outcome purge(const std::string& name = "r") { return sandbox.partctl({"purge", name, "--yes"}); }
};

Json layer(const Sandbox& sandbox, const std::string& name) {
    const Json listed = sandbox.partctl_json({"status", "--layers"});
    for (const auto& each : listed.at("layers")) {
        if (each.at("name") == name) {
            return each;
        }
    }
    return {};
}

}  // namespace

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
        sandbox.write_config("r.toml", declaration("other"));
        settle(sandbox);
        CHECK(exec_in(sandbox, "other", {"test", "-e", "/root/notes"}).code == 1);
        sandbox.write_config("r.toml", declaration("r"));
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
        sandbox.write_config("r.toml", declaration("r", "false"));
        settle(sandbox);
        CHECK(exec_in(sandbox, "r", {"test", "-e", "/root/notes"}).code == 1);
        CHECK(sandbox.diff() == 0);
        sandbox.write_config("r.toml", declaration("r"));
        settle(sandbox);
    }
    SECTION("the ledger is lost before it is removed") {
        fs::remove("/run/partd/ledger");
        host.remove();
        sandbox.write_config("r.toml", declaration("r"));
        settle(sandbox);
    }
    SECTION("kept by on_remove, and then declared without it") {
        sandbox.write_config("r.toml", "[partition.r]\non_remove = \"keep\"\n" + declaration("r").substr(14));
        settle(sandbox);
        host.remove();
        sandbox.write_config("r.toml", declaration("r"));
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
    sandbox.write_config("r.toml", declaration("r"));
    settle(sandbox);
    CHECK(fs::exists(kLayers + "/r/upper"));
    sandbox.remove_config("r.toml");
    sandbox.apply();
    CHECK(difference(before, snapshot(sandbox)) == "");
}

TEST_CASE("layers: purge deletes one that nobody uses, and no other", "[layers][purge]") {
    Written host;
    auto& sandbox = host.sandbox;
    SECTION("not one that is declared") {
        const auto refused = host.purge();
        INFO(refused.text());
        CHECK(refused.code == 7);
        CHECK(refused.err.find("r.toml:4") != std::string::npos);
    }
    SECTION("not one that is declared in a file that cannot be read now") {
        host.remove();
        sandbox.write_config("broken.toml", declaration("r") + "=\n");
        CHECK(host.purge().code == 7);
    }
    SECTION("not one whose partition is still there") {
        sandbox.remove_config("r.toml");
        const auto refused = host.purge();
        INFO(refused.text());
        CHECK(refused.code == 7);
        CHECK(refused.err.find("still uses") != std::string::npos);
    }
    SECTION("not without a word") {
        host.remove();
        const auto asked = sandbox.partctl({"purge", "r"});
        INFO(asked.text());
        CHECK(asked.code == 2);
        CHECK(asked.err.find("--yes") != std::string::npos);
    }
    SECTION("not for those who only look") {
        host.remove();
        const auto shown = sandbox.partctl({"purge", "r", "--check"});
        INFO(shown.text());
        CHECK(shown.code == 0);
        CHECK(shown.out.find("in 1 file") != std::string::npos);
    }
    SECTION("not by a name that is none, or another's") {
        host.remove();
        for (const char* name : {"..", ".", "", "r/upper", "other", "R", ".gone-r"}) {
            INFO(name);
            CHECK(host.purge(name).code == 2);
        }
    }
    CHECK(read_file(kNotes) == "precious\n");
}

TEST_CASE("layers: purge asks on a terminal", "[layers][purge]") {
    Written host;
    host.remove();
    SECTION("no") {
        Pty terminal({PARTCTL, "purge", "r"});
        REQUIRE(terminal.await("[y/N]"));
        terminal.type("\n");
        CHECK(terminal.wait() == 7);
        CHECK(read_file(kNotes) == "precious\n");
    }
    SECTION("yes") {
        Pty terminal({PARTCTL, "purge", "r"});
        REQUIRE(terminal.await("[y/N]"));
        terminal.type("y\n");
        CHECK(terminal.wait() == 0);
        CHECK_FALSE(fs::exists(kLayers));
        // and the next of that name starts from the tree again
        host.sandbox.write_config("r.toml", declaration("r"));
        settle(host.sandbox);
        CHECK(host.notes().find("No such file") != std::string::npos);
    }
}

TEST_CASE("layers: purge stays in the layer", "[layers][purge]") {
    Written host;
    host.remove();
    const std::string upper = kLayers + "/r/upper";
    fs::create_directories("/srv/others/deep");
    write_file("/srv/others/deep/file", "not yours\n");
    SECTION("symbolic links are deleted, not followed") {
        fs::create_directory_symlink("/srv/others", upper + "/link");
        fs::create_directory_symlink("../../../../../../srv/others", upper + "/root/link");
        CHECK(host.purge().code == 0);
        CHECK_FALSE(fs::exists(kLayers));
    }
    SECTION("what is mounted in it stays, and is named") {
        fs::create_directories(upper + "/root/mounted");
        output({"mount", "--bind", "/srv/others", upper + "/root/mounted"});
        const auto stopped = host.purge();
        INFO(stopped.text());
        CHECK(stopped.code == 6);
        CHECK(stopped.err.find("mounted") != std::string::npos);
        CHECK(read_file("/srv/others/deep/file") == "not yours\n");
        for (const auto& entry : fs::recursive_directory_iterator(kLayers)) {
            (void)::umount2(entry.path().c_str(), UMOUNT_NOFOLLOW);
        }
        CHECK(host.purge().code == 0);
        CHECK_FALSE(fs::exists(kLayers));
    }
    SECTION("a layer that is a mount stays") {
        output({"mount", "--bind", "/srv/others", kLayers + "/r"});
        const auto refused = host.purge();
        INFO(refused.text());
        CHECK(refused.code == 6);
        CHECK(refused.err.find("umount") != std::string::npos);
        ::umount2((kLayers + "/r").c_str(), 0);
        CHECK(read_file(kNotes) == "precious\n");
    }
    SECTION("a layer that is a link is none") {
        fs::create_directory_symlink("/srv/others", kLayers + "/linked");
        const auto refused = host.purge("linked");
        INFO(refused.text());
        CHECK(refused.code == 7);
        host.sandbox.write_config("linked.toml", declaration("linked"));
        const auto conflict = host.sandbox.partctl({"apply"});
        INFO(conflict.text());
        CHECK(conflict.code == 7);
        CHECK((conflict.out + conflict.err).find("symbolic link") != std::string::npos);
    }
    SECTION("a file that may not be changed goes all the same") {
        if (run({"chattr", "+i", upper + "/root/notes", upper + "/root"}).code != 0) {
            PARTD_CANNOT_RUN("this file system has no immutable files");
        }
        CHECK(host.purge().code == 0);
        CHECK_FALSE(fs::exists(kLayers));
    }
    CHECK(read_file("/srv/others/deep/file") == "not yours\n");
}

TEST_CASE("layers: a purge that was killed goes on the next time", "[layers][purge]") {
    Written host;
    host.remove();
    // as it stands after the first step
    fs::rename(kLayers + "/r", kLayers + "/.gone-r");
    CHECK(layer(host.sandbox, "r").at("state") == "half purged");
    CHECK(host.sandbox.partctl({"doctor"}).out.find("was interrupted") != std::string::npos);
    SECTION("and nothing else is there") {
        CHECK(host.purge().code == 0);
        CHECK_FALSE(fs::exists(kLayers));
    }
    SECTION("and the partition is back") {
        host.sandbox.write_config("r.toml", declaration("r"));
        settle(host.sandbox);
        CHECK(exec_in(host.sandbox, "r", {"sh", "-c", "echo new > /root/new"}).code == 0);
        CHECK(host.purge().code == 0);
        CHECK_FALSE(fs::exists(kLayers + "/.gone-r"));
        CHECK(exec_in(host.sandbox, "r", {"cat", "/root/new"}).out == "new\n");
        CHECK(host.purge().code == 7);
    }
    SECTION("and it is killed again and again") {
        for (int i = 0; i < 20'000; ++i) {
            fs::create_directories(kLayers + "/.gone-r/upper/many/" + std::to_string(i % 100) + "/" +
                                   std::to_string(i));
        }
        for (int i = 0; i < 20 && fs::exists(kLayers); ++i) {
            Background purge(Arguments{PARTCTL, "purge", "r", "--yes"});
            std::this_thread::sleep_for(10ms);
            purge.signal(SIGKILL);
            purge.wait();
        }
        CHECK((!fs::exists(kLayers) || host.purge().code == 0));
        CHECK_FALSE(fs::exists(kLayers));
    }
}

TEST_CASE("layers: a deep and wide one is purged, by two at once as well", "[layers][purge]") {
    Written host;
    host.remove();
    const std::string upper = kLayers + "/r/upper";
    const int top = ::open(upper.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int here = ::dup(top);
    const std::string name(200, 'd');
    for (int depth = 0; depth < 3000; ++depth) {
        require_call(::mkdirat(here, name.c_str(), 0755) == 0, "mkdirat");
        const int inner = ::openat(here, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        require_call(inner >= 0 && ::mknodat(here, "\xff\n*", S_IFREG | 0600, 0) == 0, "open");
        ::close(here);
        here = inner;
    }
    ::close(here);
    ::close(top);
    for (int i = 0; i < 5000; ++i) {
        write_file(upper + "/root/" + std::to_string(i), "x");
    }
    Background one(Arguments{PARTCTL, "purge", "r", "--yes"});
    Background other(Arguments{PARTCTL, "purge", "r", "--yes"});
    const int first = one.wait(60s);
    const int second = other.wait(60s);
    INFO(one.written() << other.written());
    // who comes when all is done finds nothing
    CHECK((first == 0 || second == 0));
    CHECK((first == 0 || first == 2));
    CHECK((second == 0 || second == 2));
    CHECK_FALSE(fs::exists(kLayers));
}

TEST_CASE("layers: partd purges for others, a little at a time", "[layers][purge][daemon]") {
    Written host;
    host.remove();
    for (int i = 0; i < 30'000; ++i) {
        fs::create_directories(kLayers + "/r/upper/many/" + std::to_string(i % 100) + "/" +
                               std::to_string(i));
    }
    Daemon daemon;
    REQUIRE(eventually([&] { return answers(host.sandbox); }));
    const auto purge = [](const Arguments& options) {
        Arguments all{"busctl",
                      "--address=unix:path=/run/partd/bus",
                      "--json=short",
                      "call",
                      "org.partd1",
                      "/org/partd1",
                      "org.partd1.Manager",
                      "Purge",
                      "a{sv}"};
        all.insert(all.end(), options.begin(), options.end());
        return Json::parse(output(all)).at("data");
    };
    CHECK(purge({"1", "name", "s", "r"}).at(2) == 2);  // it did not say that it is meant
    CHECK(fs::exists(kNotes));
    int calls = 0;
    Json answer;
    do {
        answer = purge({"2", "name", "s", "r", "yes", "b", "true"});
        ++calls;
        INFO(answer.dump());
        REQUIRE((answer.at(2) == 0 || answer.at(2) == 8));
        REQUIRE(calls < 1000);
    } while (answer.at(2) != 0);
    CHECK_FALSE(fs::exists(kLayers));
    CHECK(calls > 1);
}

TEST_CASE("layers: status and doctor name them with their size", "[layers][status]") {
    Written host;
    auto& sandbox = host.sandbox;
    REQUIRE(exec_in(sandbox, "r", {"sh", "-c", "head -c 3000000 /dev/zero > /root/big"}).code == 0);
    CHECK(layer(sandbox, "r").at("state") == "in use");
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
    host.sandbox.write_config("r.toml", declaration("r"));
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
    auto text = declaration("r");
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
    sandbox.write_config("r.toml", declaration("r", "true", map("1000000")));
    settle(sandbox);
    REQUIRE(exec_in(sandbox, "r", {"sh", "-c", "echo precious > /root/notes"}).code == 0);
    if (translated) {
        sandbox.write_config("r.toml", declaration("r", "true", map("2000000")));
        settle(sandbox);
        CHECK(exec_in(sandbox, "r", {"stat", "-c", "%u", "/root/notes"}).out == "0\n");
        return;
    }
    output({"chown", "-R", "-h", "2000000:2000000", tree.path()});
    sandbox.write_config("r.toml", declaration("r", "true", map("2000000")));
    const auto told = sandbox.partctl({"apply"});
    INFO(told.text());
    CHECK(told.code == 6);
    CHECK(told.err.find("the files of its layer belong to other users") != std::string::npos);
    CHECK(read_file(kNotes) == "precious\n");
    // back, and all is as it was
    output({"chown", "-R", "-h", "1000000:1000000", tree.path()});
    sandbox.write_config("r.toml", declaration("r", "true", map("1000000")));
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
    sandbox.write_config("r.toml", declaration("r", "\"temporary\"", mapped));
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
