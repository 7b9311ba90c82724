// SPDX-License-Identifier: Apache-2.0
#include "engine/io/safetensors.h"

#include "engine/core/check.h"
#include "engine/core/error.h"
#include "engine/io/mapped_file.h"
#include "engine/text/utf8.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>

namespace lathe {

namespace {

constexpr std::size_t kLengthBytes = 8;
/// The limit of the reference implementation.
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;

/// The element type, or nothing for a name that this program does not know.
std::optional<DType> knownType(const std::string& name) {
    for (const DType dtype :
         {DType::F32, DType::F16, DType::BF16, DType::F64, DType::I64, DType::I32, DType::U16,
          DType::U8, DType::I8}) {
        if (nameOf(dtype) == name) {
            return dtype;
        }
    }
    return std::nullopt;
}

/// A non-negative whole number of the header.
std::int64_t wholeNumber(const Json& value, const std::string& where) {
    if (value.is_number_unsigned()) {
        const auto number = value.get<std::uint64_t>();
        if (number <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
            return static_cast<std::int64_t>(number);
        }
    }
    throw FormatError(where + " holds " + printable(dumpJson(value)) + ", not a size");
}

struct RawEntry {
    std::string type;
    std::vector<std::int64_t> extents;
    std::size_t begin = 0;
    std::size_t end = 0;
};

RawEntry readEntry(const Json& value, const std::string& where) {
    if (!value.is_object() || !value.contains("dtype") || !value.contains("shape") ||
        !value.contains("data_offsets")) {
        throw FormatError(where + " lacks dtype, shape or data_offsets");
    }
    const Json& type = value["dtype"];
    const Json& shape = value["shape"];
    const Json& offsets = value["data_offsets"];
    if (!type.is_string() || !shape.is_array() || !offsets.is_array() || offsets.size() != 2) {
        throw FormatError(where + ": dtype, shape or data_offsets is of the wrong kind");
    }
    RawEntry entry;
    entry.type = type.get<std::string>();
    for (const Json& extent : shape) {
        entry.extents.push_back(wholeNumber(extent, where + ": shape"));
    }
    entry.begin = static_cast<std::size_t>(wholeNumber(offsets[0], where + ": data_offsets"));
    entry.end = static_cast<std::size_t>(wholeNumber(offsets[1], where + ": data_offsets"));
    return entry;
}

void checkRange(const RawEntry& entry, std::size_t dataBytes, const std::string& where) {
    const std::string range =
        " claims bytes " + std::to_string(entry.begin) + ".." + std::to_string(entry.end);
    if (entry.begin > entry.end) {
        throw FormatError(where + range + ", which run backwards; the file is damaged");
    }
    if (entry.end > dataBytes) {
        throw FormatError(
            where + range + ", but the file holds only " + std::to_string(dataBytes) +
            " after the header; the file is truncated");
    }
}

/// The extents as one list, for messages.
std::string textOf(const std::vector<std::int64_t>& extents) {
    std::string text;
    for (const std::int64_t extent : extents) {
        text += (text.empty() ? "[" : ", ") + std::to_string(extent);
    }
    return text.empty() ? "[]" : text + "]";
}

/// A tensor without elements may still claim extents that no shape can have.
Shape shapeOf(const RawEntry& entry, const std::string& where) {
    try {
        return Shape{std::span<const std::int64_t>(entry.extents)};
    } catch (Error& error) {
        error.addContext(where + " is " + textOf(entry.extents));
        throw;
    }
}

/// Checks the byte range against shape and element size.
void checkSize(const RawEntry& entry, DType dtype, const std::string& where) {
    std::optional<std::size_t> bytes = sizeOf(dtype);
    const std::string extents = textOf(entry.extents);
    bool empty = false;
    for (const std::int64_t extent : entry.extents) {
        empty = empty || extent == 0;
        // Zero makes the product zero, but the other extents must still be sane.
        const auto factor = static_cast<std::size_t>(std::max<std::int64_t>(extent, 1));
        bytes = bytes ? checkedProduct(*bytes, factor) : std::nullopt;
    }
    if (!bytes) {
        throw FormatError(where + ": the size of " + extents + " does not fit in 64 bits");
    }
    const std::size_t needed = empty ? 0 : *bytes;
    if (entry.end - entry.begin != needed) {
        throw FormatError(
            where + " is " + entry.type + " " + extents + ", " + std::to_string(needed) +
            " bytes, but its offsets span " + std::to_string(entry.end - entry.begin));
    }
}

struct Range {
    std::size_t begin;
    std::size_t end;
    const std::string* name;
};

/// Every byte of the data belongs to exactly one tensor.
void checkCover(std::vector<Range> ranges, std::size_t dataBytes, const std::string& file) {
    std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) {
        return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
    });
    std::size_t covered = 0;
    const std::string* last = nullptr;
    for (const Range& range : ranges) {
        if (range.begin < covered) {
            throw FormatError(
                file + ": tensors '" + printable(*last) + "' and '" + printable(*range.name) +
                "' overlap in bytes " + std::to_string(range.begin) + ".." +
                std::to_string(covered));
        }
        if (range.begin > covered) {
            throw FormatError(
                file + ": bytes " + std::to_string(covered) + ".." + std::to_string(range.begin) +
                " before tensor '" + printable(*range.name) +
                "' belong to no tensor; the file is damaged");
        }
        covered = range.end;
        last = range.name;
    }
    if (covered != dataBytes) {
        throw FormatError(
            file + ": " +
            (last ? "the last tensor '" + printable(*last) + "' ends" : "the tensors end") +
            " at byte " + std::to_string(covered) + ", but the file holds " +
            std::to_string(dataBytes) + " after the header; the file is oversized or damaged");
    }
}

