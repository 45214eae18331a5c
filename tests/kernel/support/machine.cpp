// SPDX-License-Identifier: Apache-2.0
#include "machine.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <sstream>
#include <stdexcept>

namespace partd::test {
namespace {

namespace fs = std::filesystem;

std::string proc(pid_t process, const std::string& file) {
    return "/proc/" + std::to_string(process) + "/" + file;
}

std::vector<pid_t> all_processes() {
    std::vector<pid_t> all;
    for (const auto& entry : fs::directory_iterator("/proc")) {
        if (const pid_t pid = std::atoi(entry.path().filename().c_str()); pid > 0) {
            all.push_back(pid);
        }
    }
    std::ranges::sort(all);
    return all;
}

/// The value of a key in /proc/PID/status; empty when the process is gone.
std::string status_field(pid_t process, const std::string& key) {
    try {
        std::istringstream lines(read_file(proc(process, "status")));
        for (std::string line; std::getline(lines, line);) {
            if (line.starts_with(key + ":")) {
                const auto begin = line.find_first_not_of(" \t", key.size() + 1);
                return begin == std::string::npos ? "" : line.substr(begin);
            }
        }
    } catch (const std::exception&) {
    }
    return {};
}

/// Its own number in the innermost pid namespace that it is in.
std::string inner_pid(pid_t process) {
    const auto numbers = status_field(process, "NSpid");
    return numbers.substr(numbers.find_last_of(" \t") + 1);
}

std::string without_line_end(std::string text) {
    if (text.ends_with('\n')) {
        text.pop_back();
    }
    return text;
}

void copy_into(const std::string& root, const std::string& file) {
    const auto target = root + file;
    fs::create_directories(fs::path(target).parent_path());
    fs::copy_file(file, target, fs::copy_options::overwrite_existing);
}

}  // namespace

RootTree::RootTree(const std::string& name) : path_("/srv/machines/" + name) {
    for (const char* directory : {"/bin", "/etc", "/root"}) {
        fs::create_directories(path_ + directory);
    }
    fs::permissions("/srv/machines", fs::perms::owner_all);
    fs::copy_file("/bin/busybox", path_ + "/bin/busybox");
    std::istringstream names(output({"/bin/busybox", "--list"}));
    for (std::string each; std::getline(names, each);) {
        if (!fs::exists(path_ + "/bin/" + each)) {
            fs::create_symlink("busybox", path_ + "/bin/" + each);
        }
    }
    write_file(path_ + "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
    write_file(path_ + "/etc/group", "root:x:0:\n");
}

void RootTree::add_program(const std::string& program) const {
    copy_into(path_, program);
    std::istringstream libraries(output({"ldd", program}));
    for (std::string word; libraries >> word;) {
        if (word.starts_with('/')) {
            copy_into(path_, word);
        }
    }
}

Snapshot RootTree::content() const {
    return {{"files", output({"find", path_, "-printf", "%P %y %m %U:%G %s %T@ %l\n"})},
            {"sums", output({"find", path_, "-type", "f", "-exec", "cksum", "{}", "+"})}};
}

unsigned long inode_at(const std::string& path) {
    struct stat status{};
    return ::stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

bool is_namespace(const std::string& path) {
    struct statfs status{};
    return ::statfs(path.c_str(), &status) == 0 && status.f_type == NSFS_MAGIC;
}

std::string pin(const std::string& partition, const std::string& type) {
    const auto shared_or_other = "/run/partd/ns/" + partition + "/" + type;
    return type == "net" && !fs::exists(shared_or_other) ? "/run/netns/" + partition : shared_or_other;
}

Hold::Hold(const std::string& partition) {
    for (const char* type : kNamespaceTypes) {
        if (const auto path = pin(partition, type); is_namespace(path)) {
            opened_.push_back(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        }
    }
}

Hold::~Hold() {
    for (const int each : opened_) {
        ::close(each);
    }
}

unsigned long namespace_of(pid_t process, const std::string& type) {
    return inode_at(proc(process, "ns/" + type));
}

unsigned long host_namespace(const std::string& type) {
    return inode_at("/proc/self/ns/" + type);
}

char state_of(pid_t process) {
    const auto state = status_field(process, "State");
    return state.empty() ? '\0' : state.front();
}

std::string comm_of(pid_t process) {
    return status_field(process, "Name");
}

bool alive(pid_t process) {
    const char state = state_of(process);
    return state != '\0' && state != 'Z' && state != 'X';
}

std::optional<pid_t> init_of(const std::string& partition) {
    for (const pid_t process : inhabitants(partition)) {
        if (alive(process) && inner_pid(process) == "1") {
            return process;
        }
    }
    return std::nullopt;
}

std::vector<pid_t> inhabitants(const std::string& partition) {
    const auto path = pin(partition, "pid");
    const auto inode = is_namespace(path) ? inode_at(path) : 0;
    auto all = all_processes();
    std::erase_if(all, [&](pid_t process) { return inode == 0 || namespace_of(process, "pid") != inode; });
    return all;
}

long zombies(const std::string& partition) {
    return std::ranges::count_if(inhabitants(partition),
                                 [](pid_t process) { return state_of(process) == 'Z'; });
}

std::string group_of(const std::string& partition) {
    std::string escaped;
    for (const char each : partition) {
        escaped += each == '-' ? std::string("\\x2d") : std::string(1, each);
    }
    return "partd.slice/partd-" + escaped + ".slice";
}

Outcome exec_in(const Sandbox& sandbox, const std::string& partition, const Arguments& command,
                const RunOptions& options) {
    Arguments all{"exec", partition, "--"};
    all.insert(all.end(), command.begin(), command.end());
    return sandbox.partctl(all, options);
}

std::string said_in(const Sandbox& sandbox, const std::string& partition, const Arguments& command) {
    const auto outcome = exec_in(sandbox, partition, command);
    if (outcome.code != 0) {
        throw std::runtime_error(partition + ": " + command.front() + ": " + outcome.text());
    }
    return without_line_end(outcome.out);
}

Background stay_in(Sandbox& sandbox, const std::string& partition, const Arguments& command) {
    const auto count = [&] { return sandbox.cgroups().processes(group_of(partition)); };
    const auto before = count().size();
    Arguments all{PARTCTL, "exec", partition, "--"};
    all.insert(all.end(), command.begin(), command.end());
    Background process(all);
    const auto runs = [&] {
        return std::ranges::any_of(count(), [&](pid_t each) {
            return comm_of(each) == fs::path(command.front()).filename().string();
        });
    };
    if (!eventually([&] { return count().size() > before && runs(); })) {
        throw std::runtime_error(partition + ": " + command.front() + " does not run: " + process.written());
    }
    return process;
}

std::string nsenter(const Arguments& arguments) {
    Arguments all{"nsenter"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return without_line_end(output(all));
}

Json ns_entry(const Json& listed, unsigned long inode) {
    for (const auto& entry : listed.at("namespaces")) {
        if (entry.at("ns") == inode) {
            return entry;
        }
    }
    return {};
}

void settle(const Sandbox& sandbox) {
    sandbox.apply();
    const auto second = sandbox.partctl_json({"apply"});
    if (!second.at("changes").empty() || second.at("writes") != 0) {
        throw std::runtime_error("a second apply changes something: " + second.dump());
    }
}

std::string wanted_changes(const Sandbox& sandbox) {
    std::string all;
    const auto plan = sandbox.partctl_json({"diff"});
    for (const auto& change : plan.at("changes")) {
        all += change.at("action").get<std::string>() + " " + change.at("kind").get<std::string>() + " " +
               change.at("name").get<std::string>() + "\n";
    }
    return all;
}

}  // namespace partd::test
