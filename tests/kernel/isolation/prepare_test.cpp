// SPDX-License-Identifier: Apache-2.0
// Prepare, then end: an edit that cannot be carried out ends nothing of what it would have replaced, says
// which line is at fault, and does no harm once it is fixed.

#include "daemon_fixture.h"
#include "host_view.h"
#include "machine.h"

#include <sys/stat.h>

#include <filesystem>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

namespace {

const std::string kRoot = "/srv/machines/lightvm";
const std::string kTrace = "/run/scratch/trace";

/// A file of partition p, a key a line: what a test changes has the line that it knows.
struct File {
    std::string partition = R"(namespaces = ["net", "pid", "mnt", "uts", "ipc"])";  // line 2
    std::string path = "path = \"" + kRoot + "\"";                                  // line 4
    std::string rootfs = "";                                                        // line 5
    std::string mounts = "";                                                        // line 6
    std::string command = R"(command = ["sleep", "1000"])";                         // line 8
    std::string init = "";                                                          // line 9
    std::string tables = "";                                                        // line 10

    [[nodiscard]] std::string text() const {
        return "[partition.p]\n" + partition + "\n[partition.p.rootfs]\n" + path + "\n" + rootfs + "\n" +
               mounts + "\n[partition.p.init]\n" + command + "\n" + init + "\n" + tables + "\n";
    }
};

struct Mistake {
    std::string name;
    File file;
    int line;
    Strings words;
};

File with(std::string File::* part, const std::string& text, File file = {}) {
    file.*part = text;
    return file;
}

std::vector<Mistake> mistakes() {
    const auto mount = [](const std::string& entry) {
        return with(&File::mounts, "mounts = [" + entry + "]");
    };
    return {
        {"a source that is missing",
         mount(R"({ source = "/srv/nothing", target = "/data" })"),
         6,
         {"/srv/nothing", "No such file or directory"}},
        {"a misspelt path",
         with(&File::path, R"(path = "/srv/machines/lihgtvm")"),
         4,
         {"/srv/machines/lihgtvm", "No such file or directory"}},
        {"an overlay over a path that is not there",
         with(&File::rootfs, "overlay = true", with(&File::path, R"(path = "/srv/machines/lihgtvm")")),
         4,
         {"/srv/machines/lihgtvm"}},
        {"a path that is a file", with(&File::path, R"(path = "/srv/file")"), 4, {"Not a directory"}},
        {"a size that is none",
         mount(R"({ type = "tmpfs", target = "/data", options = ["size=banana"] })"),
         6,
         {"size", "banana"}},
        {"an unknown file system", mount(R"({ type = "nosuchfs", target = "/data" })"), 6, {"nosuchfs"}},
        {"a target behind a link", mount(R"({ type = "tmpfs", target = "/trap/data" })"), 6, {"trap"}},
        {"an init that is not there",
         with(&File::command, R"(command = ["/sbin/nothing"])"),
         8,
         {"/sbin/nothing", "No such file or directory"}},
        {"an init that PATH does not have",
         with(&File::command, R"(command = ["nothing-of-the-kind"])"),
         8,
         {"nothing-of-the-kind"}},
        {"an init that cannot be executed",
         with(&File::command, R"(command = ["/etc/passwd"])"),
         8,
         {"/etc/passwd", "Permission denied"}},
        {"an init without its interpreter",
         with(&File::command, R"(command = ["/bin/script"])"),
         8,
         {"/bin/script", "interpreter"}},
        {"a directory to start in that is not there",
         with(&File::init, R"(working_directory = "/nowhere")"),
         9,
         {"/nowhere"}},
        {"no numbers for its users",
         with(&File::tables, "[partition.p.user]\nauto = true"),
         10,
         {"/etc/subuid"}},
        {"a link where a DNS file has to stand",
         with(&File::tables, "[partition.p.dns]\nnameserver = [\"192.0.2.1\"]"),
         7,
         {"resolv.conf", "link"}},
    };
}

/// A running machine with somebody in it who must not notice.
struct Machine {
    Sandbox sandbox;
    RootTree tree;
    File file;
    pid_t init = 0;
    std::optional<Background> guest;
    decltype(orphans()) left;

