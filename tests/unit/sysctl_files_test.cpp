// SPDX-License-Identifier: Apache-2.0
#include "kernel/file/sysctl_files.h"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>

using partd::kernel::configured_sysctl;
namespace fs = std::filesystem;

namespace {

// A root directory of its own, gone with the test.
struct Root {
    std::string path = (fs::temp_directory_path() / "partd-sysctl-XXXXXX").string();
    Root() { REQUIRE(mkdtemp(path.data()) != nullptr); }
    Root(const Root&) = delete;
    Root& operator=(const Root&) = delete;
    ~Root() { fs::remove_all(path); }

    void write(const std::string& name, const std::string& text) const {
        fs::create_directories(fs::path(path + name).parent_path());
        std::ofstream(path + name) << text;
    }
};

constexpr std::array<std::string_view, 2> kForwarding = {"net/ipv4/ip_forward",
                                                         "net/ipv4/conf/all/forwarding"};

}  // namespace

TEST_CASE("sysctl.d: the last line that names a parameter counts") {
    const Root root;
    CHECK_FALSE(configured_sysctl(root.path, kForwarding));
    root.write("/usr/lib/sysctl.d/50-vendor.conf", "# net.ipv4.ip_forward = 1\n;net.ipv4.ip_forward=1\n");
    CHECK_FALSE(configured_sysctl(root.path, kForwarding));
    root.write("/usr/lib/sysctl.d/60-vendor.conf", "net.ipv4.ip_forward = 1\nnet.ipv4.tcp_ecn = 7\n");
    CHECK(configured_sysctl(root.path, kForwarding) == "1");
    root.write("/etc/sysctl.d/90-mine.conf", "-net/ipv4/conf/all/forwarding=0");
    CHECK(configured_sysctl(root.path, kForwarding) == "0");
    root.write("/etc/sysctl.d/10-early.conf", "net.ipv4.ip_forward = 5");
    CHECK(configured_sysctl(root.path, kForwarding) == "0");
    root.write("/etc/sysctl.conf", "net.ipv4.conf.all.forwarding=2\n");
    CHECK(configured_sysctl(root.path, kForwarding) == "2");
}

TEST_CASE("sysctl.d: a file in /etc stands for one of its name elsewhere") {
    const Root root;
    root.write("/usr/lib/sysctl.d/60-router.conf", "net.ipv4.ip_forward = 1\n");
    root.write("/etc/sysctl.d/60-router.conf", "");
    CHECK_FALSE(configured_sysctl(root.path, kForwarding));
    root.write("/etc/sysctl.d/README", "net.ipv4.ip_forward = 1\n");
    CHECK_FALSE(configured_sysctl(root.path, kForwarding));
}
