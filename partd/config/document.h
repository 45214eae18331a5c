// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/diagnostics.h"
#include "base/text_file.h"
#include "base/value.h"
#include "config/grammar.h"

#include <span>
#include <vector>

namespace partd::config {

// Returns each file as a tree, without those that are not TOML, which are reported.
std::vector<Value> parse_files(std::span<const TextFile> files, Diagnostics& problems);

// All files as one tree. An object that two of them declare is reported with both places.
Value merge_files(std::span<const Value> files, const Grammar& grammar, Diagnostics& problems);

// The document with every partition that extends a template filled up from it: the partition's own keys win,
// key by key; "{name}" and
// "{index}" in the template's strings become the partition's name and its number among those that extend the
// template, from 1, in order of declaration (or its own key `index`).
Value expand_templates(const Value& document, Diagnostics& problems);

// The templates that no partition extends: what is wrong with the others shows in the partitions.
Value unused_templates(const Value& document);

// A template's objects as a partition would get them, for checking one that nobody extends.
Value sample_of_template(const Value& body);

}  // namespace partd::config
