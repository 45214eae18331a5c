// SPDX-License-Identifier: Apache-2.0
// Places for mounts, below a root that others may change meanwhile: each part
// of a path is opened from the descriptor of the one before.

#include "base/text.h"
#include "kernel/file/files.h"
#include "kernel/mount/mount_api.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <deque>
#include <vector>

#include <fmt/format.h>

namespace partd::kernel {

Result<Fd> open_plain(const std::string& path) {
    auto root = open_directory("/", false);
    PARTD_TRY(root);
    const std::size_t begin = path.find_first_not_of('/');
    if (begin == std::string::npos) {
        return root;
    }
    auto opened = open_below(root->get(), path.substr(begin), O_PATH);
    if (!opened && opened.error().code == ELOOP) {
        return fail(ELOOP, path + ": a symbolic link is on the way, name the place where it leads");
    }
    return opened
               ? std::move(opened)
               : std::unexpected(Error{opened.error().code, path + ": " + errno_text(opened.error().code)});
}

namespace {

// The kernel's number of the mount on which that is.
std::uint64_t mount_of(int fd) {
    struct statx found{};
    return statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &found) == 0 ? found.stx_mnt_id : 0;
}

// Goes down a path. A link's text takes the place of its name in what is left
// of the path, and ".." goes back to the descriptor of the directory before, so
// that nothing leads out of the root.
class Way {
public:
    Way(int root, const std::string& path, bool by_links) : path_(path), by_links_(by_links) {
        steps_.push_back({Fd(fcntl(root, F_DUPFD_CLOEXEC, 0)), ""});
        put_before(path);
    }

    // `make`: what is missing; `directory`: what is to be at the end.
    Result<Fd> walk(bool make, bool directory, const std::function<void(std::string_view)>& made) {
        while (!left_.empty()) {
            const std::string name = std::move(left_.front());
            left_.pop_front();
            if (name == "..") {
                steps_.resize(std::max<std::size_t>(1, steps_.size() - 1));
                continue;
            }
            const bool inner = directory || !left_.empty();
            auto next = open_below(here(), name, O_PATH);
            if (!next && next.error().code == ELOOP) {
                PARTD_TRY(follow(name));
                continue;
            }
            if (!next && next.error().code == ENOENT && make) {
                PARTD_TRY(put_there(name, inner));
                // Only what is the root's own is left over when nobody mounts there.
                if (made && mount_of(here()) == mount_of(steps_.front().at.get())) {
                    made(where(name));
                }
                next = open_below(here(), name, O_PATH);
            }
            if (!next) {
                return std::unexpected(std::move(next).error().wrap(path_));
            }
            PARTD_TRY(check_type(*next, inner && make));
            steps_.push_back({std::move(*next), name});
        }
        PARTD_TRY(check_end());
        return std::move(steps_.back().at);
    }

private:
    struct Step {
        Fd at;
        std::string name;
    };

    [[nodiscard]] int here() const { return steps_.back().at.get(); }

    void put_before(std::string_view text) {
        std::vector<std::string> parts;
        for (const std::string_view part : split(text, '/')) {
            if (!part.empty() && part != ".") {
                parts.emplace_back(part);
            }
        }
        left_.insert(left_.begin(), parts.begin(), parts.end());
    }

    // The path of that name here, from the root.
    [[nodiscard]] std::string where(const std::string& name) const {
        std::string path;
        for (std::size_t i = 1; i < steps_.size(); ++i) {
            path += steps_[i].name + "/";
        }
        return path + name;
    }

    Result<> follow(const std::string& name) {
        constexpr int kMost = 40;  // as path_resolution(7)
        if (!by_links_ || ++followed_ > kMost) {
            return fail(ELOOP, fmt::format("{}: open {}", path_, name));
        }
        std::array<char, PATH_MAX> text;
        const ssize_t size = readlinkat(here(), name.c_str(), text.data(), text.size());
        if (size < 0) {
            return fail_errno(fmt::format("{}: read the link /{}", path_, where(name)));
        }
        const std::string_view target(text.data(), static_cast<std::size_t>(size));
        if (target.starts_with('/')) {
            steps_.resize(1);
        }
        put_before(target);
        return {};
    }

    Result<> put_there(const std::string& name, bool directory) {
        const int result = directory ? mkdirat(here(), name.c_str(), 0755)
                                     : mknodat(here(), name.c_str(), S_IFREG | 0644, 0);
        return result == 0 || errno == EEXIST ? Result<>() : fail_errno("make a place for " + path_);
    }

    [[nodiscard]] Result<> check_type(const Fd& opened, bool directory) const {
        struct stat st{};
        const bool fits = !directory || (fstat(opened.get(), &st) == 0 && S_ISDIR(st.st_mode));
        return fits ? Result<>() : fail(ENOTDIR, path_);
    }

    // A file says so itself when it means one of these; a link of the root's must
    // not.
    [[nodiscard]] Result<> check_end() const {
        const std::string top = steps_.size() > 1 ? steps_[1].name : "";
        const bool taken =
            top.empty() || top == "proc" || top == "sys" || (top == "dev" && steps_.size() == 2);
        return followed_ == 0 || !taken ? Result<>()
                                        : fail(fmt::format("{}: a symbolic link leads to /{}, which is "
                                                           "mounted already: name another "
                                                           "place",
                                                           path_, top));
    }

    const std::string& path_;
    bool by_links_;
    std::vector<Step> steps_;
    std::deque<std::string> left_;
    int followed_ = 0;
};

}  // namespace

Result<Fd> open_target(int root, const std::string& path, bool directory,
                       const std::function<void(std::string_view)>& made) {
    return Way(root, path, false).walk(true, directory, made);
}

Result<Fd> open_target_by_links(int root, const std::string& path, bool directory,
                                const std::function<void(std::string_view)>& made) {
    return Way(root, path, true).walk(true, directory, made);
}

Result<Fd> find_target(int root, const std::string& path) {
    return Way(root, path, true).walk(false, false, {});
}

}  // namespace partd::kernel
