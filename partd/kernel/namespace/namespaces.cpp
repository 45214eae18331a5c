// SPDX-License-Identifier: Apache-2.0
#include "kernel/namespace/namespaces.h"

#include "base/text.h"
#include "kernel/child/child.h"
#include "kernel/file/files.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

// NS_GET_ID of Linux 6.18: the namespace's number.
constexpr unsigned long kGetId = _IOR(NSIO, 13, std::uint64_t);

struct TypeNames {
    std::string_view name;
    int flag;
};
// In the order of NamespaceType.
constexpr std::array<TypeNames, 8> kTypes = {{{"net", CLONE_NEWNET},
                                              {"mnt", CLONE_NEWNS},
                                              {"pid", CLONE_NEWPID},
                                              {"uts", CLONE_NEWUTS},
                                              {"ipc", CLONE_NEWIPC},
                                              {"user", CLONE_NEWUSER},
                                              {"cgroup", CLONE_NEWCGROUP},
                                              {"time", 0x80 /* CLONE_NEWTIME */}}};

Result<Namespace> open_link(pid_t pid, NamespaceType type, std::string_view which) {
    const std::string path = fmt::format("/proc/{}/ns/{}{}", pid, namespace_name(type), which);
    Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) {
        return fail_errno("open " + path);
    }
    return Namespace::from(std::move(fd), type);
}

}  // namespace

std::string_view namespace_name(NamespaceType type) {
    return kTypes[std::to_underlying(type)].name;
}

int namespace_flag(NamespaceType type) {
    return kTypes[std::to_underlying(type)].flag;
}

Result<Namespace> Namespace::from(Fd fd, NamespaceType type) {
    struct statfs fs{};
    struct stat st{};
    if (fstatfs(fd.get(), &fs) != 0 || static_cast<unsigned long>(fs.f_type) != NSFS_MAGIC ||
        ioctl(fd.get(), NS_GET_NSTYPE) != namespace_flag(type) || fstat(fd.get(), &st) != 0) {
        return fail(EINVAL, fmt::format("not a {} namespace", namespace_name(type)));
    }
    std::uint64_t id = 0;
    const std::string identity =
        ioctl(fd.get(), kGetId, &id) == 0 ? std::to_string(id) : fmt::format("inode:{}", st.st_ino);
    return Namespace(std::move(fd), type, st.st_ino, identity);
}

Result<Namespace> Namespace::of_process(pid_t pid, NamespaceType type) {
    return open_link(pid, type, "");
}

Result<Namespace> Namespace::current(NamespaceType type) {
    return of_process(getpid(), type);
}

Result<Namespace> Namespace::of_children(pid_t pid, NamespaceType type) {
    return open_link(pid, type, "_for_children");
}

namespace {

Result<std::optional<ino_t>> related(int fd, unsigned long request) {
    const Fd other(ioctl(fd, request));
    if (auto failed = fail_errno("open a namespace's owner or parent");
        !other && failed.error().is_shortage()) {
        return failed;
    }
    struct stat st{};
    return other && fstat(other.get(), &st) == 0 ? std::optional(st.st_ino) : std::nullopt;
}

}  // namespace

Result<std::optional<ino_t>> owner_of(int fd) {
    return related(fd, NS_GET_USERNS);
}

Result<std::optional<ino_t>> parent_of(int fd) {
    return related(fd, NS_GET_PARENT);
}

std::optional<uid_t> owner_uid_of(int fd) {
    const Fd owner(ioctl(fd, NS_GET_USERNS));
    const bool is_user = ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWUSER;
    uid_t uid = 0;
    return ioctl(is_user ? fd : owner.get(), NS_GET_OWNER_UID, &uid) == 0 ? std::optional(uid) : std::nullopt;
}

IdMap parse_id_map(std::string_view text) {
    IdMap map;
    for (const std::string_view line : split(text, '\n')) {
        const auto parts = words(line);
        if (parts.size() != 3) {
            continue;
        }
        const auto number = [&](std::size_t i) {
            return static_cast<std::uint32_t>(parse_number(parts[i]).value_or(0));
        };
        map.push_back({number(0), number(1), number(2)});
    }
    return map;
}

std::string id_map_text(const IdMap& map) {
    std::string text;
    for (const IdRange& range : map) {
        text += fmt::format("{} {} {}\n", range.inside, range.outside, range.count);
    }
    return text;
}

std::optional<std::uint32_t> outside_id(const IdMap& map, std::uint32_t inside) {
    for (const IdRange& range : map) {
        if (inside >= range.inside && inside - range.inside < range.count) {
            return range.outside + (inside - range.inside);
        }
    }
    return std::nullopt;
}

namespace {

Result<> unshare_one(NamespaceType type) {
    if (unshare(namespace_flag(type)) == 0) {
        return {};
    }
    auto error = fail_errno(fmt::format("make a {} namespace", namespace_name(type)));
    if (error.error().code == ENOSPC) {
        error.error().message +=
            fmt::format(" (the limit is sysctl user.max_{}_namespaces)", namespace_name(type));
    }
    return error;
}

// Opens the namespace that a waiting helper is in.
Result<Namespace> take_from_child(NamespaceType type, const std::function<Result<>()>& work,
                                  const std::function<Result<>(pid_t)>& meanwhile = {}) {
    std::optional<Namespace> made;
    const auto take = [&](pid_t child) -> Result<> {
        if (meanwhile) {
            PARTD_TRY(meanwhile(child));
        }
        auto opened = type == NamespaceType::Time ? Namespace::of_children(child, type)
                                                  : Namespace::of_process(child, type);
        PARTD_TRY(opened);
        made = std::move(*opened);
        return {};
    };
    PARTD_TRY(in_child(work, take));
    return std::move(*made);
}

}  // namespace

