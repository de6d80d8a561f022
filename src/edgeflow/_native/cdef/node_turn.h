uint32_t ef_turn_us(uint8_t nodes);
uint64_t ef_turn_wait_us(uint8_t slot, uint8_t nodes, uint64_t shared_us);
