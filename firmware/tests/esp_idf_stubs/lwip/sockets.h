/* lwIP's sockets are those of POSIX, as far as they are used. */
#ifndef LWIP_SOCKETS_H
#define LWIP_SOCKETS_H
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#endif
