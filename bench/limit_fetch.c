/* limit_fetch FILE: the least that handing records out can cost. Every request is four bytes, the
 * size of the piece wanted (big-endian); the answer is that many bytes of the file, by sendfile.
 * At the end of the file it starts over. Prints "ready PORT", at the end "BYTES CPU-SECONDS". */
#include <fcntl.h>
#include <stdint.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "limit.h"

int main(int argc, char **argv)
{
    struct stat status;
    limit_need(argc == 2, "usage: limit_fetch FILE");
    int file = open(argv[1], O_RDONLY);
    limit_need(file >= 0 && fstat(file, &status) == 0 && status.st_size > 0, argv[1]);
    int connection = limit_accept();
    double cpu_before = limit_cpu_seconds();
    long long total = 0;
    off_t position = 0;
    uint32_t request;
    while (recv(connection, &request, sizeof request, MSG_WAITALL) == (ssize_t)sizeof request) {
        size_t left = ntohl(request);
        while (left > 0) {
            position = position >= status.st_size ? 0 : position;
            ssize_t sent = sendfile(connection, file, &position, left);
            limit_need(sent > 0, "sendfile");
            left -= (size_t)sent;
            total += sent;
        }
    }
    printf("%lld %.6f\n", total, limit_cpu_seconds() - cpu_before);
    return 0;
}