    explicit Machine(File wanted = {}) : file(std::move(wanted)) {
        fs::create_symlink("/trap", tree.path() + "/trap");  // leads nowhere
        fs::create_symlink("/run/nowhere", tree.path() + "/etc/resolv.conf");
        write_file(tree.path() + "/bin/script", "#!/bin/nothing\n");
        fs::permissions(tree.path() + "/bin/script", fs::perms(0755));
        write_file("/srv/file", "");
        write_file("/etc/subuid", "");
        sandbox.write_config("p.toml", file.text());
        settle(sandbox);
        init = init_of("p").value();
        guest.emplace(stay_in(sandbox, "p"));
        left = orphans();
    }

    [[nodiscard]] Snapshot names() const {
        Snapshot all = {{"files", output({"find", tree.path(), "-printf", "%P %y %m %U:%G %s %l\n"})}};
        for (const char* type : {"net", "pid", "mnt", "uts", "ipc", "user"}) {
            all[type] = std::to_string(inode_at(pin("p", type)));
        }
        return all;
    }
    /// `enter`: nobody is let in while a namespace is declared and not there.
    void check_untouched(const Snapshot& before, bool enter = true) {
        CHECK(guest->running());
        CHECK(init_of("p") == init);
        CHECK(alive(init));
        CHECK(difference(before, names()) == "");
        if (enter) {
            CHECK(said_in(sandbox, "p", {"echo", "inside"}) == "inside");
        }
        CHECK_FALSE(fs::exists("/var/lib/partd/layers/.rehearsal"));
        CHECK(eventually([&] { return orphans() == left; }, 1s));
    }
};

}  // namespace

TEST_CASE("prepare: an edit that cannot be carried out ends nothing, and names its line", "[prepare]") {
    const bool overlay = GENERATE(false, true);
    const bool mapped = GENERATE(false, true);
    File file;
    file.rootfs = overlay ? "overlay = true" : "";
    const std::string user =
        "[partition.p.user]\nuid_map = [{ inside = 0, outside = 1000000, count = 65536 }]";
    file.tables = mapped ? user : "";
    Machine machine(file);
    const auto before = machine.names();
    for (const auto& mistake : mistakes()) {
        // A layer takes a file in place of the link; and there is one table of users.
        if ((overlay && mistake.name == "a link where a DNS file has to stand") ||
            (mapped && mistake.name == "no numbers for its users")) {
            continue;
        }
        File wrong = mistake.file;
        wrong.rootfs = overlay || !wrong.rootfs.empty() ? "overlay = true" : "";
        wrong.tables += mapped ? "\n" + user : "";
        INFO(mistake.name << (overlay ? ", overlay" : "") << (mapped ? ", user" : ""));
        machine.sandbox.write_config("p.toml", wrong.text());
        const auto failed = machine.sandbox.partctl({"apply"});
        INFO(failed.text());
        CHECK(failed.code == 6);
        CHECK(failed.err.find("p.toml:" + std::to_string(mistake.line) + ":") != std::string::npos);
        for (const auto& word : mistake.words) {
            INFO(word);
            CHECK(failed.err.find(word) != std::string::npos);
        }
        machine.check_untouched(before, mistake.name != "no numbers for its users");
    }
    // fixed, it is carried out
    machine.file.command = R"(command = ["sleep", "2000"])";
    machine.sandbox.write_config("p.toml", machine.file.text());
    settle(machine.sandbox);
    CHECK(init_of("p") != machine.init);
    CHECK_FALSE(machine.guest->running());
}

TEST_CASE("prepare: another uid map is not begun when the machine cannot follow", "[prepare][user]") {
    File file;
    const auto user = [](int first) {
        return "[partition.p.user]\nuid_map = [{ inside = 0, outside = " + std::to_string(first) +
               ", count = 65536 }]";
    };
    file.tables = user(1000000);
    Machine machine(file);
    const auto before = machine.names();
    machine.file.tables = user(2000000);
    machine.file.mounts = R"(mounts = [{ source = "/srv/nothing", target = "/data" }])";
    machine.sandbox.write_config("p.toml", machine.file.text());
    const auto failed = machine.sandbox.partctl({"apply"});
    INFO(failed.text());
    CHECK(failed.code == 6);
    CHECK(failed.err.find("p.toml:6:") != std::string::npos);
    machine.check_untouched(before);
    machine.file.mounts.clear();
    machine.sandbox.write_config("p.toml", machine.file.text());
    settle(machine.sandbox);
    CHECK(read_file("/proc/" + std::to_string(init_of("p").value()) + "/uid_map").find("2000000") !=
          std::string::npos);
}

