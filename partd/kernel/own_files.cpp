#include "kernel/own_files.h"

#include "base/fd.h"
#include "base/text.h"
#include "kernel/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

// Whether the name still stands for this very file.
bool is_at(const std::string& path, int fd) {
    struct stat named{};
    struct stat open{};
    return lstat(path.c_str(), &named) == 0 && fstat(fd, &open) == 0 && named.st_dev == open.st_dev &&
           named.st_ino == open.st_ino;
}

std::string random_word() {
    std::uint64_t number = 0;
    (void)getrandom(&number, sizeof number, 0);
    return fmt::format("{:016x}", number);
}

// The next text of a file, beside it. It is locked while it is open, and goes when it has not taken its
// place.
struct Draft {
    std::string path = {};
    Fd fd = {};
    bool placed = false;

    Draft() = default;
    Draft(Draft&& other) noexcept
        : path(std::move(other.path)), fd(std::move(other.fd)), placed(std::exchange(other.placed, true)) {}
    Draft(const Draft&) = delete;
    Draft& operator=(const Draft&) = delete;
    Draft& operator=(Draft&&) = delete;
    ~Draft() {
        if (!placed && fd) {
            unlink(path.c_str());
        }
    }
};

// Under one name, so that what killed writers leave does not add up; under another one while that is a
// writer's at work.
Result<Draft> open_draft(const std::string& path, unsigned mode) {
    constexpr int kMostTries = 64;
    std::string name = path + ".new";
    for (int i = 0; i < kMostTries; ++i) {
        Fd fd(open(name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode));
        if (!fd) {
            return fail_errno("create " + name);
        }
        if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0 && is_at(name, fd.get())) {
            Draft draft;
            draft.path = name;
            draft.fd = std::move(fd);
            const bool empty = ftruncate(draft.fd.get(), 0) == 0 && fchmod(draft.fd.get(), mode) == 0;
            return empty ? Result<Draft>(std::move(draft)) : fail_errno("create " + name);
        }
        name = fmt::format("{}.{}.new", path, random_word());
    }
    return fail(EBUSY, "create " + name);
}

Result<Draft> write_draft(const std::string& path, std::string_view text, unsigned mode, bool durable) {
    auto draft = open_draft(path, mode);
    PARTD_TRY(draft);
    PARTD_TRY(write_all(draft->fd.get(), text));
    if (durable && fsync(draft->fd.get()) != 0) {
        return fail_errno("write " + draft->path);
    }
    return draft;
}

Result<> replace(const std::string& path, std::string_view text, unsigned mode, bool durable) {
    auto draft = write_draft(path, text, mode, durable);
    if (!draft) {
        return std::unexpected(std::move(draft).error().wrap(path));
    }
    draft->placed = rename(draft->path.c_str(), path.c_str()) == 0;
    return draft->placed ? Result<>() : fail_errno(path + ": rename " + draft->path);
}

Result<> make_names_durable(const std::string& path) {
    auto directory = open_directory(path.substr(0, path.rfind('/')));
    PARTD_TRY(directory);
    return fsync(directory->get()) == 0 ? Result<>() : fail_errno("write " + path);
}

}  // namespace

Result<> write_atomically(const std::string& path, std::string_view text, unsigned mode) {
    return replace(path, text, mode, false);
}

Result<> write_durably(const std::string& path, std::string_view text, unsigned mode) {
    PARTD_TRY(replace(path, text, mode, true));
    return make_names_durable(path);
}

Result<bool> write_new_durably(const std::string& path, std::string_view text, unsigned mode) {
    auto draft = write_draft(path, text, mode, true);
    if (!draft) {
        return std::unexpected(std::move(draft).error().wrap(path));
    }
    // Not every file system has RENAME_NOREPLACE; the draft's own name goes with the draft then.
    if (renameat2(AT_FDCWD, draft->path.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0) {
        draft->placed = true;
    } else if (errno == EEXIST) {
        return false;
    } else if (errno != EINVAL || link(draft->path.c_str(), path.c_str()) != 0) {
        return errno == EEXIST ? Result<bool>(false) : fail_errno("create " + path);
    }
    PARTD_TRY(make_names_durable(path));
    return true;
}

Result<> make_file(const std::string& path) {
    const Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
    return fd ? Result<>() : fail_errno("create " + path);
}

bool is_locked(const std::string& path) {
    struct stat st{};
    const auto locks = read_file("/proc/locks");
    if (!locks || stat(path.c_str(), &st) != 0) {
        return false;
    }
    const std::string place =
        fmt::format(" {:02x}:{:02x}:{} ", major(st.st_dev), minor(st.st_dev), st.st_ino);
    return std::ranges::any_of(split(std::string_view(*locks), '\n'), [&](std::string_view line) {
        return line.contains("FLOCK") && !line.contains("->") && line.contains(place);
    });
}

}  // namespace partd::kernel
