// SPDX-License-Identifier: Apache-2.0
// Root of a partition against the host's programs and files: through descriptors, /proc/self/exe, symbolic
// links, device nodes, and what it leaves in its layer.

#include "attacker.h"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <sstream>

#include <catch2/catch.hpp>

using namespace partd::test;
using Strings = std::vector<std::string>;
namespace fs = std::filesystem;

namespace {

/// A partition whose root is the host's root.
const Cell kRootIsRoot{.namespaces = R"(["pid", "mnt", "uts", "ipc", "net"])", .user = false};

/// A copy of partctl and partd-init that may come to harm.
struct Installed {
    std::string directory, partctl, holder;
    std::string partctl_before, holder_before;

    explicit Installed(const Sandbox& sandbox)
        : directory(sandbox.scratch() + "/bin"),
          partctl(directory + "/partctl"),
          holder(directory + "/partd-init") {
        fs::create_directory(directory);
        fs::copy_file(PARTCTL, partctl);
        fs::copy_file(fs::path(PARTCTL).parent_path() / "partd-init", holder);
        partctl_before = read_file(partctl);
        holder_before = read_file(holder);
    }
    void check_untouched() const {
        CHECK(read_file(partctl) == partctl_before);
        CHECK(read_file(holder) == holder_before);
        for (const auto& path : {partctl, holder}) {
            CHECK(fs::status(path).permissions() == fs::perms(0755));
        }
    }
};

std::uint64_t inode_of(const std::string& path) {
    struct stat st{};
    require_call(::stat(path.c_str(), &st) == 0, path);
    return st.st_ino;
}

/// The dynamic linker and the libraries of a program, copied into the tree.
void bring_libraries(const std::string& program, const std::string& tree) {
    std::istringstream words(output({"ldd", program}));
    for (std::string word; words >> word;) {
        if (word.starts_with('/') && !fs::exists(tree + word)) {
            fs::create_directories(fs::path(tree + word).parent_path());
            fs::copy_file(word, tree + word);
        }
    }
}

/// A descriptor of the test's that its children inherit.
class Leak {
public:
    Leak(const std::string& path, int number) : number_(number) {
        const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        require_call(fd >= 0 && ::dup2(fd, number) == number, path);
        ::close(fd);
    }
    Leak(const Leak&) = delete;
    Leak& operator=(const Leak&) = delete;
    ~Leak() { ::close(number_); }

private:
    int number_;
};

Attempts result_of_overwriting(const Prison& prison, const std::string& log) {
    std::string text;
    eventually([&] {
        text = prison.exec({"cat", log}).out;
        return !text.empty();
    });
    return attempts(text);
}

// CVE-2019-5736.
void try_to_overwrite(Cell cell) {
#if defined(PARTD_SANITIZED)
    PARTD_CANNOT_RUN("a sanitizer insists on being the first library of a program");
#endif
    Prison prison(std::move(cell));
    Sandbox* sandbox = &prison.sandbox;
    const Installed installed(*sandbox);
    // PID 1 of the copy, and a tree that loads the attacker's library into all that its dynamic linker starts
    sandbox->remove_config("cell.toml");
    REQUIRE(sandbox->partctl({"apply", "--allow-delete"}).code == 0);
    bring_libraries(PARTCTL, prison.tree);
    fs::copy_file(PARTD_ATTACK_PRELOAD, prison.tree + "/preload.so");
    write_file(prison.tree + "/etc/ld.so.preload", "/preload.so\n");
    write_file(prison.tree + "/bin/trick", "#!/proc/self/exe\n");
    fs::permissions(prison.tree + "/bin/trick", fs::perms(0755));
    sandbox->write_config("cell.toml", cell_config(prison.cell));
    REQUIRE(run({installed.partctl, "apply"}).code == 0);

    SECTION("partctl exec, as the interpreter of a script") {
        const auto trick = run({installed.partctl, "exec", "cell", "--", "/bin/trick"});
        INFO(trick.text());
        // it did hold the host's program in its hands
        CHECK(attempts(trick.out).at("inode") == std::to_string(inode_of(installed.partctl)));
        const auto results = result_of_overwriting(prison, "/overwritten");
        CHECK(results.size() > 5);
        CHECK(successes(results) == Strings{});
    }
    SECTION("partctl shell, whose shell it is") {
        REQUIRE(prison.exec({"sh", "-c", "echo root:x:0:0:root:/root:/bin/trick >/etc/passwd"}).code == 0);
        const auto trick = run({installed.partctl, "shell", "cell"});
        INFO(trick.text());
        CHECK(attempts(trick.out).at("inode") == std::to_string(inode_of(installed.partctl)));
        CHECK(successes(result_of_overwriting(prison, "/overwritten")) == Strings{});
    }
    SECTION("partd-init, by /proc/1/exe") {
        const auto tried = prison.attack({"overwrite", "/proc/1/exe", "/overwritten", "300"});
        CHECK(tried.at("inode") == std::to_string(inode_of(installed.holder)));
        CHECK(successes(result_of_overwriting(prison, "/overwritten")) == Strings{});
    }
    installed.check_untouched();
}

}  // namespace

