/* connection.c -- one client of the policy port: bytes in, answers out.
 *
 * All ways lead through connection_serve(): take as many requests from the bytes as can be
 * answered now, write the answers, keep the rest, and enter the state that fits.
 */
#include "base/ensure.h"
#include "serve/postfix_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { CONNECTION_IN_ROOM_MIN = 4096 };

static const enum front_note note_of_fault[FAULT_COUNT] = {
	[FAULT_LINE] = NOTE_LINE,
	[FAULT_NAME] = NOTE_NAME,
	[FAULT_ATTRIBUTES] = NOTE_ATTRIBUTES,
	[FAULT_REQUEST] = NOTE_REQUEST,
};

static void on_readable(int fd, short what, void *arg);
static void on_writable(int fd, short what, void *arg);

static void name_conversation(struct conversation *conversation, uint16_t number, uint64_t serial)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t word = (uint64_t)number << 48 | (serial & 0xffffffffffff);

	for (size_t i = CONVERSATION_NAME_BYTES; i-- > 0; word >>= 4)
		conversation->name[i] = digits[word & 15];
	conversation->is_remembered = false;
}

struct connection *connection_new(struct front *front, int in_fd, int out_fd, bool is_adopted)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (connection == NULL)
		return NULL;
	connection->guest.is_adopted = is_adopted;
	connection->out_fd = out_fd;
	name_conversation(&connection->conversation, front->number, ++front->conversations);
	event_assign(&connection->read_event, front->door.base, in_fd, EV_READ | EV_PERSIST,
		     on_readable, connection);
	event_assign(&connection->write_event, front->door.base, out_fd, EV_WRITE | EV_PERSIST,
		     on_writable, connection);
	guest_enter(&connection->guest, &front->door, in_fd);
	return connection;
}

/* A regular file or a null device is, and epoll refuses to say so. */
static bool is_always_ready(int fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	bool is;

	if (epoll_fd < 0)
		return false;
	is = epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0 && errno == EPERM;
	close(epoll_fd);
	return is;
}

enum err connection_begin(struct connection *connection)
{
	const struct guest *guest = &connection->guest;

	if (!guest->is_adopted || !is_always_ready(guest->fd))
		return event_add(&connection->read_event, NULL) == 0 ? OK : ERR_SYSTEM;
	connection->is_file = true;
	event_assign(&connection->read_event, guest->door->base, -1, EV_PERSIST, on_readable,
		     connection);
	event_active(&connection->read_event, EV_READ, 0);
	return OK;
}

void connection_close(struct connection *connection)
{
	const struct weigher *weigher = &connection_front(connection)->weigher;
	bool is_adopted = connection->guest.is_adopted;

	if (connection->guest.state == GUEST_WORKING)
		weigher->leave(weigher->self, &connection->place);
	if (connection->has_weighed)
		weigher->forget(weigher->self, &connection->conversation);
	event_del(&connection->read_event);
	event_del(&connection->write_event);
	guest_leave(&connection->guest);
	free(connection->in);
	free(connection->out);
	free(connection);
	if (is_adopted && weigher->closed != NULL)
		weigher->closed(weigher->self);
}

struct conversation *connection_conversation(struct connection *connection)
{
	return &connection->conversation;
}

static void add_answer(struct connection *connection, struct span answer)
{
	struct front *front = connection_front(connection);

	/* Postfix takes an empty action as a permit. */
	ENSURE(answer.len > 0 && answer.len < FRONT_ANSWER_BYTES_MAX);
	text_add(&front->answers, SPAN("action="));
	text_add(&front->answers, answer);
	text_add(&front->answers, SPAN("\n\n"));
	connection->is_done = connection->is_last;
}

static bool decline(struct connection *connection, enum front_note note)
{
	guest_note(&connection->guest, note);
	add_answer(connection, connection_front(connection)->not_weighed);
	return true;
}

