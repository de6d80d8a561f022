"""Frames between processes of one host through shared memory.

Each publisher of a topic listens on a unix socket in the run folder and owns the memory: slots in
sealed memfd segments whose descriptors travel over that socket. A frame is copied into a slot once
(not at all when the producer wrote it there), and every reader gets the place of the slot in a
small packet and looks at the same pages. A reader that looks at a slot holds a **lease** on it; the
writer uses a slot again only when every lease was given back or its holder's socket was closed. The
kernel closes the socket of a process however it ends, so nothing is left behind and no reader ever
sees a slot change under its eyes.

``packets`` is the wire form, ``places`` the folder of sockets. Of the writer, ``segments`` is the
memory, ``groups`` the queues, ``peers`` and ``reception`` the sockets, ``writer`` the publisher. Of
the reader, ``leases`` is the memory, ``connections`` the sockets, ``reader`` the subscriber.
docs/reference/shm-protocol.md tells it to the byte.
"""
