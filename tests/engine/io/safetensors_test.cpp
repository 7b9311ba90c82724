// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/io/safetensors.h"
#include "tests/engine/io/file_bytes.h"
#include "tests/support/lathe_test.h"

#include <sys/resource.h>

#include <array>
#include <csignal>

namespace lathe {

using test::safetensorsBytes;
using test::storageOf;

class SafetensorsTest : public QObject {
    Q_OBJECT
private slots:
    void readsTypesShapesAndMetadata() {
        const std::string header =
            R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
            R"("none":{"dtype":"I64","shape":[0,3],"data_offsets":[8,8]},)"
            R"("one":{"dtype":"U8","shape":[],"data_offsets":[8,9]}})";
        std::string data(9, '\0');
        const std::array<float, 2> values{1.5F, -2.0F};
        std::memcpy(data.data(), values.data(), 8);
        data[8] = 7;
        const auto file = SafetensorsFile::parse(storageOf(safetensorsBytes(header, data)), "m");
        QCOMPARE(file.metadata().at("format"), std::string("pt"));
        QCOMPARE(file.entries().size(), 3U);
        const Tensor a = file.tensor("a");
        QCOMPARE(a.shape().text(), std::string("[2]"));
        QCOMPARE(a.view().as<float>()[1], -2.0F);
        QCOMPARE(file.tensor("none").shape().elementCount(), std::int64_t{0});
        QCOMPARE(file.tensor("one").view().as<std::uint8_t>()[0], std::uint8_t{7});
        LATHE_VERIFY_THROWS(file.tensor("b"), FormatError, "no tensor 'b'");
    }

