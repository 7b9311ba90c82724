// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>

/// The one exception hierarchy of the project. A message says what is wrong, where, and what to do;
/// callers add where they were with `addContext`. Needs only the standard library: kernels use it.
namespace lathe {

/// What went wrong, in classes that a caller can act on; each has one exit status in `lathe-run`.
enum class ErrorKind { Input, Format, Device, Unsupported, Internal };

class Error : public std::runtime_error {
public:
    Error(ErrorKind kind, const std::string& message, std::source_location where)
        : std::runtime_error(message), m_kind(kind), m_text(message), m_where(where) {}

    ErrorKind kind() const noexcept { return m_kind; }
    const std::source_location& where() const noexcept { return m_where; }
    const char* what() const noexcept override { return m_text.c_str(); }

    /// Puts "context: " in front of the message, outermost last added.
    void addContext(std::string_view context) { m_text = std::string(context) + ": " + m_text; }

private:
    ErrorKind m_kind;
    std::string m_text;
    std::source_location m_where;
};

/// A parameter, flag or text given by the user is wrong. Exit status 2.
class InputError : public Error {
public:
    explicit InputError(
        const std::string& message, std::source_location where = std::source_location::current())
        : Error(ErrorKind::Input, message, where) {}
};

/// A file is damaged or is not what it claims to be. Exit status 2.
class FormatError : public Error {
public:
    explicit FormatError(
        const std::string& message, std::source_location where = std::source_location::current())
        : Error(ErrorKind::Format, message, where) {}
};

/// A device is absent, out of memory or failing. Exit status 3.
class DeviceError : public Error {
public:
    explicit DeviceError(
        const std::string& message, std::source_location where = std::source_location::current())
        : Error(ErrorKind::Device, message, where) {}
};

/// Well-formed, but this program cannot do it (an unknown model variant, a missing kernel). Exit 2.
class Unsupported : public Error {
public:
    explicit Unsupported(
        const std::string& message, std::source_location where = std::source_location::current())
        : Error(ErrorKind::Unsupported, message, where) {}
};

/// A fault of this program. Exit status 3.
class InternalError : public Error {
public:
    explicit InternalError(
        const std::string& message, std::source_location where = std::source_location::current())
        : Error(ErrorKind::Internal, message, where) {}
};

/// The user asked to stop. Not an Error, so that no handler of errors swallows it.
class Cancelled {};

} // namespace lathe
