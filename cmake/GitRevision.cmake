# SPDX-License-Identifier: Apache-2.0
# LATHE_GIT_REVISION: the commit that is built, "-dirty" when tracked files differ, "unknown" outside git.
set(LATHE_GIT_REVISION "unknown")
find_package(Git QUIET)
if(Git_FOUND)
  execute_process(COMMAND ${GIT_EXECUTABLE} -C ${PROJECT_SOURCE_DIR} describe --always --dirty --abbrev=12
                  OUTPUT_VARIABLE revision OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(NOT failed)
    set(LATHE_GIT_REVISION "${revision}")
    # A commit or a checkout makes the next build configure anew: runs store what they ran with.
    execute_process(COMMAND ${GIT_EXECUTABLE} -C ${PROJECT_SOURCE_DIR} rev-parse --absolute-git-dir
                    OUTPUT_VARIABLE git_folder OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(EXISTS "${git_folder}/logs/HEAD")
      set_property(DIRECTORY ${PROJECT_SOURCE_DIR} APPEND PROPERTY
        CMAKE_CONFIGURE_DEPENDS "${git_folder}/HEAD" "${git_folder}/logs/HEAD")
    endif()
  endif()
endif()
