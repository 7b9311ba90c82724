// SPDX-License-Identifier: Apache-2.0
#include "engine/io/gguf.h"
#include "kernels/core/half.h"
#include "tests/engine/io/gguf_builder.h"
#include "tests/support/lathe_test.h"

namespace lathe {

namespace {

/// Blocks and what they stand for.
struct Sample {
    std::string bytes;
    std::vector<float> values;
};

/// A block of zeros that fields are put into by byte, bit and width.
class Block {
public:
    explicit Block(std::size_t bytes) : m_bytes(bytes, '\0') {}
    void put(int byte, int bit, int width, int value) {
        QVERIFY2(value >= 0 && value < 1 << width, "the value does not fit its field");
        char& target = m_bytes.at(static_cast<std::size_t>(byte));
        target = static_cast<char>(static_cast<unsigned char>(target) | value << bit);
    }
    /// @param value exact in F16.
    void putHalf(int byte, double value) {
        const int bits = toHalf(static_cast<float>(value)).bits;
        put(byte, 0, 8, bits & 255);
        put(byte + 1, 0, 8, bits >> 8);
    }
    const std::string& bytes() const { return m_bytes; }

private:
    std::string m_bytes;
};

/// Q4_0 to Q5_1: every code occurs, in another order in both halves of the block.
void addSmall(Sample& sample, int bits, bool hasMinimum, double scale) {
    const double minimum = -2.625 * scale;
    const int fifth = hasMinimum ? 4 : 2;
    const int nibbles = bits == 5 ? fifth + 4 : fifth;
    Block block(static_cast<std::size_t>(nibbles) + 16);
    block.putHalf(0, scale);
    if (hasMinimum) {
        block.putHalf(2, minimum);
    }
    for (int i = 0; i < 32; ++i) {
        const int q = (i * 7 + 3 + i / 16) % (1 << bits);
        block.put(nibbles + i % 16, i / 16 * 4, 4, q % 16);
        if (bits == 5) {
            block.put(fifth + i / 8, i % 8, 1, q / 16);
        }
        sample.values.push_back(
            static_cast<float>(hasMinimum ? scale * q + minimum : scale * (q - (8 << (bits - 4)))));
    }
    sample.bytes += block.bytes();
}

/// Q4_K and Q5_K: all scales and minima differ and use all six bits.
void addLarge(Sample& sample, int bits, double scale) {
    const double minimum = 0.75 * scale;
    const int nibbles = bits == 5 ? 48 : 16;
    Block block(static_cast<std::size_t>(nibbles) + 128);
    block.putHalf(0, scale);
    block.putHalf(2, minimum);
    for (int group = 0; group < 8; ++group) {
        const int groupScale = (5 + 9 * group) % 64;
        const int groupMinimum = 61 - 7 * group;
        if (group < 4) {
            block.put(4 + group, 0, 6, groupScale);
            block.put(8 + group, 0, 6, groupMinimum);
        } else {
            block.put(group, 6, 2, groupScale / 16);
            block.put(4 + group, 6, 2, groupMinimum / 16);
            block.put(8 + group, 0, 4, groupScale % 16);
            block.put(8 + group, 4, 4, groupMinimum % 16);
        }
        for (int i = 0; i < 32; ++i) {
            const int q = (i * 11 + group * 5) % (1 << bits);
            block.put(nibbles + group / 2 * 32 + i, group % 2 * 4, 4, q % 16);
            if (bits == 5) {
                block.put(16 + i, group, 1, q / 16);
            }
            sample.values.push_back(
                static_cast<float>(scale * groupScale * q - minimum * groupMinimum));
        }
    }
    sample.bytes += block.bytes();
}

/// Q6_K: sixteen scales from -128 to 127.
void addSixBits(Sample& sample, double scale) {
    Block block(210);
    block.putHalf(208, scale);
    for (int i = 0; i < 256; ++i) {
        const int q = (i * 11 + i / 64) % 64;
        const int half = i / 128;
        const int groupScale = 17 * (i / 16) - 128;
        block.put(half * 64 + i % 64, i % 128 / 64 * 4, 4, q % 16);
        block.put(128 + half * 32 + i % 32, i % 128 / 32 * 2, 2, q / 16);
        if (i % 16 == 0) {
            block.put(192 + i / 16, 0, 8, (groupScale + 256) % 256);
        }
        sample.values.push_back(static_cast<float>(scale * groupScale * (q - 32)));
    }
    sample.bytes += block.bytes();
}

Sample sampleOf(std::uint32_t type, double scale) {
    Sample sample;
    for (const double factor : {1.0, -0.375}) { // two blocks in a row
        switch (type) {
        case 2:
        case 3:
            addSmall(sample, 4, type == 3, factor * scale);
            break;
        case 6:
        case 7:
            addSmall(sample, 5, type == 7, factor * scale);
            break;
        case 12:
        case 13:
            addLarge(sample, type == 13 ? 5 : 4, factor * scale);
            break;
        default:
            addSixBits(sample, factor * scale);
        }
    }
    return sample;
}

std::vector<float> floatsOf(const Tensor& tensor) {
    const auto values = tensor.view().as<float>();
    return {values.begin(), values.end()};
}

} // namespace

/// Blocks made field by field; all values are exact in F32.
class GgufTypesTest : public QObject {
    Q_OBJECT
private slots:
    void blocksAreWidened_data() {
        QTest::addColumn<unsigned>("type");
        for (const unsigned type : {2U, 3U, 6U, 7U, 12U, 13U, 14U}) {
            QTest::newRow(findGgufType(type)->name.data()) << type;
        }
    }
    void blocksAreWidened() {
        QFETCH(unsigned, type);
        Sample first = sampleOf(type, 0.015625);
        const Sample second = sampleOf(type, 3.0);
        test::GgufBuilder builder;
        builder.tensor("w", {first.values.size(), 2}, type, 0);
        builder.data = first.bytes + second.bytes;
        const GgufFile file = GgufFile::parse(test::storageOf(builder.bytes()), "m.gguf");
        QCOMPARE(file.entries().at("w").bytes, builder.data.size());

        std::vector<float> swapped = second.values;
        swapped.insert(swapped.end(), first.values.begin(), first.values.end());
        QCOMPARE(floatsOf(file.tensorRows("w", [](std::int64_t row) { return 1 - row; })), swapped);
        first.values.insert(first.values.end(), second.values.begin(), second.values.end());
        QCOMPARE(floatsOf(file.tensor("w")), first.values);
    }

    void readableTypesAreListed() {
        QCOMPARE(
            readableGgufTypes(), std::string("F32, F16, BF16, F64, I8, I32, I64, Q4_0, Q4_1, Q5_0, "
                                             "Q5_1, Q8_0, Q4_K, Q5_K, Q6_K"));
        QVERIFY(findGgufType(99) == nullptr);
        QVERIFY(!findGgufType(10)->readable);
    }
};

LATHE_TEST(GgufTypesTest);

} // namespace lathe

#include "gguf_types_test.moc"
