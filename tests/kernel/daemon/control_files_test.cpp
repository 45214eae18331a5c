// SPDX-License-Identifier: Apache-2.0
// The configuration directory in all its states: written slowly, replaced, moved, flooded, emptied.

#include "daemon_fixture.h"
#include "host_view.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <thread>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;

namespace {

struct Kept {
    Sandbox sandbox;
    Daemon daemon;

    Kept() {
        sandbox.write_config("web.toml", kWeb);
        REQUIRE(eventually([&] { return exists("web") && converged(sandbox); }));
    }
};

/// The number of plans that were carried out or checked so far.
double reconciled(const Sandbox& sandbox) {
    const auto text = sandbox.partctl({"metrics"}).out;
    const std::string name = "\npartd_reconcile_seconds_count ";
    return std::stod(text.substr(text.find(name) + name.size()));
}

}  // namespace

TEST_CASE("files: a half-written file that is valid is not believed", "[control][files]") {
    Kept host;
    const auto inode = netns_inode("web");
    // valid at every step; without its address and then with another one
    const int file = ::open("/etc/partd/web.toml", O_WRONLY | O_TRUNC | O_CLOEXEC);
    REQUIRE(file >= 0);
    const auto write = [&](const std::string& text) {
        REQUIRE(::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    };
    write("[partition.web.link.eth0]\n");
    const auto unchanged = [&] {
        return exists("web") && netns_inode("web") == inode &&
               addresses("web0") == std::vector<std::string>{"10.1.1.2/24"};
    };
    CHECK_FALSE(eventually([&] { return !unchanged(); }, 300ms));
    // events of the host let it look meanwhile
    ip({"link", "set", "web0", "down"});
    CHECK(eventually([] { return is_up("web0"); }));
    CHECK(unchanged());
    write(
        "address = [\"10.1.1.1/24\"]\npeer = { name = \"web0\", address = [\"10.1.1.2/24\"] }\nmtu = 1400\n");
    CHECK_FALSE(eventually([] { return mtu_of("web") != 1500; }, 300ms));
    ::close(file);
    CHECK(eventually([] { return mtu_of("web") == 1400; }));
    CHECK(netns_inode("web") == inode);
    CHECK(converged(host.sandbox));
}

TEST_CASE("files: a new file that is being written is not believed either", "[control][files]") {
    Kept host;
    const int file = ::open("/etc/partd/p1.toml", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    REQUIRE(file >= 0);
    const std::string first = "[partition.p1]\n";
    REQUIRE(::write(file, first.data(), first.size()) == static_cast<ssize_t>(first.size()));
    CHECK_FALSE(eventually([] { return exists("p1"); }, 400ms));
    ::close(file);
    CHECK(eventually([] { return exists("p1"); }));
}

TEST_CASE("files: the directory is replaced, moved and made anew", "[control][files]") {
    Kept host;
    for (int round = 0; round < 2; ++round) {
        fs::rename("/etc/partd", "/etc/partd.away");
        REQUIRE(host.daemon.said("/etc/partd is missing or cannot be read"));
        write_file("/etc/partd", "no directory\n");
        std::this_thread::sleep_for(200ms);
        CHECK(exists("web"));
        ip({"link", "set", "web0", "down"});
        CHECK(eventually([] { return is_up("web0"); }));
        fs::remove("/etc/partd");
        fs::rename("/etc/partd.away", "/etc/partd");
        CHECK(converged(host.sandbox));
        const int mtu = 1400 + round;
        host.sandbox.write_config("web.toml", std::string(kWeb) + "mtu = " + std::to_string(mtu) + "\n");
        CHECK(eventually([&] { return mtu_of("web") == mtu; }));
    }
    INFO(host.daemon.log());
    CHECK(host.daemon.running());
}

TEST_CASE("files: one directory of two is gone", "[control][files]") {
    Sandbox sandbox;
    fs::create_directories("/run/partd");
    write_file("/run/partd/base.toml", "[partition.base]\n");
    sandbox.write_config("web.toml", "[partition.web]\n");
    const Daemon daemon;
    REQUIRE(eventually([] { return exists("web") && exists("base"); }));
    fs::rename("/etc/partd", "/etc/partd.away");
    CHECK(daemon.said("/etc/partd is missing or cannot be read"));
    CHECK_FALSE(eventually([] { return !exists("web"); }, 300ms));
    fs::rename("/etc/partd.away", "/etc/partd");
    sandbox.remove_config("web.toml");
    CHECK(eventually([] { return !exists("web"); }));
    CHECK(exists("base"));
}

namespace {

std::string translated(int number) {
    return numbered_partition(number) + "[partition.p" + std::to_string(number) +
           ".nat]\nmasquerade = true\n";
}

bool is_in_table(const std::string& name) {
    return partd_table().find("\"" + name + "\"") != std::string::npos;
}

}  // namespace

TEST_CASE("files: partitions with NAT come and go among others", "[control][files][nat]") {
    Sandbox sandbox;
    for (const int number : {1, 2, 3}) {
        sandbox.write_config("p" + std::to_string(number) + ".toml", translated(number));
    }
    Daemon daemon;
    REQUIRE(eventually([] { return is_in_table("h3"); }));
    REQUIRE(converged(sandbox));
    for (const int number : {4, 5}) {
        sandbox.write_config("p" + std::to_string(number) + ".toml", translated(number));
    }
    CHECK(eventually([] { return is_in_table("h4") && is_in_table("h5"); }));
    CHECK(converged(sandbox));
    sandbox.remove_config("p4.toml");
    CHECK(eventually([] { return !is_in_table("h4") && !exists("p4"); }));
    // Renames the partition: its host's end and addresses stay the same.
    auto renamed = translated(5);
    for (auto at = renamed.find("p5"); at != std::string::npos; at = renamed.find("p5")) {
        renamed.replace(at, 2, "q5");
    }
    sandbox.write_config("p5.toml", renamed);
    CHECK(eventually([] { return exists("q5") && !exists("p5"); }));
    CHECK(converged(sandbox));
    const auto intact = partd_table();
    ip({"link", "set", "h5", "down"});
    CHECK(eventually([] { return is_up("h5"); }));
    CHECK(converged(sandbox));
    ip({"address", "flush", "dev", "h5"});
    CHECK(converged(sandbox));
    output({"nft", "flush", "set", "inet", "partd", "inside"});
    CHECK(eventually([&] { return partd_table() == intact; }));
    for (const int number : {5, 3, 2, 1}) {
        sandbox.remove_config("p" + std::to_string(number) + ".toml");
        CHECK(eventually(
            [&] { return netns_names().size() == static_cast<std::size_t>(number == 5 ? 3 : number - 1); }));
    }
    INFO(daemon.log());
    CHECK(daemon.running());
    CHECK(converged(sandbox));
}

TEST_CASE("files: what of a partition that is kept is in the table stays", "[control][files][nat]") {
    Sandbox sandbox;
    sandbox.write_config("daemon.toml", "[daemon]\nsettle_removal = \"0ms\"\n");
    sandbox.write_config("p1.toml", translated(1));
    sandbox.write_config("p2.toml", translated(2) + "[partition.p2]\non_remove = \"keep\"\n");
    const Daemon daemon;
    REQUIRE(eventually([] { return is_in_table("h1") && is_in_table("h2"); }));
    REQUIRE(converged(sandbox));
    sandbox.remove_config("p2.toml");
    CHECK_FALSE(eventually([] { return !is_in_table("h2"); }, 300ms));
    output({"nft", "add", "element", "inet", "partd", "inside", "{ \"stranger\" }"});
    CHECK(eventually([] { return !is_in_table("stranger"); }));
    CHECK_FALSE(eventually([] { return !is_in_table("h2"); }, 300ms));
    CHECK(exists("p2"));
}

TEST_CASE("files: a directory that others may write is not read", "[control][files]") {
    Kept host;
    fs::permissions("/etc/partd", fs::perms(0777));
    host.sandbox.write_config("web.toml", "# nothing\n");
    std::this_thread::sleep_for(300ms);
    INFO(host.daemon.log());
    CHECK(exists("web"));
    CHECK(host.daemon.said("/etc/partd"));
    host.sandbox.write_config("web.toml", std::string(kWeb) + "mtu = 1400\n");
    fs::permissions("/etc/partd", fs::perms(0755));
    CHECK(eventually([] { return mtu_of("web") == 1400; }));
}

TEST_CASE("files: 5,000 files come and go", "[control][files]") {
    Kept host;
    for (int i = 0; i < 5000; ++i) {
        write_file("/etc/partd/" + std::to_string(i) + ".toml", "# nothing yet\n");
    }
    for (int i = 0; i < 5000; ++i) {
        fs::remove("/etc/partd/" + std::to_string(i) + ".toml");
    }
    host.sandbox.write_config("web.toml", std::string(kWeb) + "mtu = 1400\n");
    CHECK(eventually([] { return mtu_of("web") == 1400; }, 10s));
    CHECK(converged(host.sandbox));
    CHECK(host.daemon.megabytes() < 64);
    INFO(host.daemon.log());
    CHECK(host.daemon.running());
}

TEST_CASE("files: what an overflow of inotify hides is found all the same", "[control][files]") {
    Kept host;
    const auto limit = std::stol(read_file("/proc/sys/fs/inotify/max_queued_events"));
    if (limit > 20'000) {
        PARTD_CANNOT_RUN("the kernel queues " + std::to_string(limit) +
                         " events, more than a test should make");
    }
    host.daemon.signal(SIGSTOP);
    write_file("/etc/partd/noise.toml", "# noise\n");
    for (long i = 0; i <= limit; ++i) {
        fs::permissions("/etc/partd/noise.toml", fs::perms(i % 2 == 0 ? 0600 : 0644));
        if (i == limit - 5) {
            write_file("/etc/partd/web.toml", std::string(kWeb));
        }
    }
    // This one is lost: the queue is full.
    write_file("/etc/partd/web.toml", std::string(kWeb) + "mtu = 1400\n");
    host.daemon.signal(SIGCONT);
    CHECK(eventually([] { return mtu_of("web") == 1400; }));
    CHECK(converged(host.sandbox));
}

TEST_CASE("files: a burst of edits is few applies", "[control][files]") {
    Kept host;
    const double before = reconciled(host.sandbox);
    for (int i = 1; i <= 50; ++i) {
        host.sandbox.write_config("web.toml", std::string(kWeb) + "mtu = " + std::to_string(1400 + i) + "\n");
        std::this_thread::sleep_for(5ms);
    }
    CHECK(eventually([] { return mtu_of("web") == 1450; }));
    CHECK(converged(host.sandbox));
    const double after = reconciled(host.sandbox);
    INFO(host.daemon.log());
    CHECK(after - before >= 1);
    CHECK(after - before <= 8);
    CHECK(host.daemon.times("~ link web/eth0") <= 1);
}

TEST_CASE("files: SIGHUP reads them now", "[control][files]") {
    Sandbox sandbox;
    sandbox.write_config("base.toml", "[daemon]\nsettle = \"30s\"\n");
    Daemon daemon;
    REQUIRE(eventually([&] { return answers(sandbox) && !generations(sandbox).empty(); }));
    sandbox.write_config("web.toml", kWeb);
    CHECK_FALSE(eventually([] { return exists("web"); }, 400ms));
    daemon.signal(SIGHUP);
    CHECK(eventually([] { return exists("web"); }, 2s));
    CHECK(daemon.running());
}

TEST_CASE("files: the settle time is kept while the host changes", "[control][files]") {
    Sandbox sandbox;
    sandbox.write_config("base.toml", std::string("[daemon]\nsettle = \"2s\"\n") + kWeb);
    Daemon daemon;
    REQUIRE(eventually([&] { return exists("web") && converged(sandbox); }));
    sandbox.write_config("p1.toml", numbered_partition(1));
    ip({"link", "set", "web0", "down"});
    CHECK(remains([] { return !exists("p1"); }, 1s));  // its writer may not be done
    CHECK(eventually([] { return exists("p1") && is_up("web0"); }));
    // an apply reads them at once, and what follows does not wait
    sandbox.write_config("p1.toml", numbered_partition(1, "mtu = 1400\n"));
    REQUIRE(sandbox.partctl({"apply"}).code == 0);
    CHECK(mtu_of("p1") == 1400);
    ip({"link", "set", "web0", "down"});
    CHECK(eventually([] { return is_up("web0"); }, 1s));
}

TEST_CASE("files: too many removed at once stay, and that is told once", "[control][files]") {
    Sandbox sandbox;
    for (int i = 1; i <= 5; ++i) {
        sandbox.write_config("p" + std::to_string(i) + ".toml", numbered_partition(i));
    }
    Daemon daemon;
    REQUIRE(eventually([&] { return exists("p5") && converged(sandbox); }));
    for (int i = 2; i <= 5; ++i) {
        sandbox.remove_config("p" + std::to_string(i) + ".toml");
    }
    CHECK(daemon.said("4 of 5 partitions and slices would be removed"));
    ip({"link", "set", "h1", "down"});
    CHECK(eventually([] { return is_up("h1"); }));
    // what nobody declares any more is not kept, but stays
    ip({"link", "set", "h2", "down"});
    daemon.signal(SIGHUP);
    std::this_thread::sleep_for(500ms);
    for (int i = 1; i <= 5; ++i) {
        CHECK(exists("p" + std::to_string(i)));
    }
    const auto refused = sandbox.partctl({"apply"});
    INFO(refused.text());
    CHECK(refused.code == 7);
    INFO(daemon.log());
    CHECK(daemon.times("would be removed") <= 2);  // once by itself, once since SIGHUP asks anew
    const auto allowed = sandbox.partctl({"apply", "--allow-delete"});
    INFO(allowed.text());
    CHECK(allowed.code == 0);
    CHECK(netns_names() == std::vector<std::string>{"p1"});
    CHECK(converged(sandbox));
    // the decision is not a permission for the next time
    for (int i = 2; i <= 9; ++i) {
        sandbox.write_config("p" + std::to_string(i) + ".toml", numbered_partition(i));
    }
    REQUIRE(eventually([] { return exists("p9"); }));
    for (int i = 1; i <= 9; ++i) {
        sandbox.remove_config("p" + std::to_string(i) + ".toml");
    }
    CHECK(daemon.said("9 of 9 partitions and slices would be removed"));
    CHECK(exists("p1"));
}
