#include "sender.h"

#include <string.h>

#include "esp_log.h"
#include "lwip/sockets.h"

static const char *TAG = "sender";
static int wire = -1;
static struct sockaddr_in target;
static ef_send_gate gate;

bool sender_open(const char *address, uint16_t port) {
    target = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, address, &target.sin_addr) != 1) {
        ESP_LOGE(TAG, "target_unusable address=%s", address);
        return false;
    }
    wire = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
    if (wire < 0) {
        ESP_LOGE(TAG, "socket_refused errno=%d", errno);
    }
    return wire >= 0;
}

bool sender_frame_due(uint64_t now_us) {
    return wire >= 0 && ef_send_frame_due(&gate, now_us);
}

bool sender_send(const void *bytes, size_t count, bool frame, uint64_t now_us) {
    if (wire < 0 || count == 0 || !(frame ? ef_send_frame_due(&gate, now_us) : ef_send_may_send(&gate, now_us))) {
        return false;
    }
    ssize_t sent = sendto(wire, bytes, count, MSG_DONTWAIT, (const struct sockaddr *)&target, sizeof target);
    ef_send_result result = EF_SEND_DONE;
    if (sent < 0) {
        result = errno == ENOMEM ? EF_SEND_NO_MEMORY : EF_SEND_FAILED;
    }
    ef_send_told(&gate, result, frame, now_us);
    return result == EF_SEND_DONE;
}
