// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition.h"

namespace bench {

// The table `inet partd` with these partitions as elements, in one transaction; without `anew` the elements
// alone.
void write_table(int first, int count, bool anew);
void delete_elements(int first, int count);
void delete_table();
// Reads the whole table; returns the bytes read.
std::size_t dump_table();

}  // namespace bench
