// SPDX-License-Identifier: Apache-2.0
// The rights that PID 1 and exec start with, and programs that cannot be run.

#include "host_view.h"
#include "machine.h"

#include <filesystem>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;

namespace {

std::string status_line(pid_t process, const std::string& key) {
    const auto text = read_file("/proc/" + std::to_string(process) + "/status");
    const auto at = text.find("\n" + key + ":\t");
    const auto begin = at + key.size() + 3;
    return at == std::string::npos ? "" : text.substr(begin, text.find('\n', begin) - begin);
}

std::string machine(const std::string& init, const std::string& user = "") {
    return "[partition.m]\nnamespaces = [\"pid\"]\n" + user + "[partition.m.init]\n" + init;
}

const std::string kMapped =
    "[partition.m.user]\nuid_map = [{ inside = 0, outside = 1000000, count = 65536 }]\n"
    "gid_map = [{ inside = 0, outside = 1000000, count = 65536 }]\n";

void make_executable(const std::string& path, const std::string& text) {
    write_file(path, text);
    fs::permissions(path, fs::perms(0755));
}

}  // namespace

TEST_CASE("rights: PID 1 has the user, the bounds and the rights that are declared", "[rights][init]") {
    Sandbox sandbox;
    sandbox.write_config(
        "m.toml", machine("command = [\"sleep\", \"1000\"]\nuser = \"nobody\"\numask = \"0027\"\nnice = 5\n"
                          "oom_score_adj = 300\nno_new_privileges = true\ncapabilities = "
                          "[\"CAP_NET_BIND_SERVICE\"]\nlimits = { nofile = \"256:512\", core = \"0\" }\n"));
    settle(sandbox);
    const pid_t init = init_of("m").value();
    const auto process = std::to_string(init);
    CHECK(status_line(init, "Uid") == "65534\t65534\t65534\t65534");
    CHECK(status_line(init, "Umask") == "0027");
    CHECK(status_line(init, "NoNewPrivs") == "1");
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
        INFO(set);
        CHECK(status_line(init, set) == "0000000000000400");
    }
    CHECK(output({"ps", "-o", "ni=", "-p", process}).find("5") != std::string::npos);
    CHECK(read_file("/proc/" + process + "/oom_score_adj") == "300\n");
    const auto limits = read_file("/proc/" + process + "/limits");
    CHECK(limits.find("\nMax open files            256                  512 ") != std::string::npos);
    CHECK(limits.find("\nMax core file size        0                    0 ") != std::string::npos);
    const auto environment = read_file("/proc/" + process + "/environ");
    CHECK(environment.find("USER=nobody") != std::string::npos);
    CHECK(environment.find("HOME=/nonexistent") != std::string::npos);
}

TEST_CASE("rights: of root without capabilities nothing is left, and a change of rights is a new PID 1",
          "[rights][init]") {
    Sandbox sandbox;
    sandbox.write_config("m.toml", machine("command = [\"sleep\", \"1000\"]\ncapabilities = []\n"));
    settle(sandbox);
    const pid_t before = init_of("m").value();
    CHECK(status_line(before, "Uid") == "0\t0\t0\t0");
    CHECK(status_line(before, "CapEff") == "0000000000000000");
    CHECK(status_line(before, "CapBnd") == "0000000000000000");
    sandbox.write_config("m.toml", machine("command = [\"sleep\", \"1000\"]\n"));
    settle(sandbox);
    CHECK(init_of("m").value() != before);
}

TEST_CASE("rights: a user of a root of its own, in a user namespace", "[rights][init]") {
    Sandbox sandbox;
    const RootTree tree("m");
    write_file(tree.path() + "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nwww:x:33:33::/var/www:/bin/sh\n");
    write_file(tree.path() + "/etc/group", "root:x:0:\nwww:x:33:\nlog:x:7:www\nextra:x:8:\n");
    const std::string root = "[partition.m.rootfs]\npath = \"" + tree.path() + "\"\n";
    sandbox.write_config("m.toml",
                         machine("command = [\"sleep\", \"1000\"]\nuser = \"www:extra\"\n", kMapped + root));
    settle(sandbox);
    const pid_t init = init_of("m").value();
    CHECK(status_line(init, "Uid") == "1000033\t1000033\t1000033\t1000033");
    CHECK(status_line(init, "Gid") == "1000008\t1000008\t1000008\t1000008");
    CHECK(status_line(init, "Groups") == "1000007 ");

    CHECK(said_in(sandbox, "m", {"id", "-u"}) == "0");
    const auto as_www =
        sandbox.partctl({"exec", "--user", "www", "m", "--", "sh", "-c", "id -u; id -g; echo $HOME"});
    INFO(as_www.text());
    CHECK(as_www.out == "33\n33\n/var/www\n");
    CHECK(sandbox.partctl({"exec", "--user", "5000", "m", "id", "-g"}).out == "5000\n");
    const auto nobody = sandbox.partctl({"exec", "--user", "alice", "m", "true"});
    CHECK(nobody.code == 126);
    CHECK(nobody.err.find("the user \"alice\" is not in /etc/passwd of its root") != std::string::npos);
    const auto far = sandbox.partctl({"exec", "--user", "70000", "m", "true"});
    CHECK(far.code == 126);
    CHECK(far.err.find("is not mapped into its user namespace") != std::string::npos);
}

