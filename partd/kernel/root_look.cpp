#include "kernel/root_look.h"

#include "base/fd.h"
#include "base/text.h"
#include "kernel/files.h"
#include "kernel/mount_api.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace partd::kernel {

Result<> look_at_path(const std::string& path) {
    PARTD_TRY(open_plain(path));
    return {};
}

Result<> look_at_target(const std::string& root, const std::string& path) {
    auto opened = open_plain(root);
    PARTD_TRY(opened);
    Fd at = std::move(*opened);
    for (const std::string_view part : split(path, '/')) {
        if (part.empty() || part == ".") {
            continue;
        }
        auto next = open_below(at.get(), std::string(part), O_PATH);
        if (!next && next.error().code == ENOENT) {
            return {};
        }
        if (!next) {
            return fail(next.error().code, path + " in " + root);
        }
        at = std::move(*next);
    }
    return {};
}

Result<> look_at_program(const std::vector<std::string>& roots, const std::string& path) {
    for (const std::string& root : roots) {
        const auto directory = open_directory(root, false);
        open_how how{};
        how.flags = O_PATH | O_CLOEXEC;
        how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
        const Fd file(directory ? static_cast<int>(
                                      syscall(SYS_openat2, directory->get(), path.c_str(), &how, sizeof how))
                                : -1);
        struct stat st{};
        if (!file || fstat(file.get(), &st) != 0) {
            continue;
        }
        constexpr mode_t kExecutable = 0111;
        return S_ISREG(st.st_mode) && (st.st_mode & kExecutable) != 0 ? Result<>() : fail(EACCES, path);
    }
    return fail(ENOENT, path);
}

}  // namespace partd::kernel
