// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/io/gguf.h"
#include "tests/engine/io/gguf_builder.h"
#include "tests/support/lathe_test.h"

namespace lathe {

using test::GgufBuilder;

namespace {

GgufFile parsed(const GgufBuilder& builder) {
    return GgufFile::parse(test::storageOf(builder.bytes()), "m.gguf");
}

} // namespace

class GgufTest : public QObject {
    Q_OBJECT
private slots:
    void readsKeys() {
        GgufBuilder builder;
        std::string large;
        test::appendInteger<std::uint64_t>(large, ~std::uint64_t{0});
        builder.text("t", "ü").u32("n", 4000000000U).f32("f", 0.5F).flag("b", true);
        builder.texts("ts", {"a", ""}).floats("fs", {1.5F}).integers("is", {-3, 4});
        builder.raw("i8", 1, "\xFF").raw("u64", 10, large);
        const GgufFile file = parsed(builder);
        QCOMPARE(*file.text("t"), std::string("ü"));
        QCOMPARE(*file.integer("n"), std::int64_t{4000000000});
        QCOMPARE(*file.number("n"), 4e9);
        QCOMPARE(*file.number("f"), 0.5);
        QCOMPARE(*file.integer("b"), std::int64_t{1});
        QCOMPARE(*file.integer("i8"), std::int64_t{-1});
        QCOMPARE(*file.number("u64"), 18446744073709551616.0);
        QCOMPARE(*file.texts("ts"), (std::vector<std::string>{"a", ""}));
        QCOMPARE(*file.numbers("fs"), std::vector<double>{1.5});
        QCOMPARE(*file.integers("is"), (std::vector<std::int64_t>{-3, 4}));
        QVERIFY(!file.integer("none") && file.text("none") == nullptr);
        LATHE_VERIFY_THROWS(file.integer("t"), FormatError, "key 't' is not a whole number");
        LATHE_VERIFY_THROWS(file.texts("is"), FormatError, "not a list of texts");
    }

    void readsTensors() {
        GgufBuilder builder;
        builder.version = 2;
        builder.floatsTensor("a", {3, 2}, {1, 2, 3, 4, 5, 6});
        const GgufFile file = parsed(builder);
        const Tensor a = file.tensor("a");
        QCOMPARE(a.shape().text(), std::string("[2, 3]"));
        QCOMPARE(a.view().as<float>()[3], 4.0F);
        const Tensor swapped = file.tensorRows("a", [](std::int64_t row) { return 1 - row; });
        QCOMPARE(swapped.view().as<float>()[0], 4.0F);
        LATHE_VERIFY_THROWS(file.tensor("b"), FormatError, "no tensor 'b'");
    }

    void q8IsScaleTimesQuant() {
        GgufBuilder builder;
        builder.tensor("q", {32}, 8, 0);
        test::appendInteger<std::uint16_t>(builder.data, 0x3800); // 0.5
        for (int i = 0; i < 32; ++i) {
            builder.data += static_cast<char>(i * 8 - 128);
        }
        const Tensor q = parsed(builder).tensor("q");
        QCOMPARE(q.dtype(), DType::F32);
        QCOMPARE(q.view().as<float>()[0], -64.0F);
        QCOMPARE(q.view().as<float>()[31], 60.0F);
    }

    void misalignedDataIsCopied() {
        GgufBuilder builder;
        builder.alignment = 1;
        builder.u32("general.alignment", 1).text("pad", "abc");
        builder.floatsTensor("a", {1}, {2.5F});
        for (std::size_t shift = 0; shift < 4; ++shift) {
            const auto file = GgufFile::parse(
                std::make_shared<test::BytesStorage>(builder.bytes(), shift), "m.gguf");
            const Tensor tensor = file.tensor("a");
            QCOMPARE(reinterpret_cast<std::uintptr_t>(tensor.view().data) % 4, 0U);
            QCOMPARE(tensor.view().as<float>()[0], 2.5F);
        }
    }

    void otherFormatsAreRefused() {
        GgufBuilder builder;
        builder.magic = 0x67676D6C;
        LATHE_VERIFY_THROWS(parsed(builder), FormatError, "does not begin with 'GGUF'");
        builder = {};
        for (const std::uint32_t version : {0U, 1U, 4U}) {
            builder.version = version;
            LATHE_VERIFY_THROWS(parsed(builder), Unsupported, "versions 2 and 3");
        }
        builder.version = 0x03000000;
        LATHE_VERIFY_THROWS(parsed(builder), Unsupported, "big-endian");
    }

    void lyingCountsRunIntoTheEnd() {
        GgufBuilder builder;
        builder.surplusKeys = 1ULL << 60U;
        LATHE_VERIFY_THROWS(parsed(builder), FormatError, "bytes, but only");
        builder = {};
        builder.surplusTensors = ~0ULL;
        LATHE_VERIFY_THROWS(parsed(builder), FormatError, "bytes, but only");
        builder = {};
        std::string array;
        test::appendInteger<std::uint32_t>(array, 8);
        test::appendInteger<std::uint64_t>(array, ~0ULL);
        builder.raw("ts", 9, array);
        LATHE_VERIFY_THROWS(parsed(builder), FormatError, "bytes, but only");
        builder = {};
        std::string text;
        test::appendInteger<std::uint64_t>(text, ~0ULL - 7);
        builder.raw("t", 8, text);
        LATHE_VERIFY_THROWS(parsed(builder), FormatError, "takes 18446744073709551608 bytes");
    }