TEST_CASE("rights: a user or a program that is not there ends nothing that runs", "[rights][init]") {
    Sandbox sandbox;
    const RootTree tree("m");
    const std::string root = "[partition.m.rootfs]\npath = \"" + tree.path() + "\"\n";
    sandbox.write_config("m.toml", machine("command = [\"sleep\", \"1000\"]\n", root));
    settle(sandbox);
    const pid_t before = init_of("m").value();
    make_executable(tree.path() + "/bin/noline", "echo hello\n");
    make_executable(tree.path() + "/bin/nothing", "");
    make_executable(tree.path() + "/bin/lost", "#!/bin/not-there\n");
    // An ELF header of 64 bits, for aarch64.
    std::string elf(
        "\x7f"
        "ELF\x02\x01\x01",
        7);
    elf.resize(16, '\0');
    elf += std::string("\x02\x00\xb7\x00\x01\x00\x00\x00", 8);
    elf.resize(64, '\0');
    make_executable(tree.path() + "/bin/arm", elf);
    struct Bad {
        std::string init, line, text;
    };
    for (const Bad& bad : {
             Bad{"command = [\"/bin/gone\"]\n", "m.toml:6", "/bin/gone: No such file or directory"},
             Bad{"command = [\"gone\"]\n", "m.toml:6", "gone: it is in no directory of PATH"},
             Bad{"command = [\"/bin/noline\"]\n", "m.toml:6",
                 "/bin/noline: it is neither a program nor a script with a first line such as \"#!/bin/sh\""},
             Bad{"command = [\"nothing\"]\n", "m.toml:6", "/bin/nothing: the file is empty"},
             Bad{"command = [\"/bin/lost\"]\n", "m.toml:6",
                 "not the interpreter or dynamic loader that it names"},
             Bad{"command = [\"/bin/arm\"]\n", "m.toml:6",
                 "/bin/arm: it is a program for aarch64, which this host"},
             Bad{"command = [\"sleep\", \"9\"]\nuser = \"alice\"\n", "m.toml:7",
                 "the user \"alice\" is not in /etc/passwd of its root"},
             Bad{"command = [\"sleep\", \"9\"]\nuser = \"0:staff\"\n", "m.toml:7",
                 "the group \"staff\" is not in /etc/group of its root"},
         }) {
        sandbox.write_config("m.toml", machine(bad.init, root));
        const auto applied = sandbox.partctl({"apply"});
        INFO(applied.text());
        CHECK(applied.code == 6);
        CHECK(applied.err.find(bad.text) != std::string::npos);
        CHECK(applied.err.find(bad.line) != std::string::npos);
        CHECK(init_of("m") == before);
    }
    write_file(tree.path() + "/etc/passwd", "broken\nalice:x\n");
    sandbox.write_config("m.toml", machine("command = [\"sleep\", \"9\"]\nuser = \"alice\"\n", root));
    CHECK(sandbox.partctl({"apply"}).err.find(
              "the line of \"alice\" in /etc/passwd of its root has no number") != std::string::npos);
    fs::remove(tree.path() + "/etc/passwd");
    CHECK(sandbox.partctl({"apply"}).err.find(
              "its root has no /etc/passwd, so that nobody knows the user \"alice\": give a number") !=
          std::string::npos);
    CHECK(init_of("m") == before);
    const auto run = sandbox.partctl({"exec", "m", "--", "/bin/arm"});
    CHECK(run.code == 126);
    CHECK(run.err.find("it is a program for aarch64") != std::string::npos);
}
