// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/text.h"
#include "model/codec.h"

#include <string>
#include <vector>

namespace partd {

// Names that a look tells of, as a member of a resource: that there are none is a value as any other, where
// an empty list would be left open.
struct Told {
    std::vector<std::string> names = {};
    bool operator==(const Told&) const = default;
};

template <>
struct Codec<Told> {
    static bool read(const Value&, Told&, Diagnostics&) { return false; }  // no key of the language
    static std::string text(const Told& value) {
        return value.names.empty() ? "none" : join(value.names, ", ");
    }
    static Value json(const Told& value) {
        Value all = Array();
        for (const std::string& name : value.names) {
            all.push(name);
        }
        return all;
    }
    static Value schema() { return {}; }
};

}  // namespace partd