TEST_CASE("prepare: another group is not begun when the machine cannot follow", "[prepare]") {
    Machine machine;
    const auto before = machine.names();
    machine.sandbox.write_config("s.toml", "[slice.s]\n");
    machine.file.partition += "\ncgroup.parent = \"s\"";
    machine.file.command = R"(command = ["/sbin/nothing"])";
    machine.sandbox.write_config("p.toml", machine.file.text());
    const auto failed = machine.sandbox.partctl({"apply"});
    INFO(failed.text());
    CHECK(failed.code == 6);
    CHECK(failed.err.find("p.toml:9:") != std::string::npos);
    machine.check_untouched(before);
}

TEST_CASE("prepare: who uses the machine's namespaces stays with it, others go on", "[prepare][pod]") {
    Machine machine;
    const auto other = [](const char* command) {
        return std::string(
                   "[partition.o]\nnamespaces = [\"pid\"]\n[partition.o.init]\ncommand = [\"sleep\", \"") +
               command + "\"]\n";
    };
    machine.sandbox.write_config("m.toml",
                                 "[partition.m]\nnamespaces = [\"pid\", \"mnt\"]\n"
                                 "share = { partition = \"p\", namespaces = [\"uts\", \"ipc\"] }\n");
    machine.sandbox.write_config("o.toml", other("1000"));
    settle(machine.sandbox);
    auto guest = stay_in(machine.sandbox, "m");
    const auto member = init_of("m");
    const auto third = init_of("o");
    const auto before = machine.names();
    machine.left = orphans();
    machine.file.tables = "[partition.p.user]\nuid_map = [{ inside = 0, outside = 1000000, count = 65536 }]";
    machine.file.command = R"(command = ["/sbin/nothing"])";
    machine.sandbox.write_config("p.toml", machine.file.text());
    machine.sandbox.write_config("o.toml", other("2000"));
    const auto failed = machine.sandbox.partctl({"apply"});
    INFO(failed.text());
    CHECK(failed.code == 6);
    CHECK(init_of("o") != third);
    machine.left = orphans();  // another PID 1 of o
    machine.check_untouched(before, false);
    CHECK(guest.running());
    CHECK(init_of("m") == member);
}

TEST_CASE("prepare: PID 1 goes only when all that its successor needs is there", "[prepare]") {
    Machine machine;
    const auto before = machine.names();
    machine.file.command = R"(command = ["sleep", "2000"])";
    machine.file.tables = "[partition.p.sysctl]\nnet.ipv4.no_such_key = \"1\"";
    machine.sandbox.write_config("p.toml", machine.file.text());
    const auto failed = machine.sandbox.partctl({"apply"});
    INFO(failed.text());
    CHECK(failed.code == 6);
    CHECK(failed.err.find("p.toml:11:") != std::string::npos);
    machine.check_untouched(before);
}

TEST_CASE("prepare: a layer in use is seen as it is, and not written to", "[prepare][overlay]") {
    File file;
    file.rootfs = "overlay = true";
    Machine machine(file);
    CHECK(said_in(machine.sandbox, "p",
                  {"sh", "-c", "echo mine > /root/mine; rm /bin/script; ln -s /linked /linked; echo done"}) ==
          "done");
    const auto before = machine.names();
    machine.file.mounts = R"(mounts = [{ type = "tmpfs", target = "/linked/data" }])";
    machine.sandbox.write_config("p.toml", machine.file.text());
    const auto failed = machine.sandbox.partctl({"apply"});
    INFO(failed.text());
    CHECK(failed.code == 6);
    CHECK(failed.err.find("p.toml:6:") != std::string::npos);
    machine.check_untouched(before);
    CHECK(said_in(machine.sandbox, "p", {"cat", "/root/mine"}) == "mine");
    machine.file.mounts = R"(mounts = [{ type = "tmpfs", target = "/data" }])";
    machine.sandbox.write_config("p.toml", machine.file.text());
    settle(machine.sandbox);
    CHECK(said_in(machine.sandbox, "p", {"cat", "/root/mine"}) == "mine");
}