TEST_CASE("escape: the host's programs cannot be overwritten from inside", "[escape][exe]") {
    try_to_overwrite({});
}

TEST_CASE("escape: nor where root is the host's root", "[escape][exe]") {
    try_to_overwrite(kRootIsRoot);
}

TEST_CASE("escape: overwriting a program works where it may", "[escape][exe]") {
    Sandbox sandbox;
    const Installed installed(sandbox);
    const auto log = sandbox.scratch() + "/log";
    attack_outside({"overwrite", installed.holder, log, "300"});
    REQUIRE(eventually([&] { return fs::exists(log); }));
    CHECK(attempts(read_file(log)).at("write") == "done");
    CHECK(read_file(installed.holder) != installed.holder_before);
    fs::remove_all("/tmp/over");
}

// CVE-2024-21626.
TEST_CASE("escape: no descriptor of the caller's is open inside", "[escape][leak]") {
    Prison prison;
    const Leak directory("/", 9);
    const Leak file("/etc/hostname", 12);
    const Leak terminal("/dev/null", 200);
    REQUIRE(run({"readlink", "/proc/self/fd/9"}).out == "/\n");
    const auto inside = prison.exec({"/bin/attack", "descriptors"});
    INFO(inside.text());
    CHECK(attempts(inside.out).size() == 3);
    const auto shell = prison.sandbox.partctl({"shell", "cell"}, {.input = "/bin/attack descriptors\n"});
    INFO(shell.text());
    CHECK(attempts(shell.out).size() == 3);
    // PID 1, made by a partctl that had them too
    prison.sandbox.remove_config("cell.toml");
    REQUIRE(prison.sandbox.partctl({"apply", "--allow-delete"}).code == 0);
    prison.sandbox.write_config("cell.toml", cell_config(prison.cell));
    prison.sandbox.apply();
    const auto init = prison.exec({"sh", "-c", "for f in /proc/1/fd/*; do readlink $f; done"});
    INFO(init.text());
    CHECK(init.out == "/dev/null\n/dev/null\n/dev/null\n");
}

TEST_CASE("escape: an init of the partition's own gets no descriptor either", "[escape][leak]") {
    Prison prison;
    const Leak directory("/", 9);
    prison.sandbox.write_config(
        "cell.toml",
        cell_config(prison.cell) +
            "[partition.cell.init]\ncommand = [\"sh\", \"-c\", \"/bin/attack descriptors > /seen; "
            "pwd >> /seen; exec sleep 100\"]\n");
    prison.sandbox.apply();
    std::string seen;
    eventually([&] { return (seen = prison.exec({"cat", "/seen"}).out).ends_with("/\n"); });
    CHECK(seen == "0 /dev/null\n1 /seen\n2 /dev/null\n/\n");
}

