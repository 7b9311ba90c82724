# SPDX-License-Identifier: Apache-2.0
# lathe_add_module(NAME SOURCES... [PUBLIC libs...] [PRIVATE libs...]) makes the static library
# lathe_NAME with the alias lathe::NAME. PUBLIC and PRIVATE are what it links; the include rule of
# docs/architecture.md is enforced by these links and by the test `architecture`.
function(lathe_add_module name)
  cmake_parse_arguments(module "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(lathe_${name} STATIC ${module_SOURCES})
  add_library(lathe::${name} ALIAS lathe_${name})
  target_link_libraries(lathe_${name} PUBLIC lathe::flags ${module_PUBLIC} PRIVATE ${module_PRIVATE})
endfunction()

# lathe_add_tests(BINARY SOURCES files... CLASSES names... LIBRARIES libs... [LABEL unit|gui|conformance] [WIDGETS])
# builds one Qt Test binary and registers each class as its own CTest entry, so that failures are
# named and run in parallel.
function(lathe_add_tests binary)
  cmake_parse_arguments(test "WIDGETS" "LABEL;TIMEOUT" "SOURCES;CLASSES;LIBRARIES" ${ARGN})
  if(NOT test_LABEL)
    set(test_LABEL unit)
  endif()
  if(NOT test_TIMEOUT)
    set(test_TIMEOUT 120)
  endif()
  add_executable(${binary} ${test_SOURCES})
  set_target_properties(${binary} PROPERTIES AUTOMOC ON)
  if(test_WIDGETS)
    set(support lathe_test_support_widgets)
  else()
    set(support lathe_test_support_core)
  endif()
  target_link_libraries(${binary} PRIVATE ${support} ${test_LIBRARIES})
  foreach(class ${test_CLASSES})
    add_test(NAME ${binary}.${class} COMMAND ${binary} ${class})
    set_tests_properties(${binary}.${class} PROPERTIES
      LABELS ${test_LABEL} TIMEOUT ${test_TIMEOUT}
      ENVIRONMENT "QT_QPA_PLATFORM=offscreen;LATHE_SOURCE_DIR=${PROJECT_SOURCE_DIR};LATHE_BIN_DIR=${CMAKE_BINARY_DIR}/bin;ASAN_OPTIONS=allocator_may_return_null=1;TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp:allocator_may_return_null=1:die_after_fork=0")
  endforeach()
endfunction()
