"""The firmware core, compiled for this machine: the same C that runs on the microcontroller.

``firmware/core`` and ``firmware/host`` are bound through cffi; ``cdef/`` declares what Python sees.
"""