TEST_CASE("escape: the working directory is inside", "[escape][leak]") {
    Prison prison;
    const auto where =
        run({"sh", "-c", "cd /run/scratch && " PARTCTL " exec cell -- sh -c 'pwd; ls /proc/self/cwd/..'"});
    INFO(where.text());
    CHECK(where.out.starts_with("/\n"));
    CHECK(where.out.find("attack\n") == std::string::npos);
    CHECK(where.out.find("proc\n") != std::string::npos);
    const auto shell = run({"sh", "-c", "cd /run/scratch && echo pwd | " PARTCTL " shell cell"});
    CHECK(shell.out == "/root\n");
}

// The shell goes to root's home directory, which the partition names.
TEST_CASE("escape: a home directory at a leaked descriptor leads nowhere", "[escape][leak]") {
    Prison prison;
    const Leak directory("/", 9);
    REQUIRE(prison.exec({"sh", "-c", "echo root:x:0:0:root:/proc/self/fd/9:/bin/sh >/etc/passwd"}).code == 0);
    const auto shell =
        prison.sandbox.partctl({"shell", "cell"}, {.input = "cat ./run/scratch/attack | wc -c\n"});
    INFO(shell.text());
    CHECK(std::atol(shell.out.c_str()) == 0);
    REQUIRE(prison
                .exec({"sh", "-c",
                       "rm -r /root && ln -s /proc/self/fd/9 /root; "
                       "echo root:x:0:0:root:/root:/bin/sh >/etc/passwd"})
                .code == 0);
    const auto linked =
        prison.sandbox.partctl({"shell", "cell"}, {.input = "cat ./run/scratch/attack | wc -c\n"});
    INFO(linked.text());
    CHECK(std::atol(linked.out.c_str()) == 0);
}

TEST_CASE("escape: a program at a leaked descriptor is not found", "[escape][leak]") {
    Prison prison;
    const Leak directory("/run/scratch", 9);
    REQUIRE(prison.exec({"ln", "-s", "/proc/self/fd/9/attack", "/bin/hosts"}).code == 0);
    search_no_leaks();
    const auto started = prison.exec({"hosts", "descriptors"});
    INFO(started.text());
    CHECK(started.code == 127);
    REQUIRE(prison.exec({"sh", "-c", "echo root:x:0:0:root:/:/proc/self/fd/9/attack >/etc/passwd"}).code ==
            0);
    const auto shell = prison.sandbox.partctl({"shell", "cell"}, {.input = "echo own\n"});
    INFO(shell.text());
    CHECK(shell.err.find("no such attack") == std::string::npos);
}

TEST_CASE("escape: partctl exec cannot be held up by the partition's files", "[escape]") {
    Prison prison;
    REQUIRE(prison.exec({"sh", "-c", "rm /etc/passwd; mkfifo /etc/passwd"}).code == 0);
    Background held(Arguments{PARTCTL, "exec", "cell", "--", "true"});
    const int code = held.wait(3s);
    CHECK(code != -1);
    if (code == -1) {
        // at least the caller can go
        held.signal(SIGTERM);
        CHECK(held.wait(2s) != -1);
        const pid_t left = prison.find(std::string(PARTCTL) + " exec cell -- true");
        if (left > 0) {
            ::kill(left, SIGKILL);
        }
    }
}

TEST_CASE("escape: a handle opens nothing", "[escape]") {
    Prison prison;
    for (const auto& [handle, result] : prison.attack({"handles", "/"})) {
        INFO(handle);
        CHECK(result == "EPERM");
    }
    // a file system in memory: it knows no such inodes, and says so to who may ask
    CHECK(successes(attack_outside({"handles", "/run"})).size() == 3);
}

