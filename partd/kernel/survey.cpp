// SPDX-License-Identifier: Apache-2.0
#include "kernel/survey.h"

#include "base/text.h"
#include "kernel/file/files.h"
#include "kernel/process/processes.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
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

namespace {

// The bytes of hexadecimal digits.
std::vector<std::uint8_t> bytes_of(std::string_view digits) {
    std::vector<std::uint8_t> bytes;
    for (std::size_t at = 0; at + 2 <= digits.size(); at += 2) {
        bytes.push_back(static_cast<std::uint8_t>(parse_number(digits.substr(at, 2), 16).value_or(0)));
    }
    return bytes;
}

// Numbers of /proc/net/route are printed as the processor has them.
std::uint32_t native_word(std::string_view digits) {
    return static_cast<std::uint32_t>(parse_number(digits, 16).value_or(0));
}

// The lines that are whole in the first so many bytes.
std::string first_lines(const std::string& path, std::size_t most) {
    const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::string text;
    std::array<char, 65536> part{};
    for (ssize_t count = 1; file && count > 0 && text.size() < most;) {
        count = read(file.get(), part.data(), part.size());
        text.append(part.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    }
    text.resize(text.rfind('\n') + 1);
    return text;
}

void read_routes4(std::size_t most, std::vector<RoutedNetwork>& routes) {
    const std::string text = first_lines("/proc/net/route", most);
    for (const std::string_view line : split(text, '\n')) {
        // Iface Destination Gateway Flags RefCnt Use Metric Mask …
        const auto parts = words(line);
        if (parts.size() < 8 || parts[0] == "Iface") {
            continue;
        }
        std::array<std::uint8_t, 4> raw{};
        const std::uint32_t destination = native_word(parts[1]);
        std::memcpy(raw.data(), &destination, raw.size());
        const Prefix prefix{Ip(raw), static_cast<std::uint8_t>(std::popcount(native_word(parts[7])))};
        if (!prefix.ip.is_link_local()) {
            const std::uint32_t gateway = native_word(parts[2]);
            std::memcpy(raw.data(), &gateway, raw.size());
            routes.push_back(
                {std::string(parts[0]), prefix, gateway == 0 ? std::nullopt : std::optional(Ip(raw))});
        }
    }
}

void read_routes6(std::size_t most, std::vector<RoutedNetwork>& routes) {
    const std::string text = first_lines("/proc/net/ipv6_route", most);
    for (const std::string_view line : split(text, '\n')) {
        // destination length source length gateway metric references uses flags interface
        const auto parts = words(line);
        if (parts.size() != 10 || parts[9] == "lo") {
            continue;
        }
        const Prefix prefix{Ip(bytes_of(parts[0])),
                            static_cast<std::uint8_t>(parse_number(parts[1], 16).value_or(0))};
        if (!prefix.ip.is_link_local() && !prefix.ip.is_multicast()) {
            const Ip gateway(bytes_of(parts[4]));
            routes.push_back(
                {std::string(parts[9]), prefix, gateway.is_any() ? std::nullopt : std::optional(gateway)});
        }
    }
}

}  // namespace

std::vector<RoutedNetwork> routed_networks(std::size_t most) {
    std::vector<RoutedNetwork> routes;
    read_routes4(most, routes);
    read_routes6(most, routes);
    return routes;
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
