// SPDX-License-Identifier: Apache-2.0
// The house's rule of who may use whom, read from the #includes.

#include "kinds/link/type.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace {

const std::filesystem::path kHouse = PARTD_SOURCE_DIR "/partd";

const std::map<std::string, std::set<std::string>> kMayUse = {
    {"base", {"base"}},
    {"init", {}},
    {"model", {"base", "model"}},
    {"plan", {"base", "model", "plan"}},
    {"config", {"base", "model", "config"}},
    {"kernel", {"base", "kernel"}},
    {"kinds", {"base", "model", "kernel", "kinds"}},
    {"reconcile", {"base", "model", "plan", "config", "kernel", "kinds", "reconcile"}},
    {"doctor", {"base", "model", "kernel", "kinds", "reconcile", "doctor"}},
    {"verbs", {"base", "model", "plan", "kernel", "kinds", "reconcile", "doctor", "verbs"}},
    {"bus", {"base", "verbs", "bus"}},
    {"ctl", {"base", "config", "kernel", "kinds", "reconcile", "verbs", "bus", "ctl"}},
    {"daemon", {"base", "model", "plan", "kernel", "kinds", "reconcile", "verbs", "bus", "daemon"}},
};

// Of the rooms with rooms in them: which of those may use which others. A file beside them may use all.
const std::map<std::string, std::set<std::string>> kMayUseInside = {
    {"config/describe", {"config"}},
    {"config/slips", {"config"}},
    {"kernel/cgroup", {"kernel/file", "kernel/mount", "kernel/process", "kernel/systemd"}},
    {"kernel/child", {"kernel/file"}},
    {"kernel/events", {"kernel/file", "kernel/mount", "kernel/netlink", "kernel/process"}},
    {"kernel/file", {}},
    {"kernel/layer", {"kernel/file", "kernel/namespace"}},
    {"kernel/mount", {"kernel/file"}},
    {"kernel/namespace", {"kernel/child", "kernel/file", "kernel/mount", "kernel/netlink"}},
    {"kernel/netlink", {}},
    {"kernel/nft", {"kernel/netlink"}},
    {"kernel/process", {"kernel/file", "kernel/namespace"}},
    {"kernel/root", {"kernel/file", "kernel/layer", "kernel/mount", "kernel/namespace"}},
    {"kernel/session",
     {"kernel/cgroup", "kernel/child", "kernel/file", "kernel/mount", "kernel/namespace", "kernel/process",
      "kernel/root"}},
    {"kernel/systemd", {"kernel/file"}},
    {"kernel/tunnel", {"kernel/netlink"}},
    {"kinds/cgroup", {"kinds/namespace"}},
    {"kinds/firewall", {"kinds/host", "kinds/link", "kinds/nat", "kinds/policy"}},
    {"kinds/host", {"kinds/firewall", "kinds/link", "kinds/sysctl"}},
    {"kinds/link", {"kinds/namespace", "kinds/net", "kinds/sysctl"}},
    {"kinds/link/types", {"kinds/link"}},
    {"kinds/link/wireguard", {"kinds/link", "kinds/link/types"}},
    {"kinds/machine", {"kinds/cgroup", "kinds/namespace", "kinds/net"}},
    {"kinds/namespace", {"kinds/cgroup", "kinds/link", "kinds/machine", "kinds/net"}},
    {"kinds/nat", {"kinds/firewall", "kinds/link", "kinds/policy", "kinds/sysctl"}},
    {"kinds/net", {"kinds/link", "kinds/namespace"}},
    {"kinds/policy", {"kinds/firewall", "kinds/link", "kinds/nat"}},
    {"kinds/service", {"kinds/cgroup", "kinds/machine", "kinds/namespace", "kinds/net"}},
    {"kinds/sysctl", {"kinds/host", "kinds/link", "kinds/namespace", "kinds/net"}},
};

struct Include {
    std::string file;
    std::string room;
    std::string header;
    bool quoted = false;
};

std::vector<Include> all_includes() {
    static const std::regex kInclude(R"(^\s*#include\s+(["<])([^">]+)[">])");
    std::vector<Include> includes;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(kHouse)) {
        const auto extension = entry.path().extension();
        if (extension != ".cpp" && extension != ".h") {
            continue;
        }
        const auto relative = std::filesystem::relative(entry.path(), kHouse);
        std::ifstream file(entry.path());
        for (std::string line; std::getline(file, line);) {
            std::smatch match;
            if (std::regex_search(line, match, kInclude)) {
                includes.push_back(
                    {relative.string(), relative.begin()->string(), match[2], match[1] == "\""});
            }
        }
    }
    return includes;
}

