// SPDX-License-Identifier: Apache-2.0
// Groups as directories of any file system have them: which error means that nobody lives there.
#include "kernel/cgroup/tree.h"
#include "kernel/file/files.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <catch2/catch.hpp>

using namespace partd;
namespace fs = std::filesystem;

namespace {

struct Directory {
    std::string path = "/tmp/partd-groups-XXXXXX";

    Directory() { REQUIRE(mkdtemp(path.data()) != nullptr); }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    ~Directory() { fs::remove_all(path); }

    [[nodiscard]] Result<std::set<pid_t>> processes() const {
        const auto directory = kernel::open_directory(path);
        REQUIRE(directory);
        return kernel::processes_in(directory->get());
    }
};

}  // namespace

TEST_CASE("The processes of a group are all of them, or an error") {
    const Directory group;
    REQUIRE(group.processes());
    CHECK(group.processes()->empty());  // it has no such list
    SECTION("a long list") {
        constexpr int kMany = 200'000;
        std::ofstream list(group.path + "/cgroup.procs");
        for (int pid = 1; pid <= kMany; ++pid) {
            list << pid + 1'000'000 << '\n';
        }
        list.close();
        const auto all = group.processes();
        REQUIRE(all);
        CHECK(all->size() == kMany);
    }
    SECTION("a list that cannot be read") {
        fs::create_directory(group.path + "/cgroup.procs");
        CHECK_FALSE(group.processes());
        const auto obstacle = kernel::find_obstacle(group.path);
        REQUIRE(obstacle);
        CHECK(obstacle->what.find("cannot be looked at: cgroup.procs") != std::string::npos);
    }
}

TEST_CASE("Groups that want of descriptors hides are no groups that are not there") {
    const Directory top;
    fs::create_directories(top.path + "/a/b/c");
    rlimit before{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    const int first = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(first);
    bool failed = false;
    bool walked = false;
    for (int more = 0; more < 8; ++more) {
        int count = 0;
        rlimit few = before;
        few.rlim_cur = static_cast<rlim_t>(first + more);
        REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
        const auto result = kernel::for_groups_below(top.path, [&](const kernel::InnerGroup&) {
            ++count;
            return true;
        });
        REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
        INFO(more << " descriptors");
        CHECK((!result || count == 3));
        failed |= !result;
        walked |= result.has_value();
    }
    CHECK(failed);
    CHECK(walked);
}
