/* exim.c -- the front of greylistd's protocol: a connection is one command and its answer. */
#include "serve/exim.h"

#include "base/ensure.h"
#include "serve/door_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Idle until its command has come. */
struct exim_client {
	struct guest guest;
	struct event event;
	bool is_last; /* what is written is the end of the answer */
	char *out;
	size_t out_begin, out_len;
	void *held; /* the keeper's */
};

struct exim {
	struct door door;
	struct exim_keeper keeper;
	struct exim_figures figures;
	char in[EXIM_COMMAND_BYTES_MAX];
	char words[EXIM_COMMAND_BYTES_MAX];
};

static struct exim_client *client_of(struct guest *guest)
{
	return (struct exim_client *)guest;
}

static struct exim *exim_of(const struct exim_client *client)
{
	return client->guest.door->front.self;
}

/* Bytes that nobody has read would turn the close into a reset, and the answer would be lost. */
static void drop_what_is_left(const struct exim_client *client)
{
	size_t left = EXIM_LEFT_BYTES_MAX;
	ssize_t len;

	while (left > 0 &&
	       (len = read(client->guest.fd, exim_of(client)->in, EXIM_COMMAND_BYTES_MAX)) > 0)
		left -= (size_t)len < left ? (size_t)len : left;
}

static void client_close(struct exim_client *client)
{
	const struct exim_keeper *keeper = &exim_of(client)->keeper;

	if (client->guest.state == GUEST_WORKING ||
	    (client->guest.state == GUEST_WRITING && !client->is_last))
		keeper->leave(keeper->self, client);
	event_del(&client->event);
	drop_what_is_left(client);
	guest_leave(&client->guest);
	free(client->out);
	free(client);
}

void **exim_client_held(struct exim_client *client)
{
	return &client->held;
}

static void client_written(struct exim_client *client)
{
	const struct exim_keeper *keeper = &exim_of(client)->keeper;

	free(client->out);
	client->out = NULL;
	if (client->is_last) {
		client_close(client);
		return;
	}
	guest_enlist(&client->guest, GUEST_WORKING);
	keeper->more(keeper->self, client);
}

/* The client may be gone afterwards. */
static void client_write(struct exim_client *client)
{
	ssize_t written = write(client->guest.fd, client->out + client->out_begin,
				client->out_len - client->out_begin);

	if (written < 0 && errno != EAGAIN && errno != EINTR) {
		client_close(client);
		return;
	}
	if (written > 0)
		client->out_begin += (size_t)written;
	if (client->out_begin == client->out_len) {
		client_written(client);
		return;
	}
	/* Some of it was taken: its time begins anew. */
	if (written > 0)
		guest_enlist(&client->guest, GUEST_WRITING);
	if (event_add(&client->event, NULL) != 0)
		client_close(client);
}

static void on_writable(int fd, short what, void *arg)
{
	(void)fd, (void)what;
	client_write(arg);
}

/* @return false: no memory, the client is gone */
static bool client_begin_to_write(struct exim_client *client, struct span text, bool is_last)
{
	ENSURE(client->guest.state == GUEST_WORKING && client->out == NULL);
	client->is_last = is_last;
	client->out = malloc(text.len + 1);
	if (client->out == NULL) {
		/* Of a part the keeper is told: it waits for more. */
		guest_enlist(&client->guest, is_last ? GUEST_WRITING : GUEST_WORKING);
		client_close(client);
		return false;
	}
	guest_enlist(&client->guest, GUEST_WRITING);
	if (text.len > 0)
		memcpy(client->out, text.at, text.len);
	client->out_begin = 0;
	client->out_len = text.len;
	event_assign(&client->event, client->guest.door->base, client->guest.fd, EV_WRITE,
		     on_writable, client);
	return true;
}

void exim_answer(struct exim_client *client, struct span answer)
{
	if (client_begin_to_write(client, answer, true))
		client_write(client);
}