    void oddKeysAreRefused() {
        GgufBuilder builder;
        std::string nested;
        test::appendInteger<std::uint32_t>(nested, 9);
        test::appendInteger<std::uint64_t>(nested, 1);
        builder.raw("n", 9, nested);
        LATHE_VERIFY_THROWS(parsed(builder), FormatError, "array of arrays");
        builder = {};
        builder.raw("n", 13, "");
        LATHE_VERIFY_THROWS(parsed(builder), FormatError, "unknown value type 13");
        builder = {};
        builder.u32("n", 1).u32("n", 2);
        LATHE_VERIFY_THROWS(parsed(builder), FormatError, "'n' occurs twice");
        for (const std::uint32_t alignment : {0U, 24U, 1U << 31U}) {
            builder = {};
            builder.u32("general.alignment", alignment);
            LATHE_VERIFY_THROWS(parsed(builder), FormatError, "power of two");
        }
    }

    void lyingTensorsAreNamed_data() {
        QTest::addColumn<QByteArray>("bytes");
        QTest::addColumn<QString>("part");
        const auto add = [](const char* name, const GgufBuilder& builder, const char* part) {
            QTest::newRow(name) << QByteArray::fromStdString(builder.bytes()) << QString(part);
        };
        GgufBuilder b;
        b.data = std::string(64, 'x');
        const GgufBuilder empty = b;
        b.tensor("x", {17}, 0, 0);
        add("truncated", b,
            "tensor 'x' claims 68 bytes at 0, but the file holds only 64 after the header");
        (b = empty).tensor("x", {1ULL << 59U, 0}, 0, 0);
        add("zero hides a size beyond any shape", b,
            "tensor 'x' is [0, 576460752303423488]: a shape of more than 2^58 elements");
        (b = empty).tensor("x", {1}, 0, ~0ULL - 31);
        add("offset overflows", b, "claims 4 bytes at 18446744073709551584");
        (b = empty).tensor("x", {1}, 0, 16);
        add("misaligned", b, "begins at 16, no multiple of 32");
        (b = empty).tensor("x", {1ULL << 32U, 1ULL << 32U}, 0, 0);
        add("product overflows", b, "does not fit");
        (b = empty).tensor("x", {0, 1ULL << 62U, 1ULL << 62U}, 0, 0);
        add("zero hides overflow", b, "does not fit");
        (b = empty).tensor("x", {1ULL << 63U}, 0, 0);
        add("huge extent", b, "claims 9223372036854775808 elements");
        (b = empty).tensor("x", {1, 1, 1, 1, 1}, 0, 0);
        add("axes", b, "claims 5 axes");
        (b = empty).tensor("x", {33}, 8, 0);
        add("block", b, "rows of 33 are no multiple of the 32");
        (b = empty).tensor("x", {16}, 0, 0).tensor("y", {4}, 0, 32);
        add("overlap", b, "tensors 'x' and 'y' overlap");
        (b = empty).tensor("x", {4}, 0, 0).tensor("x", {4}, 0, 32);
        add("twice", b, "'x' occurs twice");
        (b = empty).tensor("x", {4}, 0, 0);
        add("oversized", b, "the file is oversized");
    }
    void lyingTensorsAreNamed() {
        QFETCH(QByteArray, bytes);
        QFETCH(QString, part);
        LATHE_VERIFY_THROWS(
            GgufFile::parse(test::storageOf(bytes.toStdString()), "m.gguf"), FormatError,
            part.toStdString());
    }

    void unreadableTypesAreNamed() {
        GgufBuilder builder;
        builder.data = std::string(256, 'x');
        builder.tensor("blk.0.ffn_down.weight", {256}, 10, 0);
        LATHE_VERIFY_THROWS(
            parsed(builder), Unsupported, "tensor 'blk.0.ffn_down.weight' is stored as Q2_K");
        builder = {};
        builder.tensor("x", {256}, 99, 0);
        LATHE_VERIFY_THROWS(parsed(builder), Unsupported, "'x' is stored as type 99");
    }

    void everyCutIsRefused() {
        GgufBuilder builder = GgufBuilder::llama();
        builder.texts("tokenizer.ggml.tokens", {"a", "b"});
        builder.floatsTensor("a", {8}, {1, 2, 3, 4, 5, 6, 7, 8});
        const std::string bytes = builder.bytes();
        QVERIFY(GgufFile::parse(test::storageOf(bytes), "m").entries().contains("a"));
        for (std::size_t keep = 0; keep < bytes.size(); ++keep) {
            LATHE_VERIFY_THROWS(
                GgufFile::parse(test::storageOf(bytes.substr(0, keep)), "m"), FormatError, "m: ");
        }
    }
};

LATHE_TEST(GgufTest);

} // namespace lathe

#include "gguf_test.moc"
