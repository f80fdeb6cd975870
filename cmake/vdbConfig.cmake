# find_package(vdb) gives the target vdb::vdb.
include(${CMAKE_CURRENT_LIST_DIR}/VdbDependencies.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/vdbTargets.cmake)
