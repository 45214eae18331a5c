// SPDX-License-Identifier: Apache-2.0
#include "attacker.h"

#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <stdexcept>

namespace partd::test {
namespace {

namespace fs = std::filesystem;

std::string busybox() {
    for (const char* path : {"/bin/busybox", "/usr/bin/busybox"}) {
        if (fs::exists(path)) {
            return path;
        }
    }
    throw std::runtime_error("busybox-static is not installed");
}

std::string command_line(pid_t pid) {
    try {
        std::string line = read_file("/proc/" + std::to_string(pid) + "/cmdline");
        std::replace(line.begin(), line.end(), '\0', ' ');
        return line;
    } catch (const std::runtime_error&) {
        return "";  // it has ended meanwhile
    }
}

}  // namespace

Attempts attempts(const std::string& text) {
    Attempts all;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        const auto space = line.rfind(' ');
        if (space != std::string::npos) {
            all[line.substr(0, space)] = line.substr(space + 1);
        }
    }
    return all;
}

std::vector<std::string> successes(const Attempts& all) {
    std::vector<std::string> names;
    for (const auto& [name, result] : all) {
        if (result == "done") {
            names.push_back(name);
        }
    }
    return names;
}

void private_state() {
    for (const char* directory : {"/var/lib", "/srv"}) {
        // device nodes work here, as on a host's disk
        mount_private(directory, 0, "mode=0755,size=256m");
    }
}

std::string make_tree(const std::string& name) {
    const std::string tree = "/srv/cells/" + name;
    for (const char* directory : {"/bin", "/etc", "/root"}) {
        fs::create_directories(tree + directory);
    }
    fs::permissions("/srv/cells", fs::perms::owner_all);
    const std::string program = busybox();
    fs::copy_file(program, tree + "/bin/busybox");
    std::istringstream applets(output({program, "--list"}));
    for (std::string applet; std::getline(applets, applet);) {
        std::error_code exists;
        fs::create_symlink("busybox", tree + "/bin/" + applet, exists);
    }
    fs::copy_file(PARTD_ATTACK, tree + "/bin/attack");
    set_root_account(tree, "/root", "/bin/sh");
    return tree;
}

void set_root_account(const std::string& tree, const std::string& home, const std::string& shell) {
    write_file(tree + "/etc/passwd", "root:x:0:0:root:" + home + ":" + shell + "\n");
}

std::string cell_config(const Cell& cell) {
    const std::string partition = "partition." + cell.name;
    std::string text = "[" + partition + "]\nnamespaces = " + cell.namespaces + "\nstop_timeout = \"1s\"\n";
    text += "[" + partition + ".cgroup]\npids.max = 64\n";
    if (cell.user) {
        text += "[" + partition +
                ".user]\nuid_map = [{ inside = 0, outside = " + std::to_string(cell.outside) +
                ", count = 65536 }]\n";
    }
    if (cell.rootfs) {
        text += "[" + partition + ".rootfs]\npath = \"/srv/cells/" + cell.name +
                "\"\noverlay = " + (cell.overlay ? "true" : "false") + "\n" + cell.more_rootfs;
    }
    return text;
}

Prison::Prison(Cell wanted) : cell(std::move(wanted)) {
    private_state();
    tree = make_tree(cell.name);
    // for partitions that see the host's tree: a place that everybody can enter
    fs::copy_file(PARTD_ATTACK, sandbox.scratch() + "/attack");
    sandbox.write_config(cell.name + ".toml", cell_config(cell));
    sandbox.apply();
}

Outcome Prison::exec(const Arguments& command, RunOptions options) const {
    Arguments all{"exec", cell.name, "--"};
    all.insert(all.end(), command.begin(), command.end());
    return sandbox.partctl(all, options);
}

Attempts Prison::attack(const Arguments& words) const {
    Arguments all{cell.rootfs ? "/bin/attack" : sandbox.scratch() + "/attack"};
    all.insert(all.end(), words.begin(), words.end());
    const auto outcome = exec(all);
    if (outcome.code != 0) {
        throw std::runtime_error("the attack did not run: " + outcome.text());
    }
    return attempts(outcome.out);
}

pid_t Prison::find(const std::string& command, const std::string& partition) const {
    const std::string group = "partd.slice/partd-" + (partition.empty() ? cell.name : partition) + ".slice";
    for (const pid_t pid : sandbox.cgroups().processes(group)) {
        if (command_line(pid) == command + " ") {
            return pid;
        }
    }
    return -1;
}

Attempts attack_outside(const Arguments& words) {
    Arguments all{PARTD_ATTACK};
    all.insert(all.end(), words.begin(), words.end());
    return attempts(output(all));
}

Background bystander() {
    return Background(Arguments{"sleep", "30"});
}

std::string mounts_of_host() {
    std::istringstream all(read_file("/proc/self/mountinfo"));
    std::string others;
    for (std::string line; std::getline(all, line);) {
        if (line.find(" /run/partd/ns") == std::string::npos &&
            line.find(" /run/netns") == std::string::npos) {
            others += line + "\n";
        }
    }
    return others;
}

std::string pid_namespace() {
    return fs::read_symlink("/proc/self/ns/pid");
}

}  // namespace partd::test
