// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lathe {

/// Standard output for one purpose alone (frames, JSON lines): gives a new descriptor of it and
/// points descriptor 1 at standard error, so that a library that prints cannot corrupt the stream.
/// @throws InternalError when the system has no descriptor left
int takeStandardOutput();

} // namespace lathe
