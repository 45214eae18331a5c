#include "kernel/survey.h"

#include "base/text.h"
#include "kernel/files.h"
#include "kernel/processes.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <set>

#include <fmt/format.h>
#include <systemd/sd-bus.h>

namespace partd::kernel {

namespace {

std::optional<ino_t> namespace_inode(pid_t process, std::string_view type) {
    struct stat st{};
    const bool there = stat(fmt::format("/proc/{}/ns/{}", process, type).c_str(), &st) == 0;
    return there ? std::optional(st.st_ino) : std::nullopt;
}

}  // namespace

std::map<std::string, pid_t> running_programs() {
    std::map<std::string, pid_t> programs;
    const auto here = namespace_inode(getpid(), "net");
    for (const pid_t process : all_processes().value_or(std::vector<pid_t>())) {
        // A thread of the kernel has no program.
        if (namespace_inode(process, "net") == here &&
            !read_file(fmt::format("/proc/{}/cmdline", process)).value_or("").empty()) {
            const std::string name = read_file(fmt::format("/proc/{}/comm", process)).value_or("");
            programs.emplace(trim(name), process);
        }
    }
    return programs;
}

std::optional<bool> same_mounts(pid_t one, pid_t other) {
    const auto first = namespace_inode(one, "mnt");
    const auto second = namespace_inode(other, "mnt");
    return first && second ? std::optional(*first == *second) : std::nullopt;
}

pid_t own_process() {
    return getpid();
}

KernelRelease parse_release(std::string_view text) {
    const auto parts = split(text.substr(0, text.find_first_not_of("0123456789.")), '.');
    const auto number = [&](std::size_t index) {
        return index < parts.size() ? static_cast<unsigned>(parse_number(parts[index]).value_or(0)) : 0U;
    };
    return {.major = number(0), .minor = number(1)};
}

std::string kernel_release() {
    utsname names{};
    return uname(&names) == 0 ? names.release : "";
}

std::uint64_t most_descriptors() {
    rlimit limit{};
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

Module module_state(const std::string& name) {
    if (exists("/sys/module/" + name)) {
        return Module::Present;
    }
    const std::string directory = "/lib/modules/" + kernel_release();
    const auto listed = [&](const char* file) -> std::optional<bool> {
        const auto text = read_file(directory + "/" + file);
        // "kernel/drivers/net/veth.ko", with ".xz:" and the like behind it.
        return text ? std::optional(text->find("/" + name + ".ko") != std::string::npos) : std::nullopt;
    };
    if (listed("modules.builtin").value_or(false)) {
        return Module::Present;
    }
    const auto loadable = listed("modules.dep");
    return !loadable ? Module::Unknown : *loadable ? Module::Loadable : Module::Missing;
}

std::vector<std::string> default_interfaces() {
    std::set<std::string> names;
    const std::string routes4 = read_file("/proc/net/route").value_or("");
    for (const std::string_view line : split(routes4, '\n')) {
        // Iface Destination Gateway Flags RefCnt Use Metric Mask …
        if (const auto parts = words(line);
            parts.size() > 7 && parts[1] == "00000000" && parts[7] == "00000000") {
            names.insert(std::string(parts[0]));
        }
    }
    const std::string routes6 = read_file("/proc/net/ipv6_route").value_or("");
    for (const std::string_view line : split(routes6, '\n')) {
        // destination length source length gateway metric references uses flags interface
        const auto parts = words(line);
        if (parts.size() == 10 && parts[0].find_first_not_of('0') == std::string_view::npos &&
            parts[1] == "00" && parts[9] != "lo") {
            names.insert(std::string(parts[9]));
        }
    }
    return {names.begin(), names.end()};
}

std::string systemd_version() {
    sd_bus* bus = nullptr;
    char* version = nullptr;
    std::string text;
    constexpr std::uint64_t kPatience = 5'000'000;  // microseconds
    if (sd_bus_new(&bus) >= 0 && sd_bus_set_address(bus, "unix:path=/run/systemd/private") >= 0 &&
        sd_bus_set_method_call_timeout(bus, kPatience) >= 0 && sd_bus_start(bus) >= 0 &&
        sd_bus_get_property_string(bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                                   "org.freedesktop.systemd1.Manager", "Version", nullptr, &version) >= 0) {
        text = std::unique_ptr<char, void (*)(void*)>(version, std::free).get();
    }
    sd_bus_close_unref(bus);
    return text;
}

}  // namespace partd::kernel
