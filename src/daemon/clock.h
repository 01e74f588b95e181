/* clock.h -- what time it is: read at the edge only, data everywhere else. */
#pragma once
#include <stdint.h>

/** Monotonic, for durations. */
uint64_t clock_us(void);

/** Since 1970. */
int64_t clock_wall_ms(void);