TEST_CASE("escape: device nodes can neither be made nor used", "[escape]") {
    const auto with_nodes = [](bool overlay) {
        Prison prison({.overlay = overlay});
        require_call(::mknod((prison.tree + "/zero").c_str(), S_IFCHR | 0666, makedev(1, 5)) == 0, "mknod");
        require_call(::mknod((prison.tree + "/disk").c_str(), S_IFBLK | 0666, makedev(7, 0)) == 0, "mknod");
        ::chmod((prison.tree + "/zero").c_str(), 0666);
        ::chmod((prison.tree + "/disk").c_str(), 0666);
        fs::create_directory("/srv/shared");
        require_call(::mknod("/srv/shared/zero", S_IFCHR | 0666, makedev(1, 5)) == 0, "mknod");
        ::chmod("/srv/shared/zero", 0666);
        prison.cell.more_rootfs = "mounts = [{ source = \"/srv/shared\", target = \"/shared\" }]\n";
        prison.sandbox.write_config("cell.toml", cell_config(prison.cell));
        prison.sandbox.apply();
        const auto tried = prison.attack({"devices", "/zero", "/disk", "/shared/zero"});
        CHECK(successes(tried) == Strings{});
        CHECK(tried.at("open:/zero") == "EACCES");
        CHECK(tried.at("open:/disk") == "EACCES");
        CHECK(tried.at("open:/shared/zero") == "EACCES");
        CHECK(prison.attack({"devices", "/dev/zero"}).at("open:/dev/zero") == "done");
        CHECK(attack_outside({"devices", prison.tree + "/zero"}).at("open:" + prison.tree + "/zero") ==
              "done");
    };
    with_nodes(true);
    with_nodes(false);
}

TEST_CASE("escape: a set-user-id program in the layer is out of an ordinary user's reach", "[escape]") {
    Prison prison;
    REQUIRE(prison.exec({"sh", "-c", "cp /bin/attack /suid && chmod 4755 /suid"}).code == 0);
    const std::string suid = "/var/lib/partd/layers/cell/upper/suid";
    struct stat st{};
    REQUIRE(::stat(suid.c_str(), &st) == 0);
    INFO("owner " << st.st_uid << ", mode " << std::oct << st.st_mode);
    CHECK((st.st_mode & S_ISUID) != 0);
    const pid_t init = prison.find("partd-init");
    Background user(std::function<int()>([&]() -> int {
        if (::setgid(65534) != 0 || ::setuid(65534) != 0) {
            return 9;
        }
        for (const std::string& way :
             Strings{suid, "/srv/cells/cell/bin/attack", "/proc/" + std::to_string(init) + "/root/suid"}) {
            if (::access(way.c_str(), F_OK) == 0) {
                return 1;
            }
        }
        return ::access("/var/lib/partd", F_OK) == 0 ? 0 : 2;
    }));
    CHECK(user.wait() == 0);
}

// CVE-2019-16884, CVE-2021-30465 and their kind.
TEST_CASE("escape: symbolic links in the root lead nothing outside", "[escape][symlink]") {
    Prison prison;
    const std::string victim = prison.sandbox.scratch() + "/victim";
    fs::create_directories(victim + "/deep");
    write_file(victim + "/file", "untouched");
    prison.sandbox.remove_config("cell.toml");
    REQUIRE(prison.sandbox.partctl({"apply", "--allow-delete"}).code == 0);
    const auto before = mounts_of_host();
    struct Trap {
        std::string place;  ///< in the tree, made a link
        std::string to;
        std::string more;  ///< what would follow it
    };
    const std::vector<Trap> traps = {
        {"/proc", victim, ""},
        {"/dev", victim, ""},
        {"/sys", victim, ""},
        {"/tmp", victim, ""},
        {"/etc/resolv.conf", victim + "/file", "[partition.cell.dns]\nnameserver = [\"9.9.9.9\"]\n"},
        {"/data", victim, "mounts = [{ target = \"/data\", type = \"tmpfs\" }]\n"},
        {"/data", victim, "mounts = [{ target = \"/data/deep\", type = \"tmpfs\" }]\n"},
        {"/data", "../../../../../../" + victim, "mounts = [{ source = \"/srv\", target = \"/data\" }]\n"},
        {"/data", victim, "mounts = [{ target = \"/data/new\", type = \"tmpfs\" }]\n"},
        {"/data", victim + "/file", "mounts = [{ source = \"/etc/hostname\", target = \"/data\" }]\n"},
        {"/data", "/proc/self/root" + victim, "mounts = [{ target = \"/data\", type = \"tmpfs\" }]\n"},
    };
    for (const bool overlay : {false, true}) {
        for (const Trap& trap : traps) {
            INFO(trap.place << " -> " << trap.to << " " << trap.more << (overlay ? " overlay" : ""));
            const std::string place = prison.tree + trap.place;
            const bool etc = trap.place.starts_with("/etc");
            fs::remove_all(place);
            fs::create_symlink(trap.to, place);
            Cell cell{.overlay = overlay, .more_rootfs = etc ? "" : trap.more};
            prison.sandbox.write_config("cell.toml", cell_config(cell) + (etc ? trap.more : ""));
            const auto applied = prison.sandbox.partctl({"apply"});
            INFO(applied.text());
            if (etc && overlay) {
                // images have such links: the layer gets a file in its place
                CHECK(applied.code == 0);
                CHECK(prison.exec({"cat", trap.place}).out.find("9.9.9.9") != std::string::npos);
            } else if (applied.code == 0) {
                // a target is looked for inside the root, as chroot(2) would
                CHECK((!etc && !trap.more.empty()));
            } else {
                CHECK(applied.code == 6);
                CHECK(applied.err.find("symbolic") != std::string::npos);
            }
            prison.sandbox.remove_config("cell.toml");
            CHECK(prison.sandbox.partctl({"apply", "--allow-delete"}).code == 0);
            CHECK(mounts_of_host() == before);
            CHECK(read_file(victim + "/file") == "untouched");
            CHECK_FALSE(fs::exists(victim + "/new"));
            CHECK(fs::is_empty(victim + "/deep"));
            CHECK(std::distance(fs::directory_iterator(victim), {}) == 2);
            fs::remove(place);
        }
    }
}

