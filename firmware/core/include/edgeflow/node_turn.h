/* Turns: nodes of one access point send one after the other, by the clock that it gives all of them. */
#ifndef EDGEFLOW_NODE_TURN_H
#define EDGEFLOW_NODE_TURN_H

#include <stdbool.h>
#include <stdint.h>

#define EF_TURN_CYCLE_US 100000u /* as long as the ring holds frames, at 50 Hz and with some reserve */
#define EF_TURN_MOST_US 5000u    /* of one turn; fewer nodes have a shorter cycle */
#define EF_TURN_GUARD_US 200u    /* at the end of a turn nothing begins any more */

/* The length of a turn: 5 ms for up to 20 nodes, less for more. */
uint32_t ef_turn_us(uint8_t nodes);

/* Whether it is the turn of `slot`. One node, a slot that is none, and no clock (0) mean: always. */
bool ef_turn_is_mine(uint8_t slot, uint8_t nodes, uint64_t shared_us);

/* Microseconds until that turn begins; 0 while it lasts. */
uint64_t ef_turn_wait_us(uint8_t slot, uint8_t nodes, uint64_t shared_us);

#endif
