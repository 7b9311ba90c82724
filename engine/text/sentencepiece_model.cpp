// SPDX-License-Identifier: Apache-2.0
#include "engine/text/sentencepiece_model.h"

#include "engine/core/error.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

namespace lathe {

namespace {

/// Field numbers of sentencepiece_model.proto.
constexpr std::uint32_t kModelPieces = 1;
constexpr std::uint32_t kModelNormalizer = 3;
constexpr std::uint32_t kModelDenormalizer = 5;
constexpr std::uint32_t kPieceText = 1;
constexpr std::uint32_t kPieceScore = 2;
constexpr std::uint32_t kNormalizerCharsmap = 2;
constexpr std::uint32_t kNormalizerAddDummyPrefix = 3;
constexpr std::uint32_t kNormalizerRemoveExtraWhitespace = 4;

struct ProtoField {
    std::uint32_t number = 0;
    std::uint64_t value = 0;  ///< varint, fixed32 and fixed64
    std::string_view bytes{}; ///< length-delimited
};

/// Walks the fields of one protocol buffer message.
class ProtoReader {
public:
    ProtoReader(std::string_view bytes, const std::string& what) : m_rest(bytes), m_what(what) {}

    std::optional<ProtoField> next() {
        if (m_rest.empty()) {
            return std::nullopt;
        }
        const std::uint64_t key = varint();
        ProtoField field;
        field.number = static_cast<std::uint32_t>(key >> 3U);
        switch (key & 7U) {
        case 0:
            field.value = varint();
            break;
        case 1:
            field.value = fixed(8);
            break;
        case 2:
            field.bytes = take(varint());
            break;
        case 5:
            field.value = fixed(4);
            break;
        default:
            throw FormatError(m_what + ": is not a SentencePiece model (unknown wire type)");
        }
        return field;
    }

private:
    std::string_view take(std::uint64_t count) {
        if (count > m_rest.size()) {
            throw FormatError(
                m_what + ": a field claims " + std::to_string(count) + " bytes, but only " +
                std::to_string(m_rest.size()) +
                " remain; the file is truncated or no SentencePiece model");
        }
        const std::string_view taken = m_rest.substr(0, static_cast<std::size_t>(count));
        m_rest.remove_prefix(taken.size());
        return taken;
    }
    std::uint64_t fixed(std::size_t count) {
        const std::string_view raw = take(count);
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < count; ++i) {
            value |= std::uint64_t{static_cast<unsigned char>(raw[i])} << (8 * i);
        }
        return value;
    }
    std::uint64_t varint() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            const auto byte = static_cast<unsigned char>(take(1)[0]);
            value |= std::uint64_t{byte & 0x7FU} << shift;
            if (byte < 0x80) {
                return value;
            }
        }
        throw FormatError(m_what + ": is not a SentencePiece model (a number of over 64 bits)");
    }

    std::string_view m_rest;
    const std::string& m_what;
};

/// The compiled normalization table: a double-array trie whose leaves are offsets into a block of
/// NUL-terminated replacements. The library follows it without looking at bounds.
class CharsmapCheck {
public:
    CharsmapCheck(std::string_view blob, const std::string& what) : m_what(what) {
        const std::uint64_t trieBytes = blob.size() < 4 ? 0 : word(blob, 0);
        if (trieBytes == 0 || trieBytes % 4 != 0 || trieBytes >= blob.size() - 4 ||
            blob.back() != '\0') {
            fail();
        }
        m_units.resize(static_cast<std::size_t>(trieBytes / 4));
        for (std::size_t i = 0; i < m_units.size(); ++i) {
            m_units[i] = word(blob, 4 + 4 * i);
        }
        m_replacementBytes = blob.size() - 4 - static_cast<std::size_t>(trieBytes);
    }

    void run() {
        m_leavesBelow.assign(m_units.size(), kUnseen);
        if (visit(offsetOf(m_units[0]), 0) > kMaxLeaves) {
            fail();
        }
    }

private:
    static constexpr int kUnseen = -1;
    static constexpr int kOpen = -2;
    /// The library keeps room for 32 matches of one prefix.
    static constexpr int kMaxLeaves = 32;
    static constexpr int kMaxDepth = 256;

