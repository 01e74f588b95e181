/* greylistd_priv.h -- what reading greylistd's configuration and its state share. */
#pragma once
#include "ctl/import/greylistd.h"
#include "ctl/import/settings.h"

/* SETTING(symbol, section.key, built-in default, fate, note): in the order of the shipped file. */
#define GREYLISTD_SETTINGS(SETTING)                                                                \
	SETTING(RETRY_MIN, "timeouts.retryMin", "3600", CHANGED,                                   \
		"a second more: greylistd wants strictly more than that")                          \
	SETTING(RETRY_MAX, "timeouts.retryMax", "28800", CHANGED,                                  \
		"from the first try, whenever it is judged; greylistd: from the last one, "        \
		"whenever "                                                                        \
		"it cleans up")                                                                    \
	SETTING(EXPIRE, "timeouts.expire", "5184000", KEPT, NULL)                                  \
	SETTING(SOCKET_PATH, "socket.path", "/var/run/greylistd/socket", KEPT, NULL)               \
	SETTING(SOCKET_OWNER, "socket.owner", "greylist:greylist", DROPPED,                        \
		"the socket is weighd's: put Exim's user into the group of weighd's user")         \
	SETTING(SOCKET_MODE, "socket.mode", "0660", KEPT, NULL)                                    \
	SETTING(UPDATE, "data.update", "300", DROPPED, "each change is written at once")           \
	SETTING(STATEFILE, "data.statefile", "/var/lib/greylistd/states", DROPPED,                 \
		"the store; weighctl import greylistd FILE --database STATES --database TRIPLETS") \
	SETTING(TRIPLETFILE, "data.tripletfile", "/var/lib/greylistd/triplets", DROPPED,           \
		"the same")                                                                        \
	SETTING(SAVETRIPLETS, "data.savetriplets", "true", DROPPED, "always")                      \
	SETTING(SINGLECHECK, "data.singlecheck", "false", CHANGED,                                 \
		"with singleupdate: trust 1; alone: the set greylistd-clients")                    \
	SETTING(SINGLEUPDATE, "data.singleupdate", "false", CHANGED,                               \
		"with singlecheck: trust 1; alone it means nothing")

enum greylistd_setting {
#define SETTING(symbol, name, standard, fate, note) GREYLISTD_##symbol,
	GREYLISTD_SETTINGS(SETTING)
#undef SETTING
		GREYLISTD_SETTING_COUNT
};

enum { GREYLISTD_S_MAX = 400 * 24 * 3600 };

/** Take what the file says. */
void greylistd_read(struct settings *settings, struct span foreign,
		    const struct import_options *options, struct text *report);

/** yes, true, on, a number that is not 0; what is neither yes nor no is reported. */
bool greylistd_truth(struct settings *settings, enum greylistd_setting setting);

/** Seconds that a setting says, in range. */
int64_t greylistd_seconds(struct settings *settings, enum greylistd_setting setting);
