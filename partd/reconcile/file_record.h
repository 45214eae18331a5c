// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/file/config_files.h"
#include "reconcile/load.h"

#include <map>
#include <optional>
#include <string>

namespace partd {

// The record of which files tell about whom (config::Relations), in /run/partd/relations: of many files only
// those about one partition need to be read. It counts while every file is the one that it was made of.
class FileRecord {
public:
    // Takes the stamps of the files as they are now.
    explicit FileRecord(const kernel::Paths& paths);

    // The desired state of that partition or slice, compiled from the files about it alone; nullopt where
    // only all files tell. Resources that several share are only as complete as these files make them: a plan
    // that changes one of them is not to be believed.
    [[nodiscard]] std::optional<Desired> part_of(const std::string& name) const;
    // Makes the record anew from all files, as they were loaded since; nothing where they are not all right.
    void renew(const Desired& all) const;

private:
    const kernel::Paths& paths_;
    std::optional<std::map<std::string, kernel::FileStamp>> stamps_;
};

}  // namespace partd
