/* files.c -- the files that a configuration is made of. */
#include "daemon/files.h"

#include "sources/suffix_list.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void stamp_from(struct file_stamp *stamp, const struct stat *status)
{
	stamp->device = status->st_dev;
	stamp->inode = status->st_ino;
	stamp->bytes = status->st_size;
	stamp->changed = status->st_mtim;
}

static bool stamp_equal(const struct file_stamp *a, const struct file_stamp *b)
{
	return a->device == b->device && a->inode == b->inode && a->bytes == b->bytes &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static enum err read_all(int fd, size_t bytes, struct arena *arena, struct span *text_out)
{
	char *text = arena_alloc(arena, bytes + 1);
	size_t len = 0;

	if (text == NULL)
		return ERR_LIMIT;
	while (len < bytes) {
		ssize_t got = read(fd, text + len, bytes - len);

		if (got < 0 && errno != EINTR)
			return ERR_SYSTEM;
		if (got == 0)
			break;
		if (got > 0)
			len += (size_t)got;
	}
	*text_out = span_of(text, len);
	return OK;
}

static enum err check_file(int fd, struct stat *status, struct span *why_out)
{
	*why_out = SPAN("it cannot be read");
	if (fstat(fd, status) != 0)
		return ERR_SYSTEM;
	*why_out = SPAN("it is no regular file");
	if (!S_ISREG(status->st_mode))
		return ERR_SYSTEM;
	*why_out = SPAN("it is larger than 100 MiB");
	return status->st_size > FILE_BYTES_MAX ? ERR_LIMIT : OK;
}

static void note_stamp(struct files *files, const char *path, const struct stat *status)
{
	struct file_stamp *stamp = &files->stamp[files->stamp_count];

	if (files->stamp_count == CONFIG_FILES_MAX)
		return;
	stamp->path = strdup(path);
	stamp_from(stamp, status);
	files->stamp_count++;
}

static const struct config_file *find_remembered(const struct files *files, struct span path)
{
	const struct config *config = files->remembered;

	for (uint16_t i = 0; config != NULL && i < config->file_count; i++)
		if (!config->file[i].is_table && span_equal(config->file[i].path, path))
			return &config->file[i];
	return NULL;
}

static enum err files_load(void *self, struct span path, struct arena *arena, struct span *text_out,
			   struct span *why_out)
{
	struct files *files = self;
	const struct config_file *remembered = find_remembered(files, path);
	struct span copy = arena_copy(arena, path);
	struct stat status;
	enum err err;
	int fd;

	*why_out = SPAN("there is no memory for it");
	if (copy.at == NULL)
		return ERR_LIMIT;
	if (remembered != NULL) {
		*text_out = arena_copy(arena, remembered->text);
		return text_out->at != NULL ? OK : ERR_LIMIT;
	}
	/* Not to wait for the writer of a named pipe. */
	fd = open(copy.at, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		err = errno == ENOENT ? ERR_MISSING : ERR_SYSTEM;
		*why_out = span_cstr(strerrordesc_np(errno));
		if (err == ERR_MISSING) /* an optional table: to be seen when it comes */
			note_stamp(files, copy.at, &(struct stat){ 0 });
		return err;
	}
	err = check_file(fd, &status, why_out);
	if (err == OK) {
		*why_out = SPAN("it cannot be read, or there is no memory for it");
		err = read_all(fd, (size_t)status.st_size, arena, text_out);
	}
	if (err == OK)
		note_stamp(files, copy.at, &status);
	close(fd);
	return err;
}

static size_t files_glob(void *self, struct span pattern, struct arena *arena,
			 struct span *path_out, size_t max)
{
	struct span copy = arena_copy(arena, pattern);
	size_t count = 0;
	glob_t found;

	(void)self;
	if (copy.at == NULL || glob(copy.at, 0, NULL, &found) != 0)
		return 0;
	for (size_t i = 0; i < found.gl_pathc && count < max; i++) {
		path_out[count] = arena_copy(arena, span_cstr(found.gl_pathv[i]));
		if (path_out[count].at != NULL)
			count++;
	}
	globfree(&found);
	return count;
}

/* Read once, at the first configuration: one run of a program has one list. */
static struct suffixes *public_suffixes;

static void load_suffixes(void)
{
	public_suffixes = suffixes_load();
}

struct config_loader files_loader(struct files *files)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct utsname machine;

	pthread_once(&once, load_suffixes);
	files->hostname[0] = '\0';
	if (uname(&machine) == 0)
		memcpy(files->hostname, machine.nodename, sizeof(machine.nodename));
	return (struct config_loader){ .load = files_load,
				       .glob = files_glob,
				       .self = files,
				       .hostname = span_cstr(files->hostname),
				       .suffixes = public_suffixes };
}

void files_release(struct files *files)
{
	for (uint16_t i = 0; i < files->stamp_count; i++)
		free(files->stamp[i].path);
	*files = (struct files){ 0 };
}

static bool is_table(const struct config *config, const char *path)
{
	for (uint16_t i = 0; i < config->file_count; i++)
		if (config->file[i].is_table && span_equal(config->file[i].path, span_cstr(path)))
			return true;
	return false;
}

bool files_have_changed(struct files *files, const struct config *config)
{
	bool have_changed = false;

	for (uint16_t i = 0; i < files->stamp_count; i++) {
		struct file_stamp now = { 0 };
		struct stat status;

		if (files->stamp[i].path == NULL || !is_table(config, files->stamp[i].path) ||
		    stat(files->stamp[i].path, &status) != 0)
			continue;
		stamp_from(&now, &status);
		if (!stamp_equal(&now, &files->stamp[i]) && stamp_equal(&now, &files->seen[i]))
			have_changed = true;
		files->seen[i] = now;
	}
	return have_changed;
}

void files_accept(struct files *files)
{
	for (uint16_t i = 0; i < files->stamp_count; i++) {
		char *path = files->stamp[i].path;

		if (files->seen[i].inode == 0)
			continue;
		files->stamp[i] = files->seen[i];
		files->stamp[i].path = path;
	}
}
