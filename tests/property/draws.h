// SPDX-License-Identifier: Apache-2.0
#pragma once
// Choices out of a stream of bytes, and the parts of a host that are made of them.

#include "genes.h"

#include <string>

namespace partd::test {

/// Takes choices off a stream; behind its end all are 0.
class Draws {
public:
    explicit Draws(const Stream& stream) : stream_(stream) {}
    unsigned pick(unsigned number) { return at_ < stream_.size() ? stream_[at_++] % number : 0; }
    /// True once in so many times.
    bool once_in(unsigned number) { return pick(number) == number - 1; }

private:
    const Stream& stream_;
    std::size_t at_ = 0;
};

inline std::string text(unsigned number) {
    return std::to_string(number);
}

/// The streams of one side that make a partition's network.
struct NetworkGenes {
    const std::vector<Stream>& links;
    const std::vector<Stream>& routes;
    const std::vector<Stream>& rules;
    const std::vector<Stream>& forwards;
    const Stream& nat;
};

/// Gives the partition links, routes, rules and translations. The heads of all partitions of the host are
/// there.
void add_network(const NetworkGenes& genes, unsigned slot, const Host& host, Partition& partition);

}  // namespace partd::test