TEST_CASE("escape: symbolic links on the way to root and sources are not followed", "[escape][symlink]") {
    Prison prison;
    fs::create_directory("/srv/real");
    fs::create_symlink("/srv/cells", "/srv/link");
    fs::create_symlink("/etc", "/srv/real/etc");
    fs::create_symlink("cell", "/srv/cells/alias");
    const auto refused = [&](const std::string& from, const std::string& to, const std::string& more) {
        auto text = cell_config({.more_rootfs = more});
        text.replace(text.find(from), from.size(), to);
        prison.sandbox.write_config("cell.toml", text);
        const auto applied = prison.sandbox.partctl({"apply"});
        INFO(applied.text());
        CHECK(applied.code == 6);
        CHECK(applied.text().find("symbolic link") != std::string::npos);
    };
    refused("/srv/cells/cell", "/srv/link/cell", "");
    refused("/srv/cells/cell", "/srv/cells/alias", "");
    refused("/srv/cells/cell", "/srv/cells/cell",
            "mounts = [{ source = \"/srv/real/etc\", target = \"/x\" }]\n");
    refused("/srv/cells/cell", "/srv/cells/cell",
            "mounts = [{ source = \"/srv/link/cell\", target = \"/x\" }]\n");
}

// CVE-2025-31133: what masks is the partition's /dev/null, which was not one.
TEST_CASE("escape: masks are made of a null device that nobody had a hand in", "[escape][symlink]") {
    Prison prison;
    const std::string victim = prison.sandbox.scratch() + "/victim";
    write_file(victim, "untouched");
    prison.sandbox.remove_config("cell.toml");
    REQUIRE(prison.sandbox.partctl({"apply", "--allow-delete"}).code == 0);
    fs::create_directory(prison.tree + "/dev");
    fs::create_symlink(victim, prison.tree + "/dev/null");
    fs::create_symlink("/proc/sysrq-trigger", prison.tree + "/dev/zero");
    prison.sandbox.write_config("cell.toml", cell_config(prison.cell));
    prison.sandbox.apply();
    CHECK(prison.exec({"stat", "-c", "%F %t:%T", "/dev/null"}).out == "character special file 1:3\n");
    for (const char* masked : {"/proc/keys", "/proc/timer_list", "/proc/interrupts", "/proc/kcore"}) {
        INFO(masked);
        const auto seen = prison.exec({"stat", "-c", "%F %t:%T", masked});
        CHECK((seen.out == "character special file 1:3\n" || !fs::exists(masked)));
    }
    CHECK(read_file(victim) == "untouched");
}
