// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "kernel/namespace/namespaces.h"

#include <sys/stat.h>

#include <string>
#include <string_view>

namespace partd::kernel {

// How the owners of a layer's files are stored: as numbers inside ("inside"; a mount maps them), or as the
// host's, and then as which ("0:100000:65536/0:100000:65536", users and groups).
std::string layer_ids(bool mapped_by_mount, const UserMaps& maps);
// True if files stored with one id mapping still belong to the partition's own users under another one.
bool ids_fit(std::string_view stored, bool mapped_by_mount, const UserMaps& maps);

// True if an upper directory has the note of how its owners are stored. Error if the note does not fit the
// present id maps.
Result<bool> has_layer_ids(int upper, bool mapped_by_mount, const UserMaps& maps);

// Readies the two directories of a layer to be mounted. An upper one that was never mounted gets owner and
// mode of the directory that it lies over, and a note of how its owners are stored; later it keeps its own.
// An error when those who wrote it have other numbers now.
Result<> prepare_layer(int upper, int work, const struct stat& lower, bool mapped_by_mount,
                       const UserMaps& maps);

}  // namespace partd::kernel
