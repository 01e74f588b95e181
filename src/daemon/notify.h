/* notify.h -- what the service manager wants to know.  Source: sd_notify(3). */
#pragma once
#include <stdint.h>

/** Send a state, "READY=1"; nothing where nobody listens ($NOTIFY_SOCKET). */
void notify_state(const char *state);

/** RELOADING=1 with the time, as Type=notify-reload wants it. */
void notify_reloading(void);

/** How often WATCHDOG=1 is expected; 0: never. */
int64_t notify_watchdog_ms(void);
