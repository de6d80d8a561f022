/* The self-test: it passes here, again and again, whatever the memory held before. */
#include "edgeflow/node_test.h"

#include "check.h"

static ef_csi csi;
static ef_csi_ring ring;

int main(void) {
    CHECK(ef_node_test_sensing(&csi, &ring));
    memset(&csi, 0xA5, sizeof csi);
    CHECK(ef_node_test_sensing(&csi, &ring));
    ef_csi_frame left;
    CHECK(!ef_csi_ring_peek(&ring, &left)); /* nothing of it stays */
    return finish("node test");
}
