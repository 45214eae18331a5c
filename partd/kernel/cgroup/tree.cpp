// SPDX-License-Identifier: Apache-2.0
#include "kernel/cgroup/tree.h"

#include "base/text.h"
#include "kernel/cgroup/cgroups.h"
#include "kernel/file/files.h"
#include "kernel/file/tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

using Clock = std::chrono::steady_clock;

// A group that is gone meanwhile answers so, and one that has no such list (cgroup.procs of a threaded one).
// Anything else, like a shortage, says nothing about who lives there.
bool means_none(int code) {
    return code == ENOENT || code == ENODEV || code == EOPNOTSUPP;
}

Result<std::vector<std::string>> inner_names(int directory) {
    constexpr std::size_t kMost = 65536;  // the others are found by the next pass
    std::vector<std::string> names;
    const DirectoryStream stream = open_stream(directory);
    if (!stream) {
        return means_none(errno) ? Result<std::vector<std::string>>(names)
                                 : fail_errno("list the groups below");
    }
    while (names.size() < kMost) {
        errno = 0;
        const dirent* entry = readdir(stream.get());
        if (entry == nullptr) {
            if (errno != 0 && !means_none(errno)) {
                return fail_errno("list the groups below");
            }
            break;
        }
        const std::string_view name = entry->d_name;
        if (entry->d_type == DT_DIR && name != "." && name != "..") {
            names.emplace_back(name);
        }
    }
    return names;
}

// Where a walk is: one open directory, and for each level the names that are still to be visited.
class Walk {
public:
    static Result<Walk> from(Fd top) {
        auto names = inner_names(top.get());
        PARTD_TRY(names);
        Walk walk;
        walk.here_ = std::move(top);
        walk.levels_.push_back({"", std::move(*names)});
        return walk;
    }

    [[nodiscard]] int here() const { return here_.get(); }
    [[nodiscard]] bool at_top() const { return levels_.size() == 1; }

    // The next name here; nullopt when there is none any more.
    std::optional<std::string> next() {
        auto& names = levels_.back().names;
        if (names.empty()) {
            return std::nullopt;
        }
        std::string name = std::move(names.back());
        names.pop_back();
        return name;
    }

    // 0, or the errno.
    int enter(const std::string& name) {
        auto inner = open_directory_inside(here_.get(), name);
        if (!inner) {
            return inner.error().code;
        }
        auto names = inner_names(inner->get());
        if (!names) {
            return names.error().code;
        }
        here_ = std::move(*inner);
        levels_.push_back({name, std::move(*names)});
        return 0;
    }

