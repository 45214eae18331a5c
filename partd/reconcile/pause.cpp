// SPDX-License-Identifier: Apache-2.0
#include "reconcile/pause.h"

#include "kernel/file/files.h"
#include "kernel/file/own_files.h"

#include <cerrno>

namespace partd {

Result<std::set<std::string>> paused(const kernel::Paths& paths) {
    const auto names = kernel::list_if_there(paths.paused());
    PARTD_TRY(names);
    return std::set(names->begin(), names->end());
}

Result<> pause(const kernel::Paths& paths, const std::string& name) {
    PARTD_TRY(kernel::make_directories(paths.paused()));
    return kernel::make_file(paths.paused() + "/" + name);
}

Result<> resume(const kernel::Paths& paths, const std::string& name) {
    return kernel::remove_file(paths.paused() + "/" + name);
}

namespace {

// Outlives a reboot.
std::string directory_of_stopped(const kernel::Paths& paths) {
    return paths.library() + "/stopped";
}

}  // namespace

Result<std::set<std::string>> stopped(const kernel::Paths& paths) {
    const auto names = kernel::list_if_there(directory_of_stopped(paths));
    if (!names && names.error().code == EACCES) {
        return std::set<std::string>();  // a user checks files
    }
    PARTD_TRY(names);
    return std::set(names->begin(), names->end());
}

Result<> note_stopped(const kernel::Paths& paths, const std::string& name) {
    PARTD_TRY(kernel::make_directories(directory_of_stopped(paths)));
    return kernel::write_durably(directory_of_stopped(paths) + "/" + name, "");
}

Result<> forget_stopped(const kernel::Paths& paths, const std::string& name) {
    return kernel::remove_file(directory_of_stopped(paths) + "/" + name);
}

namespace {

std::string hold_of(const kernel::Paths& paths) {
    return paths.state() + "/held";
}

}  // namespace

Result<> hold_files(const kernel::Paths& paths) {
    PARTD_TRY(kernel::make_directories(paths.state()));
    return kernel::make_file(hold_of(paths));
}

Result<> release_files(const kernel::Paths& paths) {
    return kernel::remove_file(hold_of(paths));
}

bool files_held(const kernel::Paths& paths) {
    return kernel::exists(hold_of(paths));
}

}  // namespace partd