TEST_CASE("prepare: a command that ends at once is told, with its status and line", "[prepare][init]") {
    Machine machine;
    const auto [command, words] = GENERATE(table<std::string, std::string>(
        {{R"(["sh", "-c", "echo no licence; exit 7"])", "exited with status 7, and said: no licence"},
         {R"(["/bin/true"])", "exited with status 0"}}));
    machine.file.command = "command = " + command;
    machine.sandbox.write_config("p.toml", machine.file.text());
    const auto failed = machine.sandbox.partctl({"apply"});
    INFO(failed.text());
    CHECK(failed.code == 6);
    CHECK(failed.err.find(words) != std::string::npos);
    CHECK(failed.err.find("p.toml:8:") != std::string::npos);
    CHECK_FALSE(fs::exists(pin("p", "pid")));
    machine.file.command = R"(command = ["sleep", "1000"])";
    machine.sandbox.write_config("p.toml", machine.file.text());
    settle(machine.sandbox);
    CHECK(init_of("p"));
}

TEST_CASE("prepare: killed while it prepares, nothing is left of it", "[prepare][crash]") {
    File file;
    file.rootfs = "overlay = true";
    Machine machine(file);
    const auto before = machine.names();
    machine.file.command = R"(command = ["/sbin/nothing"])";
    machine.sandbox.write_config("p.toml", machine.file.text());
    for (int delay = 10; delay <= 120; delay += 10) {
        INFO(delay << " ms");
        (void)run({"timeout", "-s", "KILL",
                   "0." + std::string(delay < 100 ? "0" : "") + std::to_string(delay), PARTCTL, "apply"});
        CHECK(machine.guest->running());
        CHECK(init_of("p") == machine.init);
        CHECK(eventually([&] { return orphans() == machine.left; }, 1s));
    }
    CHECK(machine.sandbox.partctl({"apply"}).code == 6);
    machine.check_untouched(before);
}

TEST_CASE("prepare: partd does not end a machine for a mistake either", "[prepare][daemon]") {
    Machine machine;
    const auto before = machine.names();
    const Daemon daemon;
    File wrong = machine.file;
    wrong.mounts = R"(mounts = [{ source = "/srv/nothing", target = "/data" }])";
    machine.sandbox.write_config("p.toml", wrong.text());
    CHECK(daemon.said("p.toml:6:"));
    machine.check_untouched(before);
    // neither when it tries again, nor when something else of the partition changes meanwhile
    wrong.partition += "\nstop_timeout = \"1s\"";
    machine.sandbox.write_config("p.toml", wrong.text());
    CHECK(daemon.said("p.toml:7:"));
    machine.check_untouched(before);
    fs::create_directories("/srv/nothing");
    machine.sandbox.write_config("p.toml", wrong.text() + "\n");
    CHECK(eventually([&] { return init_of("p") && init_of("p") != machine.init; }, 20s));
    CHECK(said_in(machine.sandbox, "p", {"ls", "-d", "/data"}) == "/data");
}