/* @return false: the answer comes later */
static bool answer_request(struct connection *connection, struct span request)
{
	struct front *front = connection_front(connection);
	const struct weigher *weigher = &front->weigher;
	struct place *place = &connection->place;
	const void *policy = guest_policy(&connection->guest);
	TEXT(answer, FRONT_ANSWER_BYTES_MAX);

	front->figures.requests++;
	if (!weigher->open(weigher->self, policy, connection, place)) {
		front->figures.not_weighed++;
		return decline(connection, NOTE_OVERLOAD);
	}
	if (request_read(request, place->arena, place->attempt) != OK) {
		weigher->leave(weigher->self, place);
		front->figures.not_weighed++;
		return decline(connection, NOTE_OVERLOAD);
	}
	if (!request_is_policy(place->attempt)) {
		weigher->leave(weigher->self, place);
		front->figures.other_requests++;
		return decline(connection, NOTE_KIND);
	}
	connection->has_weighed = true;
	if (!weigher->weigh(weigher->self, place, &answer)) {
		/* At once: whoever closes it from now on has to leave the place. */
		guest_enlist(&connection->guest, GUEST_WORKING);
		return false;
	}
	add_answer(connection, text_span(&answer));
	return true;
}

/* Write what is gathered; what the client does not take now is kept.
 *
 * @return false: the connection is broken
 */
static bool write_answers(struct connection *connection)
{
	struct text *answers = &connection_front(connection)->answers;
	ssize_t written = 0;

	if (answers->len == 0)
		return true;
	if (connection->out == NULL)
		written = write(connection->out_fd, answers->at, answers->len);
	if (written < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return false;
		written = 0;
	}
	if ((size_t)written < answers->len) {
		size_t left = answers->len - (size_t)written;
		char *out = realloc(connection->out, connection->out_len + left);

		if (out == NULL)
			return false;
		memcpy(out + connection->out_len, answers->at + written, left);
		connection->out = out;
		connection->out_len += left;
	}
	text_clear(answers);
	return true;
}

enum served { SERVED_ALL, SERVED_WAITING, SERVED_BLOCKED, SERVED_BROKEN };

/* Take requests from the front of bytes until one has to wait. */
static enum served take_requests(struct connection *connection, struct span *bytes)
{
	struct front *front = connection_front(connection);
	struct framing *framing = &connection->framing;

	while (bytes->len > 0 && !connection->is_done) {
		struct span request;

		switch (framing_scan(framing, &front->limits, *bytes)) {
		case FRAMING_UNFINISHED: return SERVED_ALL;
		case FRAMING_BROKEN: return SERVED_BROKEN;
		case FRAMING_COMPLETE: break;
		}
		request = span_first(*bytes, framing->line_begin);
		*bytes = span_from(*bytes, framing->line_begin);
		front->figures.stray_lines += framing->stray_count;
		*framing = (struct framing){ 0 };
		if (!answer_request(connection, request))
			return SERVED_WAITING;
		if (front->answers.len < FRONT_ANSWERS_BYTES)
			continue;
		if (!write_answers(connection))
			return SERVED_BROKEN;
		if (connection->out != NULL)
			return SERVED_BLOCKED;
	}
	return SERVED_ALL;
}

static bool make_room(struct connection *connection, size_t room)
{
	char *in;

	if (room <= connection->in_room)
		return true;
	in = realloc(connection->in, room);
	if (in == NULL)
		return false;
	connection->in = in;
	connection->in_room = room;
	return true;
}

/* Keep the bytes that are not answered yet, which may lie in connection->in. */
static bool keep(struct connection *connection, struct span bytes)
{
	bool is_ours = connection->in_len > 0;

	if (bytes.len == 0) {
		free(connection->in);
		connection->in = NULL;
		connection->in_room = 0;
	} else {
		if (!is_ours && !make_room(connection, bytes.len))
			return false;
		memmove(connection->in, bytes.at, bytes.len);
	}
	connection->in_len = bytes.len;
	return true;
}

static void resume_reading(struct connection *connection)
{
	if (connection->is_file)
		event_active(&connection->read_event, EV_READ, 0);
	else if (connection->is_paused)
		event_add(&connection->read_event, NULL);
	connection->is_paused = false;
}