    // Goes up one level; returns the name of the one that was left.
    Result<std::string> leave() {
        Fd above(openat(here_.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!above) {
            return fail_errno("open the group above");
        }
        here_ = std::move(above);
        std::string name = std::move(levels_.back().name);
        levels_.pop_back();
        return name;
    }

    [[nodiscard]] std::string path(const std::string& name = {}) const {
        std::string path;
        for (const Level& level : levels_) {
            path += path.empty() ? level.name : "/" + level.name;
        }
        return name.empty() || path.empty() ? path + name : path + "/" + name;
    }

private:
    Walk() = default;

    struct Level {
        std::string name;
        std::vector<std::string> names;
    };
    Fd here_;
    std::vector<Level> levels_;
};

bool is_marked(int directory) {
    return fgetxattr(directory, kCgroupMark, nullptr, 0) > 0;
}

// "process 12 (sleep) lives there".
std::string describe_processes(const std::set<pid_t>& pids) {
    constexpr std::size_t kFew = 3;
    std::vector<std::string> some;
    for (const pid_t pid : pids) {
        if (some.size() == kFew) {
            break;
        }
        const std::string comm = read_file(fmt::format("/proc/{}/comm", pid)).value_or("");
        some.push_back(comm.empty() ? std::to_string(pid)
                                    : fmt::format("{} ({})", pid, printable(trim(comm))));
    }
    const std::size_t more = pids.size() - some.size();
    return fmt::format("{} {}{} {} there", pids.size() == 1 ? "process" : "processes",
                       partd::join(some, ", "), more == 0 ? "" : fmt::format(" and {} more", more),
                       pids.size() == 1 ? "lives" : "live");
}

Result<std::set<pid_t>> pids_at(int directory, const char* name) {
    constexpr std::size_t kMost = std::size_t{64} << 20;  // more than all processes of a host
    const Fd file(openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    auto text = file ? read_fd(file.get(), kMost) : fail_errno("open");
    if (!text) {
        return means_none(text.error().code) ? Result<std::set<pid_t>>()
                                             : std::unexpected(std::move(text).error().wrap(name));
    }
    std::set<pid_t> pids;
    for (const std::string_view word : words(*text)) {
        if (const auto pid = parse_number(word); pid && *pid != 0) {  // 0: of an outer pid namespace
            pids.insert(static_cast<pid_t>(*pid));
        }
    }
    return pids;
}

std::optional<std::string> obstacle_in(int directory) {
    auto pids = processes_in(directory);
    if (pids && pids->empty()) {
        pids = pids_at(directory, "cgroup.threads");  // of a threaded group
    }
    if (!pids) {
        return "it cannot be looked at: " + pids.error().message;
    }
    return pids->empty() ? std::nullopt : std::optional(describe_processes(*pids));
}

// The names of a few of the groups below one.
std::string some_inner_names(const std::string& directory) {
    constexpr std::size_t kFew = 3;
    const auto top = open_directory(directory);
    auto names =
        (top ? inner_names(top->get()) : std::unexpected(top.error())).value_or(std::vector<std::string>());
    const std::size_t all = names.size();
    names.resize(std::min(all, kFew));
    return printable(partd::join(names, ", ")) + (all > kFew ? fmt::format(" and {} more", all - kFew) : "");
}

std::string code_text(int code) {
    return code == EXDEV ? "something is mounted there" : errno_text(code);
}

// One pass over the groups below a directory, the deepest first.
class Pass {
public:
    Pass(Walk walk, Clock::time_point deadline) : walk_(std::move(walk)), deadline_(deadline) {}

    void run() {
        while (Clock::now() < deadline_) {
            if (const auto name = walk_.next()) {
                visit(*name);
            } else if (walk_.at_top() || !go_up()) {
                return;
            }
        }
    }
    [[nodiscard]] std::size_t removed() const { return removed_; }
    [[nodiscard]] const std::optional<Obstacle>& obstacle() const { return obstacle_; }

private:
    bool take(const std::string& name) {
        const bool gone = unlinkat(walk_.here(), name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT;
        removed_ += gone ? 1 : 0;
        return gone;
    }

    void visit(const std::string& name) {
        if (is_marked_below(name) || take(name)) {
            return;
        }
        if (const int code = walk_.enter(name); code != 0 && !means_none(code)) {
            note(walk_.path(name), code_text(code));
        }
    }

    bool is_marked_below(const std::string& name) {
        const auto inner = open_directory_inside(walk_.here(), name);
        if (!inner || !is_marked(inner->get())) {
            return false;
        }
        note(walk_.path(name), "it is partd's, for another partition or slice");
        return true;
    }

    bool go_up() {
        const auto what = obstacle_in(walk_.here());
        const std::string path = walk_.path();
        const auto name = walk_.leave();
        if (!name) {
            note(path, name.error().message);
        } else if (!take(*name)) {
            note(path, what.value_or(code_text(errno)));
        }
        return name.has_value();
    }

    void note(std::string path, std::string what) {
        if (!obstacle_) {
            obstacle_ = {std::move(path), std::move(what)};
        }
    }

    Walk walk_;
    Clock::time_point deadline_;
    std::size_t removed_ = 0;
    std::optional<Obstacle> obstacle_;
};

constexpr char kMostBelow[] = "/cgroup.max.descendants";

// As long as it lives, no group can be made below one (cgroup v2, cgroup.max.descendants). The number before
// is noted with the group, for a run that is killed meanwhile.
class NoMoreGroups {
public:
    explicit NoMoreGroups(const std::string& directory) : directory_(directory) {
        (void)open_again(directory_);
        const auto text = read_file(directory_ + kMostBelow);
        closed_ = text && set_xattr(directory_, kClosedMark, trim(*text)) &&
                  write_kernel_file(directory_ + kMostBelow, "0");
        if (!closed_) {
            remove_xattr(directory_, kClosedMark);
        }
    }
    NoMoreGroups(const NoMoreGroups&) = delete;
    NoMoreGroups& operator=(const NoMoreGroups&) = delete;
    ~NoMoreGroups() {
        if (closed_) {
            (void)open_again(directory_);  // unless the group is gone
        }
    }

private:
    std::string directory_;
    bool closed_ = false;
};

// A group that cannot be looked at may be an obstacle; nullopt if the error says that it is gone.
std::optional<Obstacle> unseen(const Error& error) {
    return means_none(error.code) ? std::nullopt : std::optional(Obstacle{"", error.message});
}

std::optional<Obstacle> remove_below(const std::string& directory, Clock::time_point deadline,
                                     std::size_t& removed) {
    auto top = open_directory(directory);
    if (!top) {
        return unseen(top.error());
    }
    auto walk = Walk::from(std::move(*top));
    if (!walk) {
        return unseen(walk.error());
    }
    Pass pass(std::move(*walk), deadline);
    pass.run();
    removed = pass.removed();
    return pass.obstacle();
}

}  // namespace

Result<> for_groups_below(const std::string& directory, const std::function<bool(const InnerGroup&)>& each) {
    auto top = open_directory(directory);
    if (!top) {
        return top.error().code == ENOENT ? Result<>() : std::unexpected(top.error());
    }
    auto walk = Walk::from(std::move(*top));
    PARTD_TRY(walk);
    while (true) {
        if (const auto name = walk->next()) {
            const int code = walk->enter(*name);
            // A mount point is not a group.
            if (code != 0 && code != EXDEV && !means_none(code)) {
                return fail(code, "look at the groups below " + directory);
            }
            if (code == 0 && !each({walk->here(), walk->path()})) {
                return {};
            }
        } else if (walk->at_top()) {
            return {};
        } else if (const auto left = walk->leave(); !left) {
            return means_none(left.error().code)
                       ? Result<>()
                       : fail(left.error().code, "look at the groups below " + directory);
        }
    }
}

Result<std::set<pid_t>> processes_in(int directory) {
    return pids_at(directory, "cgroup.procs");
}

std::string Obstacle::text(const std::string& directory) const {
    return fmt::format("{}{}{}: {}", directory, path.empty() ? "" : "/", printable(path), what);
}

std::optional<Obstacle> find_obstacle(const std::string& directory) {
    const auto top = open_directory(directory);
    if (!top) {
        return unseen(top.error());
    }
    if (auto what = obstacle_in(top->get())) {
        return Obstacle{"", std::move(*what)};
    }
    std::optional<Obstacle> found;
    constexpr int kMost = 1000;
    int count = 0;
    const auto walked = for_groups_below(directory, [&](const InnerGroup& group) {
        if (auto what = obstacle_in(group.directory)) {
            found = Obstacle{group.path, std::move(*what)};
        }
        return !found && ++count < kMost;
    });
    return found || walked ? found : unseen(walked.error());
}

Result<> open_again(const std::string& directory) {
    const std::string before = get_xattr(directory, kClosedMark);
    if (before.empty()) {
        return {};
    }
    PARTD_TRY(write_kernel_file(directory + kMostBelow, before));
    remove_xattr(directory, kClosedMark);
    return {};
}

int make_group(const std::string& path) {
    if (mkdir(path.c_str(), 0755) == 0) {
        return 0;
    }
    if (errno != EAGAIN) {
        return errno;
    }
    // The way up ends at the first directory that has no such file: the hierarchy's root.
    for (std::string above = path.substr(0, path.rfind('/')); !above.empty();
         above.resize(above.rfind('/'))) {
        if (!exists(above + kMostBelow)) {
            break;
        }
        if (!get_xattr(above, kCgroupMark).empty()) {
            remove_xattr(above, kClosedMark);
            for (const char* bound : {kMostBelow, "/cgroup.max.depth"}) {
                (void)write_kernel_file(above + bound, "max");
            }
        }
    }
    return mkdir(path.c_str(), 0755) == 0 ? 0 : errno;
}

Result<> remove_group(const std::string& directory, bool inner, Clock::time_point deadline) {
    if (rmdir(directory.c_str()) == 0 || errno == ENOENT) {
        return {};
    }
    if (errno != EBUSY) {
        return fail_errno("remove " + directory);
    }
    std::optional<NoMoreGroups> closed;
    if (inner) {
        closed.emplace(directory);
    }
    // A killed process leaves its group a moment after it is gone for its parent.
    constexpr int kQuietPasses = 50;
    constexpr useconds_t kPause = 2000;
    std::optional<Obstacle> obstacle;
    for (int quiet = 0; quiet < kQuietPasses && Clock::now() < deadline; ++quiet) {
        std::size_t removed = 0;
        obstacle = inner ? remove_below(directory, deadline, removed) : std::nullopt;
        if (rmdir(directory.c_str()) == 0 || errno == ENOENT) {
            return {};
        }
        if (errno != EBUSY) {
            return fail_errno("remove " + directory);
        }
        if (removed > 0) {
            quiet = 0;
        } else {
            usleep(kPause);
        }
    }
    obstacle = obstacle ? std::move(obstacle) : find_obstacle(directory);
    const std::string what =
        obstacle ? obstacle->text(directory)
        : inner
            ? directory + ": groups are made below it all the time"
            : directory + ": groups that partd did not make stand below it: " + some_inner_names(directory);
    return std::unexpected(Error{.code = EBUSY, .message = what});
}

}  // namespace partd::kernel
