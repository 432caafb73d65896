/* limit_produce FILE: the least that taking records in can cost. Receives on one connection, checks
 * the CRC-32C of every 128 KB piece, appends the piece to a new file. The sender repeats one piece,
 * so each must have the CRC of the first. Prints "ready PORT", at the end "BYTES CPU-SECONDS". */
#include <fcntl.h>
#include <stdint.h>

#include "base/crc32c.h"
#include "limit.h"

#define PIECE_BYTES ((size_t)128 << 10)

static uint8_t piece[PIECE_BYTES];

int main(int argc, char **argv)
{
    limit_need(argc == 2, "usage: limit_produce FILE");
    int file = open(argv[1], O_WRONLY | O_CREAT | O_EXCL, 0644);
    limit_need(file >= 0, argv[1]);
    int connection = limit_accept();
    double cpu_before = limit_cpu_seconds();
    uint32_t expected = 0;
    long long total = 0;
    for (;;) {
        ssize_t got = recv(connection, piece, PIECE_BYTES, MSG_WAITALL);
        limit_need(got >= 0, "recv");
        if ((size_t)got < PIECE_BYTES) {
            break;
        }
        uint32_t crc = crc32c(0, piece, PIECE_BYTES);
        expected = total == 0 ? crc : expected;
        limit_need(crc == expected, "the CRC of a piece");
        limit_need(write(file, piece, PIECE_BYTES) == (ssize_t)PIECE_BYTES, "write");
        total += got;
    }
    printf("%lld %.6f\n", total, limit_cpu_seconds() - cpu_before);
    return 0;
}
