// SPDX-License-Identifier: Apache-2.0
#include "reconcile/pause.h"

#include "kernel/file/files.h"
#include "kernel/file/own_files.h"

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