std::string room_of(const std::string& header) {
    return header.substr(0, header.find('/'));
}

}  // namespace

TEST_CASE("Every room uses only the rooms that it may") {
    const auto includes = all_includes();
    REQUIRE(includes.size() > 300);
    for (const Include& include : includes) {
        if (!include.quoted) {
            continue;
        }
        INFO(include.file << " includes " << include.header);
        const auto rule = kMayUse.find(include.room);
        REQUIRE(rule != kMayUse.end());
        CHECK(rule->second.contains(room_of(include.header)));
    }
}

TEST_CASE("Every room inside a room uses only the others that it may") {
    const auto place_of = [](const std::string& file) { return file.substr(0, file.rfind('/')); };
    for (const Include& include : all_includes()) {
        const std::string user = place_of(include.file);
        const std::string used = place_of(include.header);
        const auto rule = kMayUseInside.find(user);
        if (!include.quoted || user == used || rule == kMayUseInside.end() ||
            room_of(user) != room_of(used)) {
            continue;
        }
        INFO(include.file << " includes " << include.header);
        // kinds.h and the like are for all; the kernel's Host stands on its rooms, not they on it
        CHECK((rule->second.contains(used) || used == "kinds"));
    }
}

TEST_CASE("A room inside a room has at most 16 files, and is in the table") {
    std::map<std::string, int> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(kHouse)) {
        const auto folder = std::filesystem::relative(entry.path().parent_path(), kHouse).string();
        if (entry.is_regular_file() && folder.contains('/')) {
            ++files[folder];
        }
    }
    for (const auto& [folder, count] : files) {
        INFO(folder << " has " << count << " files");
        CHECK(kMayUseInside.contains(folder));
        CHECK(count <= 16);
    }
}

TEST_CASE("Only the kernel's room can make system calls") {
    // Headers that declare system calls; sys/socket.h stands for its AF_ numbers alone outside, ctl asks
    // whether stdout is a terminal.
    const std::set<std::string> calls = {"unistd.h",    "fcntl.h",     "sched.h",       "signal.h",
                                         "poll.h",      "dirent.h",    "sys/stat.h",    "sys/file.h",
                                         "sys/mount.h", "sys/ioctl.h", "sys/syscall.h", "sys/xattr.h",
                                         "sys/wait.h",  "sys/prctl.h", "termios.h"};
    const std::set<std::string> excepted = {"base/fd.h", "ctl/main.cpp", "init/init.cpp"};
    for (const Include& include : all_includes()) {
        INFO(include.file << " includes " << include.header);
        CHECK(
            (!calls.contains(include.header) || include.room == "kernel" || excepted.contains(include.file)));
    }
}

TEST_CASE("A type of link is named in the link room alone") {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(kHouse)) {
        const std::string path = entry.path().string();
        if (!entry.is_regular_file() || path.find("/kinds/link/") != std::string::npos) {
            continue;
        }
        std::stringstream text;
        text << std::ifstream(path).rdbuf();
        for (const partd::LinkType* type : partd::link_types()) {
            INFO(path << " names " << type->name);
            CHECK(text.str().find('"' + std::string(type->name) + '"') == std::string::npos);
        }
    }
}

TEST_CASE("No test has a semicolon in its name: CTest would run nothing by it") {
    static const std::regex kName(R"re(TEST_CASE\(\s*"([^"]*)")re");
    const std::filesystem::path tests = PARTD_SOURCE_DIR "/tests";
    for (const auto& entry : std::filesystem::recursive_directory_iterator(tests)) {
        if (entry.path().extension() != ".cpp") {
            continue;
        }
        std::stringstream text;
        text << std::ifstream(entry.path()).rdbuf();
        const std::string all = text.str();
        for (auto name = std::sregex_iterator(all.begin(), all.end(), kName); name != std::sregex_iterator();
             ++name) {
            INFO(entry.path());
            CHECK((*name)[1].str().find(';') == std::string::npos);
        }
    }
}

TEST_CASE("Heavy headers stand in one file each, TOML in its room alone") {
    std::map<std::string, std::set<std::string>> users;
    for (const Include& include : all_includes()) {
        users[include.header].insert(include.file);
    }
    CHECK(users["toml++/toml.h"] == std::set<std::string>{"config/toml.cpp"});
    CHECK(users["nlohmann/json.hpp"] == std::set<std::string>{"base/json.cpp"});
    CHECK(users["CLI/CLI.hpp"] == std::set<std::string>{"ctl/main.cpp", "daemon/main.cpp"});
}
