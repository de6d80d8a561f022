# cmake -DIMAGE=file -DMOST=bytes -P image_size.cmake: fails for a larger image.
file(SIZE "${IMAGE}" bytes)
if(bytes GREATER MOST)
    message(FATAL_ERROR "${IMAGE} has ${bytes} bytes, and may have ${MOST}")
endif()
message(STATUS "${IMAGE} has ${bytes} of ${MOST} bytes")
