// SPDX-License-Identifier: Apache-2.0
#include "kernel/file/tree.h"

#include "base/text.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <optional>
#include <set>
#include <string_view>

#include <fmt/format.h>

namespace partd::kernel {

Result<Fd> open_directory_inside(int directory, const std::string& name) {
    open_how how{};
    how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
    Fd fd(static_cast<int>(syscall(SYS_openat2, directory, name.c_str(), &how, sizeof how)));
    if (!fd) {
        return fail_errno("open " + printable(name));
    }
    return fd;
}

DirectoryStream open_stream(int directory) {
    const int own = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* stream = own < 0 ? nullptr : fdopendir(own);
    if (stream == nullptr && own >= 0) {
        close(own);
    }
    return {stream, closedir};
}

namespace {

using Clock = std::chrono::steady_clock;

// A file may not be deleted, nor anything in a directory, while it is immutable or for appending only
// (ioctl_iflags(2)).
void unlock(int file) {
    int flags = 0;
    if (ioctl(file, FS_IOC_GETFLAGS, &flags) == 0) {
        flags &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
        (void)ioctl(file, FS_IOC_SETFLAGS, &flags);
    }
}

void unlock_below(int directory, const char* name) {
    unlock(directory);
    struct stat st{};
    const bool plain = fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                       (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));  // opening a device does something
    if (const Fd file(plain ? openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1);
        file) {
        unlock(file.get());
    }
}

class Removal {
public:
    Removal(int top, Clock::time_point deadline) : top_(top), deadline_(deadline) {}

    Result<bool> run() {
        bool again = true;
        while (again && !late_) {
            again = false;
            const bool read = each_name(top_, [&](const char* name) {
                if (!left_.contains(name)) {
                    again |= take_from_top(name);
                }
            });
            if (!read) {
                return fail_errno("read the directory");
            }
        }
        if (error_) {
            return std::unexpected(*error_);
        }
        return !late_;
    }

private:
    // Calls `each` for what is in the directory, until time is over. False when it cannot be read.
    template <class Each>
    bool each_name(int directory, Each each) {
        const DirectoryStream stream = open_stream(directory);
        if (!stream) {
            return false;
        }
        while (const dirent* entry = readdir(stream.get())) {
            const std::string_view name = entry->d_name;
            if (name == "." || name == "..") {
                continue;
            }
            each(entry->d_name);
            late_ = late_ || Clock::now() >= deadline_;
            if (late_) {
                break;
            }
        }
        return true;
    }

    // False when it stays.
    bool take_from_top(const char* name) {
        constexpr int kMostPasses = 64;  // readdir(3) may leave out what is there while others are removed
        for (int pass = 0; pass < kMostPasses && !late_; ++pass) {
            if (take_leaf(top_, name)) {
                return true;
            }
            if (errno != ENOTEMPTY && errno != EEXIST) {
                break;
            }
            const auto inner = open_directory_inside(top_, name);
            if (!inner) {
                errno = inner.error().code;
                if (errno == ENOENT) {
                    return true;  // another one deletes it, too
                }
                break;
            }
            if (!flatten(inner->get())) {
                left_.insert(name);
                return false;
            }
        }
        if (!late_) {
            note(name);
            left_.insert(name);
        }
        return false;
    }

    // Empties a directory: what has something in it goes to the top. False after an error.
    bool flatten(int directory) {
        bool good = true;
        const bool read = each_name(directory, [&](const char* name) {
            if (take_leaf(directory, name)) {
                return;
            }
            if ((errno == ENOTEMPTY || errno == EEXIST) && move_up(directory, name)) {
                return;
            }
            note(name);
            good = false;
        });
        if (!read) {
            note(".");
        }
        return read && good;
    }

    // Removes a file or an empty directory.
    static bool take_leaf(int directory, const char* name) {
        for (const bool unlocked : {false, true}) {
            if (unlinkat(directory, name, 0) == 0 || errno == ENOENT) {
                return true;
            }
            if (errno == EISDIR && (unlinkat(directory, name, AT_REMOVEDIR) == 0 || errno == ENOENT)) {
                return true;
            }
            if (errno != EPERM || unlocked) {
                return false;
            }
            unlock_below(directory, name);
        }
        return false;
    }

    bool move_up(int directory, const char* name) {
        for (bool unlocked = false;;) {
            const std::string target = fmt::format("moved-{}", ++moved_);
            if (renameat2(directory, name, top_, target.c_str(), RENAME_NOREPLACE) == 0 || errno == ENOENT) {
                return true;
            }
            if (errno == EPERM && !unlocked) {
                unlocked = true;
                unlock_below(directory, name);
            } else if (errno != EEXIST) {
                return false;
            }
        }
    }

    // Remembers the first of what cannot go, by errno.
    void note(const char* name) {
        const int code = errno;
        if (!error_) {
            const bool mounted = code == EBUSY || code == EXDEV;
            error_ = fail(code, mounted ? fmt::format("{}: something is mounted there", printable(name))
                                        : "remove " + printable(name))
                         .error();
        }
    }

    int top_;
    Clock::time_point deadline_;
    bool late_ = false;
    std::uint64_t moved_ = 0;
    std::set<std::string, std::less<>> left_;  // at the top
    std::optional<Error> error_;
};

}  // namespace

Result<bool> remove_contents(int directory, Clock::time_point deadline) {
    return Removal(directory, deadline).run();
}

}  // namespace partd::kernel