void exim_answer_part(struct exim_client *client, struct span part)
{
	/* From the loop, never from here: the next part may be there at once, and its next. */
	if (client_begin_to_write(client, part, false))
		event_active(&client->event, EV_WRITE, 0);
}

static void run_command(struct exim_client *client, struct span bytes)
{
	struct exim *exim = exim_of(client);
	struct exim_command command;
	TEXT(error, EXIM_ERROR_MAX);

	guest_enlist(&client->guest, GUEST_WORKING);
	exim->figures.commands++;
	if (exim_command_parse(bytes, exim->words, &error, &command) == OK) {
		exim->keeper.run(exim->keeper.self, client, guest_policy(&client->guest), &command);
		return;
	}
	exim->figures.broken_commands++;
	exim_answer(client, text_span(&error));
}

static void client_read(struct exim_client *client)
{
	char *in = exim_of(client)->in;
	ssize_t len = read(client->guest.fd, in, EXIM_COMMAND_BYTES_MAX);

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	event_del(&client->event);
	if (len < 0)
		client_close(client);
	else
		run_command(client, span_of(in, (size_t)len));
}

static void on_readable(int fd, short what, void *arg)
{
	(void)fd, (void)what;
	client_read(arg);
}

/* --- what the door asks --- */

static struct guest *open_guest(void *self, int fd)
{
	struct exim *exim = self;
	struct exim_client *client = calloc(1, sizeof(*client));

	if (client == NULL)
		return NULL;
	event_assign(&client->event, exim->door.base, fd, EV_READ | EV_PERSIST, on_readable,
		     client);
	guest_enter(&client->guest, &exim->door, fd);
	return &client->guest;
}

static enum err begin_guest(struct guest *guest)
{
	return event_add(&client_of(guest)->event, NULL) == 0 ? OK : ERR_SYSTEM;
}

static void close_guest(struct guest *guest)
{
	client_close(client_of(guest));
}

static void expire_guest(struct guest *guest)
{
	struct exim_figures *figures = &exim_of(client_of(guest))->figures;

	if (guest->state == GUEST_IDLE) {
		figures->unfinished_closed++;
		guest_note(guest, NOTE_UNFINISHED);
	} else {
		figures->unread_closed++;
		guest_note(guest, NOTE_UNREAD);
	}
}

/* A command that came a moment ago is still answered. */
static void dismiss_guest(struct guest *guest)
{
	if (guest->state == GUEST_IDLE)
		client_read(client_of(guest));
}

/* --- life --- */

struct exim *exim_new(const struct exim_options *options)
{
	struct exim *exim = calloc(1, sizeof(*exim));
	struct door_options door = {
		.base = options->base,
		.census = options->census,
		.front = { exim, open_guest, begin_guest, close_guest, expire_guest, dismiss_guest,
			   options->keeper.note, options->keeper.self },
	};

	if (exim == NULL)
		return NULL;
	exim->keeper = options->keeper;
	if (door_init(&exim->door, &door) != OK) {
		free(exim);
		return NULL;
	}
	exim_set_limits(exim, &options->limits);
	return exim;
}

void exim_free(struct exim *exim)
{
	if (exim != NULL)
		door_release(&exim->door);
	free(exim);
}

void exim_set_limits(struct exim *exim, const struct exim_limits *limits)
{
	door_set_patience(&exim->door, GUEST_IDLE, limits->unfinished_ms);
	door_set_patience(&exim->door, GUEST_WRITING, limits->unread_ms);
}

struct door_listener *exim_listen(struct exim *exim, int fd, const void *policy)
{
	return door_listen(&exim->door, fd, policy);
}

void exim_drain(struct exim *exim)
{
	door_drain(&exim->door);
}

const struct exim_figures *exim_figures(struct exim *exim)
{
#define FIGURE(name) exim->figures.name = exim->door.figures.name;
	DOOR_FIGURES(FIGURE)
#undef FIGURE
	return &exim->figures;
}
