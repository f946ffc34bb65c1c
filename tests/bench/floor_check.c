/* floor_check - the smallest libmicrohttpd handler: what a check costs when there is nothing to
 * decide.
 *
 * usage: floor_check BODY_BYTES.  Listens on a free loopback port with the options that ledgerd
 * uses, prints the port, and answers every request with the same body until standard input ends.
 */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTION_MEMORY_BYTES = 32 * 1024, CONNECTIONS = 2000, TIMEOUT_SECONDS = 30 };

struct body {
    size_t length;
    char *bytes;
};

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *length, void **request)
{
    static int seen;
    const struct body *body = context;

    (void)url, (void)method, (void)version, (void)data, (void)length;
    if (*request == NULL) {
        *request = &seen; /* headers first, like every handler */
        return MHD_YES;
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(body->length, body->bytes,
                                                                    MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    enum MHD_Result result = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return result;
}

static int listen_on_free_port(unsigned *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    if (descriptor < 0 || bind(descriptor, (struct sockaddr *)&address, length) != 0 ||
        listen(descriptor, 512) != 0 ||
        getsockname(descriptor, (struct sockaddr *)&address, &length) != 0) {
        return -1;
    }
    *port = ntohs(address.sin_port);
    return descriptor;
}

int main(int argc, char **argv)
{
    struct body body = {.length = argc > 1 ? strtoul(argv[1], NULL, 10) : 0};
    unsigned port = 0;
    int descriptor = listen_on_free_port(&port);
    char ignored;

    body.bytes = malloc(body.length + 1);
    if (descriptor < 0 || body.bytes == NULL) {
        return 1;
    }
    memset(body.bytes, 'x', body.length);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC, 0, NULL, NULL,
        answer, &body, MHD_OPTION_LISTEN_SOCKET, descriptor, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_SECONDS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES, MHD_OPTION_END);
    if (daemon == NULL) {
        return 1;
    }
    printf("%u\n", port);
    fflush(stdout);
    while (read(STDIN_FILENO, &ignored, 1) > 0) {
    }
    MHD_stop_daemon(daemon);
    free(body.bytes);
    return 0;
}