Result<Namespace> make_namespace(NamespaceType type, const Namespace* user,
                                 const std::function<Result<>()>& prepare) {
    return take_from_child(type, [&]() -> Result<> {
        if (prepare) {
            PARTD_TRY(prepare());
        }
        if (user != nullptr) {
            PARTD_TRY(join(*user));
        }
        return unshare_one(type);
    });
}

Result<Namespace> make_user_namespace(const UserMaps& maps) {
    return take_from_child(
        NamespaceType::User, [] { return unshare_one(NamespaceType::User); },
        [&](pid_t child) -> Result<> {
            PARTD_TRY(write_kernel_file(fmt::format("/proc/{}/uid_map", child), id_map_text(maps.uids)));
            return write_kernel_file(fmt::format("/proc/{}/gid_map", child), id_map_text(maps.gids));
        });
}

Result<Namespace> make_time_namespace(const Namespace* user, const ClockOffsets& offsets) {
    const auto line = [](std::string_view clock, std::chrono::milliseconds offset) {
        return fmt::format("{} {} {}\n", clock, offset.count() / 1000, offset.count() % 1000 * 1'000'000);
    };
    return take_from_child(
        NamespaceType::Time,
        [&]() -> Result<> {
            if (user != nullptr) {
                PARTD_TRY(join(*user));
            }
            return unshare_one(NamespaceType::Time);
        },
        [&](pid_t child) {
            return write_kernel_file(
                fmt::format("/proc/{}/timens_offsets", child),
                line("monotonic", offsets.monotonic) + line("boottime", offsets.boottime));
        });
}

Result<UserMaps> read_maps(const Namespace& user) {
    UserMaps maps;
    const auto read = [&](pid_t child) -> Result<> {
        auto uids = read_file(fmt::format("/proc/{}/uid_map", child));
        PARTD_TRY(uids);
        auto gids = read_file(fmt::format("/proc/{}/gid_map", child));
        PARTD_TRY(gids);
        maps = {parse_id_map(*uids), parse_id_map(*gids)};
        return {};
    };
    PARTD_TRY(in_child([&] { return join(user); }, read));
    return maps;
}

Result<ClockOffsets> read_offsets(const Namespace& time) {
    ClockOffsets offsets;
    const auto read = [&](pid_t child) -> Result<> {
        auto text = read_file(fmt::format("/proc/{}/timens_offsets", child));
        PARTD_TRY(text);
        for (const std::string_view line : split(*text, '\n')) {
            const auto parts = words(line);
            if (parts.size() != 3) {
                continue;
            }
            const auto seconds = parse_number(parts[1]).value_or(0);
            const auto nanoseconds = parse_number(parts[2]).value_or(0);
            const std::chrono::milliseconds offset(seconds * 1000 + nanoseconds / 1'000'000);
            (parts[0] == "monotonic" ? offsets.monotonic : offsets.boottime) = offset;
        }
        return {};
    };
    PARTD_TRY(in_child([&] { return join(time); }, read));
    return offsets;
}

namespace {

// Runs `work` in that UTS namespace, and comes back.
Result<> inside_uts(const Namespace& uts, const std::function<Result<>()>& work) {
    auto home = Namespace::current(NamespaceType::Uts);
    PARTD_TRY(home);
    PARTD_TRY(join(uts));
    auto result = work();
    if (!join(*home)) {
        end_astray("uts");
    }
    return result;
}

}  // namespace

Result<HostNames> read_names(const Namespace& uts) {
    HostNames names;
    PARTD_TRY(inside_uts(uts, [&]() -> Result<> {
        utsname name{};
        if (uname(&name) != 0) {
            return fail_errno("uname");
        }
        // The kernel's word for a domain name that was never set.
        const std::string domain = static_cast<const char*>(name.domainname);
        names = {static_cast<const char*>(name.nodename), domain == "(none)" ? "" : domain};
        return {};
    }));
    return names;
}

Result<> set_names(const Namespace& uts, const std::optional<std::string>& host,
                   const std::optional<std::string>& domain) {
    return inside_uts(uts, [&]() -> Result<> {
        if (host && sethostname(host->data(), host->size()) != 0) {
            return fail_errno("set the host name " + *host);
        }
        if (domain && setdomainname(domain->data(), domain->size()) != 0) {
            return fail_errno("set the domain name " + *domain);
        }
        return {};
    });
}

Result<> join(const Namespace& target) {
    if (setns(target.fd(), namespace_flag(target.type())) != 0) {
        return fail_errno(fmt::format("enter the {} namespace", namespace_name(target.type())));
    }
    return {};
}

Result<> join_as_root(const Namespace& user) {
    PARTD_TRY(join(user));
    int signal = 0;
    prctl(PR_GET_PDEATHSIG, &signal, 0, 0, 0);
    if (setgroups(0, nullptr) != 0 || setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0) {
        return fail_errno("become root of the user namespace");
    }
    prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0);  // a change of user takes it away
    return {};
}

}  // namespace partd::kernel
