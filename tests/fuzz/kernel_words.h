// SPDX-License-Identifier: Apache-2.0
#pragma once
// Stands in for the kernel at the other end of every socket of the process: send(2), recv(2) and their like
// never reach it. The decoders under test are the real ones, with nothing in between.

#include <cstdint>
#include <span>
#include <vector>

namespace partd::fuzz {

/// From now on the first request is answered by the first of these datagrams, and so on. Their sequence
/// numbers become that of the request. Behind each, and for requests beyond them, comes an acknowledgement.
void answer_with(std::vector<std::vector<std::uint8_t>> datagrams);
/// The datagrams wait at once, as events do; then nothing comes.
void tell(std::vector<std::vector<std::uint8_t>> datagrams);

/// An input as datagrams: each is a length of two bytes and that many bytes, the last one what is left.
std::vector<std::vector<std::uint8_t>> datagrams_of(std::span<const std::uint8_t> input);

}  // namespace partd::fuzz
