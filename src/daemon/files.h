/* files.h -- the files that a configuration is made of: read, remembered, watched. */
#pragma once
#include "policy/config.h"

#include <sys/types.h>
#include <sys/utsname.h>
#include <time.h>

enum { FILE_BYTES_MAX = 100 * 1024 * 1024 };

/* What a file was like when it was read. */
struct file_stamp {
	char *path;
	dev_t device;
	ino_t inode;
	off_t bytes;
	struct timespec changed;
};

/* One reading of a configuration. */
struct files {
	/* Its texts are used again, but for tables; NULL: read all anew. */
	const struct config *remembered;
	struct file_stamp stamp[CONFIG_FILES_MAX];
	uint16_t stamp_count;
	char hostname[sizeof(((struct utsname *)0)->nodename)]; /* of this machine */
	/* What a changed file looked like at the last look: two equal looks mean it is whole. */
	struct file_stamp seen[CONFIG_FILES_MAX];
};

struct config_loader files_loader(struct files *files);

void files_release(struct files *files);

/** Has a table of config changed since it was read, and stayed the same since the last look? */
bool files_have_changed(struct files *files, const struct config *config);

/** Take the files as they were at the last look for those that were read. */
void files_accept(struct files *files);
