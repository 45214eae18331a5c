// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/diagnostics.h"
#include "base/ip.h"
#include "base/value.h"
#include "base/values.h"

#include <concepts>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace partd {

struct Table;

// How a member's type is read from a file, printed, and described to a JSON Schema. One specialisation a
// type; the ones for optional, vector, map and structs with a table follow from their elements.
template <class T>
struct Codec;

// A type whose fields a table lists: it has `static const Table table`.
template <class T>
concept Tabled = requires {
    { T::table } -> std::convertible_to<const Table&>;
};

// A type that is one string in a file, with `parse(std::string_view)` and `text()`, and a Form that tells
// what it is.
template <class T>
struct TextFormat;
template <class T>
concept Textual = requires(const T& value, std::string_view text) {
    { TextFormat<T>::kExpected } -> std::convertible_to<std::string_view>;
    { T::parse(text) } -> std::same_as<std::optional<T>>;
    { value.text() } -> std::convertible_to<std::string>;
};

template <>
struct TextFormat<Ip> {
    static constexpr std::string_view kExpected = "an IP address like \"10.1.1.1\"",
                                      kPattern = "^[0-9a-fA-F:.]+$";
};
template <>
struct TextFormat<Address> {
    static constexpr std::string_view kExpected = "an address with its prefix length like \"10.1.1.1/24\"",
                                      kPattern = "^[0-9a-fA-F:.]+/[0-9]{1,3}$";
};
template <>
struct TextFormat<Prefix> {
    static constexpr std::string_view kExpected =
                                          "a prefix without host bits like \"10.1.1.0/24\", or an address",
                                      kPattern = "^[0-9a-fA-F:.]+(/[0-9]{1,3})?$";
};
template <>
struct TextFormat<Mac> {
    static constexpr std::string_view kExpected = "a hardware address like \"02:00:00:00:00:01\"",
                                      kPattern = "^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$";
};
template <>
struct TextFormat<PortRange> {
    static constexpr std::string_view kExpected = "a port like \"tcp/80\" or \"udp/5000-5010\"",
                                      kPattern = "^(tcp|udp)/[0-9]{1,5}(-[0-9]{1,5})?$";
};
template <>
struct TextFormat<Endpoint> {
    static constexpr std::string_view
        kExpected = "an endpoint like \"10.1.1.1:80\" or \"[fd00:1::1]:80\"",
        kPattern = "^(\\[[0-9a-fA-F:.]+\\]|[0-9a-fA-F.]+)(:[0-9]{1,5})?$|^[0-9a-fA-F:]+$";
};

// Names that are checked as they are read.
struct IfName : std::string {
    using std::string::string;
    static std::optional<IfName> parse(std::string_view text);
    [[nodiscard]] const std::string& text() const { return *this; }
};
template <>
struct TextFormat<IfName> {
    static constexpr std::string_view
        kExpected =
            "an interface name: 1 to 15 bytes without '/', ':', '%', blanks or control characters, not a "
            "leading '-', not "
            "\".\", \"..\", \"all\" or \"default\"",
        kPattern = "^(?!-|\\.$|\\.\\.$|all$|default$)[^\\s/:%\\x00-\\x20\\x7f-\\x9f]{1,15}$";
};

// The name of a partition, slice or template.
struct Name : std::string {
    using std::string::string;
    static std::optional<Name> parse(std::string_view text);
    [[nodiscard]] const std::string& text() const { return *this; }
};
template <>
struct TextFormat<Name> {
    static constexpr std::string_view
        kExpected = "a name: 1 to 64 letters, digits, '-' and '_', with a letter or digit at both ends",
        kPattern = "^[A-Za-z0-9]([A-Za-z0-9_-]{0,62}[A-Za-z0-9])?$";
};

// Reports that `value` is not what `expected` says.
void report_unexpected(const Value& value, std::string_view expected, Diagnostics& problems);
// {"type": "string", "pattern": …}
Value string_schema(std::string_view pattern, std::string_view expected);

template <Textual T>
struct Codec<T> {
    static bool read(const Value& value, T& out, Diagnostics& problems) {
        const auto* text = value.get_if<std::string>();
        const auto parsed = text != nullptr ? T::parse(*text) : std::nullopt;
        if (!parsed) {
            report_unexpected(value, TextFormat<T>::kExpected, problems);
            return false;
        }
        out = *parsed;
        return true;
    }
    static std::string text(const T& value) { return value.text(); }
    static Value json(const T& value) { return Value(std::string(value.text())); }
    static Value schema() { return string_schema(TextFormat<T>::kPattern, TextFormat<T>::kExpected); }
};

// The scalars; implemented in codec.cpp.
#define PARTD_SCALAR_CODEC(T)                                          \
    template <>                                                        \
    struct Codec<T> {                                                  \
        static bool read(const Value&, T& out, Diagnostics& problems); \
        static std::string text(const T& value);                       \
        static Value json(const T& value);                             \
        static Value schema();                                         \
    }
