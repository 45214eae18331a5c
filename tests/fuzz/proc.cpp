// SPDX-License-Identifier: Apache-2.0
// Files of procfs, and what others may have put into the kernel's objects.

#include "fuzz.h"
#include "kernel/mount/mounts.h"
#include "kernel/namespace/namespaces.h"
#include "kernel/nft/encode.h"
#include "kernel/survey.h"

using namespace partd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::as_text({data, size});
    for (const auto& mount : kernel::parse_mountinfo(text)) {
        fuzz::require(!mount.point.empty(), "a mount has a place");
    }
    const auto map = kernel::parse_id_map(text);
    fuzz::require(kernel::parse_id_map(kernel::id_map_text(map)) == map, "a map is read as it is written");
    (void)kernel::outside_id(map, 0);
    (void)kernel::outside_id(map, 65535);
    (void)kernel::parse_release(text);
    (void)kernel::nft::decode_comment(data, static_cast<std::uint32_t>(size));
    return 0;
}
