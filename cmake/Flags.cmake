# SPDX-License-Identifier: Apache-2.0
# lathe::flags carries the settings that every target of the project shares.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

add_library(lathe_flags INTERFACE)
add_library(lathe::flags ALIAS lathe_flags)
target_include_directories(lathe_flags INTERFACE "${PROJECT_SOURCE_DIR}")
target_compile_options(lathe_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wold-style-cast>)
# GCC 12 sees overlapping copies inside std::string at -O3 that are not there (GCC bug 105329).
target_compile_options(lathe_flags INTERFACE
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-Wno-restrict>)
if(LATHE_WERROR)
  target_compile_options(lathe_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
if(LATHE_SANITIZE)
  # Everything is instrumented, third-party headers included.
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${LATHE_SANITIZE}>
                      $<$<COMPILE_LANGUAGE:CXX>:-fno-omit-frame-pointer>)
  add_link_options(-fsanitize=${LATHE_SANITIZE})
endif()
find_package(Threads REQUIRED)
target_link_libraries(lathe_flags INTERFACE Threads::Threads)