    static std::uint32_t word(std::string_view bytes, std::size_t at) {
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < 4; ++i) {
            value |= std::uint32_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
        }
        return value;
    }
    static std::uint32_t labelOf(std::uint32_t unit) { return unit & 0x800000FFU; }
    static std::uint32_t offsetOf(std::uint32_t unit) {
        return (unit >> 10U) << ((unit & 0x200U) >> 6U);
    }

    [[noreturn]] void fail() const {
        throw FormatError(m_what + ": the normalization table is damaged");
    }

    /// Largest number of leaves on a path from this node down.
    int visit(std::uint32_t base, int depth) {
        if ((base | 0xFFU) >= m_units.size() || depth > kMaxDepth) {
            fail();
        }
        if (m_leavesBelow[base] == kOpen) {
            fail(); // a cycle
        }
        if (m_leavesBelow[base] != kUnseen) {
            return m_leavesBelow[base];
        }
        m_leavesBelow[base] = kOpen;
        int most = 0;
        for (std::uint32_t letter = 0; letter < 256; ++letter) {
            const std::uint32_t child = base ^ letter;
            const std::uint32_t unit = m_units[child];
            if (labelOf(unit) != letter) {
                continue;
            }
            const std::uint32_t below = child ^ offsetOf(unit);
            const bool hasLeaf = ((unit >> 8U) & 1U) != 0;
            if (hasLeaf &&
                (below >= m_units.size() || (m_units[below] & 0x7FFFFFFFU) >= m_replacementBytes)) {
                fail();
            }
            most = std::max(most, (hasLeaf ? 1 : 0) + visit(below, depth + 1));
        }
        m_leavesBelow[base] = most;
        return most;
    }

    const std::string& m_what;
    std::vector<std::uint32_t> m_units;
    std::vector<int> m_leavesBelow;
    std::size_t m_replacementBytes = 0;
};

void readNormalizer(std::string_view bytes, const std::string& what, SentencePieceModelInfo& info) {
    ProtoReader reader(bytes, what);
    while (const auto field = reader.next()) {
        if (field->number == kNormalizerCharsmap && !field->bytes.empty()) {
            CharsmapCheck(field->bytes, what).run();
        } else if (field->number == kNormalizerAddDummyPrefix) {
            info.addDummyPrefix = field->value != 0;
        } else if (field->number == kNormalizerRemoveExtraWhitespace) {
            info.removeExtraWhitespace = field->value != 0;
        }
    }
}

void checkPiece(std::string_view bytes, const std::string& what) {
    ProtoReader reader(bytes, what);
    while (const auto field = reader.next()) {
        // The library keeps pieces as C strings: to it, such a piece ends there, or is empty.
        if (field->number == kPieceText && field->bytes.find('\0') != std::string_view::npos) {
            throw FormatError(what + ": a piece contains a zero byte");
        }
        if (field->number == kPieceScore &&
            !std::isfinite(std::bit_cast<float>(static_cast<std::uint32_t>(field->value)))) {
            throw FormatError(what + ": a piece has a score that is not a number");
        }
    }
}

void checkDenormalizer(std::string_view bytes, const std::string& what) {
    ProtoReader reader(bytes, what);
    while (const auto field = reader.next()) {
        if (field->number == kNormalizerCharsmap && !field->bytes.empty()) {
            throw Unsupported(what + ": has a denormalization table, which is not supported");
        }
    }
}

} // namespace

SentencePieceModelInfo inspectSentencePieceModel(std::string_view bytes, const std::string& what) {
    SentencePieceModelInfo info;
    std::size_t pieces = 0;
    ProtoReader reader(bytes, what);
    while (const auto field = reader.next()) {
        if (field->number == kModelPieces) {
            checkPiece(field->bytes, what);
            ++pieces;
        } else if (field->number == kModelNormalizer) {
            readNormalizer(field->bytes, what, info);
        } else if (field->number == kModelDenormalizer) {
            checkDenormalizer(field->bytes, what);
        }
    }
    if (pieces == 0) {
        throw FormatError(what + ": holds no pieces, so it is no SentencePiece model");
    }
    return info;
}

} // namespace lathe
