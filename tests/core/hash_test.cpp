// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/core/hash.h"
#include "tests/support/lathe_test.h"

#include <sys/stat.h>

#include <fstream>

namespace lathe {

class HashTest : public QObject {
    Q_OBJECT
private slots:
    void initTestCase();
    void knownValues();
    void piecesEqualTheWhole();
    void aChangedFileChangesTheHash();
    void scoresAreNotPartOfAModel();
    void onlyFilesThatEndAreRead();
    void readingCanBeStopped();
    void missingFileIsNamed();

private:
    test::TemporaryFolder m_folder;
    void write(const std::string& name, const std::string& text) {
        std::ofstream(m_folder.path() / name, std::ios::binary) << text;
    }
};

void HashTest::initTestCase() {
    qputenv("XDG_CACHE_HOME", QByteArray::fromStdString((m_folder.path() / "cache").string()));
}

void HashTest::knownValues() {
    // The published XXH3-128 of no input with seed 0.
    QCOMPARE(hashText(""), std::string("99aa06d3014798d86001c324468d497f"));
    QVERIFY(hashText("a") != hashText("b"));
}

void HashTest::piecesEqualTheWhole() {
    Hasher hasher;
    hasher.update("one ");
    hasher.update("two");
    QCOMPARE(hasher.hex(), hashText("one two"));
}

void HashTest::aChangedFileChangesTheHash() {
    std::filesystem::create_directory(m_folder.path() / "model");
    write("model/config.json", "{}");
    const std::string first = hashPath(m_folder.path() / "model");
    QCOMPARE(hashPath(m_folder.path() / "model"), first);
    write("model/config.json", "{ }");
    QVERIFY(hashPath(m_folder.path() / "model") != first);
}

void HashTest::scoresAreNotPartOfAModel() {
    std::filesystem::create_directory(m_folder.path() / "scored");
    write("scored/config.json", "{}");
    const std::string first = hashPath(m_folder.path() / "scored");
    write("scored/training.json", "{}");
    write("scored/README.md", "words");
    QCOMPARE(hashPath(m_folder.path() / "scored"), first);
}

void HashTest::onlyFilesThatEndAreRead() {
    LATHE_VERIFY_THROWS(hashPath("/dev/zero"), InputError, "/dev/zero");
    const std::filesystem::path pipe = m_folder.path() / "pipe.txt";
    QCOMPARE(::mkfifo(pipe.c_str(), 0600), 0);
    LATHE_VERIFY_THROWS(hashPath(pipe), InputError, "no regular file");
}

void HashTest::readingCanBeStopped() {
    write("long.txt", std::string(3U << 20, 'x'));
    int blocks = 0;
    const auto stop = [&blocks] {
        if (++blocks == 2) {
            throw InputError("stopped");
        }
    };
    LATHE_VERIFY_THROWS(hashPath(m_folder.path() / "long.txt", stop), InputError, "stopped");
    QCOMPARE(blocks, 2);
}

void HashTest::missingFileIsNamed() {
    LATHE_VERIFY_THROWS(hashPath(m_folder.path() / "absent.gguf"), InputError, "absent.gguf");
}

LATHE_TEST(HashTest);

} // namespace lathe

#include "hash_test.moc"