/* @return false: broken */
static bool settle_state(struct connection *connection, enum served served, size_t taken)
{
	if (served == SERVED_WAITING)
		return true;
	if (connection->out != NULL) {
		if (event_add(&connection->write_event, NULL) != 0)
			return false;
		guest_enlist(&connection->guest, GUEST_WRITING);
		return true;
	}
	if (connection->is_done)
		return false;
	resume_reading(connection);
	/* The time of an unfinished request runs from its first byte. */
	if (connection->in == NULL)
		guest_enlist(&connection->guest, GUEST_IDLE);
	else if (taken > 0 || connection->guest.state != GUEST_UNFINISHED)
		guest_enlist(&connection->guest, GUEST_UNFINISHED);
	return true;
}

/* Serve what can be served of bytes: all that this connection has sent and we have not answered.
 * The connection may be gone afterwards. */
static void connection_serve(struct connection *connection, struct span bytes)
{
	struct front *front = connection_front(connection);
	struct span rest = bytes;
	enum served served = take_requests(connection, &rest);

	if (served == SERVED_BROKEN && connection->framing.fault != FAULT_NONE) {
		front->figures.broken_requests++;
		guest_note(&connection->guest, note_of_fault[connection->framing.fault]);
	}
	if (!write_answers(connection) || served == SERVED_BROKEN || !keep(connection, rest) ||
	    !settle_state(connection, served, bytes.len - rest.len)) {
		text_clear(&front->answers);
		connection_close(connection);
	}
}

void connection_read(struct connection *connection)
{
	struct front *front = connection_front(connection);
	char *room = front->in_room;
	ssize_t len;

	if (connection->in != NULL) {
		size_t wanted = connection->in_len + CONNECTION_IN_ROOM_MIN;

		if (wanted > connection->in_room &&
		    !make_room(connection, 2 * wanted < REQUEST_BYTES_MAX ? 2 * wanted : wanted)) {
			connection_close(connection);
			return;
		}
		room = connection->in + connection->in_len;
	}
	len = read(connection->guest.fd, room,
		   connection->in != NULL ? connection->in_room - connection->in_len
					  : FRONT_READ_BYTES);
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len <= 0) {
		connection_close(connection);
		return;
	}
	if (connection->in != NULL) {
		connection->in_len += (size_t)len;
		connection_serve(connection, span_of(connection->in, connection->in_len));
	} else {
		connection_serve(connection, span_of(room, (size_t)len));
	}
}

static void on_readable(int fd, short what, void *arg)
{
	struct connection *connection = arg;

	(void)fd, (void)what;
	switch (connection->guest.state) {
	case GUEST_IDLE:
	case GUEST_UNFINISHED: connection_read(connection); break;
	case GUEST_WORKING:
	case GUEST_WRITING:
		/* Only now, as most clients are silent until they have their answer. */
		if (!connection->is_file)
			event_del(&connection->read_event);
		connection->is_paused = true;
		break;
	case GUEST_STATE_COUNT: ENSURE(false);
	}
}

static void on_writable(int fd, short what, void *arg)
{
	struct connection *connection = arg;
	ssize_t written = write(fd, connection->out + connection->out_begin,
				connection->out_len - connection->out_begin);

	(void)what;
	if (written < 0) {
		if (errno != EAGAIN && errno != EINTR)
			connection_close(connection);
		return;
	}
	connection->out_begin += (size_t)written;
	if (connection->out_begin < connection->out_len)
		return;
	free(connection->out);
	connection->out = NULL;
	connection->out_begin = connection->out_len = 0;
	event_del(&connection->write_event);
	connection_serve(connection, span_of(connection->in, connection->in_len));
}

void connection_answer(struct connection *connection, struct span answer)
{
	ENSURE(connection->guest.state == GUEST_WORKING);
	connection->place = (struct place){ 0 };
	add_answer(connection, answer);
	/* Nothing is in work any more: whoever closes it now leaves no place. */
	guest_enlist(&connection->guest, GUEST_IDLE);
	connection_serve(connection, span_of(connection->in, connection->in_len));
}
