/* storing.c -- the store that a configuration wants. */
#include "daemon/storing.h"

#include "daemon/clock.h"
#include "store/blame.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* A secret that others may read is none. */
static bool is_secret(int fd)
{
	struct stat stat;

	return fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) && (stat.st_mode & 07) == 0;
}

static enum err read_password(struct storing *storing, struct span path, struct text *why)
{
	TEXT(name, CONFIG_PATH_MAX);
	struct span password;
	ssize_t len = -1;
	int fd;

	text_add(&name, path);
	fd = open(text_cstr(&name), O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe would hang us */
	if (fd < 0) {
		text_addf(why, "cannot read the password from %s: %s", text_cstr(&name),
			  strerror(errno));
		return ERR_SYSTEM;
	}
	if (!is_secret(fd))
		text_addf(why, "%s is no file, or others may read it: chmod o= it",
			  text_cstr(&name));
	else
		len = read(fd, storing->password, sizeof(storing->password));
	close(fd);
	if (len < 0)
		return ERR_SYSTEM;
	password = span_of(storing->password, (size_t)len);
	if (password.len == sizeof(storing->password) &&
	    span_find(password, '\n') == password.len) {
		text_addf(why, "the password in %s is longer than %zu bytes", text_cstr(&name),
			  sizeof(storing->password) - 1);
		return ERR_SYSTEM;
	}
	storing->options.password = span_trim(span_first(password, span_find(password, '\n')));
	return OK;
}

enum err storing_prepare(struct storing *storing, const struct config *config, struct text *why)
{
	storing->options = config->store;
	storing->options.entries_max = (uint64_t)config->limits.store_entries;
	if (config->password_file.len == 0)
		return OK;
	return read_password(storing, config->password_file, why);
}

static void say_one_death(const struct store_options *options)
{
	char said[STORE_WHY_MAX];

	if (options->say == NULL)
		return;
	snprintf(said, sizeof(said),
		 "the process before this one died at its work on %.*s: if this one does, too, "
		 "within %d s, the next will leave the store alone",
		 SPAN_ARG(options->path), BLAME_WITHIN_S);
	options->say(options->self, STORE_WARNING, said);
}

static enum err open_file(const struct store_options *options, struct text *why,
			  struct store **store_out)
{
	unsigned deaths = blame_count(options->path, clock_wall_ms() / 1000);
	enum err err;

	if (deaths == 2) {
		text_addf(why,
			  "two processes died within %d s at their work on %.*s: it is left alone "
			  "this once",
			  BLAME_WITHIN_S, SPAN_ARG(options->path));
		return ERR_SYSTEM;
	}
	if (deaths == 1)
		say_one_death(options);
	blame_begin(options->path);
	blame_set(true);
	err = store_open(options, why, store_out);
	blame_set(false);
	return err;
}

enum err storing_open(struct storing *storing, struct text *fault, struct store **store_out)
{
	TEXT(why, STORE_WHY_MAX);
	enum err err = storing->options.kind == STORE_SQLITE
			       ? open_file(&storing->options, &why, store_out)
			       : store_open(&storing->options, &why, store_out);

	if (err == OK)
		return OK;
	text_add(fault, span_first(text_span(&why), fault->room - 1));
	if (fault->len == 0)
		text_add(fault, SPAN("the reason is too long to be said"));
	text_clear(&why);
	storing->options.kind = STORE_MEMORY;
	return store_open(&storing->options, &why, store_out);
}

static bool addresses_equal(const struct store_options *a, const struct store_options *b)
{
	if (a->address_count != b->address_count)
		return false;
	for (uint8_t i = 0; i < a->address_count; i++)
		if (!span_equal(a->address[i].host, b->address[i].host) ||
		    !span_equal(a->address[i].path, b->address[i].path) ||
		    a->address[i].port != b->address[i].port)
			return false;
	return true;
}

bool storing_equal(const struct config *a, const struct config *b)
{
	const struct store_options *old = &a->store, *now = &b->store;

	return old->kind == now->kind && span_equal(old->path, now->path) &&
	       old->sync_full == now->sync_full && old->mode == now->mode &&
	       addresses_equal(old, now) && span_equal(old->master, now->master) &&
	       span_equal(old->user, now->user) && span_equal(old->prefix, now->prefix) &&
	       old->database == now->database && old->has_tls == now->has_tls &&
	       span_equal(old->ca_file, now->ca_file) &&
	       span_equal(old->certificate_file, now->certificate_file) &&
	       span_equal(old->key_file, now->key_file) && old->connect_ms == now->connect_ms &&
	       old->answer_ms == now->answer_ms && span_equal(a->password_file, b->password_file) &&
	       a->limits.store_entries == b->limits.store_entries;
}
