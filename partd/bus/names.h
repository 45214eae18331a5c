// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace partd::bus {

inline constexpr char kService[] = "org.partd1";
inline constexpr char kPath[] = "/org/partd1";
inline constexpr char kInterface[] = "org.partd1.Manager";
// Every method but Reload takes a dictionary of options and returns what partctl prints on stdout, what it
// prints on stderr, its exit code, and the generation that a change became part of.
inline constexpr char kAsked[] = "a{sv}";
inline constexpr char kAnswered[] = "ssit";
// Arguments of an event: microseconds since 1970, the event, the partition, the object, a sentence.
inline constexpr char kEvent[] = "tssss";
inline constexpr char kNotPermitted[] = "org.freedesktop.DBus.Error.AccessDenied";

}  // namespace partd::bus
