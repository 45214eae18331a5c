// SPDX-License-Identifier: Apache-2.0
#include "config/toml.h"

#include "base/text.h"
#include "config/slips/slips.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <toml++/toml.h>

namespace partd::config {

namespace {

class Converter {
public:
    Converter(std::shared_ptr<const std::string> file, Diagnostics& problems)
        : file_(std::move(file)), problems_(problems) {}

    Value convert(const toml::node& node) {
        const Source at = place(node.source());
        if (const auto* table = node.as_table()) {
            return convert_table(*table, at);
        }
        if (const auto* array = node.as_array()) {
            Array all;
            for (const toml::node& element : *array) {
                all.push_back(convert(element));
            }
            return {std::move(all), at};
        }
        if (const auto* text = node.as_string()) {
            check_text(text->get(), at);
            return {text->get(), at};
        }
        if (const auto* integer = node.as_integer()) {
            return {integer->get(), at};
        }
        if (const auto* boolean = node.as_boolean()) {
            return {boolean->get(), at};
        }
        if (const auto* number = node.as_floating_point()) {
            if (!std::isfinite(number->get())) {
                problems_.error(at, "infinity and not-a-number are not valid values here");
            }
            return {number->get(), at};
        }
        problems_.error(at, "dates and times are not valid values here");
        return {nullptr, at};
    }

private:
    [[nodiscard]] Source place(const toml::source_region& region) const {
        return {file_, std::max(region.begin.line, 1U), std::max(region.begin.column, 1U)};
    }

    Value convert_table(const toml::table& table, const Source& at) {
        Object object;
        for (const auto& [key, node] : table) {
            const Source key_at = place(key.source());
            check_text(key.str(), key_at);
            object.push_back({std::string(key.str()), key_at, convert(node)});
        }
        // toml++ sorts by name; order of declaration is what people wrote.
        std::ranges::stable_sort(object, declared_before, &Member::key_source);
        return {std::move(object), at};
    }

    void check_text(std::string_view text, const Source& at) {
        if (printable(text) != text) {
            problems_.error(at, fmt::format("\"{}\" has a control character", printable(text.substr(0, 60))));
        }
    }

    std::shared_ptr<const std::string> file_;
    Diagnostics& problems_;
};

}  // namespace

std::optional<Value> parse_toml(const TextFile& file, Diagnostics& problems) {
    const auto name = std::make_shared<const std::string>(file.path);
    if (file.text.size() > kMaxFileSize) {
        problems.error({name, 1, 1}, fmt::format("the file has {} bytes; at most {} are read",
                                                 file.text.size(), kMaxFileSize));
        return std::nullopt;
    }
    if (const auto deep = find_deep_nesting(file.text)) {
        problems.error({name, deep->line, deep->column},
                       fmt::format("nested more than {} levels deep", kMaxNesting));
        return std::nullopt;
    }
    try {
        const toml::table table = toml::parse(file.text, file.path);
        const std::size_t before = problems.problems().size();
        Value value = Converter(name, problems).convert(table);
        return problems.problems().size() == before ? std::optional(std::move(value)) : std::nullopt;
    } catch (const toml::parse_error& error) {
        const auto& begin = error.source().begin;
        const TextPosition at{std::max(begin.line, 1U), std::max(begin.column, 1U)};
        const Slip slip = find_slip(file.text, at, error.description());
        problems.error({name, slip.at.line, slip.at.column}, printable(slip.message));
        return std::nullopt;
    }
}

}  // namespace partd::config
