// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/io/mapped_file.h"
#include "tests/engine/io/file_bytes.h"
#include "tests/support/lathe_test.h"

#include <sys/stat.h>

namespace lathe {

class MappedFileTest : public QObject {
    Q_OBJECT
private slots:
    void contentIsMapped() {
        test::writeFile(m_folder.path() / "a", "lathe");
        const auto storage = mapFile(m_folder.path() / "a");
        QCOMPARE(storage->bytes(), 5U);
        QCOMPARE(std::memcmp(storage->data(), "lathe", 5), 0);
        QVERIFY(!storage->device().isCuda());
    }
    void emptyFileHasNoBytes() {
        test::writeFile(m_folder.path() / "empty", "");
        QCOMPARE(mapFile(m_folder.path() / "empty")->bytes(), 0U);
        QCOMPARE(readTextFile(m_folder.path() / "empty", 10), std::string());
    }
    void whatIsNoFileIsRefused() {
        LATHE_VERIFY_THROWS(mapFile(m_folder.path() / "none"), InputError, "cannot be opened");
        LATHE_VERIFY_THROWS(mapFile(m_folder.path()), InputError, "is a folder");
        const auto fifo = m_folder.path() / "fifo";
        QCOMPARE(::mkfifo(fifo.c_str(), 0600), 0);
        LATHE_VERIFY_THROWS(mapFile(fifo), InputError, "not a regular file");
        LATHE_VERIFY_THROWS(readTextFile(fifo, 10), InputError, "not a regular file");
    }
    void textHasALimit() {
        test::writeFile(m_folder.path() / "b", "0123456789");
        QCOMPARE(readTextFile(m_folder.path() / "b", 10), std::string("0123456789"));
        LATHE_VERIFY_THROWS(readTextFile(m_folder.path() / "b", 9), InputError, "limit of 9 bytes");
    }

private:
    test::TemporaryFolder m_folder;
};

LATHE_TEST(MappedFileTest);

} // namespace lathe

#include "mapped_file_test.moc"
