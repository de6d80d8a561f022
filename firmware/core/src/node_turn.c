#include "edgeflow/node_turn.h"

uint32_t ef_turn_us(uint8_t nodes) {
    uint32_t share = nodes > 0 ? EF_TURN_CYCLE_US / nodes : EF_TURN_MOST_US;
    return share < EF_TURN_MOST_US ? share : EF_TURN_MOST_US;
}

static bool takes_turns(uint8_t slot, uint8_t nodes, uint64_t shared_us) {
    return nodes > 1 && slot < nodes && shared_us > 0;
}

uint64_t ef_turn_wait_us(uint8_t slot, uint8_t nodes, uint64_t shared_us) {
    if (!takes_turns(slot, nodes, shared_us)) {
        return 0;
    }
    uint32_t turn = ef_turn_us(nodes), cycle = turn * nodes;
    uint32_t since = (uint32_t)((shared_us + cycle - (uint64_t)turn * slot) % cycle); /* this turn began */
    uint32_t guard = turn > 2u * EF_TURN_GUARD_US ? EF_TURN_GUARD_US : turn / 4u;
    return since < turn - guard ? 0 : cycle - since;
}

bool ef_turn_is_mine(uint8_t slot, uint8_t nodes, uint64_t shared_us) {
    return ef_turn_wait_us(slot, nodes, shared_us) == 0;
}
