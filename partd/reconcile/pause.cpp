#include "reconcile/pause.h"

#include "kernel/files.h"

namespace partd {

Result<std::set<std::string>> paused(const kernel::Paths& paths) {
    const auto names = kernel::list_if_there(paths.paused());
    PARTD_TRY(names);
    return std::set(names->begin(), names->end());
}

Result<> pause(const kernel::Paths& paths, const std::string& name) {
    PARTD_TRY(kernel::make_directories(paths.paused()));
    return kernel::write_atomically(paths.paused() + "/" + name, "");
}

Result<> resume(const kernel::Paths& paths, const std::string& name) {
    return kernel::remove_file(paths.paused() + "/" + name);
}

}  // namespace partd