PARTD_SCALAR_CODEC(bool);
PARTD_SCALAR_CODEC(std::int64_t);
PARTD_SCALAR_CODEC(std::string);
PARTD_SCALAR_CODEC(std::chrono::milliseconds);
#undef PARTD_SCALAR_CODEC

// An enumeration lists its words in EnumWords<T>::kWords.
template <class T>
struct EnumWord {
    std::string_view word;
    T value;
};
template <class T>
struct EnumWords;
// The index of the word read, or nullopt after reporting.
std::optional<std::size_t> read_word(const Value& value, std::span<const std::string_view> words,
                                     Diagnostics& problems);

template <class T>
    requires std::is_enum_v<T>
struct Codec<T> {
    static bool read(const Value& value, T& out, Diagnostics& problems) {
        std::array<std::string_view, EnumWords<T>::kWords.size()> words;
        for (std::size_t i = 0; i < words.size(); ++i) {
            words[i] = EnumWords<T>::kWords[i].word;
        }
        const auto index = read_word(value, words, problems);
        if (index) {
            out = EnumWords<T>::kWords[*index].value;
        }
        return index.has_value();
    }
    static std::string text(const T& value) {
        for (const auto& entry : EnumWords<T>::kWords) {
            if (entry.value == value) {
                return std::string(entry.word);
            }
        }
        return "?";
    }
    static Value json(const T& value) { return text(value); }
    static Value schema() {
        Value words = Array();
        for (const auto& entry : EnumWords<T>::kWords) {
            words.push(std::string(entry.word));
        }
        Value schema;
        schema.set("enum", std::move(words));
        return schema;
    }
};

template <class T>
struct Codec<std::optional<T>> {
    static bool read(const Value& value, std::optional<T>& out, Diagnostics& problems) {
        return Codec<T>::read(value, out.emplace(), problems);
    }
    static std::string text(const std::optional<T>& value) {
        return value ? Codec<T>::text(*value) : std::string();
    }
    static Value json(const std::optional<T>& value) { return value ? Codec<T>::json(*value) : Value(); }
    static Value schema() { return Codec<T>::schema(); }
};

template <class T>
struct Codec<std::vector<T>> {
    static bool read(const Value& value, std::vector<T>& out, Diagnostics& problems) {
        const auto* array = value.get_if<Array>();
        if (array == nullptr) {
            report_unexpected(value, "a list", problems);
            return false;
        }
        bool good = true;
        out.clear();  // of its default
        for (const Value& element : *array) {
            good &= Codec<T>::read(element, out.emplace_back(), problems);
        }
        return good;
    }
    static std::string text(const std::vector<T>& value) {
        std::string all;
        for (const T& element : value) {
            all += (all.empty() ? "" : ", ") + Codec<T>::text(element);
        }
        return all;
    }
    static Value json(const std::vector<T>& value) {
        Value all = Array();
        for (const T& element : value) {
            all.push(Codec<T>::json(element));
        }
        return all;
    }
    static Value schema() {
        Value schema;
        schema.set("type", "array");
        schema.set("items", Codec<T>::schema());
        return schema;
    }
};

template <class T>
struct Codec<std::map<std::string, T>> {
    static bool read(const Value& value, std::map<std::string, T>& out, Diagnostics& problems) {
        const auto* object = value.get_if<Object>();
        if (object == nullptr) {
            report_unexpected(value, "a table", problems);
            return false;
        }
        bool good = true;
        for (const Member& member : *object) {
            good &= Codec<T>::read(member.value, out[member.key], problems);
        }
        return good;
    }
    static std::string text(const std::map<std::string, T>& value) {
        std::string all;
        for (const auto& [key, element] : value) {
            all += (all.empty() ? "" : "; ") + key + " = " + Codec<T>::text(element);
        }
        return all;
    }
    static Value json(const std::map<std::string, T>& value) {
        Value all = Object();
        for (const auto& [key, element] : value) {
            all.set(key, Codec<T>::json(element));
        }
        return all;
    }
    static Value schema() {
        Value schema;
        schema.set("type", "object");
        schema.set("additionalProperties", Codec<T>::schema());
        return schema;
    }
};

// Structs with a table, within another one: a list of next hops, of I/O limits.
bool read_tabled(const Table& table, const Value& value, void* out, Diagnostics& problems);
std::string tabled_text(const Table& table, const void* object);
Value tabled_json(const Table& table, const void* object);
Value tabled_schema(const Table& table);

template <Tabled T>
struct Codec<T> {
    static bool read(const Value& value, T& out, Diagnostics& problems) {
        return read_tabled(T::table, value, &out, problems);
    }
    static std::string text(const T& value) { return tabled_text(T::table, &value); }
    static Value json(const T& value) { return tabled_json(T::table, &value); }
    static Value schema() { return tabled_schema(T::table); }
};

}  // namespace partd