TEST_CASE("prepare: what a change ends is said before", "[prepare][diff]") {
    Machine machine;
    const auto ends = [&](const std::string& text) {
        machine.sandbox.write_config("p.toml", text);
        const auto diff = machine.sandbox.partctl({"diff"});
        INFO(diff.text());
        CHECK(diff.code == 1);
        const auto json = machine.sandbox.partctl_json({"diff"});
        int count = 0;
        for (const auto& change : json.at("changes")) {
            count += change.at("ends_processes").get<int>();
        }
        const bool said = diff.out.find("(ends 2 processes)") != std::string::npos &&
                          diff.err.find("ends 2 processes") != std::string::npos;
        return count == 2 && said;
    };
    const auto file = machine.file;
    CHECK(ends(with(&File::command, R"(command = ["sleep", "2000"])", file).text()));
    fs::remove(machine.tree.path() + "/etc/resolv.conf");
    CHECK(ends(with(&File::tables, "[partition.p.dns]\nnameserver = [\"192.0.2.1\"]", file).text()));
    CHECK(ends(with(&File::tables, "[partition.p.dns]\nhosts = { a = [\"192.0.2.1\"] }", file).text()));
    CHECK(ends(with(&File::partition, file.partition + "\ncgroup.parent = \"s\"", file).text() +
               "\n[slice.s]\n"));
    CHECK(ends("[partition.p]\n"));
    CHECK(ends("# nothing\n"));
    // what ends nothing does not say so
    machine.sandbox.write_config(
        "p.toml", with(&File::partition, file.partition + "\nhostname = \"other\"", file).text());
    CHECK(machine.sandbox.partctl({"diff"}).text().find("ends") == std::string::npos);
    const Daemon daemon;
    CHECK(eventually([&] { return machine.sandbox.diff() == 0; }));
    machine.sandbox.write_config("p.toml",
                                 with(&File::command, R"(command = ["sleep", "2000"])", file).text());
    CHECK(daemon.said("(ends 2 processes)", 15s));
}

TEST_CASE("prepare: check looks at the host without changing it", "[prepare][check]") {
    Machine machine;
    const auto before = machine.names();
    for (const auto& mistake : mistakes()) {
        machine.sandbox.write_config("p.toml", mistake.file.text());
        const auto checked = machine.sandbox.partctl({"check"});
        INFO(mistake.name << checked.text());
        CHECK(checked.code == 0);
        const bool seen = mistake.name == "a source that is missing" || mistake.name == "a misspelt path" ||
                          mistake.name == "a target behind a link" ||
                          mistake.name == "an init that is not there" ||
                          mistake.name == "an init that PATH does not have" ||
                          mistake.name == "an init that cannot be executed";
        const auto place = "p.toml:" + std::to_string(mistake.line) + ":";
        if (seen) {
            CHECK(checked.err.find(place) != std::string::npos);
            CHECK(checked.err.find("warning: ") != std::string::npos);
            CHECK(checked.err.find(mistake.words.front()) != std::string::npos);
        }
    }
    machine.sandbox.write_config("p.toml", machine.file.text());
    CHECK(machine.sandbox.partctl({"check"}).err.empty());
    CHECK(machine.sandbox.partctl_json({"check"}).at("warnings").empty());
    machine.check_untouched(before);
}

namespace {

/// A block device with an empty file system; "" where there are none.
struct Disk {
    std::string path;

    Disk() {
        const std::string file = "/run/scratch/disk";
        fs::create_directories("/run/scratch");
        output({"truncate", "--size=4M", file});
        output({"mkfs.ext4", "-q", file});
        const auto made = run({"losetup", "--find", "--show", file});
        path = made.code == 0 ? made.out.substr(0, made.out.find('\n')) : "";
    }
    Disk(const Disk&) = delete;
    Disk& operator=(const Disk&) = delete;
    ~Disk() {
        if (!path.empty()) {
            run({"losetup", "--detach", path});
        }
    }
};

}  // namespace

TEST_CASE("prepare: a device that the running partition has mounted with other flags", "[prepare]") {
    const Disk disk;
    if (disk.path.empty()) {
        PARTD_CANNOT_RUN("there are no loop devices");
    }
    const auto mounted = [&](const std::string& more) {
        return with(&File::mounts, R"(mounts = [{ type = "ext4", target = "/data", source = ")" + disk.path +
                                       "\"" + more + " }]");
    };
    Machine machine(mounted(""));
    machine.sandbox.write_config("p.toml", mounted(R"(, options = ["ro"])").text());
    const auto applied = machine.sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(applied.code == 0);
    CHECK(init_of("p") != machine.init);
    CHECK(exec_in(machine.sandbox, "p", {"touch", "/data/file"}).code != 0);
    machine.sandbox.remove_config("p.toml");
    machine.sandbox.apply();
}