    void misalignedDataIsCopied() {
        const std::string header = R"({"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}})";
        const double value = 0.1;
        const std::string bytes =
            safetensorsBytes(header, {reinterpret_cast<const char*>(&value), sizeof(value)});
        for (std::size_t shift = 0; shift < 8; ++shift) {
            const auto file =
                SafetensorsFile::parse(std::make_shared<test::BytesStorage>(bytes, shift), "m");
            const Tensor tensor = file.tensor("a");
            QCOMPARE(reinterpret_cast<std::uintptr_t>(tensor.view().data) % 8, 0U);
            QCOMPARE(tensor.view().as<double>()[0], value);
        }
    }

    void damageIsNamed_data() {
        QTest::addColumn<QByteArray>("bytes");
        QTest::addColumn<QString>("part");
        const auto add = [](const char* name, const std::string& bytes, const char* part) {
            QTest::newRow(name) << QByteArray::fromStdString(bytes) << QString(part);
        };
        const auto one = [](const std::string& entry, const std::string& data) {
            return safetensorsBytes("{\"x\":" + entry + "}", data);
        };
        const std::string four(4, '\0');
        add("empty", "", "holds 0 bytes");
        add("short", "1234567", "holds 7 bytes");
        std::string huge;
        test::appendInteger<std::uint64_t>(huge, ~std::uint64_t{0});
        add("huge header", huge, "claims a header of 18446744073709551615 bytes");
        std::string cut;
        test::appendInteger<std::uint64_t>(cut, 100);
        add("cut header", cut + "{}", "claims a header of 100 bytes, but holds only 2");
        add("no JSON", safetensorsBytes("{\"x\":", ""), "not valid JSON");
        add("deep JSON", safetensorsBytes(std::string(5000, '['), ""), "nested deeper");
        add("no object", safetensorsBytes("[]", ""), "not a JSON object");
        add("entry is no object", one("3", ""), "lacks dtype");
        add("no offsets", one(R"({"dtype":"F32","shape":[1]})", four), "lacks dtype");
        add("one offset", one(R"({"dtype":"F32","shape":[1],"data_offsets":[0]})", four),
            "wrong kind");
        add("metadata", safetensorsBytes(R"({"__metadata__":{"a":1}})", ""), "is not text");
        add("truncated",
            one(R"({"dtype":"F32","shape":[1024],"data_offsets":[0,4096]})", std::string(128, 'x')),
            "m: tensor 'x' claims bytes 0..4096, but the file holds only 128 after the header; the "
            "file is truncated");
        add("backwards", one(R"({"dtype":"F32","shape":[1],"data_offsets":[4,0]})", four),
            "backwards");
        add("negative offset", one(R"({"dtype":"F32","shape":[1],"data_offsets":[-4,0]})", four),
            "not a size");
        add("fraction", one(R"({"dtype":"F32","shape":[1.5],"data_offsets":[0,4]})", four),
            "not a size");
        add("negative extent", one(R"({"dtype":"F32","shape":[-1],"data_offsets":[0,4]})", four),
            "not a size");
        add("huge number",
            one(R"({"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4]})", four),
            "not a size");
        add("size differs", one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})", four),
            "[2], 8 bytes, but its offsets span 4");
        add("product overflows",
            one(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]})", ""),
            "does not fit");
        add("zero hides overflow",
            one(R"({"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0]})", ""),
            "does not fit");
        add("zero hides a size beyond any shape",
            one(R"({"dtype":"F32","shape":[0,1152921504606846976],"data_offsets":[0,0]})", ""),
            "m: tensor 'x' is [0, 1152921504606846976]: a shape of more than 2^58 elements");
        add("axes", one(R"({"dtype":"U8","shape":[1,1,1,1,1,1],"data_offsets":[0,1]})", "x"),
            "6 axes");
        const std::string a = R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":)";
        add("overlap",
            safetensorsBytes(a + R"({"dtype":"U8","shape":[3],"data_offsets":[2,5]}})", "12345"),
            "tensors 'a' and 'b' overlap in bytes 2..4");
        add("hole",
            safetensorsBytes(a + R"({"dtype":"U8","shape":[1],"data_offsets":[5,6]}})", "123456"),
            "bytes 4..5 before tensor 'b' belong to no tensor");
        add("oversized", one(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})", "12345"),
            "the last tensor 'x' ends at byte 4, but the file holds 5");
    }
    void damageIsNamed() {
        QFETCH(QByteArray, bytes);
        QFETCH(QString, part);
        LATHE_VERIFY_THROWS(
            SafetensorsFile::parse(storageOf(bytes.toStdString()), "m"), FormatError,
            part.toStdString());
    }

    void unknownTypeIsRefusedWhenAskedFor() {
        const std::string header = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                   R"("w":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[1,3]}})";
        const auto file = SafetensorsFile::parse(storageOf(safetensorsBytes(header, "123")), "m");
        QCOMPARE(file.entries().size(), 1U);
        QCOMPARE(file.unknownTypes().at("w"), std::string("F8_E4M3"));
        LATHE_VERIFY_THROWS(file.tensor("w"), Unsupported, "'w' is stored as F8_E4M3");
    }

    void everyCutOfARealFileIsRefused() {
        const std::array<float, 3> values{1, 2, 3};
        const auto path = m_folder.path() / "cut.safetensors";
        writeSafetensors(path, {{"v", constViewOf<float>(values, {3})}}, {{"k", "v"}});
        const auto size = std::filesystem::file_size(path);
        for (std::uintmax_t keep = 0; keep < size; ++keep) {
            std::filesystem::resize_file(path, size);
            writeSafetensors(path, {{"v", constViewOf<float>(values, {3})}}, {{"k", "v"}});
            std::filesystem::resize_file(path, keep);
            LATHE_VERIFY_THROWS(SafetensorsFile::open(path), FormatError, "cut.safetensors");
        }
    }

    void writtenFileReadsBack() {
        const std::array<float, 6> matrix{1, 2, 3, 4, 5, 6};
        const std::array<std::int32_t, 2> ids{-1, 7};
        const auto path = m_folder.path() / "m.safetensors";
        writeSafetensors(
            path,
            {{"z", constViewOf<float>(matrix, {2, 3})},
             {"ids", constViewOf<std::int32_t>(ids, {2})}},
            {{"note", "a \"quoted\" ü"}});
        const auto file = SafetensorsFile::open(path);
        QCOMPARE(file.metadata().at("note"), std::string("a \"quoted\" ü"));
        const Tensor z = file.tensor("z");
        QCOMPARE(z.shape().text(), std::string("[2, 3]"));
        QVERIFY(std::ranges::equal(z.view().as<float>(), matrix));
        QCOMPARE(file.tensor("ids").view().as<std::int32_t>()[0], -1);
        // Mapped pages begin at multiples of 64, so the first tensor does as well.
        QCOMPARE(reinterpret_cast<std::uintptr_t>(z.view().data) % 64, 0U);
    }

    void failedWriteLeavesTheOldFile() {
        const std::array<float, 1> one{1};
        const auto path = m_folder.path() / "kept" / "m.safetensors";
        std::filesystem::create_directory(path.parent_path());
        writeSafetensors(path, {{"v", constViewOf<float>(one, {1})}});
        const std::vector<float> large(100000);
        // A limit on file sizes stands for a full disk.
        struct rlimit old {};
        ::getrlimit(RLIMIT_FSIZE, &old);
        struct rlimit low = old;
        low.rlim_cur = 4096;
        const auto handler = std::signal(SIGXFSZ, SIG_IGN);
        ::setrlimit(RLIMIT_FSIZE, &low);
        bool thrown = false;
        try {
            writeSafetensors(path, {{"v", constViewOf<float>(large, {100000})}});
        } catch (const InputError&) {
            thrown = true;
        }
        ::setrlimit(RLIMIT_FSIZE, &old);
        std::signal(SIGXFSZ, handler);
        QVERIFY(thrown);
        QCOMPARE(SafetensorsFile::open(path).tensor("v").view().as<float>()[0], 1.0F);
        std::size_t files = 0;
        for (const auto& entry : std::filesystem::directory_iterator(path.parent_path())) {
            files += entry.is_regular_file() ? 1 : 0;
        }
        QCOMPARE(files, 1U);
    }

    void unusableNamesAreRefused() {
        const std::array<float, 1> one{1};
        const ConstView view = constViewOf<float>(one, {1});
        const auto path = m_folder.path() / "names.safetensors";
        LATHE_VERIFY_THROWS(writeSafetensors(path, {{"", view}}), InputError, "''");
        LATHE_VERIFY_THROWS(writeSafetensors(path, {{"a", view}, {"a", view}}), InputError, "'a'");
        LATHE_VERIFY_THROWS(
            writeSafetensors(m_folder.path() / "no" / "m", {{"a", view}}), InputError,
            "cannot be created");
        QVERIFY(!std::filesystem::exists(path));
    }

private:
    test::TemporaryFolder m_folder;
};

LATHE_TEST(SafetensorsTest);

} // namespace lathe

#include "safetensors_test.moc"