/// Length of the JSON header, checked against the file.
std::size_t headerBytes(const std::byte* data, std::size_t fileBytes, const std::string& file) {
    if (fileBytes < kLengthBytes) {
        throw FormatError(
            file + ": holds " + std::to_string(fileBytes) +
            " bytes, less than the 8 of the header's length; the file is truncated");
    }
    std::uint64_t length = 0;
    for (std::size_t i = 0; i < kLengthBytes; ++i) {
        length |= static_cast<std::uint64_t>(std::to_integer<unsigned>(data[i])) << (8 * i);
    }
    if (length > kMaxHeaderBytes) {
        throw FormatError(
            file + ": claims a header of " + std::to_string(length) + " bytes (limit " +
            std::to_string(kMaxHeaderBytes) + "); this is no safetensors file");
    }
    if (length > fileBytes - kLengthBytes) {
        throw FormatError(
            file + ": claims a header of " + std::to_string(length) + " bytes, but holds only " +
            std::to_string(fileBytes - kLengthBytes) + " after it; the file is truncated");
    }
    return static_cast<std::size_t>(length);
}

std::map<std::string, std::string> readMetadata(const Json& value, const std::string& file) {
    std::map<std::string, std::string> metadata;
    if (!value.is_object()) {
        throw FormatError(file + ": __metadata__ is not an object");
    }
    for (const auto& [key, text] : value.items()) {
        if (!text.is_string()) {
            throw FormatError(file + ": __metadata__ '" + printable(key) + "' is not text");
        }
        metadata[key] = text.get<std::string>();
    }
    return metadata;
}

} // namespace

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
    SafetensorsFile file = parse(mapFile(path), path.filename().string());
    file.m_path = path;
    return file;
}

SafetensorsFile SafetensorsFile::parse(std::shared_ptr<Storage> storage, const std::string& name) {
    SafetensorsFile file;
    file.m_path = name;
    const std::byte* data = storage->data();
    const std::size_t length = headerBytes(data, storage->bytes(), name);
    file.m_dataOffset = kLengthBytes + length;
    const std::size_t dataBytes = storage->bytes() - file.m_dataOffset;
    const std::string_view text(reinterpret_cast<const char*>(data) + kLengthBytes, length);
    const Json header = parseJson(text, name + ": header");
    if (!header.is_object()) {
        throw FormatError(name + ": the header is not a JSON object");
    }
    std::vector<Range> ranges;
    for (const auto& [key, value] : header.items()) {
        if (key == "__metadata__") {
            file.m_metadata = readMetadata(value, name);
            continue;
        }
        const std::string where = name + ": tensor '" + printable(key) + "'";
        const RawEntry raw = readEntry(value, where);
        checkRange(raw, dataBytes, where);
        const std::optional<DType> dtype = knownType(raw.type);
        const std::string* stored = nullptr;
        if (dtype) {
            checkSize(raw, *dtype, where);
            if (raw.extents.size() > static_cast<std::size_t>(Shape::kMaxRank)) {
                throw FormatError(
                    where + " has " + std::to_string(raw.extents.size()) + " axes, at most " +
                    std::to_string(Shape::kMaxRank) + " can be read");
            }
            const Entry entry{*dtype, shapeOf(raw, where), raw.begin, raw.end - raw.begin};
            stored = &file.m_entries.emplace(key, entry).first->first;
        } else {
            stored = &file.m_unknownTypes.emplace(key, raw.type).first->first;
        }
        ranges.push_back({raw.begin, raw.end, stored});
    }
    checkCover(std::move(ranges), dataBytes, name);
    file.m_storage = std::move(storage);
    return file;
}

Tensor SafetensorsFile::tensor(const std::string& name) const {
    const std::string file = m_path.filename().string();
    if (const auto unknown = m_unknownTypes.find(name); unknown != m_unknownTypes.end()) {
        throw Unsupported(
            file + ": tensor '" + printable(name) + "' is stored as " + printable(unknown->second) +
            ", a type that cannot be read; convert it to F32, F16 or BF16");
    }
    const auto found = m_entries.find(name);
    if (found == m_entries.end()) {
        throw FormatError(file + ": has no tensor '" + printable(name) + "'");
    }
    const Entry& entry = found->second;
    const std::size_t offset = m_dataOffset + entry.offset;
    const std::byte* source = m_storage->data() + offset;
    if (reinterpret_cast<std::uintptr_t>(source) % sizeOf(entry.dtype) == 0) {
        return Tensor(m_storage, offset, entry.shape, entry.dtype);
    }
    Tensor aligned = Tensor::empty(entry.shape, entry.dtype, Device{});
    if (entry.bytes > 0) {
        std::memcpy(aligned.view().data, source, entry.bytes);
    }
    return aligned;
}

} // namespace lathe
